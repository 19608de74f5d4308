//! Strings made to mislead a terminal or a reader stay text.

use super::*;

/// A list and a server that try to clear the screen, to fake a line and to hide text.
#[test]
fn hostile_strings_stay_text() {
    let evil = "\u{1b}[2J\u{1b}[1;32mALLOW\nALLOW  score 0\r\u{202e}x\u{9b}K";
    let party = v1::Party {
        uid: text(evil),
        name: text(evil),
        aliases: vec![text(evil)],
        party_type: text(evil),
        programs: vec![text(evil)],
        listed_on: vec![text(evil)],
    };
    let listing = v1::Listing {
        list_id: text(evil),
        party: Some(party.clone()),
        address: text(evil),
        ticker: text(evil),
        category: text(evil),
        reference: text(evil),
        listed_on: text(evil),
        removed_on: text(evil),
        state: v1::ListingState::Removed.into(),
        ..v1::Listing::default()
    };
    let mut hostile = finding(v1::FindingKind::SameKey, 1, listing.clone());
    hostile.key_id = text(evil);
    let reason =
        v1::IncompleteReason { list_id: text(evil), detail: text(evil), ..Default::default() };
    let answer = v1::Screening {
        snapshot_id: text(evil),
        decision: 99,
        address: Some(v1::UnderstoodAddress {
            canonical: text(evil),
            chains: vec![text(evil)],
            ..Default::default()
        }),
        incomplete_reasons: vec![reason],
        evaluated_at: at(i64::MIN),
        findings: vec![hostile],
        ..v1::Screening::default()
    };
    let refusal = v1::ScreeningError { message: text(evil), ..Default::default() };
    let mut rests = snapshot();
    rests.id = text(evil);
    rests.engine_version = text(evil);
    rests.policy_version = text(evil);
    rests.missing_lists = vec![text(evil)];
    rests.lists[0].list_id = text(evil);
    rests.lists[0].digest = text(evil);
    rests.lists[0].published_on = text(evil);
    let items = vec![(evil, Outcome::Screening(answer)), (evil, Outcome::Error(refusal))];
    let mut shown = brief_answers(items.clone(), rests.clone());
    shown += &answers(items, rests);
    shown += &hostile_transfers(evil);
    let listed = v1::ListedParty {
        list_id: text(evil),
        party: Some(party),
        listings: vec![listing.clone()],
        matched_name: String::new(),
    };
    let mut found = v1::LookUpPartyResponse { parties: vec![listed], ..Default::default() };
    shown += &super::super::party::by_uid(&found);
    found.parties[0].matched_name = format!("{evil}{evil}");
    found.compared_lists = vec![v1::ComparedList { list_id: text(evil), parties: 1, stale: false }];
    found.lists_not_loaded = vec![v1::NotLoadedList { list_id: text(evil), required: true }];
    shown += &super::super::party::by_name(&found, evil);
    let change = v1::ListingChange {
        list_id: text(evil),
        published_on: text(evil),
        party_uid: text(evil),
        party_name: text(evil),
        address: text(evil),
        ticker: text(evil),
        fields: vec![v1::FieldChange {
            field: i32::MAX,
            removed_values: vec![text(evil)],
            added_values: vec![text(evil)],
            omitted: 1,
        }],
        ..Default::default()
    };
    shown += &super::super::changes::changes(&[change]);
    let row = v1::QuarantinedRow {
        listing: Some(listing),
        reason: text(evil),
        likely_addresses: vec![text(evil)],
    };
    shown += &super::super::changes::quarantine(&[row]);
    let list = v1::SanctionsList {
        list_id: text(evil),
        published_on: text(evil),
        digest: text(evil),
        origin_name: text(evil),
        force_reason: text(evil),
        last_error: text(evil),
        counts: Some(v1::ListCounts {
            by_ticker: vec![
                v1::TickerCount { ticker: text(evil), rows: 1 },
                v1::TickerCount { ticker: format!("type \"{evil}\""), rows: 1 },
            ],
            ..Default::default()
        }),
        ..Default::default()
    };
    shown += &super::super::lists::table(std::slice::from_ref(&list), Style::PLAIN);
    let note = v1::ListFileNote {
        kind: v1::ListFileNoteKind::NoAddress.into(),
        subject: text(evil),
        count: 1,
        examples: vec![text(evil)],
    };
    let file = Some(v1::ListFile {
        format: text(evil),
        compression: text(evil),
        published_on: text(evil),
        notes: vec![note],
        ..Default::default()
    });
    let report =
        v1::PublicationReport { published: true, list: Some(list), file, ..Default::default() };
    shown += &super::super::lists::report(&report, Style::PLAIN);
    assert!(!shown.contains('\u{202e}'));
    check("hostile.txt", &shown);
}

