//! The labels by their definition, as plainly as can be: every pair of addresses of a transaction a
//! hop of its own, every state recomputed from all hops, walks enumerated one by one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use self::clusters::Seeds;
use crate::domain::address::uncontrolled_keys;
use crate::domain::chain::Chain;
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Amount, Asset, Holder, Leg, Movement, Transfer, TxStatus};
use crate::exposure::{Direct, Direction, Labels, Settings, Source, StopReason, Timing};

pub mod clusters;
mod direct;
mod dust;
mod unvalued;

static NOBODYS: LazyLock<HashSet<PackedKey>> =
    LazyLock::new(|| uncontrolled_keys().iter().map(PackedKey::from).collect());

/// What is known: rows by number, with retracted ones left out.
pub struct Model<'a> {
    pub settings: &'a Settings,
    pub rows: Vec<(u64, &'a Transfer)>,
    pub sources: &'a [Source],
    pub stops: &'a [(PackedKey, StopReason)],
}

/// A clock: the chain, and whether positions are known.
pub type Clock = (String, bool);

/// A counting transfer between two keys, seen in a direction: funds go from `from` to `to` and
/// later is greater, or both the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub row: u64,
    pub from: PackedKey,
    pub to: PackedKey,
    pub clock: Clock,
    pub at: i128,
    pub time: i128,
    /// Whether the sender was a hub on the chain before it: paths end at what it sends.
    pub is_hubs: bool,
}

/// What is compared of a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelWriter {
    pub direction: Direction,
    pub kind: ListKind,
    pub hub: bool,
    pub hops: u8,
    pub source: Source,
    pub timing: Timing,
    pub direct: Option<Direct>,
    pub common_input: bool,
}

/// Whose an arrival is, whether it began at a key that is joined with the source's, and whether
/// before the listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    pub source: Source,
    pub common_input: bool,
    pub timing: Timing,
}

/// An arrival: when, and whose.
type Arrival = (i128, Origin);

/// By key: hops, chain time, and whose.
type Nearest = BTreeMap<PackedKey, (u8, i128, Origin)>;

/// A key on a clock. Backwards, what it sent since it was a hub there arrives at a state of its own.
type Place = (PackedKey, Clock, bool);

/// The arrivals over 0, 1, ... hops; those kept.
pub type States = HashMap<Place, Vec<Option<Arrival>>>;

pub fn shown(labels: &Labels) -> BTreeMap<PackedKey, Vec<LabelWriter>> {
    let all = labels.iter().map(|(key, found)| {
        let mut shown: Vec<_> = found
            .into_iter()
            .map(|label| LabelWriter {
                direction: label.direction,
                kind: label.kind,
                hub: label.hub,
                hops: label.hops,
                source: labels.source(label.source).clone(),
                timing: label.timing,
                direct: label.direct,
                common_input: label.common_input,
            })
            .collect();
        shown.sort();
        (key, shown)
    });
    all.collect()
}

thread_local! {
    /// Addresses that were parsed: the same few are asked for again and again.
    static PARSED: RefCell<HashMap<(Chain, Holder), Vec<PackedKey>>> = RefCell::default();
}

fn keys(holders: &[Holder], chain: &Chain) -> Vec<PackedKey> {
    let of = |holder: &Holder| {
        let parse = || holder.key_ids(chain).iter().map(PackedKey::from).collect();
        PARSED.with_borrow_mut(|known| {
            known.entry((chain.clone(), holder.clone())).or_insert_with(parse).clone()
        })
    };
    holders.iter().flat_map(of).collect()
}

