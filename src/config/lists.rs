//! The configured lists: built-in lists, settings applied to them, and checks of the result.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ureq::http::header::{HeaderName, HeaderValue};

use super::layers::Setting;
use super::origin::{Located, Origin, Problem};
use super::raw_value::RawValue;
use crate::domain::duration::span as format_duration;
use crate::domain::list::{ListId, ListKind};
use crate::domain::publication::MAX_SHRINK_WINDOW;
use crate::refresh::{
    Headers, ListSettings, ProbeSettings, Remote, are_of_one_origin, parse_headers,
    parse_user_agent,
};
use crate::source::Format;

/// The keys of a list, in the order of the example file.
pub const KEYS: [&str; 20] = [
    "enabled",
    "name",
    "kind",
    "url",
    "mirrors",
    "user_agent",
    "headers",
    "headers_file",
    "probe_url",
    "probe_interval",
    "path",
    "format",
    "required",
    "static",
    "refresh_interval",
    "max_age",
    "allow_empty",
    "max_shrink",
    "shrink_window",
    "max_not_understood",
];

/// OFAC's service. Its files redirect to short-lived signed URLs.
const OFAC: &str = "https://sanctionslistservice.ofac.treas.gov";

/// Its folders of files: the documented one, and the former one.
const OFAC_FOLDERS: [&str; 2] = ["api/download", "api/PublicationPreview/exports"];

/// The value of `probe_url` that turns a built-in probe off.
const NO_PROBE: &str = "none";

const PROBE_INTERVAL: Duration = Duration::from_secs(60);
/// The shortest `probe_interval`.
const MIN_PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The most URLs of a list.
const MAX_URLS: usize = 8;

const HOUR: Duration = Duration::from_secs(3600);
const REFRESH_INTERVAL: Duration = HOUR;
const MAX_AGE: Duration = Duration::from_secs(48 * 3600);
const MAX_SHRINK: f64 = 0.25;
const MAX_NOT_UNDERSTOOD: f64 = 0.05;
const SHRINK_WINDOW: Duration = Duration::from_secs(30 * 86_400);

/// The shortest `refresh_interval`.
const MIN_INTERVAL: Duration = Duration::from_secs(60);
/// The longest interval and age.
const MAX_DURATION: Duration = Duration::from_secs(3650 * 86_400);

/// A list to which settings are applied.
#[derive(Clone, Debug, Default)]
struct ListDraft {
    first: Option<Origin>,
    enabled: Option<Located<bool>>,
    name: Option<Located<String>>,
    kind: Option<Located<ListKind>>,
    urls: Option<Located<Vec<String>>>,
    mirrors: Option<Located<Vec<String>>>,
    user_agent: Option<Located<String>>,
    headers: Option<Located<Vec<(HeaderName, HeaderValue)>>>,
    headers_file: Option<Located<PathBuf>>,
    /// With the value `None`: no probe.
    probe_url: Option<Located<Option<String>>>,
    probe_interval: Option<Located<Duration>>,
    path: Option<Located<PathBuf>>,
    format: Option<Located<Format>>,
    required: Option<Located<bool>>,
    is_static: Option<Located<bool>>,
    refresh_interval: Option<Located<Duration>>,
    max_age: Option<Located<Duration>>,
    allow_empty: Option<Located<bool>>,
    max_shrink: Option<Located<f64>>,
    shrink_window: Option<Located<Duration>>,
    max_not_understood: Option<Located<f64>>,
}

/// All lists, to which settings are applied.
#[derive(Clone, Debug)]
pub struct ListDrafts(BTreeMap<ListId, ListDraft>);

