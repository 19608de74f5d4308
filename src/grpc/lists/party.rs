//! `LookUpParty`: parties by identifier or by name, with what was compared and what could not be.

use std::collections::BTreeMap;

use tonic::Code;

use super::parse_list_filter;
use crate::domain::list::{ListId, Party, Row};
use crate::domain::party_name::NameQuery;
use crate::engine::Engine;
use crate::grpc::convert::{self, ListedRow};
use crate::grpc::page::Page;
use crate::grpc::status::{Refusal, both, invalid_field};
use crate::grpc::v1::{self, ErrorReason};
use crate::screening::snapshot::{Snapshot, SnapshotList};

/// How many parties a page of names has where the request does not say, and at most.
const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

/// A page of names ends with the party that brings its listings to this many.
const MAX_LISTINGS: usize = 10_000;

/// What a request asks for.
enum Wanted {
    Uid(String),
    Name(NameQuery),
}

pub(super) fn look_up(
    engine: &Engine,
    mut request: v1::LookUpPartyRequest,
) -> Result<v1::LookUpPartyResponse, Refusal> {
    let asked = Page::take(&mut request);
    let list = parse_list_filter(engine, &request.list_id);
    let wanted = parse_wanted(request.party_uid, &request.name);
    let (list, (wanted, place)) = both(list, both(wanted, asked.after()))?;
    let snapshot = engine.snapshot();
    let lists = snapshot.as_deref().map_or(&[][..], Snapshot::lists);
    let is_asked = |id: &ListId| list.as_ref().is_none_or(|list| list == id);
    let compared: Vec<_> = lists.iter().filter(|each| is_asked(each.id())).collect();
    let mut not_loaded = lists_not_loaded(engine, snapshot.as_deref());
    not_loaded.retain(|id, _| is_asked(id));
    if compared.is_empty() {
        let message = format!("nothing was compared: {}", name_not_loaded(&not_loaded));
        return Err(Refusal::new(Code::Unavailable, ErrorReason::NotLoaded, message));
    }
    let (parties, next_page_token) = match wanted {
        Wanted::Uid(uid) => (find_by_uid(&compared, &not_loaded, &uid)?, String::new()),
        Wanted::Name(query) => {
            // Version numbers count over all lists: the greatest one stands for all of them.
            let mark = lists.iter().map(|list| list.state().version.version).max().unwrap_or(0);
            let from = match place {
                None => 0,
                Some([at, from]) if at == mark => from,
                Some(_) => {
                    let message = "a list was published since the page before: begin again";
                    return Err(invalid_field("page_token", message));
                }
            };
            let size = match asked.size as usize {
                0 => DEFAULT_PAGE,
                size => size.min(MAX_PAGE),
            };
            let (parties, is_last) = find_by_name(&compared, &query, from, size);
            let next = [mark, from + parties.len() as u64];
            (parties, if is_last { String::new() } else { asked.token_at(next) })
        }
    };
    let now = engine.now();
    let compared_lists = compared.iter().map(|list| v1::ComparedList {
        list_id: list.id().to_string(),
        parties: list.state().parties.len() as u64,
        stale: list.counts_as_stale(now),
    });
    let lists_not_loaded = not_loaded
        .into_iter()
        .map(|(id, required)| v1::NotLoadedList { list_id: id.to_string(), required });
    Ok(v1::LookUpPartyResponse {
        parties,
        compared_lists: compared_lists.collect(),
        lists_not_loaded: lists_not_loaded.collect(),
        next_page_token,
    })
}

fn parse_wanted(uid: String, name: &str) -> Result<Wanted, Refusal> {
    match (uid.is_empty(), name.is_empty()) {
        (false, true) => Ok(Wanted::Uid(uid)),
        (true, false) => match NameQuery::parse(name) {
            Ok(query) => Ok(Wanted::Name(query)),
            Err(error) => Err(invalid_field("name", error)),
        },
        (true, true) => Err(invalid_field("party_uid", "give party_uid or name")),
        (false, false) => Err(invalid_field("name", "give party_uid or name, not both")),
    }
}

