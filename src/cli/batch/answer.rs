//! Converts an answer to a row of the result. An unknown decision counts as BLOCK.

use jiff::Timestamp;

use super::cells::{BESIDE, CHAIN, PATH, RowDecision, Share, join_values};
use super::chunk::InputRow;
use super::columns::ResultRow;
use super::row::{AND, INCOMPLETE, THEN};
use crate::cli::render::paths::joined_path;
use crate::cli::render::unvalued;
use crate::cli::text::escape;
use crate::domain::list::StartBasis;
use crate::exposure::Timing;
use crate::grpc::client::plain;
use crate::grpc::v1;
use v1::screening_item::Outcome;

/// The row of an address that was asked; `policy` is the version that the answer's snapshot names.
pub fn result_row(asked: &InputRow<'_>, item: &v1::ScreeningItem, policy: &str) -> ResultRow {
    match &item.outcome {
        Some(Outcome::Screening(answer)) => answered_row(asked, answer, policy),
        Some(Outcome::Error(refusal)) => error_row(asked, &plain(&refusal.message)),
        None => error_row(asked, "no answer was given"),
    }
}

/// The row of an address that could not be asked.
pub fn error_row(asked: &InputRow<'_>, why: &str) -> ResultRow {
    ResultRow {
        decision: RowDecision::Error,
        reason: escape(why).into_owned(),
        ..input_columns(asked)
    }
}

/// Whether the row of `item` shows a path, where paths are asked for: REVIEW or BLOCK, with an
/// exposure, or joined with a listed address.
pub fn wants_path(item: &v1::ScreeningItem) -> bool {
    match &item.outcome {
        Some(Outcome::Screening(answer)) => {
            answer.decision() != v1::Decision::Allow
                && answer.findings.iter().any(|finding| {
                    finding.exposure.is_some() || finding.kind() == v1::FindingKind::CoSpent
                })
        }
        Some(Outcome::Error(_)) | None => false,
    }
}

fn input_columns(asked: &InputRow<'_>) -> ResultRow {
    ResultRow {
        row: asked.row,
        reference: asked.reference.to_owned(),
        address: asked.address.to_owned(),
        chain: asked.chain.to_owned(),
        ..ResultRow::default()
    }
}

fn answered_row(asked: &InputRow<'_>, answer: &v1::Screening, policy: &str) -> ResultRow {
    let mut row = ResultRow {
        decision: match answer.decision() {
            v1::Decision::Allow => RowDecision::Allow,
            v1::Decision::Review => RowDecision::Review,
            v1::Decision::Block | v1::Decision::Unspecified => RowDecision::Block,
        },
        // A score beyond 100 must not pass for a small one.
        score: Some(u8::try_from(answer.score).unwrap_or(u8::MAX)),
        level: short(answer.level().as_str_name(), "RISK_LEVEL_"),
        status: short(answer.status().as_str_name(), "SCREENING_STATUS_"),
        hops: hops(answer),
        rule: answer.rule.as_ref().map(|rule| rule.id.clone()).unwrap_or_default(),
        reason: reason(answer),
        coverage: short(answer.exposure_coverage().as_str_name(), "EXPOSURE_COVERAGE_"),
        exposure_hops: (answer.exposure_hops > 0).then_some(answer.exposure_hops),
        snapshot: answer.snapshot_id.clone(),
        policy: policy.to_owned(),
        evaluated_at: answer.evaluated_at.as_ref().map(seconds).unwrap_or_default(),
        unvalued_direct: unvalued::transfers(answer),
        cluster_cut: cluster_cut(answer),
        ..input_columns(asked)
    };
    let deciding = deciding(answer);
    if let Some(finding) = deciding {
        add_finding(&mut row, finding);
    }
    row.path = path(deciding, answer);
    row
}

fn add_finding(row: &mut ResultRow, finding: &v1::Finding) {
    row.finding = short(finding.kind().as_str_name(), "FINDING_KIND_");
    row.common_input = common_input(finding).to_owned();
    if let Some(exposure) = &finding.exposure {
        let timing: Option<Timing> = exposure.timing().into();
        row.timing = timing.map(|timing| timing.as_str().to_owned()).unwrap_or_default();
        row.timing_basis = basis(exposure.timing_basis());
        let share = exposure.direct_share_basis_points;
        row.share = (share > 0).then_some(Share(share));
    }
    if let Some(listing) = &finding.listing {
        row.list = listing.list_id.clone();
        row.list_kind = short(listing.list_kind().as_str_name(), "LIST_KIND_");
        row.listed_address = listing.address.clone();
        row.listed_on = listing.listed_on.clone();
        row.listed_on_basis = basis(listing.listed_on_basis());
        if let Some(party) = &listing.party {
            row.party = party.name.clone();
            row.programs = join_values(&party.programs);
            row.aliases = join_values(&party.aliases);
        }
    }
}