impl ListDrafts {
    pub fn built_in() -> Self {
        let ofac = |name: &str, file: &str| ListDraft {
            first: Some(Origin::Default),
            name: by_default(name.to_owned()),
            kind: by_default(ListKind::Sanctions),
            urls: by_default(OFAC_FOLDERS.map(|folder| format!("{OFAC}/{folder}/{file}")).into()),
            ..ListDraft::default()
        };
        let sdn = ListDraft {
            required: by_default(true),
            probe_url: by_default(Some(format!("{OFAC}/changes/latest"))),
            ..ofac("OFAC Specially Designated Nationals", "SDN_ADVANCED.XML")
        };
        // It rarely has any address.
        let consolidated = ListDraft {
            allow_empty: by_default(true),
            ..ofac("OFAC Consolidated Non-SDN", "CONS_ADVANCED.XML")
        };
        let advisories = ListDraft {
            first: Some(Origin::Default),
            name: by_default("Advisories on the Lazarus Group".to_owned()),
            kind: by_default(ListKind::Advisory),
            is_static: by_default(true),
            ..ListDraft::default()
        };
        let built_in = [
            ("us-ofac-sdn", sdn),
            ("us-ofac-cons", consolidated),
            ("lazarus-advisories", advisories),
        ];
        let named = |(id, draft): (&str, ListDraft)| {
            (id.parse().expect("the ids above are list ids: a test reads them"), draft)
        };
        Self(built_in.into_iter().map(named).collect())
    }

    /// Applies one setting of the list `id`; `key` is `None` for the table itself.
    pub fn apply(&mut self, id: &str, key: Option<&str>, setting: &Setting) -> Result<(), String> {
        let id: ListId = id.parse().map_err(|error| format!("{error}"))?;
        if key.is_some_and(|key| !KEYS.contains(&key)) {
            return Err(format!("unknown key \"{}\"", setting.key.join(".")));
        }
        let draft = self.0.entry(id).or_default();
        draft.first.get_or_insert_with(|| setting.origin.clone());
        match (key, &setting.given) {
            (Some(key), given) => draft.apply_key(key, given, &setting.origin),
            (None, RawValue::Table) => Ok(()),
            (None, _) => Err("must be a table of the list's keys".to_owned()),
        }
    }

    /// Checks the lists and returns the enabled ones by id.
    pub fn finish(self, problems: &mut Vec<Problem>) -> Vec<ListSettings> {
        let mut lists = Vec::new();
        for (id, draft) in self.0 {
            if !draft.enabled.as_ref().is_none_or(|enabled| enabled.value) {
                continue;
            }
            let before = problems.len();
            draft.contradictions(&id, problems);
            match draft.kind.clone() {
                Some(kind) if problems.len() == before => {
                    lists.push(draft.into_settings(id, kind.value))
                }
                _ => {}
            }
        }
        lists
    }
}

impl ListDraft {
    fn apply_key(&mut self, key: &str, given: &RawValue, origin: &Origin) -> Result<(), String> {
        match key {
            "enabled" => self.enabled = located(given.boolean()?, origin),
            "name" => self.name = located(given.text()?.to_owned(), origin),
            "kind" => self.kind = located(given.parse()?, origin),
            "url" => self.urls = located(checked_urls(given.text()?)?, origin),
            "mirrors" => self.mirrors = located(checked_urls(given.text()?)?, origin),
            "user_agent" => self.user_agent = located(parse_user_agent(given.text()?)?, origin),
            "headers" => self.headers = located(parse_headers(given.text()?)?, origin),
            "headers_file" => self.headers_file = located(given.text()?.into(), origin),
            "probe_url" => {
                let url = Some(given.text()?).filter(|text| *text != NO_PROBE);
                self.probe_url = located(url.map(checked_url).transpose()?, origin);
            }
            "probe_interval" => self.probe_interval = located(bounded_duration(given)?, origin),
            "path" => self.path = located(given.text()?.into(), origin),
            "format" => self.format = located(given.parse()?, origin),
            "required" => self.required = located(given.boolean()?, origin),
            "static" => self.is_static = located(given.boolean()?, origin),
            "refresh_interval" => self.refresh_interval = located(bounded_duration(given)?, origin),
            "max_age" => self.max_age = located(bounded_duration(given)?, origin),
            "allow_empty" => self.allow_empty = located(given.boolean()?, origin),
            "max_shrink" => self.max_shrink = located(given.fraction()?, origin),
            "shrink_window" => self.shrink_window = located(shrink_window(given)?, origin),
            "max_not_understood" => {
                self.max_not_understood = located(given.fraction()?, origin);
            }
            // Unreachable, because KEYS is checked first.
            _ => return Err(format!("unknown key {key:?}")),
        }
        Ok(())
    }

    fn has_source(&self) -> bool {
        self.urls.is_some() || self.path.is_some()
    }

