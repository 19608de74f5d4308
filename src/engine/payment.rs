//! Projects what a payment would change, from lists, labels and the graph. Stores nothing.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLockReadGuard};

use super::BUDGET;
use super::graph_queries::seconds;
use jiff::Timestamp;

use super::{Engine, EngineError};
use crate::domain::address::{Reading, is_system_key, uncontrolled_keys};
use crate::domain::asset::AssetTable;
use crate::domain::key_id::KeyId;
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;
use crate::exposure::{Direct, Direction, Label, Source, StopReason, Unvalued, World, after};
use crate::screening::Scope;
use crate::screening::payment::{Effect, Payment, Prospect};
use crate::screening::snapshot::Snapshot;
use crate::screening::unvalued::{KeyDealings, UnvaluedProspect};

/// Edge budget of all searches for one payment.
const BUDGET_OF_ALL: u64 = 4 * BUDGET;

/// The snapshot and the graph at one moment. The graph does not change while this is held: the tracker
/// waits.
#[derive(Debug)]
pub struct PaymentContext<'e> {
    snapshot: Arc<Snapshot>,
    world: GraphAccess<'e>,
    assets: &'e AssetTable,
    now: Timestamp,
}

/// The graph in force, or one of the past.
#[derive(Debug)]
enum GraphAccess<'e> {
    Current(RwLockReadGuard<'e, Option<World>>),
    Past(Option<&'e World>),
}

impl GraphAccess<'_> {
    fn world(&self) -> Option<&World> {
        match self {
            Self::Current(world) => world.as_ref(),
            Self::Past(world) => *world,
        }
    }
}

/// The changes that a payment would make to the customer's side.
#[derive(Clone, Debug)]
pub struct PaymentProjection<'s> {
    /// Whether the payment would count for exposure.
    pub effect: Effect,
    /// With the index of the address on the customer's side.
    pub found: Vec<(usize, Prospect<'s>)>,
    /// The same for direct dealings with listed addresses, if the asset has no known value.
    pub unvalued: Vec<(usize, UnvaluedProspect<'s>)>,
    /// Whether data were missing, so that more may change, or less may be true now.
    pub incomplete: bool,
    /// Whether the graph was not at hand.
    pub without_graph: bool,
}

/// The keys of an address. A key with a nested form is replaced by it, because transfers use that form.
type Keys = Vec<KeyId>;

/// State of the look-ups for one payment.
struct LookUp<'a, 's> {
    scope: &'a Scope<'s>,
    world: Option<&'a World>,
    assets: &'a AssetTable,
    /// The sources of the scope, if labels cannot answer it and a search is needed.
    sources: Option<Vec<Source>>,
    now: u64,
    budget: Cell<u64>,
    incomplete: Cell<bool>,
}

impl Engine {
    /// Locks the graph and the snapshot for payments at the moment `now`; starts loading the graph if it
    /// is not. Blocks, and blocks the tracker while it is held.
    pub fn payment_context(&self, now: Timestamp) -> Result<PaymentContext<'_>, EngineError> {
        let world = self.tracker.world();
        if world.is_none() {
            self.tracker.want_graph();
        }
        // After the graph is locked: labels do not change while it is.
        let snapshot = self.snapshot().ok_or(EngineError::NothingLoaded)?;
        let assets = &self.tracker.settings().assets;
        Ok(PaymentContext { snapshot, world: GraphAccess::Current(world), assets, now })
    }
}

