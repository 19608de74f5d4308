//! Page sizes and tokens. A token is opaque to clients: the hex of the position to continue from, and a
//! digest of the request that it continues.

use std::hash::{DefaultHasher, Hasher};

use data_encoding::HEXLOWER_PERMISSIVE;
use prost::Message;

use super::convert::hex;
use super::status::{Refusal, invalid_field};
use super::v1;

/// The most bytes of a position.
const MAX_POSITION: usize = 512;

/// The number of items to give for a `page_size`.
pub fn limit(page_size: u32) -> usize {
    bounded(page_size, 1_000, 10_000)
}

/// The same of items that are large or take a search.
pub fn heavy_limit(page_size: u32) -> usize {
    bounded(page_size, 100, 1_000)
}

fn bounded(page_size: u32, default: u32, most: u32) -> usize {
    if page_size == 0 { default as usize } else { page_size.min(most) as usize }
}

/// A request for a page.
pub trait Paged: Message {
    fn page_size(&mut self) -> &mut u32;
    fn page_token(&mut self) -> &mut String;
}

macro_rules! paged {
    ($($request:ident),* $(,)?) => {
        $(impl Paged for v1::$request {
            fn page_size(&mut self) -> &mut u32 {
                &mut self.page_size
            }

            fn page_token(&mut self) -> &mut String {
                &mut self.page_token
            }
        })*
    };
}

paged! {
    ListCounterpartiesRequest,
    ListHubsRequest,
    ListListingChangesRequest,
    ListQuarantineRequest,
    ListTransferConflictsRequest,
    ListTransferGapsRequest,
    LookUpPartyRequest,
    QueryScreeningsRequest,
}

/// The page that a request asks for. Its tokens are good for the same request alone, but for the page's
/// size.
#[derive(Clone, Debug)]
pub struct Page {
    /// As the request has it.
    pub size: u32,
    token: String,
    /// Of the request without size and token.
    digest: u64,
}

impl Page {
    /// Takes size and token out of a request.
    pub fn take(request: &mut impl Paged) -> Self {
        let size = std::mem::take(request.page_size());
        let token = std::mem::take(request.page_token());
        Self { size, token, digest: digest(request) }
    }

    /// The page of a request without a size, by its token and its digest.
    pub fn of_part(token: String, digest: u64) -> Self {
        Self { size: 0, token, digest }
    }

    /// Returns the token for what follows a position.
    pub fn token(&self, position: &[u8]) -> String {
        hex(&[&self.digest.to_be_bytes()[..], position].concat())
    }

    /// Returns the token for what follows a position of two numbers.
    pub fn token_at(&self, position: [u64; 2]) -> String {
        let [high, low] = position.map(u64::to_be_bytes);
        self.token(&[high, low].concat())
    }

    /// Returns the position of the request's token, as `parse` reads it; `None` for the first page.
    pub fn position<T>(
        &self,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        if self.token.is_empty() {
            return Ok(None);
        }
        let no_token = || invalid_field("page_token", "not a token of this method");
        let bytes = bytes(&self.token, 8 + MAX_POSITION);
        // What would not be written as itself is no token.
        let bytes = bytes.filter(|bytes| hex(bytes) == self.token).ok_or_else(no_token)?;
        let (digest, position) = bytes.split_first_chunk::<8>().ok_or_else(no_token)?;
        let position = parse(position).ok_or_else(no_token)?;
        if u64::from_be_bytes(*digest) != self.digest {
            let message = "a token of another request: repeat the request that it came from";
            return Err(invalid_field("page_token", message));
        }
        Ok(Some(position))
    }

    /// Returns the position of two numbers.
    pub fn after(&self) -> Result<Option<[u64; 2]>, Refusal> {
        self.position(numbers)
    }
}

/// Reads a position of so many numbers.
pub fn numbers<const N: usize>(position: &[u8]) -> Option<[u64; N]> {
    let (chunks, []) = position.as_chunks::<8>() else { return None };
    let numbers: [[u8; 8]; N] = chunks.try_into().ok()?;
    Some(numbers.map(u64::from_be_bytes))
}

/// Returns the digest of a request: the same in every process of one version, so that any replica takes a
/// token.
pub fn digest(request: &impl Message) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(&request.encode_to_vec());
    hasher.finish()
}

/// The bytes of a token in hex, at most so many; `None` where it is no such text.
pub fn bytes(token: &str, most: usize) -> Option<Vec<u8>> {
    if token.len() > 2 * most {
        return None;
    }
    HEXLOWER_PERMISSIVE.decode(token.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(list: &str, size: u32, token: &str) -> Page {
        Page::take(&mut v1::ListQuarantineRequest {
            list_id: list.to_owned(),
            page_size: size,
            page_token: token.to_owned(),
        })
    }

    #[test]
    fn tokens_come_back_for_their_request_and_any_size() {
        for at in [[0, 0], [1, 2], [u64::MAX, u64::MAX]] {
            let token = page("a", 10, "").token_at(at);
            assert_eq!(page("a", 20, &token).after(), Ok(Some(at)));
            let refused = page("b", 10, &token).after().unwrap_err();
            assert!(format!("{refused:?}").contains("page_token"), "{refused:?}");
        }
        assert_eq!(page("a", 1, "").after(), Ok(None));
    }

    #[test]
    fn other_strings_are_refused() {
        let good = page("a", 1, "").token_at([0xab, 2]);
        let bad = [
            "0",
            "zz",
            "é23456789012345678901234567890",
            &good.to_uppercase(),
            &good[..32],
            &format!("{good}00"),
            &"0".repeat(33),
            &"g".repeat(48),
            &"0".repeat(100_000),
        ];
        for text in bad {
            assert!(page("a", 1, text).after().is_err(), "{text:?}");
        }
    }
}
