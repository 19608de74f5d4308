//! The bounds of requests and responses that several parts of the service share.

/// The most addresses in one batch.
pub const MAX_QUERIES: usize = 10_000;

/// The most addresses on one side of a payment.
pub const MAX_SIDE: usize = 100;

/// The most list ids in a request's options.
pub const MAX_LISTS: usize = 1_000;

/// The most transfers in one batch.
pub const MAX_TRANSFERS: usize = 10_000;

/// The most spans of blocks that one batch says to be covered, and the most gaps that it tells of.
pub const MAX_COVERED: usize = 10_000;

/// The largest message sent, in bytes: a batch of 10,000 answers with findings.
pub const MAX_RESPONSE: usize = 64 << 20;