impl<'e> PaymentContext<'e> {
    /// Projects payments from a past snapshot and its graph, as at the moment `now`.
    pub(super) fn past(
        snapshot: &Arc<Snapshot>,
        world: Option<&'e World>,
        assets: &'e AssetTable,
        now: Timestamp,
    ) -> Self {
        Self { snapshot: snapshot.clone(), world: GraphAccess::Past(world), assets, now }
    }

    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Projects what a payment adds to the exposure of the customer's side, in a scope of the snapshot.
    pub fn project<'s>(&self, scope: &Scope<'s>, payment: &Payment) -> PaymentProjection<'s> {
        let assets = self.assets;
        let effect = Effect::of(assets.rule(&payment.chain, &payment.asset), payment.amount);
        let exposure = self.snapshot.exposure();
        let rows = exposure.labelled_rows();
        // During a bulk load the graph may be ahead of the labels.
        let world = self.world.world().filter(|world| world.rows() == rows);
        let is_behind = exposure.behind || exposure.failed.is_some();
        // Only the graph knows hubs; assets without a value need none.
        let is_graph_needed = effect != Effect::UnvaluedAsset || scope.needs_search();
        let look_up = LookUp {
            scope,
            world,
            assets,
            sources: scope.needs_search().then(|| scope.sources()),
            now: seconds(self.now),
            budget: Cell::new(BUDGET_OF_ALL),
            incomplete: Cell::new(is_behind || is_graph_needed && world.is_none()),
        };
        let effect = look_up.adds_up(payment, effect);
        let (mut found, mut unvalued) = (Vec::new(), Vec::new());
        match effect {
            Effect::Counts | Effect::AddsUp => found = look_up.prospects(payment),
            Effect::UnvaluedAsset => unvalued = look_up.unvalued_prospects(payment),
            Effect::Dust | Effect::Nothing => {}
        }
        // That nothing moves is certain, whatever data are missing.
        let incomplete = effect != Effect::Nothing && look_up.incomplete.get();
        PaymentProjection { effect, found, unvalued, incomplete, without_graph: world.is_none() }
    }
}

impl PaymentProjection<'_> {
    /// Whether the payment counts, but it is not known how its amount splits.
    pub fn is_split_unknown(&self, payment: &Payment) -> bool {
        match self.effect {
            Effect::Counts | Effect::AddsUp => payment.own_amount().is_none(),
            Effect::UnvaluedAsset | Effect::Dust | Effect::Nothing => false,
        }
    }
}

