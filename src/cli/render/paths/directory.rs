//! Numbers the vertices of a diagram: all forms of an address with one key are one vertex.

use super::{Vertex, end};
use crate::grpc::v1;

/// Who is who: writings of one key are one place.
#[derive(Default)]
pub(super) struct Directory {
    pub vertices: Vec<Vertex>,
}

impl Directory {
    pub fn number(&mut self, address: &str) -> usize {
        let known =
            self.vertices.iter().position(|place| place.addresses.iter().any(|a| a == address));
        known.unwrap_or_else(|| {
            let addresses = vec![address.to_owned()];
            self.vertices.push(Vertex { addresses, ..Vertex::default() });
            self.vertices.len() - 1
        })
    }

    /// Enters a path: the receiver of a hop and the sender of the next are one, as are the ends
    /// and what the answer says of them.
    pub fn join(&mut self, asked: usize, path: &v1::ExposurePath) {
        let asked = self.vertices[asked].addresses.first().cloned().unwrap_or_default();
        for pair in path.hops.windows(2) {
            self.unite(end(&pair[0].receiver), end(&pair[1].sender));
        }
        let Some((ours, theirs)) = ends(path, &asked) else { return };
        if asked.is_empty() || !ours.is_empty() {
            self.unite(&asked, ours);
        }
        let theirs = self.join_chain(theirs, path);
        let listing = path.listing.as_ref();
        if let Some(canonical) =
            listing.map(|listing| &listing.canonical_address).filter(|address| !address.is_empty())
        {
            self.unite(theirs, canonical);
        }
        let theirs = self.number(theirs);
        let party = listing.and_then(|listing| listing.party.as_ref());
        let name = party.map_or("", |party| &party.name);
        let listed = self.vertices[theirs].listed.get_or_insert_with(|| name.to_owned());
        if listed.is_empty() {
            name.clone_into(listed);
        }
        for hop in &path.hops {
            for stop in [&hop.sender, &hop.receiver].into_iter().flatten().filter(|end| end.is_stop)
            {
                let place = self.number(&stop.address);
                self.vertices[place].is_stop = true;
            }
        }
    }

    /// Enters how the end of a path is joined with the listed address, where it is; gives a writing of
    /// that address.
    fn join_chain<'p>(&mut self, end: &'p str, path: &'p v1::ExposurePath) -> &'p str {
        if !path.common_input {
            return end;
        }
        let joins = joins(path);
        let place = self.number(end);
        self.vertices[place].is_joined = true;
        let (Some(first), Some(last)) = (joins.first(), joins.last()) else {
            return listed_address(path);
        };
        self.unite(end, &first.address);
        for pair in joins.windows(2) {
            self.unite(&pair[0].other_address, &pair[1].address);
        }
        for join in joins {
            let place = self.number(&join.address);
            self.vertices[place].is_joined = true;
        }
        &last.other_address
    }

    /// Makes two writings one place, the one known first.
    fn unite(&mut self, one: &str, other: &str) {
        let (one, other) = (self.number(one), self.number(other));
        let (stays, goes) = (one.min(other), one.max(other));
        if stays == goes {
            return;
        }
        let gone = Vertex::default();
        let gone = std::mem::replace(&mut self.vertices[goes], gone);
        let place = &mut self.vertices[stays];
        place.addresses.extend(gone.addresses);
        // A name that the answer does not give for the address asked about is no writing of it.
        place.addresses.retain(|address| !address.is_empty());
        place.is_stop |= gone.is_stop;
        place.is_joined |= gone.is_joined;
        place.listed = place.listed.take().or(gone.listed);
    }
}

/// The ends of a path: at the address asked about, and at the listed one or one that is joined with it;
/// `None` where it has none.
pub(super) fn ends<'p>(path: &'p v1::ExposurePath, asked: &'p str) -> Option<(&'p str, &'p str)> {
    let (Some(first), Some(last)) = (path.hops.first(), path.hops.last()) else {
        return path.common_input.then_some((asked, asked));
    };
    Some(match path.direction() {
        v1::ExposureDirection::SentTo => (end(&first.sender), end(&last.receiver)),
        v1::ExposureDirection::ReceivedFrom | v1::ExposureDirection::Unspecified => {
            (end(&last.receiver), end(&first.sender))
        }
    })
}

/// The transactions that join the end of a path with the listed address.
pub(super) fn joins(path: &v1::ExposurePath) -> &[v1::CommonInputJoin] {
    let chain = path.common_input_chain.as_ref().filter(|_| path.common_input);
    chain.map_or(&[], |chain| &chain.joins)
}

/// The listed address: as it is understood, else as the list has it.
pub(super) fn listed_address(path: &v1::ExposurePath) -> &str {
    let listing = path.listing.as_ref();
    let written = listing.map_or("", |listing| &listing.address);
    let canonical = listing.map_or("", |listing| &listing.canonical_address);
    if canonical.is_empty() { written } else { canonical }
}
