//! `ScreenAddress`: every field of an answer, and what is answered to what.

use super::*;
use lazaretto::screening::policy::Policy;

/// HASH160 of the public key of the private key 1, as P2PKH, P2WPKH and nested P2SH-P2WPKH.
const P2PKH: &str = "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH";
const P2WPKH: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
const NESTED: &str = "3JvL6Ymt8MVWiCNHC7oWU6nLeHNJKLZGLN";
const BITCOIN: &str = "bip122:000000000019d6689c085ae165831e93";
const SNAPSHOT_NAME_LENGTH: usize = 16;

fn full() -> Vec<u8> {
    let text = "# published: 2025-11-20\n\
        address,ticker,party_uid,party_name,party_aliases,party_type,programs,party_listed_on,\
        listed_on,category,reference\n\
        0x098B716B8Aaf21512996dC57EB0615e2383E2f96,ETH,27307,LAZARUS GROUP,APPLEWORM|APT-C-26,\
        Entity,DPRK3|CYBER2,2019-09-13|2022-04-14,2022-04-14,theft,https://example.invalid/1\n\
        1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH,XBT,9,SOMEBODY,,,,2020-01-02,,,\n";
    text.as_bytes().to_vec()
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

/// What the full list makes of a snapshot at the test's present; id and digest as they come.
fn full_snapshot(id: &str, digest: &str) -> v1::Snapshot {
    v1::Snapshot {
        id: id.to_owned(),
        lists: vec![v1::SnapshotList {
            list_id: OFAC.to_owned(),
            kind: v1::ListKind::Sanctions.into(),
            version: 1,
            number_on_list: 1,
            digest: digest.to_owned(),
            published_on: "2025-11-20".to_owned(),
            current_at: Some(proto_time("2025-11-20T00:00:00Z")),
            age_seconds: Some(12 * 3600),
            server_clock: None,
            max_age_seconds: Some(48 * 3600),
            required: true,
            stale: false,
            imported_by_hand: true,
            declared_check: None,
            backfilled_from: String::new(),
            known_since: String::new(),
            name: format!("The list {OFAC}"),
        }],
        missing_lists: Vec::new(),
        engine_version: env!("CARGO_PKG_VERSION").to_owned(),
        policy_version: Policy::built_in().version().to_owned(),
        stale_allowed: false,
        transfers: Vec::new(),
        labelled_rows: 0,
        retractions: 0,
        replacements: 0,
        max_hops: 8,
        exposure_settings_digest: digest_of_settings(),
        policy_digest: hex(Policy::built_in().digest()),
        as_of: None,
    }
}

fn digest_of_settings() -> String {
    let config = Config::load(&Flags::default(), Vec::new()).unwrap();
    hex(&config.exposure.digest())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn full_listing() -> v1::Listing {
    v1::Listing {
        list_id: OFAC.to_owned(),
        list_kind: v1::ListKind::Sanctions.into(),
        list_version: 1,
        party: Some(v1::Party {
            uid: "27307".to_owned(),
            name: "LAZARUS GROUP".to_owned(),
            aliases: strings(&["APPLEWORM", "APT-C-26"]),
            party_type: "Entity".to_owned(),
            programs: strings(&["CYBER2", "DPRK3"]),
            listed_on: strings(&["2019-09-13", "2022-04-14"]),
        }),
        address: RONIN.to_owned(),
        ticker: "ETH".to_owned(),
        canonical_address: RONIN.to_lowercase(),
        chains: strings(&["eip155:1"]),
        category: "theft".to_owned(),
        reference: "https://example.invalid/1".to_owned(),
        state: v1::ListingState::Standing.into(),
        listed_on: "2022-04-14".to_owned(),
        listed_on_basis: v1::ListedOnBasis::AddressDate.into(),
        removed_on: String::new(),
        listed_from: Some(pbjson_types::Timestamp { seconds: 1_649_894_400, nanos: 0 }),
        unlisted_until: Some(pbjson_types::Timestamp { seconds: 1_649_894_400, nanos: 0 }),
        normalizations: Vec::new(),
    }
}

#[test]
fn every_field_of_the_answer_to_a_listed_address() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, full()).await;
        let digest = desk.lists().await.remove(0).digest;
        assert_eq!(digest.len(), 64);
        let request_id = "order 66/ü".to_owned();
        let query = v1::AddressQuery { request_id: request_id.clone(), ..query(RONIN) };
        let request =
            v1::ScreenAddressRequest { query: Some(query), options: None, ..Default::default() };
        let answer = desk.ask(request).await.unwrap();
        let id = answer.snapshot.as_ref().unwrap().id.clone();
        let (name, looks) = id.split_once('-').unwrap();
        assert_eq!((name.len(), looks), (SNAPSHOT_NAME_LENGTH, "c1"));
        let screening = v1::Screening {
            request_id,
            snapshot_id: id.clone(),
            status: v1::ScreeningStatus::Complete.into(),
            decision: v1::Decision::Block.into(),
            score: 100,
            level: v1::RiskLevel::Severe.into(),
            address: Some(v1::UnderstoodAddress {
                canonical: RONIN.to_lowercase(),
                encoding: v1::AddressEncoding::Evm.into(),
                checksum: v1::ChecksumVerdict::Verified.into(),
                chains: strings(&["eip155:*"]),
            }),
            findings: vec![v1::Finding {
                kind: v1::FindingKind::Listed.into(),
                score: 100,
                listing: Some(full_listing()),
                key_id: format!("evm:{}", &RONIN.to_lowercase()[2..]),
                exposure: None,
                factors: Some(v1::ScoreFactors {
                    base: 100,
                    list_kind_percent: 100,
                    category_percent: 100,
                    share_percent: 100,
                    value_percent: 100,
                    hub_percent: 100,
                }),
                decision: v1::Decision::Block.into(),
                rule_id: "sanctions-listing".to_owned(),
                address: String::new(),
                same_transaction: false,
                common_input_chain: None,
                reason: "This address is LAZARUS GROUP's, on the list The list us-ofac-sdn since \
                         2022-04-14."
                    .to_owned(),
            }],
            incomplete_reasons: Vec::new(),
            evaluated_at: Some(proto_time(NOW)),
            exposure_coverage: v1::ExposureCoverage::NotCovered.into(),
            exposure_hops: 0,
            rule: Some(v1::DecidingRule {
                id: "sanctions-listing".to_owned(),
                floor: false,
                threshold: "finding = LISTED or SAME_KEY, list_kind = SANCTIONS".to_owned(),
                observed: "finding = LISTED, list_kind = SANCTIONS".to_owned(),
            }),
            shadow: None,
            coverage_shortfalls: Vec::new(),
            other_addresses: Vec::new(),
            normalizations: Vec::new(),
            cluster_cuts: Vec::new(),
            unvalued_dealings: Vec::new(),
            unvalued_dealings_cut_short: false,
            reason:
                "Blocked: this address is LAZARUS GROUP's, on the list The list us-ofac-sdn since \
                     2022-04-14 (rule sanctions-listing)."
                    .to_owned(),
        };
        let snapshot = Some(full_snapshot(&id, &digest));
        assert_eq!(
            answer,
            v1::ScreenAddressResponse {
                screening: Some(screening),
                snapshot,
                ..Default::default()
            }
        );
    });
}

