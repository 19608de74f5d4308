//! Paths of transfers between an address and listed ones, made ready to be drawn: who is on them,
//! numbered once for every form, and amounts in words. Draws nothing and escapes nothing: each form
//! below makes the strings harmless in its own way.

mod amount;
pub mod dot;
pub mod html;
mod layout;
mod legend;
pub mod standing;
pub mod svg;
pub mod text;

#[cfg(test)]
mod tests;

pub use amount::Amount;

use super::words;
use crate::grpc::v1;

/// What is drawn.
#[derive(Clone, Debug)]
pub struct Picture<'a> {
    /// The address asked about: a place in `places`.
    pub asked: usize,
    /// Who is on the paths; the address asked about is among them even where there are none.
    pub places: Vec<Place>,
    /// The transactions, each once.
    pub transactions: Vec<&'a str>,
    /// The paths, in the order of the answer.
    pub paths: Vec<Path<'a>>,
}

/// A holder on a path, by every way of writing that the answer has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The writings; the first is the one to show.
    pub addresses: Vec<String>,
    /// The party, where the place is a listed one; empty where it is listed without a name.
    pub listed: Option<String>,
    /// Whether paths end there: a service, a hub, a token contract.
    pub is_stop: bool,
}

impl Place {
    /// The writing to show.
    pub fn address(&self) -> &str {
        match self.addresses.first().map(String::as_str) {
            Some("") | None => "(address unknown)",
            Some(address) => address,
        }
    }
}

/// One path.
#[derive(Clone, Debug)]
pub struct Path<'a> {
    /// As answered.
    pub message: &'a v1::ExposurePath,
    /// Its hops, in the order in which funds moved.
    pub steps: Vec<Step<'a>>,
}

/// One hop.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// The sender, a place in [`Picture::places`].
    pub from: usize,
    /// The receiver.
    pub to: usize,
    /// The transaction, a place in [`Picture::transactions`].
    pub tx: Option<usize>,
    /// Whether it was before the listing, where it is the transfer at the listed address.
    pub timing: Option<v1::DesignationTiming>,
    /// As answered.
    pub hop: &'a v1::Hop,
}

impl Step<'_> {
    /// The amount to the last digit.
    pub fn amount(&self) -> String {
        Amount::from(self.hop).exact()
    }

    /// The amount, shortened to what fits beside an arrow.
    pub fn short_amount(&self) -> String {
        Amount::from(self.hop).short()
    }

    /// When.
    pub fn time(&self) -> String {
        words::moment(self.hop.time.as_ref())
    }

    /// Its chain and the place in it.
    pub fn place(&self) -> String {
        match &self.hop.position {
            Some(at) => {
                format!("{} block {} index {}", self.hop.chain, at.height, at.tx_index)
            }
            None => format!("{}, place in its block unknown", self.hop.chain),
        }
    }
}

impl<'a> Picture<'a> {
    /// The picture of an answer.
    pub fn new(response: &'a v1::TraceExposureResponse) -> Self {
        let asked = response.address.as_ref().map_or("", |address| &address.canonical);
        Self::of(asked, &response.paths)
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
            let mut steps = Vec::new();
            let listed = match path.direction() {
                v1::ExposureDirection::SentTo => path.hops.len().saturating_sub(1),
                _ => 0,
            };
            for (place, hop) in path.hops.iter().enumerate() {
                steps.push(Step {
                    timing: (place == listed).then(|| path.timing()),
                    from: directory.number(end(&hop.from)),
                    to: directory.number(end(&hop.to)),
                    tx: (!hop.tx.is_empty()).then(|| number(&mut transactions, hop.tx.as_str())),
                    hop,
                });
            }
            drawn.push(Path { message: path, steps });
        }
        let mut picture = Self { asked, places: directory.places, transactions, paths: drawn };
        picture.drop_unused();
        picture
    }

    /// Places that were joined with others are gone from the numbering.
    fn drop_unused(&mut self) {
        let mut kept = Vec::new();
        let mut renamed = Vec::new();
        for place in std::mem::take(&mut self.places) {
            renamed.push(kept.len());
            if !place.addresses.is_empty() {
                kept.push(place);
            }
        }
        self.places = kept;
        self.asked = renamed[self.asked];
        for step in self.paths.iter_mut().flat_map(|path| &mut path.steps) {
            step.from = renamed[step.from];
            step.to = renamed[step.to];
        }
    }
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