impl Model<'_> {
    fn counts(&self, transfer: &Transfer, asset: &Asset, amount: Option<Amount>) -> bool {
        let Some(rule) = self.settings.assets.rule(&transfer.chain, asset) else { return false };
        transfer.status != TxStatus::Failed
            && amount.is_none_or(|amount| amount > 0 && amount >= rule.floor)
    }

    /// Whether a leg counts: by what a holder of it has of the legs on its side together.
    fn leg_counts(&self, transfer: &Transfer, side: &[Leg], leg: &Leg) -> bool {
        let chain = &transfer.chain;
        let amount = leg.amount.filter(|amount| *amount > 0).map(|own| {
            let of = |key: PackedKey| {
                let its = side.iter().filter(|other| keys(&other.holders, chain).contains(&key));
                its.map(|other| other.amount.unwrap_or(0)).sum::<u64>()
            };
            keys(&leg.holders, chain).into_iter().map(of).max().unwrap_or(own)
        });
        let amount = if leg.amount == Some(0) { Some(0) } else { amount };
        self.counts(transfer, &Asset::Native, amount.map(Amount::from))
    }

    /// Every pair of row and keys between which it counts, funds going from the first to the
    /// second.
    pub fn pairs(&self, transfer: &Transfer) -> Vec<(PackedKey, PackedKey)> {
        let (from, to) = match &transfer.movement {
            Movement::Account(of) => {
                (keys(of.from.as_slice(), &transfer.chain), keys(of.to.as_slice(), &transfer.chain))
            }
            Movement::Utxo(_) => {
                (self.counting_keys(transfer, true), self.counting_keys(transfer, false))
            }
        };
        let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
        let counts = |(from, to): &(PackedKey, PackedKey)| match &transfer.movement {
            Movement::Account(of) => {
                self.counts(transfer, &of.asset, Some(of.amount))
                    || self.adds_up(transfer, from, to)
            }
            Movement::Utxo(_) => true,
        };
        pairs.filter(|(from, to)| from != to).filter(counts).collect()
    }

    fn clock(transfer: &Transfer) -> Clock {
        (transfer.chain.caip2().into_owned(), transfer.position().is_some())
    }

    /// The running maximum of the times of the chain's blocks up to the transfer's.
    pub fn chain_time(&self, transfer: &Transfer) -> u64 {
        let Some(position) = transfer.position() else { return transfer.time };
        let same = self.rows.iter().filter(|(_, other)| other.chain == transfer.chain);
        let before = same.filter(|(_, other)| {
            other.position().is_some_and(|other| other.height <= position.height)
        });
        before.map(|(_, other)| other.time).max().unwrap()
    }

    pub fn steps(&self, direction: Direction) -> Vec<Step> {
        let mut steps = Vec::new();
        for &(row, transfer) in &self.rows {
            let at = match transfer.position() {
                Some(at) => (i128::from(at.height) << 32) + i128::from(at.tx_index),
                None => i128::from(transfer.time),
            };
            let time = i128::from(self.chain_time(transfer));
            let clock = Self::clock(transfer);
            for (from, to) in self.pairs(transfer) {
                let clock = clock.clone();
                let is_hubs = self.is_hub_at(&from, &transfer.chain, time);
                steps.push(match direction {
                    Direction::ReceivedFrom => Step { row, from, to, clock, at, time, is_hubs },
                    Direction::SentTo => {
                        Step { row, from: to, to: from, clock, at: -at, time: -time, is_hubs }
                    }
                });
            }
        }
        steps
    }

    fn is_stop(&self, key: &PackedKey) -> bool {
        self.stops.iter().any(|(stop, _)| stop == key)
            || self.settings.assets.is_token_contract(key)
            || NOBODYS.contains(key)
    }

    /// Whether a key was a hub on any chain at any time.
    pub fn is_hub(&self, key: &PackedKey) -> bool {
        let mut chains = self.rows.iter().map(|(_, transfer)| &transfer.chain);
        chains.any(|chain| self.is_hub_at(key, chain, i128::MAX))
    }

    /// No tag, and more distinct counterparties on the chain than the limit by what was earlier.
    fn is_hub_at(&self, key: &PackedKey, chain: &Chain, time: i128) -> bool {
        if self.is_stop(key) {
            return false;
        }
        let mut others: BTreeSet<Vec<u8>> = BTreeSet::new();
        let earlier = |transfer: &Transfer| {
            transfer.chain == *chain && i128::from(self.chain_time(transfer)) < time
        };
        for (row, transfer) in self.rows.iter().filter(|(_, transfer)| earlier(transfer)) {
            match &transfer.movement {
                // Dust that adds up does not count for it.
                Movement::Account(of) => {
                    if !self.counts(transfer, &of.asset, Some(of.amount)) {
                        continue;
                    }
                    for (from, to) in self.pairs(transfer) {
                        if from == *key {
                            others.insert(to.0.to_vec());
                        }
                        if to == *key {
                            others.insert(from.0.to_vec());
                        }
                    }
                }
                Movement::Utxo(of) => {
                    let has = |side: &[Leg]| {
                        side.iter().any(|leg| {
                            self.leg_counts(transfer, side, leg)
                                && keys(&leg.holders, &transfer.chain).contains(key)
                        })
                    };
                    if has(&of.inputs) || has(&of.outputs) {
                        others.insert(row.to_le_bytes().to_vec());
                    }
                }
            }
        }
        others.len() > self.settings.hub_limit as usize
    }

    /// The first source of each key of a kind.
    fn firsts(&self, kind: ListKind) -> BTreeMap<PackedKey, Source> {
        let mut sources: Vec<_> = self.sources.iter().filter(|of| of.kind == kind).collect();
        sources.sort();
        let mut firsts = BTreeMap::new();
        for source in sources {
            firsts.entry(source.key).or_insert_with(|| source.clone());
        }
        firsts
    }

    fn timing(source: &Source, step: &Step) -> Timing {
        let moved_at = step.time.unsigned_abs();
        let is_listed = source.listed_from.is_some_and(|from| moved_at >= u128::from(from));
        let is_not = source.unlisted_until.is_some_and(|until| moved_at < u128::from(until));
        match (is_listed, is_not) {
            (true, _) => Timing::After,
            (false, true) => Timing::Before,
            (false, false) => Timing::Unknown,
        }
    }

    /// Whether a path that arrived as `late` says ends at a hub that takes `departure`.
    fn is_cut(direction: Direction, late: bool, departure: &Step) -> bool {
        match direction {
            Direction::ReceivedFrom => departure.is_hubs,
            Direction::SentTo => late,
        }
    }

    /// Whether a departure is allowed after an arrival.
    fn follows(arrival: (&Clock, i128, i128), departure: &Step) -> bool {
        let (clock, at, time) = arrival;
        if *clock == departure.clock { departure.at >= at } else { departure.time >= time }
    }

    /// Whose a path is that begins with a step; `None` where none begins there.
    fn origin(seeds: &Seeds, step: &Step) -> Option<Origin> {
        let seed = seeds.get(&step.from)?;
        let (source, common_input) = (seed.sources[0].clone(), seed.common_input);
        let timing = Self::timing(&source, step);
        Some(Origin { source, common_input, timing })
    }

    /// The states by the recursive definition.
    fn states(&self, direction: Direction, seeds: &Seeds, steps: &[Step]) -> States {
        let time_of = |clock: &Clock, at: i128| {
            steps.iter().find(|step| step.clock == *clock && step.at == at).unwrap().time
        };
        let mut states = States::new();
        for hops in 1..=usize::from(self.settings.max_hops) {
            let mut found: HashMap<Place, Arrival> = HashMap::new();
            for step in steps.iter().filter(|step| !seeds.contains_key(&step.to)) {
                let mut arrivals: Vec<Origin> = Vec::new();
                if hops == 1 {
                    arrivals.extend(Self::origin(seeds, step));
                } else if !self.is_stop(&step.from) {
                    for ((key, clock, late), of) in &states {
                        let is_hubs = Self::is_cut(direction, *late, step);
                        if let (true, Some(Some((at, origin)))) =
                            (*key == step.from && !is_hubs, of.get(hops - 1))
                            && Self::follows((clock, *at, time_of(clock, *at)), step)
                        {
                            arrivals.push(origin.clone());
                        }
                    }
                }
                for origin in arrivals {
                    let arrival = (step.at, origin);
                    let late = direction == Direction::SentTo && step.is_hubs;
                    let place = (step.to, step.clock.clone(), late);
                    let best = found.entry(place).or_insert(arrival.clone());
                    if arrival < *best {
                        *best = arrival;
                    }
                }
            }
            for (node, arrival) in found {
                let of = states.entry(node).or_default();
                if of.iter().flatten().all(|(at, ..)| arrival.0 < *at) {
                    of.resize(hops, None);
                    of.push(Some(arrival));
                }
            }
        }
        states
    }

    /// Every label of every key.
    pub fn labels(&self) -> BTreeMap<PackedKey, Vec<LabelWriter>> {
        let mut labels: BTreeMap<PackedKey, Vec<LabelWriter>> = BTreeMap::new();
        let kinds: BTreeSet<_> = self.sources.iter().map(|source| source.kind).collect();
        for direction in Direction::ALL {
            let steps = self.steps(direction);
            for &kind in &kinds {
                let seeds = self.seeds(kind);
                let states = self.states(direction, &seeds, &steps);
                for hub in [false, true] {
                    let found = match hub {
                        false => Self::by_hops(&steps, &states),
                        true => self.by_hubs(direction, &seeds, &steps, &states),
                    };
                    for (key, (hops, _, mut origin)) in found {
                        let is_direct = hops == 1 && !hub;
                        let direct = is_direct.then(|| self.direct(&key, direction, &seeds));
                        if is_direct {
                            origin = Self::gravest(&key, &seeds, &steps);
                        }
                        let Origin { source, common_input, timing } = origin;
                        labels.entry(key).or_default().push(LabelWriter {
                            direction,
                            kind,
                            hub,
                            hops,
                            source,
                            timing,
                            direct,
                            common_input,
                        });
                    }
                }
            }
        }
        labels.values_mut().for_each(|shown| shown.sort());
        labels
    }

    /// By key: the fewest hops, then the first in chain time, over clocks.
    fn by_hops(steps: &[Step], states: &States) -> Nearest {
        let mut best = Nearest::new();
        for ((key, clock, _), of) in states {
            let first =
                of.iter().enumerate().find_map(|(hops, arrival)| Some((hops, arrival.as_ref()?)));
            let (hops, (at, origin)) = first.unwrap();
            let step = steps.iter().find(|step| step.clock == *clock && step.at == *at).unwrap();
            let found = (hops as u8, step.time, origin.clone());
            let best = best.entry(*key).or_insert(found.clone());
            if found < *best {
                *best = found;
            }
        }
        best
    }

    fn by_hubs(
        &self,
        direction: Direction,
        seeds: &Seeds,
        steps: &[Step],
        states: &States,
    ) -> Nearest {
        let time_of = |clock: &Clock, at: i128| {
            steps.iter().find(|step| step.clock == *clock && step.at == at).unwrap().time
        };
        // First by clock, where positions compare.
        let mut by_clock: HashMap<(PackedKey, Clock), (u8, i128, Origin)> = HashMap::new();
        for ((hub, clock, late), of) in states.iter().filter(|((key, ..), _)| !self.is_stop(key)) {
            for (hops, arrival) in of.iter().enumerate() {
                let Some((at, origin)) = arrival else { continue };
                if hops >= usize::from(self.settings.max_hops) {
                    continue;
                }
                for step in steps.iter().filter(|step| step.from == *hub) {
                    if seeds.contains_key(&step.to)
                        || !Self::is_cut(direction, *late, step)
                        || !Self::follows((clock, *at, time_of(clock, *at)), step)
                    {
                        continue;
                    }
                    let found = (hops as u8 + 1, step.at, origin.clone());
                    let node = (step.to, step.clock.clone());
                    let best = by_clock.entry(node).or_insert(found.clone());
                    if found < *best {
                        *best = found;
                    }
                }
            }
        }
        let mut best = Nearest::new();
        for ((key, clock), (hops, at, origin)) in by_clock {
            let found = (hops, time_of(&clock, at), origin);
            let best = best.entry(key).or_insert(found.clone());
            if found < *best {
                *best = found;
            }
        }
        best
    }

    /// Every walk from a source, or a key that is joined with one, in order of time that passes no
    /// stop and no row twice: each as its steps.
    pub fn walks(&self, direction: Direction, kind: ListKind) -> Vec<Vec<Step>> {
        let steps = self.steps(direction);
        let seeds = self.seeds(kind);
        let mut walks = Vec::new();
        let mut open: Vec<Vec<Step>> = vec![Vec::new()];
        while let Some(walk) = open.pop() {
            if walk.len() == usize::from(self.settings.max_hops) || walks.len() > 200_000 {
                continue;
            }
            for step in &steps {
                let goes_on = match walk.last() {
                    None => seeds.contains_key(&step.from),
                    Some(last) => {
                        last.to == step.from
                            && !self.is_stop(&step.from)
                            && !Self::is_cut(direction, last.is_hubs, step)
                            && !seeds.contains_key(&step.from)
                            && !walk.iter().any(|before| before.row == step.row)
                            && Self::follows((&last.clock, last.at, last.time), step)
                    }
                };
                if goes_on {
                    let mut longer = walk.clone();
                    longer.push(step.clone());
                    walks.push(longer.clone());
                    open.push(longer);
                }
            }
        }
        walks
    }

    /// The fewest hops of each key by its walks.
    pub fn hops_by_walks(&self, direction: Direction, kind: ListKind) -> BTreeMap<PackedKey, u8> {
        let seeds = self.seeds(kind);
        let mut hops: BTreeMap<PackedKey, u8> = BTreeMap::new();
        for walk in self.walks(direction, kind) {
            let end = walk.last().unwrap().to;
            if !seeds.contains_key(&end) {
                let best = hops.entry(end).or_insert(u8::MAX);
                *best = (*best).min(walk.len() as u8);
            }
        }
        hops
    }
}
