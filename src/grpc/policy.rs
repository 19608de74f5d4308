//! `PolicyService`: shows, reloads and compares policies.

use std::sync::Arc;

use jiff::Timestamp;
use tonic::{Code, Request, Response, Status};

use super::blocking::{with_engine, with_engine_in_turn};
use super::bounds::MAX_QUERIES;
use super::concurrency::ConcurrencyLimits;
use super::request::{ScreeningOptions, ScreeningRequest, checked_query, not_an_address};
use super::status::{Refusal, both, invalid_field};
use super::v1::policy_service_server::PolicyService;
use super::v1::policy_source::Source;
use super::v1::{self, ErrorReason};
use super::{convert, status};
use crate::engine::{Engine, StandingPolicy};
use crate::screening::policy::Policy;
use crate::screening::snapshot::Snapshot;
use crate::screening::{Scope, Screening};

/// The most addresses in one comparison where each takes a search.
const MAX_DEEP: usize = 1_000;

/// The service over the engine.
#[derive(Clone, Debug)]
pub struct Policies {
    engine: Arc<Engine>,
    load: Arc<ConcurrencyLimits>,
}

impl Policies {
    /// The service over `engine`, with the turns of `load`.
    pub fn new(engine: Arc<Engine>, load: Arc<ConcurrencyLimits>) -> Self {
        Self { engine, load }
    }
}

/// A policy that is neither in force nor the shadow, by its version and file.
fn earlier(version: &str, toml: String) -> v1::Policy {
    v1::Policy {
        version: version.to_owned(),
        digest: convert::hex(&Policy::digest_of(&toml)),
        name: version.split('@').next().unwrap_or_default().to_owned(),
        toml,
        path: String::new(),
        in_force_since: None,
    }
}

fn standing(standing: &StandingPolicy) -> v1::Policy {
    let path = standing.path.as_ref().map(|path| path.display().to_string());
    v1::Policy {
        path: path.unwrap_or_default(),
        in_force_since: Some(convert::timestamp(standing.since)),
        ..earlier(standing.policy.version(), standing.policy.text().to_owned())
    }
}

fn unknown(version: &str) -> Refusal {
    let message = format!("no policy {version:?} was ever in force here");
    Refusal::new(Code::NotFound, ErrorReason::NotFound, message)
}

/// The policy that a comparison names; none: the one in force.
fn chosen(
    engine: &Engine,
    field: &str,
    source: Option<v1::PolicySource>,
) -> Result<Arc<Policy>, Refusal> {
    match source.and_then(|source| source.source) {
        Some(Source::Toml(text)) => match Policy::parse(&text) {
            Ok(policy) => Ok(Arc::new(policy)),
            Err(error) => {
                let field = format!("{field}.toml");
                Err(Refusal::invalid(ErrorReason::InvalidPolicy, field, error.to_string()))
            }
        },
        Some(Source::Version(version)) if !version.is_empty() => {
            engine.policy(&version)?.ok_or_else(|| unknown(&version))
        }
        _ => Ok(engine.policies().live.policy),
    }
}

/// What a policy makes of an address.
fn outcome(screening: &Screening<'_>) -> v1::PolicyOutcome {
    let worst = screening.deciding_finding().or(screening.findings.first());
    v1::PolicyOutcome {
        status: convert::status(screening.is_complete()).into(),
        decision: v1::Decision::from(screening.decision).into(),
        score: screening.score.into(),
        level: v1::RiskLevel::from(screening.level).into(),
        rule: Some(convert::deciding_rule(screening)),
        finding: worst.map(|found| convert::finding(found, screening)),
        incomplete_reasons: convert::incomplete_reasons(screening),
    }
}

/// Both policies on the same data.
struct Comparison<'e> {
    engine: &'e Engine,
    options: ScreeningOptions,
    now: Timestamp,
    old: Snapshot,
    new: Snapshot,
}

