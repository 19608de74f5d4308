//! The common-input links from the end of a path to a listed address: transactions of which both are
//! inputs, an estimate that they have one owner. These move no funds between them.

use super::directory::{Directory, ends, joins, listed_address};
use super::{number, place_in_chain};
use crate::cli::render::words;
use crate::grpc::v1;

/// One transaction that joins two places.
#[derive(Clone, Debug)]
pub struct Link<'a> {
    /// The one nearer to the address asked about, a place in the picture.
    pub from: usize,
    pub to: usize,
    /// The transaction, a place in the picture.
    pub tx: Option<usize>,
    /// As answered; `None` where the transactions are not known, or too many to be shown.
    pub join: Option<&'a v1::CommonInputJoin>,
}

impl Link<'_> {
    /// When; empty where that is not said.
    pub fn time(&self) -> String {
        self.join.map_or_else(String::new, |join| words::moment(join.time.as_ref()))
    }

    /// Its chain and the place in it.
    pub fn place(&self) -> String {
        match self.join {
            Some(join) => place_in_chain(&join.chain, join.position.as_ref()),
            None => "by transactions that are not shown here".to_owned(),
        }
    }
}

/// A path without hops: how an address is joined with a listed one.
pub fn joined_path(listing: Option<v1::Listing>, chain: v1::CommonInputChain) -> v1::ExposurePath {
    v1::ExposurePath {
        listing,
        common_input: true,
        common_input_chain: Some(chain),
        ..Default::default()
    }
}

/// The links of a path of the place `asked`, once all paths are entered.
pub(super) fn links<'a>(
    directory: &mut Directory,
    asked: usize,
    path: &'a v1::ExposurePath,
    transactions: &mut Vec<&'a str>,
) -> Vec<Link<'a>> {
    if !path.common_input {
        return Vec::new();
    }
    let joins = joins(path);
    if joins.is_empty() {
        let from = match ends(path, "") {
            Some((_, theirs)) if !path.hops.is_empty() => directory.number(theirs),
            _ => asked,
        };
        let to = directory.number(listed_address(path));
        return vec![Link { from, to, tx: None, join: None }];
    }
    let link = |join: &'a v1::CommonInputJoin| Link {
        from: directory.number(&join.address),
        to: directory.number(&join.other_address),
        tx: (!join.tx.is_empty()).then(|| number(transactions, join.tx.as_str())),
        join: Some(join),
    };
    joins.iter().map(link).collect()
}
