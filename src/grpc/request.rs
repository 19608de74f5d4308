//! Checks the options and addresses of a screening request.

use jiff::Timestamp;

use super::bounds::MAX_LISTS;
use super::status::{Refusal, all, both};
use super::v1::{self, ErrorReason};
use super::{convert, status};
use crate::domain::address::{AddressError, Reading};
use crate::domain::chain::Chain;
use crate::domain::list::ListId;
use crate::engine::Engine;
use crate::exposure::MAX_HOPS;
use crate::screening::snapshot::Snapshot;
use crate::screening::{Scope, ScopeError, ScopeFilter};

/// The most bytes in a request id.
pub const MAX_REQUEST_ID: usize = 128;

/// Checked options, before they are applied to a snapshot.
#[derive(Clone, Debug, Default)]
pub struct ScreeningOptions {
    pub narrowing: ScopeFilter,
    /// Whether findings carry their evidence.
    pub evidence: bool,
    /// Whether the response carries the snapshot in full.
    pub include_snapshot: bool,
    /// The past snapshot to screen against; `None`: the one in force.
    pub past: Option<PastSnapshotRequest>,
}

/// A request for a past snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastSnapshotRequest {
    pub id: String,
    /// When the ages of lists are judged; `None`: at the last thing that it knows.
    pub evaluated_at: Option<Timestamp>,
}

/// The most bytes of a snapshot id: it has seven parts at most.
const MAX_SNAPSHOT_ID: usize = 256;

impl ScreeningOptions {
    /// Checks the options of a request, against what `engine` has loaded too where they are used at
    /// once; a refusal names every field that is wrong. A past snapshot is refused.
    pub fn check(
        options: Option<&v1::ScreeningOptions>,
        engine: Option<&Engine>,
    ) -> Result<Self, Refusal> {
        if options.is_some_and(|options| !options.snapshot_id.is_empty()) {
            let message = "a past snapshot answers ScreenAddress and BatchScreenAddresses alone";
            return Err(status::invalid_field("options.snapshot_id", message));
        }
        Self::check_past(options, engine)
    }

    /// The same, and takes a past snapshot.
    pub fn check_past(
        options: Option<&v1::ScreeningOptions>,
        engine: Option<&Engine>,
    ) -> Result<Self, Refusal> {
        let Some(options) = options else { return Ok(Self::default()) };
        let is_past = !options.snapshot_id.is_empty();
        // What a past one knows is looked at once it is there.
        let snapshot = engine.and_then(Engine::snapshot).filter(|_| !is_past);
        let now = engine.map_or(Timestamp::MAX, Engine::now);
        let max_hops = match options.max_hops {
            0 => Ok(None),
            hops => match u8::try_from(hops).ok().filter(|hops| *hops <= MAX_HOPS) {
                Some(hops) => Ok(Some(hops)),
                None => {
                    let message = format!("{hops} hops, 1 to {MAX_HOPS}");
                    Err(status::invalid_field("options.max_hops", message))
                }
            },
        };
        let as_of = status::moment("options.as_of", options.as_of.as_ref());
        let as_of = as_of.and_then(|as_of| match as_of {
            Some(as_of) if as_of > now => Err(ScopeError::AsOfInFuture { as_of, now }.into()),
            as_of => Ok(as_of),
        });
        let named = both(lists(&options.lists, snapshot.as_deref()), past(options, now));
        let ((lists, past), (as_of, max_hops)) = both(named, both(as_of, max_hops))?;
        let narrowing = ScopeFilter { lists, as_of, max_hops };
        let (evidence, include_snapshot) = (options.include_evidence, options.include_snapshot);
        Ok(Self { narrowing, evidence, include_snapshot, past })
    }

    /// Applies them to a snapshot.
    pub fn scope<'s>(&self, snapshot: &'s Snapshot, now: Timestamp) -> Result<Scope<'s>, Refusal> {
        Ok(Scope::new(snapshot, &self.narrowing, now)?)
    }
}

