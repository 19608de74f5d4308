//! `PolicyService`: shows, reloads and compares policies.

use std::sync::Arc;

use jiff::Timestamp;
use tonic::{Code, Request, Response, Status};

use super::blocking::{with_engine, with_engine_in_turn};
use super::bounds::MAX_QUERIES;
use super::concurrency::ConcurrencyLimits;
use super::recording::{CallOrigin, RecordedCall};
use super::refused_call::RefusableCall;
use super::request::{ScreeningOptions, ScreeningRequest, checked_query, not_an_address};
use super::screener::Unanswered;
use super::status::{Refusal, both, invalid_field};
use super::v1::policy_service_server::PolicyService;
use super::v1::policy_source::Source;
use super::v1::{self, ErrorReason};
use super::{access, convert, status};
use crate::engine::decision_log::{
    ComparedPolicies, ComparisonRecord, ItemRecord, OutcomeRecord, QueriedAddress, RecordedItem,
    References,
};
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

/// What both policies make of an address, and its record where a log is kept.
struct ComparedAddress {
    item: v1::ComparedItem,
    record: Option<RecordedItem<'static>>,
}

/// A comparison, not recorded yet.
struct Compared {
    response: v1::ComparePoliciesResponse,
    options: ScreeningOptions,
    now: Timestamp,
    records: Vec<RecordedItem<'static>>,
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
    fn items(&self, queries: Vec<v1::AddressQuery>) -> Result<Vec<ComparedAddress>, Refusal> {
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

    fn item(&self, old: &Scope<'_>, new: &Scope<'_>, query: v1::AddressQuery) -> ComparedAddress {
        let ScreeningRequest { request_id, address, chain, chain_text } = match checked_query(query)
        {
            Ok(question) => question,
            Err(asked) => {
                let (query, refusal) = *asked;
                return self.refused(query, refusal);
            }
        };
        let by = |scope: &Scope<'_>| {
            let screened = self.engine.screen(scope, &address, chain.as_ref(), false)?;
            let screening = &screened.screening;
            Ok((outcome(screening), OutcomeRecord::from(screening)))
        };
        match by(old).and_then(|old| Ok((old, by(new)?))) {
            Ok(((old, baseline), (new, candidate))) => {
                let comparison = Some(ComparisonRecord { baseline, candidate });
                let record = self.engine.decision_log().map(|_| {
                    let query = QueriedAddress { address: &address, chain: &chain_text };
                    let record = ItemRecord { comparison, ..ItemRecord::default() };
                    RecordedItem::undecided(record, query, &References::of_request(&request_id))
                });
                let (baseline, candidate) = (Some(old), Some(new));
                let item = v1::ComparedItem { request_id, baseline, candidate, error: None };
                ComparedAddress { item, record }
            }
            Err(error) => {
                let query = v1::AddressQuery { request_id, address, chain: chain_text };
                self.refused(query, not_an_address(&error))
            }
        }
    }

    fn refused(&self, query: v1::AddressQuery, refusal: Refusal) -> ComparedAddress {
        let Unanswered { request_id, refusal, record } =
            Unanswered::new(self.engine, query, refusal);
        let error = Some(refusal.into_item_error(request_id.clone()));
        let item = v1::ComparedItem { request_id, error, ..Default::default() };
        ComparedAddress { item, record }
    }
}

fn compare(engine: &Engine, request: v1::ComparePoliciesRequest) -> Result<Compared, Refusal> {
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
    let compared = comparison.items(queries)?.into_iter();
    let (items, records): (Vec<_>, Vec<_>) = compared.map(|it| (it.item, it.record)).unzip();
    let response = v1::ComparePoliciesResponse {
        items,
        baseline_version: old_version,
        candidate_version: new_version,
        snapshot_id: snapshot.id().to_owned(),
        record_id: String::new(),
    };
    let Comparison { options, now, .. } = comparison;
    Ok(Compared { response, options, now, records: records.into_iter().flatten().collect() })
}

impl Policies {
    async fn compare_and_record(
        &self,
        origin: CallOrigin<'_>,
        request: v1::ComparePoliciesRequest,
    ) -> Result<v1::ComparePoliciesResponse, Status> {
        let work = move |engine: &Arc<Engine>| compare(engine, request);
        let compared = with_engine_in_turn(&self.load.searches, &self.engine, work).await?;
        let Compared { mut response, options, now, records } = compared;
        let call = RecordedCall::new(origin, &options, &response.snapshot_id, now);
        let versions = || ComparedPolicies {
            baseline: response.baseline_version.clone(),
            candidate: response.candidate_version.clone(),
        };
        let call = call.with(|call| call.compared = Some(versions()));
        let record_id = call.record(&self.engine, records.iter().map(RecordedItem::as_new)).await?;
        response.record_id = record_id;
        Ok(response)
    }
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
        let identity = access::identity(&request);
        let origin = CallOrigin { method: "ComparePolicies", identity: &identity };
        let request = request.into_inner();
        let refusable = RefusableCall::new(&self.engine, origin, request.queries.iter());
        let compared = self.compare_and_record(origin, request).await;
        refusable.record(&self.engine, compared).await.map(Response::new)
    }
}
