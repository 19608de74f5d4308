//! A batch of questions, checked, and the part of its answers that its caller has room for.

use prost::Message;

use crate::engine::Engine;
use crate::grpc::bounds::{MAX_QUERIES, MAX_RESPONSE};
use crate::grpc::call::answer_too_large;
use crate::grpc::page::{self, Page};
use crate::grpc::request::ScreeningOptions;
use crate::grpc::status::{Refusal, both, invalid_field};
use crate::grpc::v1::{self, ErrorReason};

/// The least room that a caller may name, in bytes: the largest item and a snapshot fit.
const MIN_ROOM: usize = 64 << 10;

/// What a message field takes beside its bytes: a key, and a length of up to four bytes.
const FIELD: usize = 5;

/// A batch, from the query on with which its part begins.
#[derive(Debug)]
pub struct Batch {
    /// The queries that are left.
    pub queries: Vec<v1::AddressQuery>,
    /// What narrows or dates all of them.
    pub options: ScreeningOptions,
    /// The most bytes of the answer, where the caller names them.
    pub most: Option<usize>,
    /// The place of the first query.
    start: u64,
    /// How many there are in all.
    total: u64,
    /// Tokens are good for all queries and the options alone.
    page: Page,
}

impl Batch {
    /// Checks a request; a refusal names every field that is wrong.
    pub fn check(
        mut request: v1::BatchScreenAddressesRequest,
        engine: &Engine,
    ) -> Result<Self, Refusal> {
        let page_token = std::mem::take(&mut request.page_token);
        let max_response_bytes = std::mem::take(&mut request.max_response_bytes);
        let is_in_parts = max_response_bytes > 0 || !page_token.is_empty();
        let digest = if is_in_parts { page::digest(&request) } else { 0 };
        let page = Page::of_part(page_token, digest);
        let v1::BatchScreenAddressesRequest { mut queries, options, .. } = request;
        let total = queries.len();
        let count = match total {
            1..=MAX_QUERIES => Ok(()),
            _ => {
                let message = format!("{total} addresses, 1 to {MAX_QUERIES}");
                let reason = match total {
                    0 => ErrorReason::InvalidField,
                    _ => ErrorReason::TooManyItems,
                };
                Err(Refusal::invalid(reason, "queries", message))
            }
        };
        let options = both(count, ScreeningOptions::check_past(options.as_ref(), Some(engine)));
        let room = both(room(max_response_bytes), start(&page, total as u64));
        let (((), options), (most, start)) = both(options, room)?;
        queries.drain(..start as usize);
        Ok(Self { queries, options, most, start, total: total as u64, page })
    }

    /// Room for the answers, beside their snapshot; of a caller who takes `limit` bytes of any answer.
    pub fn room(&self, snapshot: Option<&v1::Snapshot>, snapshot_id: &str, limit: usize) -> Room {
        let snapshot = snapshot.map_or(0, |snapshot| snapshot.encoded_len() + FIELD);
        let token = self.page.token(&self.start.to_be_bytes()).len() + FIELD;
        let beside = snapshot + snapshot_id.len() + FIELD + token;
        match self.most {
            Some(most) => Room::OfPart { left: most.saturating_sub(beside) },
            None => Room::OfAll { left: limit, limit },
        }
    }

    /// The token for what follows the first `answered` of the queries that were left.
    pub fn token_after(&self, answered: usize) -> String {
        let next = self.start + answered as u64;
        if next < self.total { self.page.token(&next.to_be_bytes()) } else { String::new() }
    }
}

fn room(max_response_bytes: u32) -> Result<Option<usize>, Refusal> {
    match max_response_bytes as usize {
        0 => Ok(None),
        most @ MIN_ROOM..=MAX_RESPONSE => Ok(Some(most)),
        most => {
            let message = format!("{most} bytes, {MIN_ROOM} to {MAX_RESPONSE}");
            Err(invalid_field("max_response_bytes", message))
        }
    }
}

/// Where the part begins.
fn start(page: &Page, total: u64) -> Result<u64, Refusal> {
    match page.position(page::numbers)? {
        None => Ok(0),
        Some([start]) if start < total => Ok(start),
        Some([_]) => Err(invalid_field("page_token", "behind the last query")),
    }
}

/// What is left of the bytes that the caller takes.
#[derive(Clone, Copy, Debug)]
pub enum Room {
    /// Of an answer that is cut behind the last whole item.
    OfPart {
        /// Bytes.
        left: usize,
    },
    /// Of an answer that is refused where it is too large: as soon as that is sure, and not when all
    /// of it is in memory.
    OfAll {
        /// Bytes.
        left: usize,
        /// The most bytes of the answer.
        limit: usize,
    },
}

impl Room {
    /// Takes the bytes of an item; whether it still fits into its part. The first item of a part
    /// always fits: the answer is refused as a whole should it not.
    pub fn takes(&mut self, item: &v1::ScreeningItem, is_first: bool) -> Result<bool, Refusal> {
        match self {
            Self::OfPart { left } => {
                let bytes = item.encoded_len() + FIELD;
                let fits = bytes <= *left;
                *left = left.saturating_sub(bytes);
                Ok(fits || is_first)
            }
            Self::OfAll { left, limit } => match left.checked_sub(item.encoded_len()) {
                Some(rest) => {
                    *left = rest;
                    Ok(true)
                }
                None => Err(answer_too_large(*limit)),
            },
        }
    }
}