impl<'s> LookUp<'_, 's> {
    /// Returns the effect, which is larger if the dust of earlier payments adds up.
    fn adds_up(&self, payment: &Payment, effect: Effect) -> Effect {
        let (Effect::Dust, Some(world)) = (effect, self.world) else { return effect };
        let keys = |texts: &[String]| -> Vec<PackedKey> {
            let keys = texts.iter().filter_map(|text| self.keys(text, payment));
            keys.flatten().map(|key| PackedKey::from(&key)).collect()
        };
        let (from, to) = (keys(&payment.sources), keys(&payment.destinations));
        let Payment { chain, asset, amount, .. } = payment;
        match world.adds_up(&from, &to, chain, asset, *amount, BUDGET) {
            Some(true) => Effect::AddsUp,
            Some(false) => effect,
            None => {
                self.incomplete.set(true);
                effect
            }
        }
    }

    fn prospects(&self, payment: &Payment) -> Vec<(usize, Prospect<'s>)> {
        let others: Vec<Keys> =
            payment.others().iter().filter_map(|text| self.keys(text, payment)).collect();
        let mut passed_on: HashMap<&KeyId, Vec<Label<Source>>> = HashMap::new();
        for key in others.iter().flatten() {
            passed_on.entry(key).or_insert_with(|| self.passed_on(key, payment));
        }
        let own: Vec<Option<Keys>> =
            payment.own().iter().map(|text| self.keys(text, payment)).collect();
        self.pass_within(payment, &own, &others, &mut passed_on);
        let mut found = Vec::new();
        for (place, keys) in own.iter().enumerate() {
            let Some(keys) = keys else { continue };
            let (mut now, mut then) = (Vec::new(), Vec::new());
            for key in keys {
                let packed = PackedKey::from(key);
                let ties = self.ties(&packed, payment.direction);
                let tied = self.tied(payment, (keys, key), &ties, &others, &passed_on);
                now.push((packed, ties));
                then.push((packed, tied));
            }
            let prospects = self.scope.prospects(&now, &then);
            found.extend(prospects.into_iter().map(|prospect| (place, prospect)));
        }
        found
    }

    /// Returns the keys of an address on the payment's chain; `None` if it is invalid.
    fn keys(&self, text: &str, payment: &Payment) -> Option<Keys> {
        let reading = Reading::from_query(text, Some(&payment.chain));
        let Ok(address) = reading.into_single() else {
            self.incomplete.set(true);
            return None;
        };
        let known = address.key_ids().iter().filter(|key| !key.is_null());
        Some(known.map(|key| key.nested().unwrap_or_else(|| key.clone())).collect())
    }

    /// Handles hubs on both sides. Such a hub receives and passes on by the same payment, because its
    /// transfers are simultaneous. For other addresses this is never nearer than their direct dealing.
    fn pass_within<'k>(
        &self,
        payment: &Payment,
        own: &[Option<Keys>],
        others: &'k [Keys],
        passed_on: &mut HashMap<&'k KeyId, Vec<Label<Source>>>,
    ) {
        let own: Vec<&KeyId> = own.iter().flatten().flatten().collect();
        let mut within = Vec::new();
        for hub in others.iter().flatten() {
            if !own.contains(&hub) || self.stop(hub, payment) != Some(StopReason::Hub) {
                continue;
            }
            let keys = vec![hub.clone()];
            let ties = self.dealt(payment, (&keys, hub), others, passed_on);
            let before = self.ties(&PackedKey::from(hub), payment.direction);
            for tie in ties.into_iter().filter(|tie| !tie.hub) {
                let is_nearer = |known: &Label<Source>| {
                    known.kind != tie.kind || known.hub || tie.hops < known.hops
                };
                // The latest transfer sent, the first one received.
                if payment.direction == Direction::SentTo || before.iter().all(is_nearer) {
                    let hops = tie.hops.saturating_add(1);
                    within.push((hub, Label { hub: true, hops, direct: None, ..tie }));
                }
            }
        }
        for (hub, tie) in within {
            passed_on.entry(hub).or_default().push(tie);
        }
    }

    /// Returns what the other ends pass on to a key of the customer.
    fn dealt(
        &self,
        payment: &Payment,
        (keys, key): (&Keys, &KeyId),
        others: &[Keys],
        passed_on: &HashMap<&KeyId, Vec<Label<Source>>>,
    ) -> Vec<Label<Source>> {
        // A key that is listed, or joined with a listed one, gets no label of that kind.
        let mut listed: Vec<_> = self.scope.sources_at(key).into_iter().map(|of| of.kind).collect();
        listed.extend(self.joined(&PackedKey::from(key)).into_iter().map(|of| of.kind));
        let dealt = others.iter().filter(|other| deals(payment, keys, other));
        let dealt = dealt.flatten();
        let ties = dealt.filter(|other| *other != key).filter_map(|other| passed_on.get(other));
        let ties = ties.flatten().filter(|tie| !listed.contains(&tie.kind));
        ties.filter(|tie| tie.hops <= self.scope.max_hops()).cloned().collect()
    }

    /// Returns what a payment without a known value adds to the direct dealings of the customer's
    /// addresses.
    fn unvalued_prospects(&self, payment: &Payment) -> Vec<(usize, UnvaluedProspect<'s>)> {
        let mut others: Vec<Keys> = Vec::new();
        for keys in payment.others().iter().filter_map(|text| self.keys(text, payment)) {
            // A request may name an address twice.
            if !others.contains(&keys) {
                others.push(keys);
            }
        }
        let mut found = Vec::new();
        for (place, text) in payment.own().iter().enumerate() {
            let Some(keys) = self.keys(text, payment) else { continue };
            let of_keys = keys.iter().map(|key| KeyDealings {
                now: self.unvalued_now(&PackedKey::from(key), payment.direction),
                more: self.unvalued_more(payment, (&keys, key), &others),
            });
            let of_keys: Vec<_> = of_keys.collect();
            let prospects = self.scope.unvalued_prospects(payment.direction, &of_keys);
            found.extend(prospects.into_iter().map(|prospect| (place, prospect)));
        }
        found
    }

    /// Returns what a payment adds to a key's direct dealings with sources, except of kinds for which the
    /// key is listed itself. On a UTXO chain that is one transaction, else one transfer per other end.
    fn unvalued_more(
        &self,
        payment: &Payment,
        (keys, key): (&Keys, &KeyId),
        others: &[Keys],
    ) -> Vec<(Unvalued, Source)> {
        let listed: Vec<_> = self.scope.sources_at(key).into_iter().map(|of| of.kind).collect();
        let mut more: BTreeMap<ListKind, (Unvalued, Source)> = BTreeMap::new();
        for other in others.iter().filter(|other| deals(payment, keys, other)) {
            let dealt = other.iter().filter(|other| *other != key);
            let mut sources: Vec<_> = dealt.flat_map(|key| self.scope.sources_at(key)).collect();
            sources.retain(|source| !listed.contains(&source.kind));
            sources.sort_by(|a, b| a.kind.cmp(&b.kind).then_with(|| a.cmp(b)));
            // The first of each kind.
            sources.dedup_by_key(|source| source.kind);
            for source in sources {
                let (direction, kind) = (payment.direction, source.kind);
                let one = Unvalued { direction, kind, transfers: 1, at_least: false };
                let Some((dealt, first)) = more.get_mut(&kind) else {
                    more.insert(kind, (one, source));
                    continue;
                };
                if !payment.is_utxo() {
                    *dealt = dealt.with(one);
                }
                *first = source.min(first.clone());
            }
        }
        more.into_values().collect()
    }

    /// Returns a key's direct dealings in assets without a known value, from labels or by a search.
    fn unvalued_now(&self, key: &PackedKey, direction: Direction) -> Vec<(Unvalued, Source)> {
        let Some(sources) = &self.sources else {
            return self.scope.labelled_unvalued(key, direction);
        };
        let Some((world, budget)) = self.searchable() else { return Vec::new() };
        let searched = Engine::search_unvalued(world, self.scope, &[*key], sources, budget);
        self.spend(searched.examined, searched.cut_short);
        searched.found.into_iter().filter(|(dealt, _)| dealt.direction == direction).collect()
    }

    /// Returns the labels of a key of the customer after the payment.
    fn tied(
        &self,
        payment: &Payment,
        (keys, key): (&Keys, &KeyId),
        now: &[Label<Source>],
        others: &[Keys],
        passed_on: &HashMap<&KeyId, Vec<Label<Source>>>,
    ) -> Vec<Label<Source>> {
        let ties = self.dealt(payment, (keys, key), others, passed_on);
        let packed = PackedKey::from(key);
        let moved = (&payment.chain, &payment.asset, payment.own_amount());
        after(now, &ties, |kind| {
            // A search has no amounts to add to.
            self.labelled_world().map_or_else(Direct::default, |world| {
                world.direct_after(&packed, payment.direction, kind, moved)
            })
        })
    }

    /// Returns what a dealing with this key now would pass on to the other side.
    fn passed_on(&self, key: &KeyId, payment: &Payment) -> Vec<Label<Source>> {
        let direction = payment.direction;
        let sources = self.scope.sources_at(key);
        let own = sources.into_iter().map(|of| Label::to_source(of, direction, self.now));
        let packed = PackedKey::from(key);
        let joined = self.joined(&packed).into_iter();
        let joined = joined.map(|source| Label::to_joined(source, direction, self.now));
        let mut passed_on: Vec<_> = own.chain(joined).collect();
        let hub = match self.stop(key, payment) {
            None => false,
            Some(StopReason::Hub) => true,
            Some(_) => return passed_on,
        };
        // All that the receiver sent was before this payment.
        if direction == Direction::SentTo {
            return passed_on;
        }
        for tie in self.ties(&packed, direction).into_iter().filter(|tie| !tie.hub) {
            let first = self.labelled_world();
            let first = first.and_then(|world| world.arrival(&packed, tie.kind)).unwrap_or(tie);
            let hops = first.hops.saturating_add(1);
            passed_on.push(Label { hub, hops, direct: None, ..first });
        }
        passed_on
    }

    /// Returns the graph if labels answer the scope.
    fn labelled_world(&self) -> Option<&World> {
        self.world.filter(|_| self.sources.is_none())
    }

    /// Returns the sources that a key is joined with by common inputs, at least the first of each kind.
    /// They come from labels or by a search.
    fn joined(&self, key: &PackedKey) -> Vec<Source> {
        let Some(sources) = &self.sources else {
            let labelled = self.scope.labelled_joined(key);
            // Of several sources the most severe timing is shown, as of several listings of a key.
            let Some(world) = self.labelled_world() else { return labelled };
            let is_labelled = |of: &Source| labelled.iter().any(|known| known.kind == of.kind);
            return world.joined_sources(key).into_iter().filter(is_labelled).collect();
        };
        let Some((world, budget)) = self.searchable() else { return Vec::new() };
        let found = Engine::search_joined(world, self.scope, &[*key], sources, budget);
        self.spend(found.examined, found.cut_short);
        let joined = found.found.into_iter().filter(|(common, _)| !common.is_cut);
        joined.map(|(_, source)| source).collect()
    }

    /// Returns the graph and the edge budget of a search. Returns `None` and marks the answer as
    /// incomplete if there is no graph or no budget.
    fn searchable(&self) -> Option<(&World, u64)> {
        let budget = self.budget.get().min(BUDGET);
        let world = self.world.filter(|_| budget > 0);
        self.incomplete.set(self.incomplete.get() || world.is_none());
        world.map(|world| (world, budget))
    }

    /// Charges a search to the budget; one that was cut short makes the answer incomplete.
    fn spend(&self, examined: u64, cut_short: bool) {
        self.budget.set(self.budget.get().saturating_sub(examined));
        self.incomplete.set(self.incomplete.get() || cut_short);
    }

    /// Returns why paths stop at a key, if they do. Without the graph it is unknown whether it is a hub.
    fn stop(&self, key: &KeyId, payment: &Payment) -> Option<StopReason> {
        let packed = PackedKey::from(key);
        if let Some(world) = self.world {
            // The payment is later than all transfers.
            return world.stop_at(&packed, &payment.chain, u64::MAX);
        }
        let is_stop = self.scope.is_service(key)
            || self.assets.is_token_contract(&packed)
            || is_system_key(key)
            || uncontrolled_keys().iter().any(|nobody| PackedKey::from(nobody) == packed);
        is_stop.then_some(StopReason::Service)
    }

    /// Returns the current labels of a key, or the result of a search where labels cannot answer.
    fn ties(&self, key: &PackedKey, direction: Direction) -> Vec<Label<Source>> {
        let Some(sources) = &self.sources else { return self.scope.labelled(key, direction) };
        let Some((world, budget)) = self.searchable() else { return Vec::new() };
        let (searched, _, examined) = Engine::search(world, self.scope, &[*key], sources, budget);
        self.spend(examined, searched.cut_short.is_some());
        searched.found.into_iter().filter(|label| label.direction == direction).collect()
    }
}

/// Returns whether a payment moves value between two addresses. A transfer between two keys of one
/// address does not; a UTXO transaction is from each input to each output.
fn deals(payment: &Payment, keys: &Keys, other: &Keys) -> bool {
    payment.is_utxo() || !other.iter().any(|other| keys.contains(other))
}
