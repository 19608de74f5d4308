//! `ScreenPayment`: screens the addresses of a payment, and translates what the engine projects for the
//! customer. The customer's reference is returned, and neither stored nor logged.

use std::sync::Arc;

use jiff::Timestamp;

use super::bounds::MAX_SIDE;
use super::client::plain;
use super::convert::exposure::first_listing;
use super::convert::transfer::from_amount;
use super::convert::{self, ListedRow};
use super::request::{MAX_REQUEST_ID, ScreeningOptions};
use super::screener::{AnsweredItem, Screener};
use super::status::{self, Refusal, all, both};
use super::v1::screening_item::Outcome;
use super::v1::{self, ErrorReason};
use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::transfer::{Asset, TransferError};
use crate::engine::Engine;
use crate::engine::decision_log::{PaymentItemRecord, PaymentRecord, RecordedItem};
use crate::exposure::Direction;
use crate::screening::ScreeningSummary;
use crate::screening::payment::{Effect, Overall, Payment, Prospect};
use crate::screening::policy::Decision;
use crate::screening::reason::PaymentFacts;
use crate::screening::snapshot::Snapshot;
use crate::screening::unvalued::UnvaluedProspect;

/// The most bytes in a reference, and in the name of a transaction.
const MAX_TEXT: usize = 128;

#[derive(Clone)]
pub struct CheckedPayment {
    payment: Payment,
    /// Sources first.
    queries: Vec<(v1::PaymentSide, u32, v1::AddressQuery)>,
    options: ScreeningOptions,
    customer_reference: String,
    tx: String,
}

pub struct AnsweredPayment {
    /// Without its snapshot.
    pub response: v1::ScreenPaymentResponse,
    pub snapshot: Arc<Snapshot>,
    pub decision: Decision,
    /// By address; `None` where it was refused.
    pub summaries: Vec<Option<ScreeningSummary>>,
    pub options: ScreeningOptions,
    /// What is recorded of the whole.
    pub recorded: PaymentRecord,
    /// By address.
    pub records: Vec<RecordedItem<'static>>,
}

impl AnsweredPayment {
    /// Whether the records say the same.
    pub fn is_alike(&self, other: &Self) -> bool {
        let mut pairs = self.records.iter().zip(&other.records);
        self.records.len() == other.records.len()
            && pairs.all(|(a, b)| a.is_alike(b))
            && self.recorded == other.recorded
    }
}

impl CheckedPayment {
    /// Checks a request; a refusal names the field.
    pub fn check(request: v1::ScreenPaymentRequest, engine: &Engine) -> Result<Self, Refusal> {
        let direction = direction(request.direction());
        let texts = both(
            bounded("tx", &request.tx, MAX_TEXT),
            bounded("customer_reference", &request.customer_reference, MAX_TEXT),
        );
        let amount =
            from_amount(&request.amount).map_err(|error| status::invalid_field("amount", error));
        let options = now_options(request.options.as_ref(), engine);
        let v1::ScreenPaymentRequest { sources, destinations, customer_reference, tx, .. } =
            request;
        // What rests on the chain is checked where there is one.
        let on_chain = one_chain(&request.chain).and_then(|chain| {
            let asset = one_asset(&request.asset, &chain);
            let destinations = side("destinations", destinations, &chain);
            let sides = both(side("sources", sources, &chain), destinations);
            both(asset, sides).map(|on_chain| (chain, on_chain))
        });
        let own = both(both(direction, texts), on_chain);
        let (((direction, _), (chain, (asset, (sources, destinations)))), (amount, options)) =
            both(own, both(amount, options))?;
        let texts = |side: &[v1::AddressQuery]| side.iter().map(|q| q.address.clone()).collect();
        let payment = Payment {
            sources: texts(&sources),
            destinations: texts(&destinations),
            chain,
            asset,
            amount,
            direction,
        };
        let sources = sources.into_iter().map(|query| (v1::PaymentSide::Source, query));
        let destinations = destinations.into_iter().map(|q| (v1::PaymentSide::Destination, q));
        let from = payment.sources.len();
        let numbered = sources.chain(destinations).enumerate().map(|(place, (side, query))| {
            let index = if place < from { place } else { place - from };
            (side, index as u32, query)
        });
        Ok(Self { queries: numbered.collect(), payment, options, customer_reference, tx })
    }