/// The past snapshot that the options name, and the moment of evaluation.
fn past(
    options: &v1::ScreeningOptions,
    now: Timestamp,
) -> Result<Option<PastSnapshotRequest>, Refusal> {
    let evaluated_at = match &options.evaluated_at {
        None => Ok(None),
        Some(_) if options.snapshot_id.is_empty() => Err("it goes with snapshot_id".to_owned()),
        Some(at) => match convert::from_timestamp(at) {
            Some(at) if at > now => Err(format!("{at} is later than now, {now}")),
            Some(at) => Ok(Some(at)),
            None => Err("not a valid timestamp".to_owned()),
        },
    };
    let evaluated_at =
        evaluated_at.map_err(|error| status::invalid_field("options.evaluated_at", error));
    let id = match options.snapshot_id.len() {
        0..=MAX_SNAPSHOT_ID => Ok(options.snapshot_id.clone()),
        length => {
            let message = format!("{length} bytes, at most {MAX_SNAPSHOT_ID}");
            Err(status::invalid_field("options.snapshot_id", message))
        }
    };
    let evidence = if options.include_evidence && !options.snapshot_id.is_empty() {
        let message = "evidence is of the transfers of now: leave it out beside snapshot_id";
        Err(status::invalid_field("options.include_evidence", message))
    } else {
        Ok(())
    };
    let ((id, evaluated_at), ()) = both(both(id, evaluated_at), evidence)?;
    Ok((!id.is_empty()).then_some(PastSnapshotRequest { id, evaluated_at }))
}

impl From<ScopeError> for Refusal {
    fn from(error: ScopeError) -> Self {
        match error {
            ScopeError::UnknownList(_) => unknown_list("options.lists", &error),
            ScopeError::AsOfInFuture { .. } => status::invalid_field("options.as_of", error),
        }
    }
}

fn unknown_list(field: &str, error: &ScopeError) -> Refusal {
    Refusal::invalid(ErrorReason::UnknownList, field, error.to_string())
}

/// The lists named; each must be there.
fn lists(ids: &[String], snapshot: Option<&Snapshot>) -> Result<Vec<ListId>, Refusal> {
    if ids.len() > MAX_LISTS {
        let message = format!("{} lists, at most {MAX_LISTS}", ids.len());
        return Err(Refusal::invalid(ErrorReason::TooManyItems, "options.lists", message));
    }
    let named = all(ids.iter().enumerate().map(|(place, text)| {
        let field = format!("options.lists[{place}]");
        let id = text.parse().map_err(|error| status::invalid_field(&field, error))?;
        if snapshot.is_none_or(|snapshot| snapshot.knows(&id)) {
            Ok(id)
        } else {
            Err(unknown_list(&field, &ScopeError::UnknownList(id)))
        }
    }));
    // One named often is one, also on record.
    named.map(|mut lists| {
        lists.sort_unstable();
        lists.dedup();
        lists
    })
}

/// A checked query.
pub struct ScreeningRequest {
    pub request_id: String,
    /// The address, as asked.
    pub address: String,
    /// The chain that it names.
    pub chain: Option<Chain>,
    /// The same, as asked.
    pub chain_text: String,
}

/// Checks a query except its address; the query comes back with a refusal, which names every field
/// that is wrong.
pub fn checked_query(
    mut query: v1::AddressQuery,
) -> Result<ScreeningRequest, Box<(v1::AddressQuery, Refusal)>> {
    match status::wished_chain("query.chain", &query.chain) {
        Ok(chain) if query.request_id.len() <= MAX_REQUEST_ID => {
            let v1::AddressQuery { request_id, address, chain: chain_text } = query;
            Ok(ScreeningRequest { request_id, address, chain, chain_text })
        }
        _ => {
            let refusal = check(&query).expect_err("the request id or the chain is wrong");
            if query.request_id.len() > MAX_REQUEST_ID {
                query.request_id.clear();
            }
            Err(Box::new((query, refusal)))
        }
    }
}

/// Checks a query; a refusal names every field that is wrong.
pub fn check(query: &v1::AddressQuery) -> Result<(), Refusal> {
    let request_id = match query.request_id.len() {
        0..=MAX_REQUEST_ID => Ok(()),
        length => {
            let message = format!("{length} bytes, at most {MAX_REQUEST_ID}");
            Err(status::invalid_field("query.request_id", message))
        }
    };
    let chain = status::wished_chain("query.chain", &query.chain);
    let wished = chain.as_ref().ok().and_then(Option::as_ref);
    let address = match Reading::from_query(&query.address, wished).fault {
        Some(error) if error.is_refused() => Err(not_an_address(&error)),
        _ => Ok(()),
    };
    both(request_id, both(address, chain)).map(drop)
}

/// The refusal of what no address could ever be.
pub fn not_an_address(error: &AddressError) -> Refusal {
    Refusal::invalid(ErrorReason::InvalidAddress, "query.address", error.to_string())
}
