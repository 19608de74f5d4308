//! Goldens of what is loaded of transfers, and of who dealt with whom.

use super::*;
use crate::cli::render::{hubs, tag, transfers as shown};

#[test]
fn transfers() {
    let head = |chain: &str| v1::TransferHead { chain: text(chain), ..Default::default() };
    let heads = vec![
        v1::TransferHead { required: true, ..head("bip122:000000000019d6689c085ae165831e93") },
        v1::TransferHead {
            transfers: 1_234_567,
            retracted: 3,
            unpositioned: 4,
            first_time: at(1_648_036_840),
            last_time: at(1_648_123_240),
            replaced: 2,
            conflicts: 1,
            kinds: vec![
                v1::KindHead {
                    kind: v1::MovementKind::Native.into(),
                    complete: true,
                    needed: true,
                    covered: vec![v1::HeightRange {
                        first_height: 14_442_835,
                        last_height: 14_450_000,
                    }],
                    covered_spans: 1,
                    ..Default::default()
                },
                v1::KindHead {
                    kind: v1::MovementKind::Tokens.into(),
                    needed: true,
                    covered: vec![v1::HeightRange {
                        first_height: 14_442_835,
                        last_height: 14_450_000,
                    }],
                    covered_spans: 2,
                    undeclared_times: vec![v1::TimeRange {
                        first_unix_seconds: 1_648_036_840,
                        last_unix_seconds: 1_648_036_841,
                    }],
                    gaps: 7,
                    ..Default::default()
                },
            ],
            undeclared: vec![v1::HeightRange { first_height: 1, last_height: 9 }],
            unvalued_asset: text("native"),
            age_seconds: 400_000,
            ..head("eip155:1")
        },
    ];
    let response = v1::ListTransferHeadsResponse {
        heads,
        rows: 1_234_574,
        labelled_rows: 1_234_000,
        label_generation: 17,
    };
    let mut shown = shown::heads(&response, Style::PLAIN);
    shown += &shown::heads(&v1::ListTransferHeadsResponse::default(), Style::PLAIN);
    check("transfers-heads.txt", &shown);

    let account = v1::transfer::Movement::Account(v1::AccountMovement {
        asset: text("native"),
        amount: text("12500000000000000000"),
        ..Default::default()
    });
    let row = v1::Counterparty {
        direction: v1::TransferDirection::Received.into(),
        addresses: vec![text(ETHER)],
        transfer: Some(v1::Transfer {
            chain: text("eip155:1"),
            time: at(1_648_036_840),
            tx: format!("0x{}", "5e".repeat(32)),
            movement: Some(account),
            ..Default::default()
        }),
        counts: true,
        not_counted_because: String::new(),
        symbol: text("ETH"),
        decimals: Some(18),
        amount: text("12500000000000000000"),
        adds_up: false,
    };
    let mut spend = row.clone();
    spend.direction = v1::TransferDirection::Sent.into();
    spend.addresses = vec![text("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"), text("x"), text("y")];
    spend.counts = false;
    spend.not_counted_because = text("DUST");
    (spend.symbol, spend.decimals, spend.amount) = (text("BTC"), Some(8), text("123456789"));
    spend.transfer.as_mut().unwrap().movement =
        Some(v1::transfer::Movement::Utxo(v1::UtxoMovement::default()));
    let mut worthless = row.clone();
    worthless.counts = false;
    worthless.not_counted_because = text("UNVALUED_ASSET");
    (worthless.symbol, worthless.decimals) = (String::new(), None);
    let mut unknown = spend.clone();
    (unknown.symbol, unknown.decimals, unknown.amount) = (String::new(), None, String::new());
    let adds_up =
        v1::Counterparty { adds_up: true, amount: text("200000000000000"), ..row.clone() };
    let response = v1::ListCounterpartiesResponse {
        counterparties: vec![row, spend, unknown, worthless, adds_up],
        next_page_token: text("7"),
    };
    check("transfers-counterparties.txt", &shown::counterparties(&response));
}