impl Comparison<'_> {
    fn items(&self, queries: Vec<v1::AddressQuery>) -> Result<Vec<v1::ComparedItem>, Refusal> {
        let old = self.options.scope(&self.old, self.now)?;
        let new = self.options.scope(&self.new, self.now)?;
        if old.needs_search() && queries.len() > MAX_DEEP {
            let message = format!(
                "{} addresses as of a past moment, or on some lists of a kind, at most {MAX_DEEP}",
                queries.len()
            );
            return Err(Refusal::invalid(ErrorReason::TooManyItems, "queries", message));
        }
        Ok(queries.into_iter().map(|query| self.item(&old, &new, query)).collect())
    }

    fn item(&self, old: &Scope<'_>, new: &Scope<'_>, query: v1::AddressQuery) -> v1::ComparedItem {
        let refused = |request_id: String, refusal: Refusal| v1::ComparedItem {
            request_id: request_id.clone(),
            error: Some(refusal.into_item_error(request_id)),
            ..Default::default()
        };
        let ScreeningRequest { request_id, address, chain, .. } = match checked_query(query) {
            Ok(question) => question,
            Err(asked) => {
                let (query, refusal) = *asked;
                return refused(query.request_id, refusal);
            }
        };
        let by = |scope: &Scope<'_>| {
            let screened = self.engine.screen(scope, &address, chain.as_ref(), false);
            screened.map(|screened| outcome(&screened.screening))
        };
        match by(old).and_then(|old| Ok((old, by(new)?))) {
            Ok((old, new)) => v1::ComparedItem {
                request_id,
                baseline: Some(old),
                candidate: Some(new),
                error: None,
            },
            Err(error) => refused(request_id, not_an_address(&error)),
        }
    }
}

fn compare(
    engine: &Engine,
    request: v1::ComparePoliciesRequest,
) -> Result<v1::ComparePoliciesResponse, Refusal> {
    let v1::ComparePoliciesRequest { baseline: old, candidate: new, queries, options } = request;
    let count = match queries.len() {
        1..=MAX_QUERIES => Ok(()),
        count => {
            let message = format!("{count} addresses, 1 to {MAX_QUERIES}");
            Err(Refusal::invalid(ErrorReason::TooManyItems, "queries", message))
        }
    };
    let named = match &new {
        Some(v1::PolicySource { source: Some(_) }) => Ok(()),
        _ => Err(invalid_field("candidate", "missing")),
    };
    let (_, options) =
        both(both(named, count), ScreeningOptions::check(options.as_ref(), Some(engine)))?;
    let options = ScreeningOptions { evidence: false, ..options };
    let (old, new) = (chosen(engine, "baseline", old)?, chosen(engine, "candidate", new)?);
    let (old_version, new_version) = (old.version().to_owned(), new.version().to_owned());
    let snapshot = engine.snapshot().ok_or_else(status::not_loaded)?;
    let comparison = Comparison {
        engine,
        options,
        now: engine.now(),
        old: snapshot.with_policies(old, None),
        new: snapshot.with_policies(new, None),
    };
    Ok(v1::ComparePoliciesResponse {
        items: comparison.items(queries)?,
        baseline_version: old_version,
        candidate_version: new_version,
        snapshot_id: snapshot.id().to_owned(),
    })
}

#[tonic::async_trait]
impl PolicyService for Policies {
    async fn get_policy(
        &self,
        request: Request<v1::GetPolicyRequest>,
    ) -> Result<Response<v1::GetPolicyResponse>, Status> {
        let version = request.into_inner().version;
        let found = with_engine(&self.engine, move |engine| {
            if !version.is_empty() {
                let toml = engine.policy_text(&version)?.ok_or_else(|| unknown(&version))?;
                let policy = Some(earlier(&version, toml));
                return Ok(v1::GetPolicyResponse { policy, ..Default::default() });
            }
            let overview = engine.policies();
            let counts = overview.shadow_counts.into_iter();
            let counts = counts.map(|(live, shadow, count)| v1::ShadowCount {
                in_force: v1::Decision::from(live).into(),
                shadow: v1::Decision::from(shadow).into(),
                count,
            });
            Ok(v1::GetPolicyResponse {
                policy: Some(standing(&overview.live)),
                shadow: overview.shadow.as_ref().map(standing),
                shadow_counts: counts.collect(),
                reload_problems: overview.problems,
            })
        });
        Ok(Response::new(found.await?))
    }

    async fn reload_policy(
        &self,
        _: Request<v1::ReloadPolicyRequest>,
    ) -> Result<Response<v1::ReloadPolicyResponse>, Status> {
        let reloaded = with_engine(&self.engine, |engine| {
            let changed = engine.reload_policies()?;
            let overview = engine.policies();
            Ok(v1::ReloadPolicyResponse {
                policy: Some(standing(&overview.live)),
                shadow: overview.shadow.as_ref().map(standing),
                changed,
            })
        });
        Ok(Response::new(reloaded.await?))
    }

    async fn compare_policies(
        &self,
        request: Request<v1::ComparePoliciesRequest>,
    ) -> Result<Response<v1::ComparePoliciesResponse>, Status> {
        let request = request.into_inner();
        let work = move |engine: &Arc<Engine>| compare(engine, request);
        let compared = with_engine_in_turn(&self.load.searches, &self.engine, work).await?;
        Ok(Response::new(compared))
    }
}
