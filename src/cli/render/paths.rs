//! The diagram of the paths between an address and listed ones, which each output format draws. Strings
//! are not escaped here: each format escapes in its own way.

mod amount;
mod directory;
pub mod dot;
pub mod html;
mod joins;
mod layout;
mod legend;
pub mod svg;
pub mod text;
pub mod trace_subject;

#[cfg(test)]
mod tests;

pub use amount::Amount;
use directory::Directory;
pub use joins::{Link, joined_path};

use super::words;
use crate::grpc::v1;

#[derive(Clone, Debug)]
pub struct PathDiagram<'a> {
    /// The address asked about: an index into `vertices`.
    pub asked: usize,
    /// Who is on the paths; the address asked about is among them even where there are none.
    pub vertices: Vec<Vertex>,
    pub transactions: Vec<&'a str>,
    /// The paths, in the order of the answer.
    pub paths: Vec<Path<'a>>,
}

/// By what addresses are joined, and how sure that is.
pub const ESTIMATE: &str = "common input (an estimate)";

/// A holder on a path, by every way of writing that the answer has for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vertex {
    /// The writings; the first is the one to show.
    pub addresses: Vec<String>,
    /// The party, where the place is a listed one; empty where it is listed without a name.
    pub listed: Option<String>,
    /// Whether paths end there: a service, a hub, a token contract.
    pub is_stop: bool,
    /// Whether it is joined with a listed address by common input: an estimate.
    pub is_joined: bool,
}

impl Vertex {
    pub fn address(&self) -> &str {
        match self.addresses.first().map(String::as_str) {
            Some("") | None => "(address unknown)",
            Some(address) => address,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Path<'a> {
    pub message: &'a v1::ExposurePath,
    /// Its hops, in the order in which funds moved; none where the address asked about itself is joined
    /// with the listed one.
    pub hops: Vec<Hop<'a>>,
    /// From where it begins by common input (sent-to: ends) to the listed address; none where it begins
    /// there.
    pub links: Vec<Link<'a>>,
}

impl Path<'_> {
    /// Whether the listed address is at its end: funds went there, or none moved.
    fn is_listed_last(&self) -> bool {
        self.hops.is_empty() || self.message.direction() == v1::ExposureDirection::SentTo
    }
}

#[derive(Clone, Debug)]
pub struct Hop<'a> {
    /// The sender, an index into [`PathDiagram::vertices`].
    pub from: usize,
    pub to: usize,
    /// The transaction, an index into [`PathDiagram::transactions`].
    pub tx: Option<usize>,
    /// Whether it was before the listing, where it is the transfer at the listed address.
    pub timing: Option<v1::DesignationTiming>,
    pub hop: &'a v1::Hop,
}

impl Hop<'_> {
    /// The amount to the last digit.
    pub fn amount(&self) -> String {
        Amount::from(self.hop).exact()
    }

    /// The amount, shortened to what fits beside an arrow.
    pub fn short_amount(&self) -> String {
        Amount::from(self.hop).short()
    }

    pub fn time(&self) -> String {
        words::moment(self.hop.time.as_ref())
    }

    /// Its chain and the place in it.
    pub fn place(&self) -> String {
        place_in_chain(&self.hop.chain, self.hop.position.as_ref())
    }
}

/// A chain and an index into it.
fn place_in_chain(chain: &str, position: Option<&v1::ChainPosition>) -> String {
    match position {
        Some(at) => format!("{chain} block {} index {}", at.height, at.tx_index),
        None => format!("{chain}, place in its block unknown"),
    }
}

impl<'a> PathDiagram<'a> {
    /// The picture of an answer, of which these are [`all_paths`].
    pub fn new(response: &v1::TraceExposureResponse, paths: &'a [v1::ExposurePath]) -> Self {
        let asked = response.address.as_ref().map_or("", |address| &address.canonical);
        Self::of(asked, paths)
    }

