//! What is whole, gapped and contradicted, by a real client: told, listed page by page, settled, and
//! refused.

use v1::transfer::Movement;

use super::transfers::{batch, ingest, payment};
use super::*;

const INVALID: Code = Code::InvalidArgument;
const HASHES: [&str; 2] = [
    "0x1111111111111111111111111111111111111111111111111111111111111111",
    "0x2222222222222222222222222222222222222222222222222222222222222222",
];

fn blocks(from: u64, to: u64, kinds: &[v1::MovementKind]) -> v1::CoveredBlocks {
    v1::CoveredBlocks {
        chain: "ethereum".to_owned(),
        heights: Some(v1::HeightRange { first_height: from, last_height: to }),
        kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
        ..Default::default()
    }
}

impl Desk {
    async fn declare(
        &self,
        covered: Vec<v1::CoveredBlocks>,
    ) -> Result<v1::DeclareCoverageResponse, Status> {
        let request = v1::DeclareCoverageRequest { covered };
        let answer = self.client.transfers.clone().declare_coverage(request).await;
        answer.map(tonic::Response::into_inner)
    }

    /// Gaps as `kind from-to cause`.
    async fn gaps(&self) -> Vec<String> {
        let mut client = self.client.transfers.clone();
        let mut gaps = Vec::new();
        let mut request = v1::ListTransferGapsRequest { page_size: 2, ..Default::default() };
        loop {
            let page = client.list_transfer_gaps(request.clone()).await.unwrap().into_inner();
            gaps.extend(page.gaps);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        let text = |gap: v1::TransferGap| {
            let v1::HeightRange { first_height: from, last_height: to } = gap.heights.unwrap();
            let [kind, cause] = [gap.kind().as_str_name(), gap.cause().as_str_name()];
            let short = |name: &str, prefix: &str| name.strip_prefix(prefix).unwrap().to_owned();
            let [kind, cause] = [short(kind, "MOVEMENT_KIND_"), short(cause, "GAP_CAUSE_")];
            format!("{kind} {from}-{to} {cause}")
        };
        gaps.into_iter().map(text).collect()
    }

    async fn conflicts(&self, settled: bool) -> Vec<v1::TransferConflict> {
        let request =
            v1::ListTransferConflictsRequest { include_settled: settled, ..Default::default() };
        let page = self.client.transfers.clone().list_transfer_conflicts(request).await;
        page.unwrap().into_inner().conflicts
    }

    async fn settle(
        &self,
        number: u64,
        verdict: v1::ConflictVerdict,
        reason: &str,
    ) -> Result<(), Status> {
        let verdict = verdict.into();
        let request =
            v1::SettleTransferConflictRequest { number, verdict, reason: reason.to_owned() };
        self.client.transfers.clone().settle_transfer_conflict(request).await.map(drop)
    }

    async fn is_covered(&self) -> bool {
        let answer = self.screen(&evm(1)).await;
        answer.exposure_coverage() == v1::ExposureCoverage::Covered
    }
}

/// A desk with a sanctions list, and native payments at 100 to 102, their tokens declared.
async fn load(desk: &Desk) {
    desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
    ingest(desk, vec![batch("", (100..103).map(|height| payment(height, 0, height)).collect())])
        .await;
    assert!(!desk.is_covered().await, "tokens were never loaded");
    let tokens = blocks(100, 102, &[v1::MovementKind::Tokens]);
    assert_eq!(desk.declare(vec![tokens]).await.unwrap().remaining_gaps, 0);
    assert!(desk.is_covered().await);
}

#[test]
fn a_refused_batch_is_a_gap_until_it_comes() {
    run(vec![ofac()], async |desk| {
        load(desk).await;
        let mut bad = payment(101, 0, 7);
        bad.tx = format!("0x{:064x}", 7);
        bad.position = Some(v1::ChainPosition { height: 101, tx_index: 1, index: 0 });
        let good = bad.clone();
        let Some(Movement::Account(account)) = &mut bad.movement else { panic!("an account") };
        account.amount = "1e18".to_owned();
        let beside = payment(102, 0, 102);
        ingest(desk, vec![batch("", vec![beside.clone(), bad])]).await;
        assert_eq!(desk.gaps().await, ["NATIVE 102-102 REFUSED", "NATIVE 101-101 REJECTED"]);
        assert!(!desk.is_covered().await);

        // What covers the blocks closes no gap of a row that did not come.
        let mut covering = batch("", vec![good]);
        covering.covered = vec![blocks(100, 102, &[])];
        ingest(desk, vec![covering]).await;
        assert_eq!(desk.gaps().await, ["NATIVE 102-102 REFUSED"]);
        ingest(desk, vec![batch("", vec![beside])]).await;
        assert_eq!(desk.gaps().await, [""; 0]);
        assert!(desk.is_covered().await);
    });
}

#[test]
fn what_a_sender_did_not_understand_is_a_gap_also_under_what_it_covers() {
    run(vec![ofac()], async |desk| {
        load(desk).await;
        let rejected = v1::TransferGap {
            chain: "ethereum".to_owned(),
            kind: v1::MovementKind::Tokens.into(),
            heights: Some(v1::HeightRange { first_height: 101, last_height: 101 }),
            cause: v1::GapCause::Rejected.into(),
            ..Default::default()
        };
        let mut telling = batch("", Vec::new());
        telling.gaps = vec![rejected.clone()];
        telling.covered = vec![blocks(100, 102, &[v1::MovementKind::Tokens])];
        ingest(desk, vec![telling]).await;
        assert_eq!(desk.gaps().await, ["TOKENS 101-101 REJECTED"]);
        assert!(!desk.is_covered().await);
        // Nobody has read what a declaration passes over.
        let tokens = blocks(100, 102, &[v1::MovementKind::Tokens]);
        assert_eq!(desk.declare(vec![tokens]).await.unwrap().remaining_gaps, 1);
        assert!(!desk.is_covered().await);

        for (edit, field, words) in [
            ((|gap| gap.cause = 6) as fn(&mut v1::TransferGap), "cause", "a sender may tell of"),
            (|gap| gap.kind = 4, "kind", "has no transfers of kind utxo"),
            (|gap| gap.kind = 99, "kind", "99 is no kind"),
            (|gap| gap.heights = None, "heights", ""),
        ] {
            let mut gap = rejected.clone();
            edit(&mut gap);
            let mut telling = batch("", Vec::new());
            telling.gaps = vec![gap];
            let answers = ingest(desk, vec![telling]).await;
            let Some(v1::ingest_transfers_response::Outcome::Error(error)) = &answers[0].outcome
            else {
                panic!("{answers:?}")
            };
            assert!(error.message.starts_with("gaps[0]"), "{}", error.message);
            assert!(error.message.contains(field) && error.message.contains(words), "{error:?}");
        }
    });
}

#[test]
fn a_contradiction_counts_twice_until_it_is_settled() {
    run(vec![ofac()], async |desk| {
        load(desk).await;
        let other = payment(101, 0, 50);
        ingest(desk, vec![batch("", vec![other.clone()])]).await;
        let found = async |number: u64| desk.screen(&evm(number)).await.findings.len();
        assert_eq!((found(101).await, found(50).await), (1, 1));
        assert!(!desk.is_covered().await);
        let open = desk.conflicts(false).await;
        assert_eq!(open.len(), 1);
        let second = open[0].second.as_ref().unwrap();
        let Some(Movement::Account(account)) = &second.movement else { panic!("{second:?}") };
        assert_eq!(account.receiver, evm(50));

        for (outcome, code, reason, field, words) in [
            (
                desk.settle(0, v1::ConflictVerdict::First, "x").await,
                Code::NotFound,
                "NOT_FOUND",
                "",
                "no conflict 0",
            ),
            (
                desk.settle(1, v1::ConflictVerdict::Unspecified, "x").await,
                INVALID,
                "INVALID_FIELD",
                "verdict",
                "first, second or both",
            ),
            (
                desk.settle(1, v1::ConflictVerdict::First, " ").await,
                INVALID,
                "INVALID_FIELD",
                "reason",
                "0 bytes",
            ),
        ] {
            check_refused(outcome, (code, reason, field, words));
        }
        desk.settle(1, v1::ConflictVerdict::Second, "a node says so").await.unwrap();
        assert_eq!((found(101).await, found(50).await), (0, 1));
        assert!(desk.is_covered().await);
        assert!(desk.conflicts(false).await.is_empty());
        assert_eq!(desk.conflicts(true).await[0].reason, "a node says so");
        let again = desk.settle(1, v1::ConflictVerdict::First, "x").await;
        let words = "conflict 1 is settled already";
        check_refused(again, (Code::FailedPrecondition, "CONFLICT_SETTLED", "", words));
    });
}

#[test]
fn a_block_is_taken_back_by_its_hash() {
    run(vec![ofac()], async |desk| {
        load(desk).await;
        let of_block = |hash: &str, to: u64, tx: u64| v1::Transfer {
            block_hash: hash.to_owned(),
            tx: format!("0x{tx:064x}"),
            position: Some(v1::ChainPosition { height: 102, tx_index: tx as u32, index: 0 }),
            ..payment(102, 0, to)
        };
        let both = HASHES.iter().zip([60, 61]).map(|(hash, to)| of_block(hash, to, to));
        ingest(desk, vec![batch("", both.collect())]).await;
        let all = ["NATIVE", "TOKENS", "INTERNAL"].map(|kind| format!("{kind} 102-102 FORK"));
        assert_eq!(desk.gaps().await, all);
        assert!(!desk.is_covered().await);

        let retract = async |block_hash: &str| {
            let request = v1::RetractTransfersRequest {
                chain: "ethereum".to_owned(),
                reason: "orphaned".to_owned(),
                block_hash: block_hash.to_owned(),
                ..Default::default()
            };
            let answer = desk.client.transfers.clone().retract_transfers(request).await;
            answer.map(|answer| answer.into_inner().retracted)
        };
        check_refused(retract("0x12").await, (INVALID, "INVALID_FIELD", "block_hash", "32 bytes"));
        let unknown = retract(&format!("0x{}", "3".repeat(64))).await;
        check_refused(unknown, (INVALID, "INVALID_FIELD", "block_hash", "no stored transfer"));
        assert_eq!(retract(HASHES[1]).await.unwrap(), 1);
        let found = async |number: u64| desk.screen(&evm(number)).await.findings.len();
        assert_eq!((found(60).await, found(61).await, found(102).await), (1, 0, 1));
        assert!(desk.is_covered().await);
    });
}

#[test]
fn declarations_that_are_refused() {
    run(vec![ofac()], async |desk| {
        let native = [v1::MovementKind::Native];
        let edited = |edit: fn(&mut v1::CoveredBlocks)| {
            let mut covered = blocks(1, 2, &native);
            edit(&mut covered);
            vec![covered]
        };
        for (covered, reason, field, words) in [
            (Vec::new(), "TOO_MANY_ITEMS", "covered", "0 of them"),
            (edited(|it| it.kinds.clear()), "INVALID_FIELD", "covered[0].kinds", "missing"),
            (edited(|it| it.kinds = vec![4]), "INVALID_FIELD", "covered[0].kinds", "utxo"),
            (edited(|it| it.chain.clear()), "INVALID_CHAIN", "covered[0].chain", "names no chain"),
            (
                edited(|it| {
                    it.heights = Some(v1::HeightRange { first_height: 1, last_height: 1 << 40 })
                }),
                "INVALID_FIELD",
                "covered[0].heights",
                "",
            ),
        ] {
            check_refused(desk.declare(covered).await, (INVALID, reason, field, words));
        }
        assert!(
            desk.client
                .transfers
                .clone()
                .list_transfer_heads(v1::ListTransferHeadsRequest {})
                .await
                .unwrap()
                .into_inner()
                .heads
                .is_empty()
        );
    });
}

#[test]
fn transfers_without_heights_are_covered_by_times() {
    let requiring = |config: &mut Config| {
        config.lists = vec![ofac()];
    };
    run_with(requiring, async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
        let mut timed = payment(100, 0, 1);
        timed.position = None;
        let time = timed.time.as_ref().unwrap().seconds as u64;
        ingest(desk, vec![batch("", vec![timed])]).await;
        let lacks = desk.screen(&evm(1)).await.coverage_shortfalls;
        let code = v1::IncompleteReasonCode::TransfersUnpositioned;
        assert!(lacks.iter().any(|lack| lack.code() == code), "{lacks:?}");
        let times = v1::CoveredBlocks {
            heights: None,
            times: Some(v1::TimeRange {
                first_unix_seconds: time - 100,
                last_unix_seconds: time + 100,
            }),
            ..blocks(0, 0, &[v1::MovementKind::Native, v1::MovementKind::Tokens])
        };
        desk.declare(vec![times]).await.unwrap();
        assert!(desk.is_covered().await);
    });
}