#[test]
fn every_field_of_the_answer_to_a_clean_address() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, full()).await;
        let answer = desk.ask(question(CLEAN)).await.unwrap();
        let snapshot = answer.snapshot.unwrap();
        let screening = v1::Screening {
            request_id: String::new(),
            snapshot_id: snapshot.id.clone(),
            status: v1::ScreeningStatus::Complete.into(),
            decision: v1::Decision::Allow.into(),
            score: 0,
            level: v1::RiskLevel::None.into(),
            address: Some(v1::UnderstoodAddress {
                canonical: CLEAN.to_owned(),
                encoding: v1::AddressEncoding::Evm.into(),
                checksum: v1::ChecksumVerdict::Absent.into(),
                chains: strings(&["eip155:*"]),
            }),
            findings: Vec::new(),
            incomplete_reasons: Vec::new(),
            evaluated_at: Some(proto_time(NOW)),
            exposure_coverage: v1::ExposureCoverage::NotCovered.into(),
            exposure_hops: 0,
            rule: Some(v1::DecidingRule { id: "no-finding".to_owned(), ..Default::default() }),
            shadow: None,
            coverage_shortfalls: Vec::new(),
            other_addresses: Vec::new(),
            normalizations: Vec::new(),
            cluster_cuts: Vec::new(),
            unvalued_dealings: Vec::new(),
            unvalued_dealings_cut_short: false,
            reason:
                "Allowed: not listed. Ties are unknown: its transfers are not loaded without gaps."
                    .to_owned(),
        };
        assert_eq!(answer.screening, Some(screening));
        assert_eq!(snapshot, full_snapshot(&snapshot.id, &snapshot.lists[0].digest));
    });
}