/// Who is who: writings of one key are one place.
#[derive(Default)]
struct Directory {
    places: Vec<Place>,
}

impl Directory {
    fn number(&mut self, address: &str) -> usize {
        let known =
            self.places.iter().position(|place| place.addresses.iter().any(|a| a == address));
        known.unwrap_or_else(|| {
            let addresses = vec![address.to_owned()];
            self.places.push(Place { addresses, listed: None, is_stop: false });
            self.places.len() - 1
        })
    }

    /// Enters a path: the receiver of a hop and the sender of the next are one, as are the ends
    /// and what the answer says of them.
    fn join(&mut self, asked: usize, path: &v1::ExposurePath) {
        let asked = self.places[asked].addresses.first().cloned().unwrap_or_default();
        for pair in path.hops.windows(2) {
            self.unite(end(&pair[0].to), end(&pair[1].from));
        }
        let (Some(first), Some(last)) = (path.hops.first(), path.hops.last()) else { return };
        let (ours, theirs) = match path.direction() {
            v1::ExposureDirection::SentTo => (end(&first.from), end(&last.to)),
            _ => (end(&last.to), end(&first.from)),
        };
        if asked.is_empty() || !ours.is_empty() {
            self.unite(&asked, ours);
        }
        let listing = path.listing.as_ref();
        if let Some(canonical) =
            listing.map(|listing| &listing.canonical_address).filter(|address| !address.is_empty())
        {
            self.unite(theirs, canonical);
        }
        let theirs = self.number(theirs);
        let party = listing.and_then(|listing| listing.party.as_ref());
        let name = party.map_or("", |party| &party.name);
        let listed = self.places[theirs].listed.get_or_insert_with(|| name.to_owned());
        if listed.is_empty() {
            name.clone_into(listed);
        }
        for hop in &path.hops {
            for stop in [&hop.from, &hop.to].into_iter().flatten().filter(|end| end.is_stop) {
                let place = self.number(&stop.address);
                self.places[place].is_stop = true;
            }
        }
    }

    /// Makes two writings one place, the one known first.
    fn unite(&mut self, one: &str, other: &str) {
        let (one, other) = (self.number(one), self.number(other));
        let (stays, goes) = (one.min(other), one.max(other));
        if stays == goes {
            return;
        }
        let gone = Place { addresses: Vec::new(), listed: None, is_stop: false };
        let gone = std::mem::replace(&mut self.places[goes], gone);
        let place = &mut self.places[stays];
        place.addresses.extend(gone.addresses);
        // A name that the answer does not give for the address asked about is no writing of it.
        place.addresses.retain(|address| !address.is_empty());
        place.is_stop |= gone.is_stop;
        place.listed = place.listed.take().or(gone.listed);
    }
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
    let way = match path.message.direction() {
        v1::ExposureDirection::ReceivedFrom => "funds came from a listed address",
        v1::ExposureDirection::SentTo => "funds went to a listed address",
        v1::ExposureDirection::Unspecified => "a tie with a listed address",
    };
    format!("{way} over {}, {}", words::count(path.steps.len(), "hop", "hops"), timing(path))
}

/// Whether funds moved at the listed address before it was listed.
fn timing(path: &Path<'_>) -> String {
    let path = path.message;
    words::timing(path.timing(), path.timing_basis(), path.listing.as_ref())
}

/// The listing at the other end, in a line.
fn listing_words(listing: &v1::Listing) -> String {
    let party = listing.party.as_ref().map_or("", |party| &party.name);
    let party = if party.is_empty() { "no party named" } else { party };
    let listed_on = words::day(&listing.listed_on);
    format!(
        "{party} ({}, {} version {}, listed on {listed_on})",
        words::kind(listing.list_kind()),
        listing.list_id,
        listing.list_version
    )
}