/// How a finding rests on common input; empty where it does not.
fn common_input(finding: &v1::Finding) -> &'static str {
    if finding.kind() == v1::FindingKind::CoSpent {
        return if finding.same_transaction { BESIDE } else { CHAIN };
    }
    let is_path = finding.exposure.as_ref().is_some_and(|exposure| exposure.common_input);
    if is_path { PATH } else { "" }
}

/// The listed addresses in clusters that are cut, each once.
fn cluster_cut(answer: &v1::Screening) -> String {
    let listings = answer.cluster_cuts.iter().filter_map(|cut| cut.listing.as_ref());
    let mut listed: Vec<String> = listings.map(|listing| listing.address.clone()).collect();
    listed.sort();
    listed.dedup();
    join_values(&listed)
}

/// What a date rests on; empty where the server does not say.
fn basis(basis: v1::ListedOnBasis) -> String {
    let known: Option<StartBasis> = basis.into();
    known.map(|basis| basis.as_str().to_owned()).unwrap_or_default()
}

/// The finding that decided: judged worst, of equals the largest score, then the first.
fn deciding(answer: &v1::Screening) -> Option<&v1::Finding> {
    // `max_by_key` gives the last of equals.
    answer.findings.iter().rev().max_by_key(|finding| (finding.decision, finding.score))
}

/// The fewest hops over all findings that score.
fn hops(answer: &v1::Screening) -> Option<u32> {
    let scoring = answer.findings.iter().filter(|finding| finding.score > 0);
    scoring.map(|finding| finding.exposure.as_ref().map_or(0, |exposure| exposure.hops)).min()
}

fn reason(answer: &v1::Screening) -> String {
    let mut reason = String::new();
    if answer.status() != v1::ScreeningStatus::Complete {
        reason.push_str(INCOMPLETE);
        for (place, why) in answer.incomplete_reasons.iter().enumerate() {
            if place > 0 {
                reason.push_str(AND);
            }
            reason.push_str(&short(why.code().as_str_name(), "INCOMPLETE_REASON_CODE_"));
            if !why.list_id.is_empty() {
                reason.push(' ');
                reason.push_str(&why.list_id);
            }
        }
    }
    if !reason.is_empty() && !answer.reason.is_empty() {
        reason.push_str(THEN);
    }
    reason.push_str(&answer.reason);
    escape(&reason).into_owned()
}

/// The path of the finding that decided, else the first there is; of CO_SPENT how the address is joined
/// with the listed one, as a path without hops.
fn path(deciding: Option<&v1::Finding>, answer: &v1::Screening) -> String {
    let of = |finding: &v1::Finding| match &finding.exposure {
        Some(exposure) => exposure.evidence.as_ref()?.path.clone(),
        None => {
            let chain = finding.common_input_chain.clone()?;
            Some(joined_path(finding.listing.clone(), chain))
        }
    };
    let path = deciding.and_then(of).or_else(|| answer.findings.iter().find_map(of));
    path.map_or_else(String::new, |path| {
        serde_json::to_string(&path).expect("a message of the proto is JSON")
    })
}