#[test]
fn the_same_key_in_other_encodings() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, full()).await;
        let pkh = "pkh:751e76e8199196d454941c45d1b3a323f1433bd6";
        let sh = "sh:bcfeb728b584253d5f3f70bcb780e9ef218a68f4";
        for (address, kind, key_id, encoding) in [
            (P2PKH, v1::FindingKind::Listed, pkh, v1::AddressEncoding::P2pkh),
            (P2WPKH, v1::FindingKind::SameKey, pkh, v1::AddressEncoding::P2wpkh),
            (NESTED, v1::FindingKind::SameKey, sh, v1::AddressEncoding::P2sh),
        ] {
            let screening = desk.screen(address).await;
            let understood = screening.address.as_ref().unwrap();
            assert_eq!(understood.canonical, address);
            assert_eq!(understood.encoding(), encoding);
            assert_eq!(understood.checksum(), v1::ChecksumVerdict::Verified);
            let [finding] = &screening.findings[..] else { panic!("{screening:?}") };
            assert_eq!((finding.kind(), finding.score), (kind, 100), "{address}");
            assert_eq!(finding.key_id, key_id);
            let listing = finding.listing.as_ref().unwrap();
            assert_eq!((listing.address.as_str(), listing.ticker.as_str()), (P2PKH, "XBT"));
            assert_eq!(listing.canonical_address, P2PKH);
            assert_eq!(listing.chains, [BITCOIN]);
            assert_eq!(listing.listed_on, "2020-01-02");
            assert_eq!(listing.listed_on_basis(), v1::ListedOnBasis::PartyDate);
        }
    });
}