    /// Returns whether the list is published once and never refreshed: as given, else if it has no source
    /// and is of a kind that does not age (an advisory, a seizure, an attribution).
    fn is_static(&self, kind: ListKind) -> bool {
        match &self.is_static {
            Some(given) => given.value,
            None => !self.has_source() && !kind.ages(),
        }
    }

    fn interval(&self) -> Duration {
        self.refresh_interval.as_ref().map_or(REFRESH_INTERVAL, |interval| interval.value)
    }

    fn contradictions(&self, id: &ListId, problems: &mut Vec<Problem>) {
        let mut problem = |origin: &Origin, message: String| {
            let message = format!("lists.{id}: {message}");
            problems.push(Problem { origin: origin.clone(), message });
        };
        if self.kind.is_none() {
            problem(self.first.as_ref().unwrap_or(&Origin::Default), "kind is missing".to_owned());
        }
        if let (Some(urls), Some(path)) = (&self.urls, &self.path)
            && urls.origin != Origin::Default
        {
            problem(&path.origin, format!("path and url ({}) exclude each other", urls.origin));
        }
        for (origin, message) in self.remote_contradictions() {
            problem(origin, message.to_owned());
        }
        if let Some(given) = self.is_static.as_ref().filter(|given| given.value) {
            let timed = [("refresh_interval", &self.refresh_interval), ("max_age", &self.max_age)];
            for (key, value) in timed {
                if let Some(value) = value {
                    let why = format!("static ({}) and {key} exclude each other", given.origin);
                    problem(&value.origin, why);
                }
            }
            return;
        }
        if let Some(interval) = &self.refresh_interval
            && interval.value < MIN_INTERVAL
        {
            problem(&interval.origin, "refresh_interval is below one minute".to_owned());
        }
        // Without a source nothing is refreshed, and only the age counts.
        let max_age = self.max_age.as_ref().map_or(MAX_AGE, |age| age.value);
        if max_age <= self.interval() && (self.has_source() || self.max_age.is_some()) {
            let origin = self.max_age.as_ref().map(|age| &age.origin);
            let origin = origin.or(self.refresh_interval.as_ref().map(|given| &given.origin));
            let why = format!(
                "max_age ({}) must be longer than refresh_interval ({})",
                format_duration(max_age.as_secs()),
                format_duration(self.interval().as_secs())
            );
            problem(origin.unwrap_or(&Origin::Default), why);
        }
    }

    /// Returns contradictions among the settings of a remote source.
    fn remote_contradictions(&self) -> Vec<(&Origin, &'static str)> {
        let mut found = Vec::new();
        let has_url = self.urls.is_some() && self.path.is_none();
        let origins = [
            self.mirrors.as_ref().map(|it| &it.origin),
            self.user_agent.as_ref().map(|it| &it.origin),
            self.headers.as_ref().map(|it| &it.origin),
            self.headers_file.as_ref().map(|it| &it.origin),
            self.probe_url.as_ref().map(|it| &it.origin).filter(|it| **it != Origin::Default),
        ];
        for origin in origins.into_iter().flatten().filter(|_| !has_url) {
            found.push((origin, "needs a url, and the list has none"));
        }
        let urls = [&self.urls, &self.mirrors].into_iter().flatten();
        if let Some(last) = urls.clone().last()
            && urls.map(|it| it.value.len()).sum::<usize>() > MAX_URLS
        {
            found.push((&last.origin, "url and mirrors have more than 8 URLs together"));
        }
        if let Some(interval) = &self.probe_interval {
            if self.probe().is_none() {
                found.push((&interval.origin, "probe_interval needs a probe_url"));
            }
            if interval.value < MIN_PROBE_INTERVAL {
                found.push((&interval.origin, "probe_interval is below one second"));
            }
        }
        let is_static = self.is_static.as_ref().is_some_and(|given| given.value);
        let probe = self.probe_url.as_ref().filter(|it| it.origin != Origin::Default);
        if let Some(probe) = probe.filter(|probe| is_static && probe.value.is_some()) {
            found.push((&probe.origin, "static and probe_url exclude each other"));
        }
        found
    }

