//! Goldens of payments.

use super::*;
use crate::cli::render::payment::{PaymentHeading, brief, text as shown};

fn address(side: v1::PaymentSide, index: u32, outcome: Outcome) -> v1::PaymentAddress {
    let item = Some(v1::ScreeningItem { outcome: Some(outcome) });
    v1::PaymentAddress { side: side.into(), index, item }
}

fn query(address: &str) -> v1::AddressQuery {
    v1::AddressQuery { address: text(address), ..Default::default() }
}

#[test]
fn a_deposit() {
    let customer = "0xd90e2f925da726b50c4ed8d0fb90ad053324f31b";
    let listed = finding(v1::FindingKind::Listed, 100, listing());
    let block = screening(v1::Decision::Block, 100, vec![listed]);
    let allow = screening(v1::Decision::Allow, 0, Vec::new());
    let refused =
        v1::ScreeningError { message: text("query.address: empty"), ..Default::default() };
    let request = v1::ScreenPaymentRequest {
        sources: vec![query(ETHER), query("")],
        destinations: vec![query(customer)],
        chain: text("ethereum"),
        asset: text("native"),
        amount: text("1500000000000000000"),
        tx: text("0x5e\u{1b}[2J"),
        customer_reference: text("customer 17\u{7}"),
        direction: v1::PaymentDirection::Deposit.into(),
        options: None,
        ..Default::default()
    };
    let prospect = v1::ProspectiveExposure {
        address: text(customer),
        direction: v1::ExposureDirection::ReceivedFrom.into(),
        list_kind: v1::ListKind::Sanctions.into(),
        current_hops: 3,
        prospective_hops: 1,
        prospective_direct_share_basis_points: None,
        listing: Some(listing()),
        prospective_score: 95,
        prospective_timing: v1::DesignationTiming::After.into(),
        prospective_timing_basis: v1::ListedOnBasis::AddressDate.into(),
        prospective_decision: v1::Decision::Block.into(),
        ..Default::default()
    };
    let share = v1::ProspectiveExposure {
        current_hops: 1,
        current_direct_share_basis_points: Some(1_234),
        prospective_direct_share_basis_points: Some(5_678),
        ..prospect.clone()
    };
    let hub = v1::ProspectiveExposure {
        through_hub: true,
        current_hops: 0,
        prospective_hops: 4,
        prospective_score: 19,
        prospective_decision: v1::Decision::Review.into(),
        ..prospect.clone()
    };
    let response = v1::ScreenPaymentResponse {
        customer_reference: request.customer_reference.clone(),
        decision: v1::Decision::Block.into(),
        status: v1::ScreeningStatus::Incomplete.into(),
        score: 100,
        level: v1::RiskLevel::Severe.into(),
        addresses: vec![
            address(v1::PaymentSide::Source, 0, Outcome::Screening(block)),
            address(v1::PaymentSide::Source, 1, Outcome::Error(refused)),
            address(v1::PaymentSide::Destination, 0, Outcome::Screening(allow)),
        ],
        worst_index: 0,
        effect: v1::PaymentEffect::Counts.into(),
        prospective_exposures: vec![prospect, share, hub],
        prospective_unvalued_dealings: Vec::new(),
        snapshot_id: snapshot().id,
        snapshot: Some(snapshot()),
        amount_split_unknown: true,
        prospective_incomplete: true,
        exposure_hops: 0,
        reason: format!("Blocked, because of the source {ETHER}: this address is listed (rule x)."),
        ..Default::default()
    };
    let told = PaymentHeading { request: &request, decimals: Some(18), symbol: "ETH" };
    check("payment-deposit.txt", &shown(told, &response, Style::PLAIN));
    check("payment-deposit-brief.txt", &brief(told, &response, Style::PLAIN.with_width(80)));

    // Nothing changes; the program knows nothing of the asset, and the server says little.
    let request = v1::ScreenPaymentRequest {
        asset: text("0x5eed"),
        amount: text("7"),
        tx: String::new(),
        direction: v1::PaymentDirection::Withdrawal.into(),
        ..request
    };
    let response = v1::ScreenPaymentResponse {
        decision: v1::Decision::Allow.into(),
        status: v1::ScreeningStatus::Complete.into(),
        effect: v1::PaymentEffect::UnvaluedAsset.into(),
        prospective_unvalued_dealings: vec![v1::ProspectiveUnvaluedDealings {
            address: text(customer),
            direction: v1::ExposureDirection::SentTo.into(),
            list_kind: v1::ListKind::Sanctions.into(),
            current_transfers: 1_233,
            prospective_transfers: 1_234,
            listing: Some(listing()),
            reason: text(
                "1,234 transfers of assets without a known value would have gone directly to listed \
                 addresses, among them an address of LAZARUS GROUP\u{1b} (OFAC SDN); not scored, since \
                 anybody can forge such events.",
            ),
            ..Default::default()
        }],
        worst_index: 17,
        ..Default::default()
    };
    let told = PaymentHeading { request: &request, decimals: None, symbol: "" };
    check("payment-withdrawal.txt", &shown(told, &response, Style::PLAIN));
    check("payment-withdrawal-brief.txt", &brief(told, &response, Style::PLAIN));
}