    /// The picture of `paths`, which belong to the address `asked`.
    pub fn of(asked: &str, paths: &'a [v1::ExposurePath]) -> Self {
        let mut directory = Directory::default();
        let asked = directory.number(asked);
        for path in paths {
            directory.join(asked, path);
        }
        let mut transactions = Vec::new();
        let mut drawn = Vec::new();
        for path in paths {
            let mut hops = Vec::new();
            let listed = match path.direction() {
                v1::ExposureDirection::SentTo => path.hops.len().saturating_sub(1),
                v1::ExposureDirection::ReceivedFrom | v1::ExposureDirection::Unspecified => 0,
            };
            for (place, hop) in path.hops.iter().enumerate() {
                hops.push(Hop {
                    timing: (place == listed).then(|| path.timing()),
                    from: directory.number(end(&hop.sender)),
                    to: directory.number(end(&hop.receiver)),
                    tx: (!hop.tx.is_empty()).then(|| number(&mut transactions, hop.tx.as_str())),
                    hop,
                });
            }
            let links = joins::links(&mut directory, asked, path, &mut transactions);
            drawn.push(Path { message: path, hops, links });
        }
        let mut picture = Self { asked, vertices: directory.vertices, transactions, paths: drawn };
        picture.drop_unused();
        picture
    }

    /// Places that were joined with others are gone from the numbering.
    fn drop_unused(&mut self) {
        let mut kept = Vec::new();
        let mut renamed = Vec::new();
        for place in std::mem::take(&mut self.vertices) {
            renamed.push(kept.len());
            if !place.addresses.is_empty() {
                kept.push(place);
            }
        }
        self.vertices = kept;
        self.asked = renamed[self.asked];
        for step in self.paths.iter_mut().flat_map(|path| &mut path.hops) {
            step.from = renamed[step.from];
            step.to = renamed[step.to];
        }
        for link in self.paths.iter_mut().flat_map(|path| &mut path.links) {
            link.from = renamed[link.from];
            link.to = renamed[link.to];
        }
    }
}

/// What an answer draws: first how the address asked about is joined with listed ones, then its paths.
pub fn all_paths(response: &v1::TraceExposureResponse) -> Vec<v1::ExposurePath> {
    let joined = response.common_inputs.iter().map(|joined| {
        joined_path(joined.listing.clone(), joined.chain.clone().unwrap_or_default())
    });
    joined.chain(response.paths.iter().cloned()).collect()
}

/// The place of `item` among the `known`, added where it is new.
fn number<'a>(known: &mut Vec<&'a str>, item: &'a str) -> usize {
    known.iter().position(|each| *each == item).unwrap_or_else(|| {
        known.push(item);
        known.len() - 1
    })
}

fn end(end: &Option<v1::HopEnd>) -> &str {
    end.as_ref().map_or("", |end| &end.address)
}

/// A text of one line, shortened in its middle to `most` characters.
pub fn shortened(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let tail = most.saturating_sub(1) * 2 / 5;
    let head = most.saturating_sub(1) - tail;
    let head: String = text.chars().take(head).collect();
    let tail: String = text.chars().skip(length - tail).collect();
    format!("{head}…{tail}")
}

/// What a path says, in a line: its direction, length and timing.
fn headline(path: &Path<'_>) -> String {
    if path.hops.is_empty() {
        return format!("joined with a listed address by {ESTIMATE}");
    }
    let way = match path.message.direction() {
        v1::ExposureDirection::ReceivedFrom => "funds came from",
        v1::ExposureDirection::SentTo => "funds went to",
        v1::ExposureDirection::Unspecified => "a tie with",
    };
    let whom = if path.message.common_input {
        format!("an address that is joined with a listed one by {ESTIMATE},")
    } else {
        "a listed address".to_owned()
    };
    let hops = words::count(path.hops.len(), "hop", "hops");
    format!("{way} {whom} over {hops}, {}", timing(path))
}

/// Whether funds moved at the listed address before it was listed.
fn timing(path: &Path<'_>) -> String {
    let path = path.message;
    words::timing(path.timing(), path.timing_basis(), path.listing.as_ref())
}

/// The listing at the other end, in a line.
pub fn listing_words(listing: &v1::Listing) -> String {
    let party = listing.party.as_ref().map_or("", |party| &party.name);
    let party = if party.is_empty() { "no party named" } else { party };
    let listed_on = words::day(&listing.listed_on);
    format!(
        "{party} ({}, {}, listed on {listed_on})",
        words::kind(listing.list_kind()),
        listing.list_id
    )
}
