//! How many elements a repeated field of a request may have, by message and field.

use crate::domain::transfer::{MAX_HOLDERS, MAX_LEGS};
use crate::grpc::bounds::{MAX_COVERED, MAX_LISTS, MAX_QUERIES, MAX_SIDE, MAX_TRANSFERS};

/// A repeated field of a request.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The message, without its package.
    pub message: &'static str,
    pub field: &'static str,
    /// The most elements. A service may take fewer and then says so itself.
    pub most: usize,
    /// The room that a decoder makes for the field before it decodes: exactly what is needed.
    pub is_reserved: bool,
}

/// A batch of transfers may hold this many times what the service takes: one that is only a little
/// too large is decoded, so that the service records its blocks as gaps.
const INGEST_MARGIN: usize = 2;

/// Kinds of movement or of list, or gates, that one message may name: there are fewer than ten of
/// each, and naming one twice is no error.
const MAX_KINDS: usize = 100;

/// Every repeated field that a request can hold; a test holds the table against the descriptors.
pub const LIMITS: [Limit; 15] = [
    limit("BatchReplayScreeningsRequest", "record_ids", MAX_QUERIES),
    reserved("BatchScreenAddressesRequest", "queries", MAX_QUERIES),
    reserved("ComparePoliciesRequest", "queries", MAX_QUERIES),
    limit("CoveredBlocks", "kinds", MAX_KINDS),
    reserved("DeclareCoverageRequest", "covered", MAX_COVERED),
    reserved("IngestTransfersRequest", "transfers", MAX_TRANSFERS * INGEST_MARGIN),
    reserved("IngestTransfersRequest", "covered", MAX_COVERED * INGEST_MARGIN),
    reserved("IngestTransfersRequest", "gaps", MAX_COVERED * INGEST_MARGIN),
    limit("ImportListHeader", "force_gates", MAX_KINDS),
    limit("ScreenPaymentRequest", "sources", MAX_SIDE),
    limit("ScreenPaymentRequest", "destinations", MAX_SIDE),
    limit("ScreeningOptions", "lists", MAX_LISTS),
    limit("TraceExposureRequest", "list_kinds", MAX_KINDS),
    limit("UtxoLeg", "addresses", MAX_HOLDERS * INGEST_MARGIN),
    // Of inputs and outputs alike.
    limit("UtxoMovement", "", MAX_LEGS * INGEST_MARGIN),
];

const fn limit(message: &'static str, field: &'static str, most: usize) -> Limit {
    Limit { message, field, most, is_reserved: false }
}

const fn reserved(message: &'static str, field: &'static str, most: usize) -> Limit {
    Limit { is_reserved: true, ..limit(message, field, most) }
}

/// The limit of a repeated field.
pub fn of(message: &str, field: &str) -> Option<Limit> {
    let of_message = LIMITS.iter().filter(|limit| limit.message == message);
    of_message.copied().find(|limit| limit.field.is_empty() || limit.field == field)
}