    /// Screens every address, and looks what the payment would change up. Blocks.
    pub fn answer(self, engine: &Engine, now: Timestamp) -> Result<AnsweredPayment, Refusal> {
        let Self { payment, queries, options, customer_reference, tx } = self;
        // One snapshot for all, and changes held back no longer than needed.
        let payment_context = engine.payment_context(now)?;
        let snapshot = payment_context.snapshot().clone();
        let scope = options.scope(&snapshot, now)?;
        let projection = payment_context.project(&scope, &payment);
        drop(payment_context);
        let screener = Screener::new(engine, scope, now);
        let log = engine.decision_log();
        let customer = log.and_then(|log| log.customer_reference(&customer_reference));
        let of_payment =
            log.map(|_| PaymentItemRecord::all(&payment, &projection, snapshot.policy()));
        let mut of_payment = of_payment.into_iter().flatten();
        let mut records = Vec::new();
        let (addresses, summaries): (Vec<_>, Vec<_>) = queries
            .into_iter()
            .map(|(side, index, query)| {
                let AnsweredItem { item, summary, record } = screener.item(query, options.evidence);
                let recorded = record.zip(of_payment.next());
                records.extend(
                    recorded.map(|(record, of)| record.of_payment(of, customer.clone(), &tx)),
                );
                let side = v1::PaymentSide::into(side);
                (v1::PaymentAddress { side, index, item: Some(item) }, summary)
            })
            .unzip();
        let overall = Overall::of(summaries.iter().copied());
        let exposure_hops = addresses.iter().map(exposure_hops).min().unwrap_or(0);
        let found = projection.found.iter();
        let unvalued = projection.unvalued.iter();
        let response = v1::ScreenPaymentResponse {
            reason: reason(&addresses, overall, exposure_hops, &payment),
            customer_reference,
            decision: v1::Decision::from(overall.decision).into(),
            status: convert::status(overall.is_complete).into(),
            score: overall.score.into(),
            level: v1::RiskLevel::from(snapshot.policy().level(overall.score)).into(),
            addresses,
            worst_index: overall.worst as u32,
            effect: v1::PaymentEffect::from(projection.effect).into(),
            prospective_exposures: found
                .map(|(place, prospect)| message(&payment, *place, prospect))
                .collect(),
            prospective_unvalued_dealings: unvalued
                .map(|(place, prospect)| unvalued_message(&payment, *place, prospect))
                .collect(),
            snapshot: None,
            snapshot_id: snapshot.id().to_owned(),
            amount_split_unknown: projection.is_split_unknown(&payment),
            prospective_incomplete: projection.incomplete,
            exposure_hops,
            record_id: String::new(),
            repeats_record_id: String::new(),
        };
        // Hops fit, as those of each screening do.
        let hops = u8::try_from(exposure_hops).unwrap_or(u8::MAX);
        let recorded = PaymentRecord::new(&payment, overall, &projection, hops);
        drop(screener);
        let decision = overall.decision;
        Ok(AnsweredPayment { response, snapshot, decision, summaries, options, recorded, records })
    }
}

/// Over how many hops exposure was looked for of an address; 0 where it was not.
fn exposure_hops(address: &v1::PaymentAddress) -> u32 {
    match outcome(address) {
        Some(Outcome::Screening(screening)) => screening.exposure_hops,
        Some(Outcome::Error(_)) | None => 0,
    }
}

/// Why the payment has its decision.
fn reason(
    addresses: &[v1::PaymentAddress],
    overall: Overall,
    exposure_hops: u32,
    payment: &Payment,
) -> String {
    let screenings = addresses.iter().map(|address| match outcome(address) {
        Some(Outcome::Screening(screening)) => Some(screening),
        Some(Outcome::Error(_)) | None => None,
    });
    let is_covered =
        |screening: &v1::Screening| screening.exposure_coverage() == v1::ExposureCoverage::Covered;
    let mut asked = payment.sources.iter().chain(&payment.destinations);
    let refused: String;
    PaymentFacts {
        decision: overall.decision,
        addresses: addresses.len(),
        is_found: screenings.clone().any(|it| it.is_none_or(|it| !it.findings.is_empty())),
        is_covered: screenings.clone().all(|it| it.is_some_and(is_covered)),
        has_unvalued: screenings.clone().flatten().any(|it| !it.unvalued_dealings.is_empty()),
        has_cluster_cut: screenings.flatten().any(|it| !it.cluster_cuts.is_empty()),
        exposure_hops,
        worst: asked.nth(overall.worst).map_or("", String::as_str),
        is_source: overall.worst < payment.sources.len(),
        reason: match addresses.get(overall.worst).and_then(outcome) {
            Some(Outcome::Screening(screening)) => Ok(&screening.reason),
            Some(Outcome::Error(refusal)) => {
                refused = plain(&refusal.message);
                Err(&refused)
            }
            None => Err("no answer"),
        },
    }
    .reason()
}

fn outcome(address: &v1::PaymentAddress) -> Option<&Outcome> {
    address.item.as_ref()?.outcome.as_ref()
}