/// Exposure, heads and counterparties that say nothing else.
fn hostile_transfers(evil: &str) -> String {
    let end = || Some(v1::HopEnd { address: text(evil), is_stop: true });
    let hop = v1::Hop {
        sender: end(),
        receiver: end(),
        chain: text(evil),
        tx: text(evil),
        asset: text(evil),
        symbol: text(evil),
        amount: text(evil),
        ..Default::default()
    };
    let value = v1::DirectValue {
        chain: text(evil),
        symbol: text(evil),
        sum: text(evil),
        total: text(evil),
        ..Default::default()
    };
    let evidence = v1::ExposureEvidence {
        path: Some(v1::ExposurePath { hops: vec![hop], ..Default::default() }),
        direct_values: vec![value],
        stops_met: vec![text(evil)],
        hubs_met: vec![text(evil)],
        ..Default::default()
    };
    let mut found = exposed(Some(evidence));
    found.listing = Some(v1::Listing {
        list_id: text(evil),
        address: text(evil),
        listed_on: text(evil),
        ..Default::default()
    });
    let answer = screening(v1::Decision::Review, 50, vec![found]);
    let rests = v1::Snapshot {
        transfers: vec![v1::SnapshotTransfers { chain: text(evil), ..Default::default() }],
        ..Default::default()
    };
    let items = vec![(evil, Outcome::Screening(answer))];
    let mut shown = brief_answers(items.clone(), rests.clone());
    shown += &answers(items, rests);
    let heads = v1::ListTransferHeadsResponse {
        heads: vec![v1::TransferHead { chain: text(evil), ..Default::default() }],
        ..Default::default()
    };
    shown += &super::super::transfers::heads(&heads, Style::PLAIN);
    let account =
        v1::AccountMovement { asset: text(evil), amount: text(evil), ..Default::default() };
    let row = v1::Counterparty {
        addresses: vec![text(evil), text(evil)],
        transfer: Some(v1::Transfer {
            chain: text(evil),
            tx: text(evil),
            movement: Some(v1::transfer::Movement::Account(account)),
            ..Default::default()
        }),
        not_counted_because: text(evil),
        ..Default::default()
    };
    let response =
        v1::ListCounterpartiesResponse { counterparties: vec![row], ..Default::default() };
    shown += &super::super::transfers::counterparties(&response);
    let hub = v1::UntaggedHub {
        address: text(evil),
        chain: text(evil),
        since: at(i64::MIN),
        volumes: vec![v1::HubVolume {
            asset: text(evil),
            symbol: text(evil),
            decimals: Some(u32::MAX),
            received: text(evil),
            sent: text("7"),
        }],
        common_inputs: vec![v1::CommonInput {
            listing: Some(v1::Listing { address: text(evil), ..Default::default() }),
            list_kind: 99,
            ..Default::default()
        }],
        exposures: vec![v1::HubOwnExposure {
            listing: Some(v1::Listing { address: text(evil), ..Default::default() }),
            direction: 99,
            ..Default::default()
        }],
        ..Default::default()
    };
    let response = v1::ListHubsResponse { hubs: vec![hub], ..Default::default() };
    shown += &super::super::hubs::text(&response, Style::PLAIN);
    shown += &cluster(evil);
    let tag = v1::AddTagResponse {
        list_id: text(evil),
        address: text(evil),
        chain: text(evil),
        category: text(evil),
        label: text(evil),
        category_before: text(evil).repeat(2),
        outcome: 99,
        path_role: 99,
        ..Default::default()
    };
    shown += &super::super::tag::preview(&tag);
    shown + &super::super::tag::added(&tag)
}

/// A cluster of which every string is hostile.
fn cluster(evil: &str) -> String {
    let listing = v1::Listing {
        list_id: text(evil),
        address: text(evil),
        listed_on: text(evil),
        party: Some(v1::Party { name: text(evil), ..Default::default() }),
        ..Default::default()
    };
    let listings = vec![listing];
    let join = v1::CommonInputJoin {
        tx: text(evil),
        chain: text(evil),
        time: at(i64::MIN),
        other_address: text(evil),
        ..Default::default()
    };
    let member = v1::ClusterMember {
        address: text(evil),
        joined_by: Some(join),
        listings: listings.clone(),
        queried: true,
    };
    let volume = v1::ClusterVolume {
        chain: text(evil),
        asset: text(evil),
        symbol: text(evil),
        decimals: Some(u32::MAX),
        received: text(evil),
        sent: text("7"),
    };
    let response = v1::ListClusterResponse {
        address: Some(v1::UnderstoodAddress { canonical: text(evil), ..Default::default() }),
        snapshot_id: text(evil),
        keys: u64::MAX,
        listed: u64::MAX,
        listed_members: vec![v1::ListedClusterMember { listings }],
        volumes: vec![volume],
        members: vec![member],
        next_page_token: text(evil),
        chains_without_common_input: vec![text(evil)],
        ..Default::default()
    };
    super::super::cluster::text(&response, Style::PLAIN)
}
