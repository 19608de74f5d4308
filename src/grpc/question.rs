//! What a screening asks, checked: its options and its addresses. Answers nothing.

use jiff::Timestamp;

use super::status::{Refusal, all, both};
use super::v1::{self, ErrorReason};
use super::{convert, status};
use crate::domain::address::AddressError;
use crate::domain::chain::Chain;
use crate::domain::list::ListId;
use crate::screening::snapshot::Snapshot;
use crate::screening::{Narrowing, Scope, ScopeError};

/// The most bytes in a request id.
pub const MAX_REQUEST_ID: usize = 128;

/// The most list ids in a request's options.
pub const MAX_LISTS: usize = 1_000;

/// Options as checked, before they are applied to a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What narrows or dates.
    pub narrowing: Narrowing,
    /// Whether exposures come with their evidence.
    pub evidence: bool,
}

impl Options {
    /// Checks the options of a request.
    pub fn check(options: Option<&v1::ScreeningOptions>) -> Result<Self, Refusal> {
        let Some(options) = options else { return Ok(Self::default()) };
        let max_hops = match options.max_hops {
            0 => Ok(None),
            hops @ 1..=8 => Ok(u8::try_from(hops).ok()),
            hops => {
                let message = format!("{hops} hops, 1 to 8");
                Err(status::invalid_field("options.max_hops", message))
            }
        };
        let as_of = options.as_of.as_ref().map(|at| {
            let wrong = || status::invalid_field("options.as_of", "not a valid timestamp");
            convert::from_timestamp(at).ok_or_else(wrong)
        });
        let (lists, (as_of, max_hops)) =
            both(lists(&options.lists), both(as_of.transpose(), max_hops))?;
        let narrowing = Narrowing { lists, as_of, max_hops };
        Ok(Self { narrowing, evidence: options.include_evidence })
    }

    /// Whether answers take a search.
    pub fn is_deep(&self, scope: &Scope<'_>) -> bool {
        self.evidence || scope.needs_search()
    }

    /// Applies them to a snapshot.
    pub fn scope<'s>(&self, snapshot: &'s Snapshot, now: Timestamp) -> Result<Scope<'s>, Refusal> {
        Scope::new(snapshot, &self.narrowing, now).map_err(|error| match error {
            ScopeError::UnknownList(_) => {
                Refusal::invalid(ErrorReason::UnknownList, "options.lists", error.to_string())
            }
            ScopeError::AsOfInFuture { .. } => status::invalid_field("options.as_of", error),
        })
    }
}

/// The lists named.
fn lists(ids: &[String]) -> Result<Vec<ListId>, Refusal> {
    if ids.len() > MAX_LISTS {
        let message = format!("{} lists, at most {MAX_LISTS}", ids.len());
        return Err(Refusal::invalid(ErrorReason::TooManyItems, "options.lists", message));
    }
    all(ids.iter().enumerate().map(|(place, id)| {
        id.parse().map_err(|error| status::invalid_field(&format!("options.lists[{place}]"), error))
    }))
}

/// A question as checked: its id, its address and the chain that it wishes.
pub struct Question {
    /// The caller's reference.
    pub request_id: String,
    /// The address, as asked.
    pub address: String,
    /// The chain that it wishes.
    pub chain: Option<Chain>,
}

/// Checks a question; the request id comes back with a refusal.
pub fn question(query: v1::AddressQuery) -> Result<Question, (String, Refusal)> {
    let v1::AddressQuery { request_id, address, chain } = query;
    if request_id.len() > MAX_REQUEST_ID {
        let message = format!("{} bytes, at most {MAX_REQUEST_ID}", request_id.len());
        let refusal = status::invalid_field("query.request_id", message);
        let chain = status::wished_chain("query.chain", &chain);
        let refused = both(Err::<(), _>(refusal.clone()), chain).err().unwrap_or(refusal);
        return Err((String::new(), refused));
    }
    match status::wished_chain("query.chain", &chain) {
        Ok(chain) => Ok(Question { request_id, address, chain }),
        Err(refusal) => Err((request_id, refusal)),
    }
}

/// The refusal of what no address could ever be.
pub fn not_an_address(request_id: String, error: &AddressError) -> (String, Refusal) {
    let refusal = Refusal::invalid(ErrorReason::InvalidAddress, "query.address", error.to_string());
    (request_id, refusal)
}
