//! What the decision log keeps of a payment: the whole in the call, what it would change in the record of
//! each of the customer's addresses.

use serde::{Deserialize, Serialize};

use crate::engine::PaymentProjection;
use crate::exposure::Direction;
use crate::screening::payment::{Effect, Overall, Payment};
use crate::screening::policy::{Decision, Policy};
use crate::screening::{ProspectRecord, RecordedStatus, UnvaluedProspectRecord};

/// A payment, and what was decided of the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRecord {
    /// CAIP-2.
    pub chain: String,
    /// `native` or the token.
    pub asset: String,
    /// In the asset's smallest unit.
    pub amount: String,
    pub direction: RecordedDirection,
    /// How many addresses are on each side: records of the call, sources first.
    pub sources: u32,
    pub destinations: u32,
    pub decision: Decision,
    pub status: RecordedStatus,
    pub score: u8,
    pub effect: Effect,
    /// The least of all addresses.
    pub exposure_hops: u8,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub amount_split_unknown: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prospective_incomplete: bool,
    /// Whether the transfer graph was not loaded yet: a replay does without it too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_graph: bool,
}

/// The direction of a payment, seen from the business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RecordedDirection {
    Deposit,
    Withdrawal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentSide {
    Source,
    Destination,
}

/// An address of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentItemRecord {
    pub side: PaymentSide,
    /// Its place on the side.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub index: u32,
    /// What the payment would add to its exposure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exposures: Vec<ProspectRecord>,
    /// The same of direct dealings in assets without a known value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unvalued: Vec<UnvaluedProspectRecord>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

impl From<Direction> for RecordedDirection {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::ReceivedFrom => Self::Deposit,
            Direction::SentTo => Self::Withdrawal,
        }
    }
}

impl From<RecordedDirection> for Direction {
    fn from(direction: RecordedDirection) -> Self {
        match direction {
            RecordedDirection::Deposit => Self::ReceivedFrom,
            RecordedDirection::Withdrawal => Self::SentTo,
        }
    }
}

impl PaymentSide {
    /// The side of the business's customer.
    fn of_customer(direction: RecordedDirection) -> Self {
        match direction {
            RecordedDirection::Deposit => Self::Destination,
            RecordedDirection::Withdrawal => Self::Source,
        }
    }
}

impl PaymentRecord {
    /// The record of a payment; `exposure_hops` is the least of its addresses.
    pub fn new(
        payment: &Payment,
        overall: Overall,
        projection: &PaymentProjection<'_>,
        exposure_hops: u8,
    ) -> Self {
        Self {
            chain: payment.chain.caip2().into_owned(),
            asset: payment.asset.to_string(),
            amount: payment.amount.to_string(),
            direction: payment.direction.into(),
            sources: payment.sources.len() as u32,
            destinations: payment.destinations.len() as u32,
            decision: overall.decision,
            status: RecordedStatus::of(overall.is_complete),
            score: overall.score,
            effect: projection.effect,
            exposure_hops,
            amount_split_unknown: projection.is_split_unknown(payment),
            prospective_incomplete: projection.incomplete,
            without_graph: projection.without_graph,
        }
    }

    /// The number of its records.
    pub fn count(&self) -> usize {
        self.sources as usize + self.destinations as usize
    }
}

impl PaymentItemRecord {
    /// The records of a payment's addresses in order, sources first.
    pub fn all(
        payment: &Payment,
        projection: &PaymentProjection<'_>,
        policy: &Policy,
    ) -> Vec<Self> {
        let customer = PaymentSide::of_customer(payment.direction.into());
        let of_side = |side: PaymentSide, count: usize| {
            (0..count).map(move |place| {
                let mut item =
                    Self { side, index: place as u32, exposures: Vec::new(), unvalued: Vec::new() };
                if side == customer {
                    let found = projection.found.iter().filter(|(of, _)| *of == place);
                    item.exposures.extend(found.map(|(_, it)| ProspectRecord::new(it, policy)));
                    let unvalued = projection.unvalued.iter().filter(|(of, _)| *of == place);
                    item.unvalued.extend(unvalued.map(|(_, it)| it.into()));
                }
                item
            })
        };
        let sources = of_side(PaymentSide::Source, payment.sources.len());
        sources.chain(of_side(PaymentSide::Destination, payment.destinations.len())).collect()
    }
}
