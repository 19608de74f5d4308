//! Goldens of `tests/data/cli`, from messages made by hand; `UPDATE_GOLDENS=1 cargo test --lib
//! render` writes them anew.

mod cluster;
mod hostile;
mod payment;
mod policy;
mod publications;
mod transfers;

use std::path::Path;

use pbjson_types::Timestamp;

use crate::cli::render::changes::Look;
use crate::cli::text::Style;
use crate::grpc::v1;
use v1::screening_item::Outcome;

const ETHER: &str = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";

/// Holds a text against its golden.
pub(in crate::cli) fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cli").join(name);
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{} (UPDATE_GOLDENS=1 writes it)", path.display());
    let harmless = |character: char| !character.is_control() || character == '\n';
    assert!(text.chars().all(harmless), "{name} holds control characters");
}

fn snapshot_kind(kind: v1::MovementKind, whole: bool) -> v1::SnapshotMovementKind {
    v1::SnapshotMovementKind { kind: kind.into(), complete: whole, ..Default::default() }
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn lazarus() -> v1::Party {
    v1::Party {
        uid: text("27307"),
        name: text("LAZARUS GROUP"),
        aliases: ["APPLEWORM", "APT-C-26", "GROUP 77", "GUARDIANS OF PEACE", "HIDDEN COBRA"]
            .map(text)
            .to_vec(),
        party_type: text("Entity"),
        programs: vec![text("CYBER2"), text("DPRK3")],
        listed_on: vec![text("2019-09-13")],
    }
}

fn listing() -> v1::Listing {
    v1::Listing {
        list_id: text("us-ofac-sdn"),
        list_kind: v1::ListKind::Sanctions.into(),
        list_version: 3,
        party: Some(lazarus()),
        address: text(ETHER),
        ticker: text("ETH"),
        canonical_address: ETHER.to_lowercase(),
        chains: vec![text("eip155:*")],
        state: v1::ListingState::Standing.into(),
        listed_on: text("2022-04-14"),
        listed_on_basis: v1::ListedOnBasis::AddressDate.into(),
        listed_from: at(1_649_894_400),
        unlisted_until: at(1_649_894_400),
        ..v1::Listing::default()
    }
}

fn finding(kind: v1::FindingKind, score: u32, listing: v1::Listing) -> v1::Finding {
    v1::Finding {
        kind: kind.into(),
        score,
        listing: Some(listing),
        key_id: text("evm:098b716b8aaf21512996dc57eb0615e2383e2f96"),
        reason: text(match kind {
            v1::FindingKind::Listed => "This address is LAZARUS GROUP's, on the list OFAC SDN.",
            v1::FindingKind::SameKey => "The same key stands behind this address and a listed one.",
            v1::FindingKind::ListedVerbatim => "OFAC SDN names exactly this text.",
            v1::FindingKind::SentTo => "This address sent funds to an address of LAZARUS GROUP.",
            v1::FindingKind::ReceivedFrom => {
                "Funds of an address of LAZARUS GROUP reached this address over 2 transfers."
            }
            v1::FindingKind::HubExposure => "This address deals with a busy address.",
            v1::FindingKind::CoSpent => "This address is joined with LAZARUS GROUP's.",
            v1::FindingKind::Unspecified => "",
        }),
        ..Default::default()
    }
}

fn understood(canonical: &str) -> Option<v1::UnderstoodAddress> {
    Some(v1::UnderstoodAddress {
        canonical: text(canonical),
        encoding: v1::AddressEncoding::Evm.into(),
        checksum: v1::ChecksumVerdict::Verified.into(),
        chains: vec![text("eip155:*")],
    })
}

fn screening(decision: v1::Decision, score: u32, findings: Vec<v1::Finding>) -> v1::Screening {
    let level = match score {
        0 => v1::RiskLevel::None,
        50..85 => v1::RiskLevel::High,
        _ => v1::RiskLevel::Severe,
    };
    v1::Screening {
        snapshot_id: text("8f3a61c09b2e"),
        status: v1::ScreeningStatus::Complete.into(),
        decision: decision.into(),
        reason: reason(decision, &findings),
        score,
        level: level.into(),
        address: understood(&ETHER.to_lowercase()),
        findings,
        evaluated_at: at(1_763_600_000),
        ..v1::Screening::default()
    }
}

/// As the server makes it: the first finding's reason with the decision before it.
fn reason(decision: v1::Decision, findings: &[v1::Finding]) -> String {
    let decided = match decision {
        v1::Decision::Allow => "Allowed",
        v1::Decision::Review => "For review",
        v1::Decision::Block | v1::Decision::Unspecified => "Blocked",
    };
    let Some(found) = findings.first() else { return format!("{decided}: nothing was found.") };
    let why = found.reason.trim_end_matches('.');
    let (first, rest) = why.split_at(why.len().min(1));
    format!("{decided}: {}{rest} (rule exposure).", first.to_lowercase())
}

fn snapshot() -> v1::Snapshot {
    let sdn = v1::SnapshotList {
        name: "OFAC Specially Designated Nationals".to_owned(),
        list_id: text("us-ofac-sdn"),
        kind: v1::ListKind::Sanctions.into(),
        version: 3,
        number_on_list: 3,
        digest: "5e".repeat(32),
        published_on: text("2025-11-19"),
        current_at: at(1_763_590_000),
        age_seconds: Some(10_000),
        server_clock: None,
        max_age_seconds: Some(172_800),
        required: true,
        stale: false,
        imported_by_hand: false,
        declared_check: None,
        backfilled_from: String::new(),
        known_since: String::new(),
    };
    let advisories = v1::SnapshotList {
        list_id: text("lazarus-advisories"),
        kind: v1::ListKind::Advisory.into(),
        version: 1,
        number_on_list: 1,
        digest: "0a".repeat(32),
        published_on: text("2025-10-22"),
        ..v1::SnapshotList::default()
    };
    v1::Snapshot {
        id: text("8f3a61c09b2e"),
        lists: vec![advisories, sdn],
        engine_version: text("0.1.0"),
        policy_version: text("built-in-1"),
        ..v1::Snapshot::default()
    }
}

fn answers(items: Vec<(&str, Outcome)>, snapshot: v1::Snapshot) -> String {
    let (addresses, response) = answered(items, snapshot);
    super::screening::text(&addresses, &response, Style::PLAIN)
}

/// The answers in short, at 80 and at 120 characters.
fn brief_answers(items: Vec<(&str, Outcome)>, snapshot: v1::Snapshot) -> String {
    let (addresses, response) = answered(items, snapshot);
    let shown = [80, 120].map(|width| {
        super::brief::text(&addresses, &response, None, Style::PLAIN.with_width(width))
    });
    shown.join("\n")
}

fn answered(
    items: Vec<(&str, Outcome)>,
    snapshot: v1::Snapshot,
) -> (Vec<String>, v1::BatchScreenAddressesResponse) {
    let (addresses, outcomes): (Vec<_>, Vec<_>) = items.into_iter().unzip();
    let items = outcomes.into_iter().map(|outcome| v1::ScreeningItem { outcome: Some(outcome) });
    let response = v1::BatchScreenAddressesResponse {
        items: items.collect(),
        snapshot: Some(snapshot),
        ..Default::default()
    };
    (addresses.into_iter().map(text).collect(), response)
}

/// Holds both forms of answers against their goldens: `NAME.txt`, and in short `NAME-brief.txt`.
fn check_answers(name: &str, items: Vec<(&str, Outcome)>, snapshot: v1::Snapshot) {
    check(&format!("{name}-brief.txt"), &brief_answers(items.clone(), snapshot.clone()));
    check(&format!("{name}.txt"), &answers(items, snapshot));
}

#[test]
fn a_listed_address() {
    let listed = finding(v1::FindingKind::Listed, 100, listing());
    let answer = screening(v1::Decision::Block, 100, vec![listed]);
    check_answers("screen-block", vec![(ETHER, Outcome::Screening(answer))], snapshot());
}

#[test]
fn several_answers_of_every_sort() {
    let same_key = v1::Listing {
        list_kind: v1::ListKind::Advisory.into(),
        list_id: text("lazarus-advisories"),
        list_version: 1,
        listed_on_basis: v1::ListedOnBasis::PartyDate.into(),
        state: v1::ListingState::RemovalPending.into(),
        reference: text("https://www.fbi.gov/news/x"),
        category: text("theft"),
        party: Some(v1::Party {
            name: text("TraderTraitor"),
            uid: text("1"),
            ..v1::Party::default()
        }),
        ..listing()
    };
    let removed = v1::Listing {
        state: v1::ListingState::Removed.into(),
        removed_on: text("2025-03-21"),
        listed_on_basis: v1::ListedOnBasis::FirstSeen.into(),
        ..listing()
    };
    let verbatim = v1::Listing {
        address: text("5be5543ff73456ab9f2d207887e2af87322c651ea1a873c5b25b7ffae456c320"),
        ticker: text("XMR"),
        listed_on: String::new(),
        listed_on_basis: v1::ListedOnBasis::Unknown.into(),
        ..listing()
    };
    let found = vec![
        finding(v1::FindingKind::SameKey, 75, same_key),
        finding(v1::FindingKind::ListedVerbatim, 60, verbatim),
        finding(v1::FindingKind::Listed, 0, removed),
    ];
    let review = screening(v1::Decision::Review, 75, found);
    let allow = screening(v1::Decision::Allow, 0, Vec::new());
    let reason = |code: v1::IncompleteReasonCode, list_id: &str, detail: &str| {
        v1::IncompleteReason { code: code.into(), list_id: text(list_id), detail: text(detail) }
    };
    let incomplete = v1::Screening {
        status: v1::ScreeningStatus::Incomplete.into(),
        reason: text(
            "For review: nothing was found, but the answer is incomplete: us-ofac-sdn is stale: 4 d \
             15 h old, limit 2 d, and one more reason.",
        ),
        address: None,
        incomplete_reasons: vec![
            reason(
                v1::IncompleteReasonCode::ListStale,
                "us-ofac-sdn",
                "us-ofac-sdn is stale: 4 d 15 h old, limit 2 d",
            ),
            reason(v1::IncompleteReasonCode::AddressNotUnderstood, "", "no form fits"),
        ],
        ..screening(v1::Decision::Review, 0, Vec::new())
    };
    let refusal =
        v1::ScreeningError { message: text("the address is empty"), ..Default::default() };
    let mut old = snapshot();
    old.lists[1].stale = true;
    old.lists[1].age_seconds = Some(400_000);
    old.missing_lists = vec![text("eu-list")];
    old.stale_allowed = true;
    let items = vec![
        ("TXEsK1sEntry", Outcome::Screening(review)),
        (ETHER, Outcome::Screening(allow)),
        ("nonsense", Outcome::Screening(incomplete.clone())),
        ("nonsense as well", Outcome::Screening(incomplete)),
        ("", Outcome::Error(refusal)),
    ];
    check_answers("screen-several", items, old);
}

fn unvalued(
    direction: v1::ExposureDirection,
    kind: v1::ListKind,
    transfers: u32,
) -> v1::UnvaluedDealings {
    v1::UnvaluedDealings {
        direction: direction.into(),
        list_kind: kind.into(),
        transfers,
        listing: Some(listing()),
        reason: format!(
            "{transfers} transfers of assets without a known value came directly from listed \
             addresses, among them an address of LAZARUS\u{202e} GROUP (OFAC SDN); not scored, since \
             anybody can forge such events."
        ),
        ..Default::default()
    }
}

#[test]
fn what_has_no_known_value_is_noted() {
    use v1::ExposureDirection::{ReceivedFrom, SentTo};
    let sanctions = v1::ListKind::Sanctions;
    let noted = v1::Screening {
        unvalued_dealings: vec![
            unvalued(ReceivedFrom, sanctions, 17),
            // With the same addresses.
            unvalued(ReceivedFrom, v1::ListKind::Advisory, 3),
            v1::UnvaluedDealings { address: text(ETHER), ..unvalued(SentTo, sanctions, 2) },
        ],
        unvalued_dealings_cut_short: true,
        ..screening(v1::Decision::Allow, 0, Vec::new())
    };
    let clean = screening(v1::Decision::Allow, 0, Vec::new());
    let (noted, clean) = (Outcome::Screening(noted), Outcome::Screening(clean));
    check_answers("screen-unvalued", vec![(ETHER, noted.clone())], snapshot());
    let several = vec![(ETHER, noted), (ETHER, clean)];
    check("screen-unvalued-several-brief.txt", &brief_answers(several, snapshot()));
}

fn exposed(evidence: Option<v1::ExposureEvidence>) -> v1::Finding {
    v1::Finding {
        key_id: String::new(),
        exposure: Some(v1::Exposure {
            direction: v1::ExposureDirection::ReceivedFrom.into(),
            list_kind: v1::ListKind::Sanctions.into(),
            hops: 1,
            timing: v1::DesignationTiming::Before.into(),
            direct_share_basis_points: 1_234,
            evidence,
            direct_value_floors: 12_288,
            direct_amounts_unknown: false,
            timing_basis: v1::ListedOnBasis::AddressDate.into(),
            common_input: false,
        }),
        ..finding(v1::FindingKind::ReceivedFrom, 75, listing())
    }
}

#[test]
fn exposures() {
    let asked = "0xd90e2f925da726b50c4ed8d0fb90ad053324f31b";
    let end = |address: &str| Some(v1::HopEnd { address: text(address), is_stop: false });
    let hop = v1::Hop {
        sender: end(&ETHER.to_lowercase()),
        receiver: end(asked),
        chain: text("eip155:1"),
        tx: format!("0x{}", "5e".repeat(32)),
        position: Some(v1::ChainPosition { height: 14_442_835, tx_index: 7, index: 0 }),
        time: at(1_648_036_840),
        asset: text("native"),
        symbol: text("ETH"),
        amount: text("12500000000000000000"),
        decimals: Some(18),
    };
    let path = v1::ExposurePath {
        direction: v1::ExposureDirection::ReceivedFrom.into(),
        listing: Some(listing()),
        timing: v1::DesignationTiming::Before.into(),
        timing_basis: v1::ListedOnBasis::AddressDate.into(),
        hops: vec![hop],
        common_input: false,
        common_input_chain: None,
    };
    let value = v1::DirectValue {
        chain: text("eip155:1"),
        asset: text("native"),
        symbol: text("ETH"),
        decimals: Some(18),
        sum: text("12500000000000000000"),
        count: 1,
        total: text("101300000000000000000"),
        share_basis_points: 1_234,
    };
    let evidence = v1::ExposureEvidence {
        path: Some(path),
        hops_ignoring_time: 1,
        first_time: at(1_648_036_840),
        last_time: at(1_648_123_240),
        direct_values: vec![value],
        unvalued_transfers: 17,
        unknown_counterparties: 2,
        stops_met: vec![text("0x28c6c06298d514db089934071355e5743bf21d60"); 9],
        hubs_met: vec![text("0x21a31ee1afc51d94c2efccaa2092ad1028285549")],
        cut_short: true,
    };
    let mut unknown = exposed(None);
    let mut hub = exposed(None);
    hub.kind = v1::FindingKind::HubExposure.into();
    for (finding, unknown) in [(&mut unknown, true), (&mut hub, false)] {
        let exposure = finding.exposure.as_mut().unwrap();
        exposure.direct_share_basis_points = 0;
        exposure.direct_value_floors = 0;
        exposure.direct_amounts_unknown = unknown;
    }
    let found = vec![exposed(Some(evidence)), unknown, hub];
    let mut review = screening(v1::Decision::Review, 75, found);
    review.address = understood(asked);
    review.exposure_coverage = v1::ExposureCoverage::Covered.into();
    review.exposure_hops = 8;
    let mut allow = screening(v1::Decision::Allow, 0, Vec::new());
    allow.exposure_coverage = v1::ExposureCoverage::NotCovered.into();
    allow.coverage_shortfalls = vec![v1::IncompleteReason {
        code: v1::IncompleteReasonCode::TransfersMissing.into(),
        detail: text("no transfers of eip155:1 of kind tokens are loaded for that time"),
        ..Default::default()
    }];
    let mut rests = snapshot();
    rests.max_hops = 8;
    rests.labelled_rows = 1_234;
    rests.transfers = vec![
        v1::SnapshotTransfers {
            chain: text("bip122:000000000019d6689c085ae165831e93"),
            required: true,
            ..Default::default()
        },
        v1::SnapshotTransfers {
            chain: text("eip155:1"),
            transfers: 1_234,
            last_height: Some(14_442_835),
            last_time: at(1_648_036_840),
            kinds: vec![
                snapshot_kind(v1::MovementKind::Native, true),
                snapshot_kind(v1::MovementKind::Tokens, false),
            ],
            unvalued_asset: text("0xdac1"),
            required: true,
            max_age_seconds: Some(172_800),
            age_seconds: Some(400_000),
            ..Default::default()
        },
    ];
    let items = vec![(asked, Outcome::Screening(review)), (asked, Outcome::Screening(allow))];
    check_answers("screen-exposure", items, rests);
}

/// The transactions that join these addresses, each with the next.
fn chain(over: &[&str]) -> v1::CommonInputChain {
    let join = |(number, pair): (u8, &[&str])| v1::CommonInputJoin {
        address: text(pair[0]),
        other_address: text(pair[1]),
        chain: text("bip122:000000000019d6689c085ae165831e93"),
        tx: format!("{number:02x}").repeat(32),
        position: Some(v1::ChainPosition { height: 800_000, tx_index: 7, index: 0 }),
        time: at(1_648_036_840),
    };
    v1::CommonInputChain { joins: (1..).zip(over.windows(2)).map(join).collect(), cut_short: false }
}

/// Joined with a listed one, with evidence and without; an exposure beyond such a one; a cluster that is
/// cut.
#[test]
fn addresses_that_are_joined() {
    let listed = v1::Listing {
        address: text("12QtD5BFwRsdNsAZY76UVE1xyCGNTojH9h"),
        canonical_address: text("12QtD5BFwRsdNsAZY76UVE1xyCGNTojH9h"),
        ticker: text("XBT"),
        ..listing()
    };
    let [asked, beside, payee] = [
        "138cWsiAGpW9yqfjMVCCsFcnaiSHyoWMnJ",
        "1HxbaBMF2jXBVnagoHvaA6rLxmaYL8gb8T",
        "1FDCgJ8m2xDyVmYuankk13XReVC2Zvs5cz",
    ];
    let how = |is_beside: bool| {
        if is_beside {
            ": it and a listed address are inputs of one transaction"
        } else {
            ", over a chain of transactions"
        }
    };
    let co_spent = |beside_listed, chain| v1::Finding {
        key_id: String::new(),
        reason: format!(
            "This address is joined with LAZARUS GROUP's listed address {} (OFAC SDN) by common input \
             (an estimate){}.",
            listed.address,
            how(beside_listed)
        ),
        same_transaction: beside_listed,
        common_input_chain: chain,
        ..finding(v1::FindingKind::CoSpent, 95, listed.clone())
    };
    let end = |address: &str| Some(v1::HopEnd { address: text(address), is_stop: false });
    let hop = v1::Hop {
        sender: end(beside),
        receiver: end(payee),
        chain: text("bip122:000000000019d6689c085ae165831e93"),
        tx: "5e".repeat(32),
        time: at(1_648_123_240),
        asset: text("native"),
        symbol: text("BTC"),
        amount: text("150000000"),
        decimals: Some(8),
        ..Default::default()
    };
    let path = v1::ExposurePath {
        direction: v1::ExposureDirection::ReceivedFrom.into(),
        listing: Some(listed.clone()),
        timing: v1::DesignationTiming::Before.into(),
        hops: vec![hop],
        common_input: true,
        common_input_chain: Some(chain(&[beside, &listed.address])),
        ..Default::default()
    };
    let mut beyond = exposed(Some(v1::ExposureEvidence { path: Some(path), ..Default::default() }));
    beyond.listing = Some(listed.clone());
    beyond.exposure.as_mut().unwrap().common_input = true;
    let mut untold = beyond.clone();
    untold.exposure.as_mut().unwrap().evidence = None;
    let of = |address: &str, findings: Vec<v1::Finding>| {
        let answer = screening(v1::Decision::Review, 95, findings);
        Outcome::Screening(v1::Screening { address: understood(address), ..answer })
    };
    let two = chain(&[asked, beside, &listed.address]);
    let lost = v1::CommonInputChain { joins: Vec::new(), cut_short: true };
    let cut = v1::ClusterCut {
        list_kind: v1::ListKind::Sanctions.into(),
        listing: Some(listed.clone()),
        address: String::new(),
        reason: text(
            "Its cluster by common input (an estimate) holds an address of LAZARUS\u{202e} GROUP (OFAC \
             SDN), but is larger than the limit, so that it is not taken for one owner's; not scored.",
        ),
    };
    let clean =
        v1::Screening { cluster_cuts: vec![cut], ..screening(v1::Decision::Allow, 0, Vec::new()) };
    let items = vec![
        (asked, of(asked, vec![co_spent(false, Some(two))])),
        (beside, of(beside, vec![co_spent(true, None), co_spent(true, Some(lost))])),
        (payee, of(payee, vec![beyond])),
        (payee, of(payee, vec![untold])),
        (ETHER, Outcome::Screening(clean)),
    ];
    check_answers("screen-joined", items, snapshot());
}

#[test]
fn snapshots() {
    let mut stored = snapshot();
    stored.lists[1].age_seconds = None;
    check("snapshot.txt", &super::snapshot::text(&stored, Style::PLAIN));
    let empty = super::snapshot::text(&v1::Snapshot::default(), Style::PLAIN);
    check("snapshot-empty.txt", &empty);
}

#[test]
fn colour_where_it_warns() {
    let shown = super::snapshot::text(
        &v1::Snapshot { stale_allowed: true, ..v1::Snapshot::default() },
        Style::COLOURED,
    );
    assert!(shown.contains("\u{1b}[1;31mSTALE LISTS MAY GIVE ALLOW"), "{shown}");
}