    /// Returns the probe for new publications. The built-in one applies only to the built-in source.
    fn probe(&self) -> Option<ProbeSettings> {
        let given = self.probe_url.as_ref()?;
        let is_ofac = self.urls.iter().flat_map(|urls| &urls.value).any(|url| is_of_ofac(url));
        let fits = given.origin != Origin::Default || is_ofac;
        let url = given.value.clone().filter(|_| fits && self.path.is_none())?;
        let interval = self.probe_interval.as_ref().map_or(PROBE_INTERVAL, |given| given.value);
        Some(ProbeSettings { url, interval })
    }

    /// Returns the first URL, and the settings of all requests to the source.
    fn remote(&self) -> (Option<String>, Remote) {
        let Some(urls) = self.urls.as_ref().filter(|_| self.path.is_none()) else {
            return (None, Remote::default());
        };
        let probe = self.probe();
        let mirrors = self.mirrors.iter().flat_map(|mirrors| &mirrors.value);
        let mut all = urls.value.iter().chain(mirrors).cloned();
        let given = self.headers.clone().map_or_else(Vec::new, |headers| headers.value);
        let file = value(self.headers_file.clone());
        let headers_to = all.clone().find(|url| !is_of_ofac(url));
        let (first, more_urls) = (all.next(), all.collect());
        let remote = Remote {
            more_urls,
            same_folders: OFAC_FOLDERS.map(|folder| format!("{OFAC}/{folder}/")).into(),
            user_agent: value(self.user_agent.clone()),
            headers: Headers::new(given, file),
            headers_to,
            probe,
        };
        (first, remote)
    }

    fn into_settings(self, id: ListId, kind: ListKind) -> ListSettings {
        let is_static = self.is_static(kind);
        let ages = !is_static && (self.max_age.is_some() || kind.ages());
        let refresh_interval = self.interval();
        let (url, remote) = self.remote();
        ListSettings {
            name: value(self.name).unwrap_or_else(|| id.to_string()),
            id,
            kind,
            url,
            remote,
            path: value(self.path),
            format: value(self.format),
            required: value(self.required).unwrap_or(false),
            is_static,
            refresh_interval,
            max_age: ages.then(|| value(self.max_age).unwrap_or(MAX_AGE)),
            allow_empty: value(self.allow_empty).unwrap_or(false),
            max_shrink: value(self.max_shrink).unwrap_or(MAX_SHRINK),
            shrink_window: value(self.shrink_window).unwrap_or(SHRINK_WINDOW),
            max_not_understood: value(self.max_not_understood).unwrap_or(MAX_NOT_UNDERSTOOD),
        }
    }
}

fn by_default<T>(value: T) -> Option<Located<T>> {
    located(value, &Origin::Default)
}

fn located<T>(value: T, origin: &Origin) -> Option<Located<T>> {
    Some(Located { value, origin: origin.clone() })
}

fn value<T>(located: Option<Located<T>>) -> Option<T> {
    located.map(|located| located.value)
}

fn bounded_duration(given: &RawValue) -> Result<Duration, String> {
    let duration = given.duration()?;
    if duration > MAX_DURATION {
        return Err("is longer than ten years".to_owned());
    }
    Ok(duration)
}

/// Parses the period of the cumulative shrink gate.
fn shrink_window(given: &RawValue) -> Result<Duration, String> {
    let duration = given.duration()?;
    if duration < HOUR || duration > MAX_SHRINK_WINDOW.unsigned_abs() {
        return Err("must be from 1h to 366d".to_owned());
    }
    Ok(duration)
}

/// Returns whether a URL is of OFAC's service.
fn is_of_ofac(url: &str) -> bool {
    are_of_one_origin(url, OFAC)
}

/// Parses URLs separated by spaces, in the order of the attempts.
fn checked_urls(text: &str) -> Result<Vec<String>, String> {
    let urls: Vec<_> = text.split_ascii_whitespace().map(checked_url).collect::<Result<_, _>>()?;
    match urls.len() {
        0 => Err("has no URL".to_owned()),
        1..=MAX_URLS => Ok(urls),
        more => Err(format!("{more} URLs, at most {MAX_URLS}")),
    }
}

/// An absolute http or https URL.
fn checked_url(text: &str) -> Result<String, String> {
    let refusal = || format!("invalid URL {text:?}; use an absolute http or https URL");
    let uri: ureq::http::Uri = text.parse().map_err(|_| refusal())?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err(refusal()),
    }
}
