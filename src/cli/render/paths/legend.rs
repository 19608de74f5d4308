//! The kinds of vertices of a diagram, and their words in every output format.

use super::{ESTIMATE, PathDiagram, Vertex};

/// The part that a place plays, in the order in which forms mark it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Listed,
    Asked,
    /// One that is joined with a listed address by common input.
    Joined,
    /// An end that paths do not pass.
    Stop,
    Passed,
}

/// The part of the place with number `place`. An address asked about that is listed itself is
/// shown as listed: that weighs more.
pub fn part(picture: &PathDiagram<'_>, place: usize) -> Part {
    let Vertex { listed, is_stop, is_joined, .. } = &picture.vertices[place];
    if listed.is_some() {
        Part::Listed
    } else if place == picture.asked {
        Part::Asked
    } else if *is_joined {
        Part::Joined
    } else if *is_stop {
        Part::Stop
    } else {
        Part::Passed
    }
}

/// What is to be said of the place: `LISTED, asked about`, with the party's name apart. Empty for
/// an address that is only passed.
pub fn marks(picture: &PathDiagram<'_>, place: usize) -> String {
    let Vertex { listed, is_stop, is_joined, .. } = &picture.vertices[place];
    let joined = format!("joined by {ESTIMATE}");
    let marks = [
        (listed.is_some(), "LISTED"),
        (place == picture.asked, "asked about"),
        (*is_joined && listed.is_none(), &joined),
        (*is_stop, "stop: paths end here"),
    ];
    let marks: Vec<_> = marks.iter().filter(|(holds, _)| *holds).map(|(_, mark)| *mark).collect();
    marks.join(", ")
}