/// A question and what is said to it.
struct Case<'a>(&'a str, &'a str, &'a [&'a str], Option<&'a str>, &'a str);

impl Case<'_> {
    async fn check(&self, desk: &Desk) {
        let Self(address, chain, lists, as_of, expected) = self;
        let request = v1::ScreenAddressRequest {
            query: Some(v1::AddressQuery { chain: chain.to_string(), ..query(address) }),
            options: Some(v1::ScreeningOptions {
                lists: strings(lists),
                as_of: as_of.map(proto_time),
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = desk.ask(request).await.unwrap().screening.unwrap();
        assert_eq!(said(&answer), *expected, "{address} on {chain:?}, {lists:?}, {as_of:?}");
    }
}

/// OFAC's list in two versions (one row removed, one added), and another list of which too much
/// is gone at once.
async fn two_lists(desk: &Desk) {
    let rest = made_up(0..10);
    let stays = [
        format!("{RONIN},ETH,L,Lazarus"),
        format!("{P2PKH},XBT,S,Somebody"),
        "not-an-address-at-all,XBT,N,Nobody".to_owned(),
    ];
    let old = [&stays[..], &rest, &[format!("{},ETH,G,Gone", evm(100))]].concat();
    let new = [&stays[..], &rest, &[format!("{},ETH,W,New", evm(200))]].concat();
    desk.sanction(OFAC, csv("2025-11-10", &old)).await;
    desk.sanction(OFAC, csv("2025-11-20", &new)).await;
    desk.sanction("cut", csv("2025-11-10", &made_up(300..304))).await;
    let report = desk.sanction("cut", csv("2025-11-20", &made_up(302..304))).await;
    assert_eq!((report.removed, report.removals_pending), (0, 2));
}

#[test]
fn what_is_said_to_what() {
    let listed = "BLOCK 100 SEVERE LISTED:STANDING@us-ofac-sdn";
    let pending = "BLOCK 100 SEVERE LISTED:REMOVAL_PENDING@cut";
    let gone = "ALLOW 0 NONE LISTED:REMOVED@us-ofac-sdn";
    let unlooked = " !AS_OF_NOT_COVERED@us-ofac-sdn";
    let clean = "ALLOW 0 NONE";
    let wrong = RONIN.replace("0x098B", "0x098b");
    let wrong_clean = CLEAN.replace("9ab5", "9Ab5");
    let (removed, new, cut) = (evm(100), evm(200), evm(300));
    let mismatch = format!("{listed} !CHAIN_MISMATCH");
    let bad_sum = format!("{listed} !CHECKSUM_WRONG");
    let early = "REVIEW 0 NONE !AS_OF_BEFORE_FIRST_PUBLICATION@us-ofac-sdn";
    let early_by_name = "REVIEW 0 NONE !AS_OF_BEFORE_FIRST_PUBLICATION@cut \
                         !AS_OF_BEFORE_FIRST_PUBLICATION@us-ofac-sdn";
    let verbatim = "REVIEW 75 HIGH LISTED_VERBATIM:STANDING@us-ofac-sdn !ADDRESS_NOT_UNDERSTOOD";
    let cases = [
        Case(RONIN, "", &[], None, listed),
        Case(CLEAN, "", &[], None, clean),
        // Chains: any EVM chain is the same address, another family is a mismatch.
        Case(RONIN, "eip155:137", &[], None, listed),
        Case("eip155:1:0x098B716B8Aaf21512996dC57EB0615e2383E2f96", "", &[], None, listed),
        Case(RONIN, "bitcoin", &[], None, &mismatch),
        Case(CLEAN, "bitcoin", &[], None, "REVIEW 0 NONE !CHAIN_MISMATCH"),
        Case(CLEAN, "stellar:pubnet", &[], None, "REVIEW 0 NONE !CHAIN_MISMATCH"),
        Case("GABC", "stellar:pubnet", &[], None, "REVIEW 0 NONE !CHAIN_NOT_KNOWN"),
        Case("GABC", "", &[], None, "REVIEW 0 NONE !ADDRESS_NOT_UNDERSTOOD"),
        Case(P2WPKH, "", &[], None, "BLOCK 100 SEVERE SAME_KEY:STANDING@us-ofac-sdn"),
        // EIP-55.
        Case(&wrong, "", &[], None, &bad_sum),
        Case(&wrong_clean, "", &[], None, "REVIEW 0 NONE !CHECKSUM_WRONG"),
        // States.
        Case("not-an-address-at-all", "", &[], None, verbatim),
        Case(&removed, "", &[], None, gone),
        Case(&cut, "", &[], None, pending),
        Case(&new, "", &[], None, listed),
        // Narrowed.
        Case(&cut, "", &[OFAC], None, clean),
        Case(&cut, "", &["cut"], None, &format!("{pending} !NARROWED@us-ofac-sdn")),
        Case(RONIN, "", &["cut"], None, "REVIEW 0 NONE !NARROWED@us-ofac-sdn"),
        Case(RONIN, "", &["cut", OFAC, OFAC], None, listed),
        // As of an earlier day.
        Case(&removed, "", &[], Some("2025-11-11T23:59:59Z"), listed),
        Case(&removed, "", &[], Some("2025-11-19T23:59:59Z"), &format!("{listed}{unlooked}")),
        Case(&removed, "", &[], Some("2025-11-20T00:00:00Z"), gone),
        Case(&new, "", &[], Some("2025-11-11T23:59:59Z"), clean),
        // Nobody looked between the publications of the 10th and the 20th.
        Case(&new, "", &[], Some("2025-11-19T23:59:59Z"), &format!("REVIEW 0 NONE{unlooked}")),
        Case(&new, "", &[], Some("2025-11-20T00:00:00Z"), listed),
        Case(RONIN, "", &[], Some(NOW), listed),
        Case(&new, "", &[], Some("2025-11-09T23:59:59Z"), early),
        // A list that is not required counts where it is asked for by name.
        Case(&new, "", &["cut", OFAC], Some("2025-11-09T23:59:59Z"), early_by_name),
        Case(&new, "", &[OFAC], Some("2025-11-10T00:00:00Z"), clean),
    ];
    run(vec![ofac()], async |desk| {
        two_lists(desk).await;
        for case in &cases {
            case.check(desk).await;
        }
        let finding = desk.screen(&removed).await.findings.remove(0);
        assert_eq!(finding.score, 0);
        let listing = finding.listing.unwrap();
        assert_eq!((listing.listed_on.as_str(), listing.removed_on.as_str()), ("", "2025-11-20"));
        assert_eq!(listing.listed_on_basis(), v1::ListedOnBasis::Unknown);
        let finding = desk.screen(&new).await.findings.remove(0).listing.unwrap();
        assert_eq!((finding.listed_on.as_str(), finding.removed_on.as_str()), ("2025-11-20", ""));
        assert_eq!(finding.listed_on_basis(), v1::ListedOnBasis::FirstSeen);
        let finding = desk.screen("not-an-address-at-all").await.findings.remove(0);
        assert_eq!(finding.key_id, "");
        let listing = finding.listing.unwrap();
        assert_eq!((listing.canonical_address.as_str(), listing.chains.len()), ("", 0));
        assert!(desk.screen("GABC").await.address.is_none());
    });
}

#[test]
fn nothing_is_answered_before_a_list_is_loaded() {
    run(vec![ofac()], async |desk| {
        let not_loaded = (Code::Unavailable, "NOT_LOADED", "", "no list is loaded");
        check_refused(desk.ask(question(CLEAN)).await, not_loaded);
        // Another list alone does not stand in for the one that is required.
        desk.sanction("other", csv("2025-11-20", &made_up(0..1))).await;
        let missing = "!REQUIRED_LIST_MISSING@us-ofac-sdn";
        let found = format!("BLOCK 100 SEVERE LISTED:STANDING@other {missing}");
        let clean = format!("REVIEW 0 NONE {missing}");
        Case(CLEAN, "", &[], None, &clean).check(desk).await;
        Case(CLEAN, "", &["other"], None, &clean).check(desk).await;
        Case(&evm(0), "", &[], None, &found).check(desk).await;
        let snapshot = desk.ask(question(CLEAN)).await.unwrap().snapshot.unwrap();
        assert_eq!(snapshot.missing_lists, [OFAC]);
        desk.sanction(OFAC, csv("2025-11-20", &made_up(1..2))).await;
        Case(CLEAN, "", &[], None, "ALLOW 0 NONE").check(desk).await;
    });
}

#[test]
fn a_list_is_stale_after_its_last_second() {
    for allow_stale in [false, true] {
        let edit = |config: &mut Config| {
            config.lists = vec![ofac()];
            config.allow_stale = allow_stale;
        };
        run_with(edit, async |desk| {
            desk.sanction(OFAC, full()).await;
            let last = moment("2025-11-22T00:00:00Z").as_second();
            for (now, stale) in [(last, false), (last + 1, true), (last + 400 * DAY, true)] {
                desk.clock.store(now, Ordering::SeqCst);
                let answer = desk.ask(question(CLEAN)).await.unwrap();
                let snapshot = answer.snapshot.unwrap();
                assert_eq!(snapshot.stale_allowed, allow_stale);
                let list = &snapshot.lists[0];
                assert_eq!((list.stale, list.required), (stale, true));
                let age = u64::try_from(now - last).unwrap() + 48 * 3600;
                assert_eq!(list.age_seconds, Some(age));
                let expected = match stale && !allow_stale {
                    true => "REVIEW 0 NONE !LIST_STALE@us-ofac-sdn",
                    false => "ALLOW 0 NONE",
                };
                let screening = answer.screening.unwrap();
                assert_eq!(said(&screening), expected, "{now}");
                let at = screening.evaluated_at.unwrap();
                assert_eq!(at, pbjson_types::Timestamp { seconds: now, nanos: 0 });
            }
        });
    }
}