fn short(name: &'static str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}

/// A moment in RFC 3339, in seconds; empty where it is none.
fn seconds(at: &pbjson_types::Timestamp) -> String {
    Timestamp::new(at.seconds, 0)
        .map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::batch::chunk::KeptValues;

    const ROW: InputRow<'_> = InputRow {
        row: 3,
        reference: "r",
        address: "0xab",
        chain: "eth",
        kept: KeptValues::NONE,
        fault: None,
    };

    fn finding(decision: v1::Decision, score: u32, hops: Option<u32>, uid: &str) -> v1::Finding {
        let kind = if hops.is_some() { v1::FindingKind::SentTo } else { v1::FindingKind::Listed };
        let listing = v1::Listing {
            list_id: "us-ofac-sdn".to_owned(),
            list_kind: v1::ListKind::Sanctions.into(),
            party: Some(v1::Party {
                name: uid.to_owned(),
                programs: vec!["DPRK3".to_owned(), "CYBER2".to_owned()],
                aliases: vec!["A|B".to_owned()],
                ..Default::default()
            }),
            address: "0xcd".to_owned(),
            listed_on: "2022-04-14".to_owned(),
            listed_on_basis: v1::ListedOnBasis::FirstSeen.into(),
            ..Default::default()
        };
        let exposure = hops.map(|hops| v1::Exposure {
            hops,
            timing: v1::DesignationTiming::After.into(),
            timing_basis: v1::ListedOnBasis::AddressDate.into(),
            direct_share_basis_points: 1_250,
            ..Default::default()
        });
        v1::Finding {
            kind: kind.into(),
            score,
            decision: decision.into(),
            listing: Some(listing),
            exposure,
            ..Default::default()
        }
    }

    fn answer(decision: v1::Decision, findings: Vec<v1::Finding>) -> v1::Screening {
        v1::Screening {
            snapshot_id: "s".to_owned(),
            status: v1::ScreeningStatus::Complete.into(),
            decision: decision.into(),
            score: findings.iter().map(|finding| finding.score).max().unwrap_or(0),
            level: v1::RiskLevel::Medium.into(),
            findings,
            evaluated_at: Some(pbjson_types::Timestamp { seconds: 1_763_510_400, nanos: 987 }),
            exposure_coverage: v1::ExposureCoverage::NotCovered.into(),
            exposure_hops: 8,
            ..Default::default()
        }
    }

    fn told(answer: v1::Screening) -> ResultRow {
        result_row(&ROW, &v1::ScreeningItem { outcome: Some(Outcome::Screening(answer)) }, "p-1")
    }

    #[test]
    fn the_finding_judged_worst_decides_then_the_largest_score_then_the_first() {
        use v1::Decision::{Allow, Block, Review, Unspecified};
        let check = |findings: Vec<v1::Finding>, party: &str, hops: Option<u32>| {
            let row = told(answer(Review, findings));
            assert_eq!((row.party.as_str(), row.hops), (party, hops), "{row:?}");
        };
        check(
            vec![finding(Review, 80, Some(1), "a"), finding(Block, 10, Some(4), "b")],
            "b",
            Some(1),
        );
        check(
            vec![finding(Review, 20, Some(1), "a"), finding(Review, 80, None, "b")],
            "b",
            Some(0),
        );
        check(
            vec![finding(Review, 20, Some(3), "a"), finding(Review, 20, Some(2), "b")],
            "a",
            Some(2),
        );
        check(vec![finding(Allow, 0, None, "a"), finding(Unspecified, 0, None, "b")], "a", None);
        check(Vec::new(), "", None);
    }

    #[test]
    fn every_column_is_filled() {
        let mut given =
            answer(v1::Decision::Review, vec![finding(v1::Decision::Review, 60, Some(2), "P")]);
        given.rule = Some(v1::DecidingRule {
            id: "near".to_owned(),
            threshold: "hops <= 2".to_owned(),
            observed: "hops = 2".to_owned(),
            floor: false,
        });
        given.reason = "For review: two hops.".to_owned();
        let (received, sent) = (v1::ExposureDirection::ReceivedFrom, v1::ExposureDirection::SentTo);
        // By direction and kind of list: one transfer may be with an address of several kinds.
        let unvalued = |(direction, transfers): (v1::ExposureDirection, u32)| {
            v1::UnvaluedDealings { direction: direction.into(), transfers, ..Default::default() }
        };
        given.findings[0].exposure.as_mut().unwrap().common_input = true;
        let cut = |address: &str| v1::ClusterCut {
            listing: Some(v1::Listing { address: address.to_owned(), ..Default::default() }),
            ..Default::default()
        };
        given.cluster_cuts = ["0xef", "0xa|b", "0xef"].map(cut).to_vec();
        given.unvalued_dealings = [(received, 5), (received, 2), (sent, 2)].map(unvalued).to_vec();
        let row = told(given.clone());
        let want = ResultRow {
            row: 3,
            reference: "r".to_owned(),
            address: "0xab".to_owned(),
            chain: "eth".to_owned(),
            decision: RowDecision::Review,
            score: Some(60),
            level: "MEDIUM".to_owned(),
            status: "COMPLETE".to_owned(),
            finding: "SENT_TO".to_owned(),
            hops: Some(2),
            timing: "AFTER".to_owned(),
            timing_basis: "ADDRESS_DATE".to_owned(),
            share: Some(Share(1_250)),
            list: "us-ofac-sdn".to_owned(),
            list_kind: "SANCTIONS".to_owned(),
            party: "P".to_owned(),
            listed_address: "0xcd".to_owned(),
            programs: "DPRK3|CYBER2".to_owned(),
            aliases: "A\\|B".to_owned(),
            listed_on: "2022-04-14".to_owned(),
            listed_on_basis: "FIRST_SEEN".to_owned(),
            rule: "near".to_owned(),
            reason: "For review: two hops.".to_owned(),
            coverage: "NOT_COVERED".to_owned(),
            exposure_hops: Some(8),
            snapshot: "s".to_owned(),
            policy: "p-1".to_owned(),
            evaluated_at: "2025-11-19T00:00:00Z".to_owned(),
            unvalued_direct: Some(7),
            common_input: "PATH".to_owned(),
            cluster_cut: "0xa\\|b|0xef".to_owned(),
            path: String::new(),
            kept: Vec::new(),
            ..ResultRow::default()
        };
        assert_eq!(row, want);

        given.status = v1::ScreeningStatus::Incomplete.into();
        let why = |code: v1::IncompleteReasonCode, list: &str| v1::IncompleteReason {
            code: code.into(),
            list_id: list.to_owned(),
            detail: "more".to_owned(),
        };
        given.incomplete_reasons = vec![
            why(v1::IncompleteReasonCode::ListStale, "us-ofac-sdn"),
            why(v1::IncompleteReasonCode::ChecksumWrong, ""),
        ];
        let row = told(given);
        let reason = "INCOMPLETE LIST_STALE us-ofac-sdn, CHECKSUM_WRONG; For review: two hops.";
        assert_eq!(row.reason, reason);
        assert_eq!(row.incomplete().count(), 2);
    }

    #[test]
    fn an_address_that_is_joined_shows_how() {
        let joined = |is_beside: bool, joins: Option<usize>| {
            let finding = finding(v1::Decision::Review, 95, None, "P");
            let join = |from: usize| v1::CommonInputJoin {
                address: format!("a{from}"),
                other_address: format!("a{}", from + 1),
                ..Default::default()
            };
            let chain = |joins| v1::CommonInputChain {
                joins: (0..joins).map(join).collect(),
                cut_short: false,
            };
            let finding = v1::Finding {
                kind: v1::FindingKind::CoSpent.into(),
                same_transaction: is_beside,
                common_input_chain: joins.map(chain),
                ..finding
            };
            told(answer(v1::Decision::Review, vec![finding]))
        };
        let row = joined(true, None);
        assert_eq!((row.finding.as_str(), row.common_input.as_str()), ("CO_SPENT", "BESIDE"));
        assert_eq!((row.hops, row.path.as_str()), (Some(0), ""));
        let row = joined(false, Some(2));
        assert_eq!((row.common_input.as_str(), row.listed_address.as_str()), ("CHAIN", "0xcd"));
        let path: v1::ExposurePath = serde_json::from_str(&row.path).unwrap();
        assert!(path.common_input && path.hops.is_empty(), "{path:?}");
        let joins = path.common_input_chain.unwrap().joins;
        assert_eq!(joins.iter().map(|join| &*join.other_address).collect::<Vec<_>>(), ["a1", "a2"]);
        assert_eq!(path.listing.unwrap().address, "0xcd");
    }

    #[test]
    fn what_is_not_known_is_no_clear() {
        let mut given = answer(v1::Decision::Unspecified, Vec::new());
        given.score = 1_000;
        let row = told(given);
        assert_eq!((row.decision, row.score), (RowDecision::Block, Some(255)));
        let none = super::result_row(&ROW, &v1::ScreeningItem { outcome: None }, "");
        assert_eq!((none.decision, none.score), (RowDecision::Error, None));
        let why = error_row(&ROW, "a\nb\u{1b}");
        assert_eq!((why.reason.as_str(), why.level.as_str()), ("a\\nb\\u{1b}", ""));
        let allowed = v1::Screening {
            reason: "Allowed: not listed.".to_owned(),
            ..answer(v1::Decision::Allow, Vec::new())
        };
        assert_eq!(told(allowed).reason, "Allowed: not listed.");
    }

    #[test]
    fn the_path_is_that_of_the_finding_that_decided_else_the_first() {
        let with = |mut finding: v1::Finding, tx: &str| {
            let hops = vec![v1::Hop { tx: tx.to_owned(), ..Default::default() }];
            let path = Some(v1::ExposurePath { hops, ..Default::default() });
            let evidence = Some(v1::ExposureEvidence { path, ..Default::default() });
            finding.exposure = finding.exposure.map(|it| v1::Exposure { evidence, ..it });
            finding
        };
        let review = |hops| finding(v1::Decision::Review, 60, hops, "P");
        let first = with(review(Some(2)), "first");
        let second = with(finding(v1::Decision::Block, 20, Some(3), "Q"), "second");
        let check = |findings: Vec<v1::Finding>, want: Option<&str>| {
            let path = told(answer(v1::Decision::Review, findings)).path;
            let Some(want) = want else { return assert_eq!(path, "") };
            let path: v1::ExposurePath = serde_json::from_str(&path).unwrap();
            assert_eq!(path.hops[0].tx, want);
        };
        check(vec![first.clone(), second], Some("second"));
        check(vec![finding(v1::Decision::Block, 100, None, "L"), first], Some("first"));
        check(vec![review(Some(2))], None);
    }
}