/// The lists that are configured or required and not in the snapshot, each with whether it is
/// required.
fn lists_not_loaded(engine: &Engine, snapshot: Option<&Snapshot>) -> BTreeMap<ListId, bool> {
    let is_loaded = |id: &ListId| snapshot.is_some_and(|snapshot| snapshot.list(id).is_some());
    let overview = engine.overview().into_iter();
    let configured = overview.map(|list| {
        let required = list.settings.is_some_and(|settings| settings.required);
        (list.id, required)
    });
    let mut lists: BTreeMap<_, _> = configured.filter(|(id, _)| !is_loaded(id)).collect();
    let missing = snapshot.map_or(&[][..], |snapshot| &snapshot.record().missing);
    lists.extend(missing.iter().map(|id| (id.clone(), true)));
    lists
}

fn name_not_loaded(lists: &BTreeMap<ListId, bool>) -> String {
    let name = |(id, required): (&ListId, &bool)| {
        if *required {
            format!("{id} is required and not loaded")
        } else {
            format!("{id} is not loaded")
        }
    };
    if lists.is_empty() {
        "no list is loaded yet".to_owned()
    } else {
        lists.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

fn find_by_uid(
    lists: &[&SnapshotList],
    not_loaded: &BTreeMap<ListId, bool>,
    uid: &str,
) -> Result<Vec<v1::ListedParty>, Refusal> {
    let find = |list: &&SnapshotList| {
        let parties = &list.state().parties;
        let at = parties.binary_search_by(|party| party.uid.as_str().cmp(uid)).ok()?;
        Some(listed_party(list, &parties[at], ""))
    };
    let found: Vec<_> = lists.iter().filter_map(find).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    // Messages are cut at their end: the longest part stands there.
    let mut message =
        "no loaded list has a party with this identifier, and names were not looked at \
         (ask by name for that)"
            .to_owned();
    if !not_loaded.is_empty() {
        message.push_str(&format!("; {}", name_not_loaded(not_loaded)));
    }
    let compared: Vec<_> = lists.iter().map(|list| list.id().as_str()).collect();
    message.push_str(&format!("; looked at {}: {uid:?}", compared.join(", ")));
    Err(Refusal::new(Code::NotFound, ErrorReason::NotFound, message))
}

/// The parties from the place `from` on, at most `size`, and whether they are the last.
fn find_by_name(
    lists: &[&SnapshotList],
    query: &NameQuery,
    from: u64,
    size: usize,
) -> (Vec<v1::ListedParty>, bool) {
    let mut found = lists
        .iter()
        .flat_map(|list| list.state().parties.iter().map(move |party| (list, party)))
        .filter_map(|(list, party)| query.find_in(party).map(|name| (list, party, name)))
        .skip(usize::try_from(from).unwrap_or(usize::MAX));
    let (mut parties, mut listings) = (Vec::new(), 0);
    while parties.len() < size && listings < MAX_LISTINGS {
        let Some((list, party, name)) = found.next() else { break };
        let party = listed_party(list, party, name);
        listings += party.listings.len();
        parties.push(party);
    }
    let is_last = found.next().is_none();
    (parties, is_last)
}

fn listed_party(list: &SnapshotList, party: &Party, matched_name: &str) -> v1::ListedParty {
    let index = list.index();
    // Rows stand in the order of their keys, of which the party's identifier comes first.
    let is_before = |row: &Row| row.key.party_uid < party.uid;
    let is_of_party = |row: &Row| row.key.party_uid == party.uid;
    let listings = index.listings();
    let listings = &listings[listings.partition_point(|it| is_before(index.listed_row(it).0))..];
    let understood = listings
        .iter()
        .map(|listing| (index.listed_row(listing).0, Some(listing)))
        .take_while(|(row, _)| is_of_party(row))
        // Their rows stand in quarantine.
        .filter(|(_, listing)| listing.is_none_or(|listing| !listing.is_suspect()));
    let quarantine = index.quarantine();
    let from = quarantine.partition_point(|it| is_before(index.quarantined_row(it).0));
    let quarantined = quarantine[from..]
        .iter()
        .map(|row| (index.quarantined_row(row).0, None))
        .take_while(|(row, _)| is_of_party(row));
    let mut rows: Vec<_> = understood.chain(quarantined).collect();
    rows.sort_by(|a, b| a.0.key.cmp(&b.0.key));
    let listing = |(row, understood)| ListedRow { list, row, party: None, understood }.now();
    v1::ListedParty {
        list_id: list.id().to_string(),
        party: Some(convert::party(party)),
        listings: rows.into_iter().map(listing).collect(),
        matched_name: matched_name.to_owned(),
    }
}
