//! The live and the shadow policy: loads their files, reloads changed files, and publishes both or
//! neither.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;

use super::current::CurrentSnapshot;
use super::{Engine, EngineError, internal};
use crate::config::Config;
use crate::domain::lock::Recover;
use crate::refresh::Stop;
use crate::screening::Screening;
use crate::screening::policy::{Decision, MAX_FILE, Policy};
use crate::store::{MAX_NAME, Store};

/// How often the files are checked.
const PAUSE: Duration = Duration::from_secs(2);

/// A loaded policy, live or shadow.
#[derive(Clone, Debug)]
pub struct StandingPolicy {
    pub policy: Arc<Policy>,
    /// When this process loaded it.
    pub since: Timestamp,
    /// Its file; `None` for the built-in one.
    pub path: Option<PathBuf>,
}

/// The loaded policies.
#[derive(Clone, Debug)]
pub struct PolicyOverview {
    pub live: StandingPolicy,
    /// The policy whose decisions are only reported.
    pub shadow: Option<StandingPolicy>,
    /// Counts by the decisions of live and shadow since the shadow was loaded; zeros are left out.
    pub shadow_counts: Vec<(Decision, Decision, u64)>,
    /// The problems of the last reload.
    pub problems: Vec<String>,
}

/// The policies and their files.
#[derive(Debug)]
pub(super) struct Policies {
    paths: [Option<PathBuf>; 2],
    /// The configured `exposure.max_hops`.
    max_hops: u8,
    state: Mutex<State>,
    /// Indexed by the decisions of live and shadow: `live * 3 + shadow`.
    counts: [AtomicU64; 9],
}

#[derive(Debug)]
struct State {
    live: StandingPolicy,
    shadow: Option<StandingPolicy>,
    problems: Vec<String>,
}

impl State {
    fn pair(&self) -> (Arc<Policy>, Option<Arc<Policy>>) {
        (self.live.policy.clone(), self.shadow.as_ref().map(|shadow| shadow.policy.clone()))
    }
}