#[test]
fn hubs() {
    let exposure = |hops: u32, direction: v1::ExposureDirection, by_hub: bool| {
        let party = v1::Party { name: text("Evil Party"), ..Default::default() };
        let listing = v1::Listing {
            list_kind: v1::ListKind::Sanctions.into(),
            party: Some(party),
            ..Default::default()
        };
        let listing = Some(listing);
        v1::HubOwnExposure {
            direction: direction.into(),
            hops,
            listing,
            through_hub: by_hub,
            ..Default::default()
        }
    };
    let volume = |symbol: &str, received: &str, sent: &str| v1::HubVolume {
        asset: text("native"),
        symbol: text(symbol),
        decimals: Some(18),
        received: text(received),
        sent: text(sent),
    };
    let ether = "1234567000000000000000";
    let first = v1::UntaggedHub {
        address: text(ETHER),
        chain: text("eip155:1"),
        since: at(1_648_123_240),
        first_time: at(1_648_036_840),
        counterparties: 10_234,
        volumes: vec![volume("ETH", ether, "0"), volume("A", "7", "7"), volume("B", "", "1")],
        exposures: vec![
            exposure(3, v1::ExposureDirection::ReceivedFrom, false),
            exposure(1, v1::ExposureDirection::SentTo, true),
            exposure(2, v1::ExposureDirection::SentTo, false),
        ],
        ..Default::default()
    };
    let second = v1::UntaggedHub {
        address: text("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        chain: text("bip122:000000000019d6689c085ae165831e93"),
        since: at(1_648_123_240),
        counterparties: 2_000_000,
        cut_short: true,
        listed: true,
        ..Default::default()
    };
    let joined = |party: &str| v1::CommonInput {
        list_kind: v1::ListKind::Sanctions.into(),
        same_transaction: true,
        listing: Some(v1::Listing {
            address: text("1BoatSLRHtKNngkdXEeobR76b53LETtpyT"),
            party: Some(v1::Party { name: text(party), ..Default::default() }),
            ..Default::default()
        }),
        chain: None,
    };
    let third = v1::UntaggedHub {
        address: text("12c6DSiU4Rq3P4ZxziKxzrL5LmMBrzjrJX"),
        chain: text("bip122:000000000019d6689c085ae165831e93"),
        since: at(1_648_123_240),
        counterparties: 10_001,
        common_inputs: vec![joined("Evil Party"), joined("")],
        exposures: vec![exposure(2, v1::ExposureDirection::SentTo, false)],
        ..Default::default()
    };
    let response = v1::ListHubsResponse {
        hubs: vec![first, second, third],
        next_page_token: text("7"),
        hub_limit: 10_000,
        snapshot_id: text("s"),
    };
    let mut shown = hubs::text(&response, Style::PLAIN);
    let none = v1::ListHubsResponse { hub_limit: 10_000, ..Default::default() };
    shown += &hubs::text(&none, Style::PLAIN);
    check("transfers-hubs.txt", &shown);
}

#[test]
fn tags() {
    let list = v1::SanctionsList { version: 12, number_on_list: 3, ..Default::default() };
    let report = v1::PublicationReport { list: Some(list), ..Default::default() };
    let tag = |outcome: v1::TagOutcome, role: v1::PathRole, kind: v1::ListKind| {
        let is_replaced = outcome == v1::TagOutcome::Replaced;
        v1::AddTagResponse {
            outcome: outcome.into(),
            list_id: text("tags-own"),
            list_kind: kind.into(),
            address: text(ETHER),
            chain: text("eip155:1"),
            category: text("exchange"),
            label: text("The Exchange"),
            category_before: text(if is_replaced { "mixer" } else { "" }),
            path_role: role.into(),
            report: Some(report.clone()),
        }
    };
    use v1::{ListKind as Kind, PathRole as Role, TagOutcome as Outcome};
    let added = tag(Outcome::Added, Role::Stop, Kind::Attribution);
    let mut shown = tag::preview(&added);
    for response in [
        added,
        tag(Outcome::Added, Role::Stop, Kind::Service),
        tag(Outcome::Replaced, Role::Source, Kind::Attribution),
        tag(Outcome::Unchanged, Role::None, Kind::Attribution),
    ] {
        shown += &tag::added(&response);
    }
    check("tags-add.txt", &shown);
}