fn message(payment: &Payment, place: usize, prospect: &Prospect<'_>) -> v1::ProspectiveExposure {
    let Prospect { now, then } = prospect;
    let share = |direct: Option<crate::exposure::Direct>| direct.and_then(|d| d.share);
    let near = then.exposure.as_ref();
    let listed =
        ListedRow { list: then.list, row: then.row, party: then.party, understood: then.listing };
    let timing = near.map(|near| v1::DesignationTiming::from(near.timing));
    let listing = listed.now();
    v1::ProspectiveExposure {
        address: payment.own().get(place).cloned().unwrap_or_default(),
        index: place as u32,
        direction: v1::ExposureDirection::from(payment.direction).into(),
        list_kind: v1::ListKind::from(then.list.kind()).into(),
        current_hops: now.map_or(0, |near| near.hops.into()),
        prospective_hops: near.map_or(0, |near| near.hops.into()),
        current_direct_share_basis_points: share(now.and_then(|near| near.direct)).map(u32::from),
        prospective_direct_share_basis_points: share(near.and_then(|n| n.direct)).map(u32::from),
        through_hub: near.is_some_and(|near| near.hub),
        prospective_timing_basis: if near.is_some() { listing.listed_on_basis } else { 0 },
        listing: Some(listing),
        prospective_score: then.score.into(),
        prospective_timing: timing.unwrap_or(v1::DesignationTiming::Unspecified).into(),
        prospective_decision: v1::Decision::from(then.decision).into(),
        prospective_common_input: near.is_some_and(|near| near.common_input),
    }
}

fn unvalued_message(
    payment: &Payment,
    place: usize,
    UnvaluedProspect { now, then }: &UnvaluedProspect<'_>,
) -> v1::ProspectiveUnvaluedDealings {
    v1::ProspectiveUnvaluedDealings {
        address: payment.own().get(place).cloned().unwrap_or_default(),
        index: place as u32,
        direction: v1::ExposureDirection::from(then.dealt.direction).into(),
        list_kind: v1::ListKind::from(then.dealt.kind).into(),
        current_transfers: *now,
        prospective_transfers: then.dealt.transfers,
        at_least: then.dealt.at_least,
        listing: Some(first_listing(then)),
        reason: then.prospective_reason(),
    }
}

impl From<Effect> for v1::PaymentEffect {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Counts => Self::Counts,
            Effect::UnvaluedAsset => Self::UnvaluedAsset,
            Effect::Dust | Effect::Nothing => Self::Dust,
            Effect::AddsUp => Self::AddsUp,
        }
    }
}

fn direction(direction: v1::PaymentDirection) -> Result<Direction, Refusal> {
    Option::from(direction).ok_or_else(|| {
        status::invalid_field("direction", "missing or unknown: DEPOSIT or WITHDRAWAL")
    })
}

/// Options without a moment in the past.
fn now_options(
    options: Option<&v1::ScreeningOptions>,
    engine: &Engine,
) -> Result<ScreeningOptions, Refusal> {
    let options = ScreeningOptions::check(options, Some(engine))?;
    if options.narrowing.as_of.is_some() {
        let message = "a payment is made now: screen its addresses as of a past moment instead";
        return Err(status::invalid_field("options.as_of", message));
    }
    Ok(options)
}

fn bounded(field: &str, text: &str, most: usize) -> Result<(), Refusal> {
    if text.len() <= most {
        Ok(())
    } else {
        // What it says is not repeated.
        Err(status::invalid_field(field, format!("{} bytes, at most {most}", text.len())))
    }
}

fn one_chain(text: &str) -> Result<Chain, Refusal> {
    let refused = |message: String| Refusal::invalid(ErrorReason::InvalidChain, "chain", message);
    let chain = status::wished_chain("chain", text)?;
    let chain = chain.ok_or_else(|| refused("missing".to_owned()))?;
    TransferError::check_chain(&chain).map_err(|error| {
        let text = error.to_string();
        refused(text.strip_prefix("chain: ").unwrap_or(&text).to_owned())
    })?;
    Ok(chain)
}

fn one_asset(text: &str, chain: &Chain) -> Result<Asset, Refusal> {
    let refused = |message: String| status::invalid_field("asset", message);
    if text.is_empty() {
        return Err(refused("missing: `native`, or a token's contract or mint".to_owned()));
    }
    AssetTable::asset(text, chain).ok_or_else(|| {
        let shown: String = text.chars().take(MAX_TEXT).collect();
        refused(format!("{shown:?} is neither `native` nor a token of {chain}"))
    })
}

/// The addresses of a side, each with the payment's chain.
fn side(
    field: &str,
    queries: Vec<v1::AddressQuery>,
    chain: &Chain,
) -> Result<Vec<v1::AddressQuery>, Refusal> {
    if queries.is_empty() || queries.len() > MAX_SIDE {
        let message = format!("{} addresses, 1 to {MAX_SIDE}", queries.len());
        let reason =
            if queries.is_empty() { ErrorReason::InvalidField } else { ErrorReason::TooManyItems };
        return Err(Refusal::invalid(reason, field, message));
    }
    let checked = queries.into_iter().enumerate().map(|(place, query)| {
        let id = format!("{field}[{place}].request_id");
        let id = bounded(&id, &query.request_id, MAX_REQUEST_ID);
        let field = format!("{field}[{place}].chain");
        let own = status::wished_chain(&field, &query.chain).and_then(|own| match own {
            Some(own) if own != *chain => {
                let message = format!("{own}, while the payment is on {chain}");
                Err(Refusal::invalid(ErrorReason::InvalidChain, field, message))
            }
            _ => Ok(()),
        });
        both(id, own)?;
        Ok(v1::AddressQuery { chain: chain.to_string(), ..query })
    });
    all(checked)
}