impl Policies {
    /// Loads the configured files. Fails if a policy requires more than `exposure.max_hops`.
    pub fn open(config: &Config, now: Timestamp) -> Result<Self, EngineError> {
        let max_hops = config.exposure.max_hops;
        let paths = [config.policy.clone(), config.shadow_policy.clone()];
        let mut problems = Vec::new();
        let [live, shadow] = [0, 1].map(|at| {
            let policy = read(paths[at].as_deref()?, max_hops, None);
            let (key, origin) = (["policy", "shadow_policy"][at], &config.policy_origins[at]);
            policy.map_err(|problem| problems.push(format!("{key} ({origin}): {problem}"))).ok()
        });
        if !problems.is_empty() {
            return Err(EngineError::Policy(problems));
        }
        let standing = |policy, path: &Option<PathBuf>| StandingPolicy {
            policy,
            since: now,
            path: path.clone(),
        };
        let live = standing(live.unwrap_or_else(Policy::built_in), &paths[0]);
        let shadow = shadow.map(|policy| standing(policy, &paths[1]));
        let state = Mutex::new(State { live, shadow, problems: Vec::new() });
        Ok(Self { paths, max_hops, state, counts: Default::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().recover()
    }

    /// Returns the live policy and the shadow.
    pub fn pair(&self) -> (Arc<Policy>, Option<Arc<Policy>>) {
        self.lock().pair()
    }

    /// Reloads the files, both or neither. Returns whether a policy changed.
    fn reload(
        &self,
        current: &CurrentSnapshot,
        store: &Store,
        now: Timestamp,
    ) -> Result<bool, EngineError> {
        // Lock before reading: of two reloads the later one must have read the later files.
        let mut state = self.lock();
        let mut problems = Vec::new();
        let (live_now, shadow_now) = state.pair();
        let mut read = |path: &Option<PathBuf>, known: Option<&Arc<Policy>>| {
            let found = path.as_deref().map(|path| read(path, self.max_hops, known))?;
            found.map_err(|problem| problems.push(problem)).ok()
        };
        let found =
            [read(&self.paths[0], Some(&live_now)), read(&self.paths[1], shadow_now.as_ref())];
        if !problems.is_empty() {
            if state.problems != problems {
                let problems = problems.join("; ");
                tracing::error!(%problems, "policy invalid, keeping the previous one");
            }
            state.problems.clone_from(&problems);
            return Err(EngineError::Policy(problems));
        }
        state.problems.clear();
        let [found_live, found_shadow] = found;
        let renewed = |standing: &StandingPolicy, found: Option<Arc<Policy>>| {
            let policy = found.filter(|found| found.digest() != standing.policy.digest());
            policy.map(|policy| StandingPolicy { policy, since: now, ..standing.clone() })
        };
        let new_live = renewed(&state.live, found_live);
        let new_shadow = state.shadow.as_ref().and_then(|shadow| renewed(shadow, found_shadow));
        if new_live.is_none() && new_shadow.is_none() {
            return Ok(false);
        }
        for new in new_live.iter().chain(&new_shadow) {
            store.save_policy(new.policy.version(), new.policy.text())?;
            tracing::info!(policy = new.policy.version(), "policy reloaded");
        }
        if state.shadow.is_some() {
            self.counts.iter().for_each(|count| count.store(0, Ordering::Relaxed));
        }
        state.live = new_live.unwrap_or_else(|| state.live.clone());
        state.shadow = new_shadow.or_else(|| state.shadow.clone());
        // Publish under the lock: of two reloads the later one must win.
        current.set_policies(state.pair());
        Ok(true)
    }
}

/// Loads a policy file; the error names the file. Returns `known` if its text has not changed.
fn read(path: &Path, max_hops: u8, known: Option<&Arc<Policy>>) -> Result<Arc<Policy>, String> {
    let named = |problem: String| format!("{}: {problem}", path.display());
    let mut text = String::new();
    let most = MAX_FILE as u64 + 1;
    // Opening a pipe would block until it has a writer.
    let found = std::fs::metadata(path).map_err(|error| named(error.to_string()))?;
    if !found.is_file() {
        return Err(named("is not a regular file".to_owned()));
    }
    let read = File::open(path).and_then(|file| file.take(most).read_to_string(&mut text));
    read.map_err(|error| named(error.to_string()))?;
    if let Some(known) = known.filter(|known| known.text() == text) {
        return Ok(known.clone());
    }
    let policy = Policy::parse(&text).map_err(|error| named(error.to_string()))?;
    match policy.required_hops(max_hops) {
        required if required > max_hops => {
            let message = format!("requires {required} hops, and exposure.max_hops is {max_hops}");
            Err(named(message))
        }
        _ => Ok(Arc::new(policy)),
    }
}

/// The thread that watches the policy files; stopped when dropped.
#[derive(Debug)]
pub struct PolicyWatch {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for PolicyWatch {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("policy thread panicked");
        }
    }
}

impl Engine {
    /// Returns the loaded policies.
    pub fn policies(&self) -> PolicyOverview {
        let state = self.policies.lock();
        let mut shadow_counts = Vec::new();
        for (place, count) in self.policies.counts.iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                let [live, shadow] = [place / 3, place % 3].map(|place| Decision::ALL[place]);
                shadow_counts.push((live, shadow, count));
            }
        }
        PolicyOverview {
            live: state.live.clone(),
            shadow: state.shadow.clone(),
            shadow_counts,
            problems: state.problems.clone(),
        }
    }

    /// Reloads the policy files. Returns whether a policy changed. Blocks.
    pub fn reload_policies(&self) -> Result<bool, EngineError> {
        self.policies.reload(&self.current, self.publisher.store(), self.now())
    }

    /// Returns a current or former policy of this store, live or shadow; `None` for an unknown version.
    pub fn policy(&self, version: &str) -> Result<Option<Arc<Policy>>, EngineError> {
        let (live, shadow) = self.policies.pair();
        let known = [Some(live), shadow].into_iter().flatten();
        if let Some(policy) = known.into_iter().find(|policy| policy.version() == version) {
            return Ok(Some(policy));
        }
        let Some(text) = self.policy_text(version)? else { return Ok(None) };
        let parsed = Policy::parse(&text);
        let policy = parsed.map_err(|e| EngineError::Policy(vec![format!("{version}: {e}")]))?;
        Ok(Some(Arc::new(policy)))
    }

    /// Returns the file of such a policy as stored; this version of the program may not accept it.
    pub fn policy_text(&self, version: &str) -> Result<Option<String>, EngineError> {
        if version.is_empty() || version.len() > MAX_NAME {
            return Ok(None);
        }
        let stored = self.publisher.store().policy(version)?;
        stored.map(|text| String::from_utf8(text).map_err(internal)).transpose()
    }

    /// Counts the decisions of live and shadow, if there is a shadow.
    pub(super) fn count_shadow(&self, screening: &Screening<'_>) {
        if let Some(shadow) = &screening.shadow {
            let place = screening.decision as usize * 3 + shadow.decision as usize;
            self.policies.counts[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Starts a thread that checks the policy files every two seconds until the watch is dropped.
    pub fn watch_policies(self: &Arc<Self>) -> Result<PolicyWatch, EngineError> {
        let stop = Arc::new(Stop::default());
        let (engine, until) = (self.clone(), stop.clone());
        let work = move || {
            let mut is_lost = false;
            while !until.wait(PAUSE) {
                match engine.reload_policies() {
                    // Logged by the reload, and shown by GetPolicy.
                    Err(EngineError::Policy(_)) => {}
                    Err(error) if !std::mem::replace(&mut is_lost, true) => {
                        tracing::error!(%error, "policy not stored, keeping the previous one");
                    }
                    Ok(_) if std::mem::take(&mut is_lost) => {
                        tracing::info!("policies stored again");
                    }
                    Err(_) | Ok(_) => {}
                }
            }
        };
        let thread = std::thread::Builder::new().name("policies".to_owned()).spawn(work)?;
        Ok(PolicyWatch { stop, thread: Some(thread) })
    }
}
