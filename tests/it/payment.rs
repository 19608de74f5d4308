//! What is said of a payment before it is made is what is said once it was: in small random worlds
//! each payment is asked about, then stored as the last transfer, and its addresses screened again.

use jiff::{SignedDuration, Timestamp};
use lazaretto::domain::chain::Chain;
use lazaretto::domain::list::ListKind;
use lazaretto::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Leg, Movement, Position, Transfer, TxStatus,
    UtxoMovement,
};
use lazaretto::exposure::{Direction, Timing};
use lazaretto::screening::payment::{Payment, Prospect};
use lazaretto::screening::{Finding, Scope, ScopeFilter};

use crate::support::desk::{Desk, at, unplaced, wallet};
use crate::support::dice::Dice;

mod unvalued;

const START: &str = "2025-11-20T00:00:00Z";
const NOW: &str = "2025-11-25T12:00:00Z";
const ETHER: u128 = 1_000_000_000_000_000_000;
const USDT: &str = "0xdac17f958d2ee523a2206206994597c13d831ec7";
const WALLETS: u64 = 8;
const BITCOINS: [&str; 4] = [
    "138cWsiAGpW9yqfjMVCCsFcnaiSHyoWMnJ",
    "1HxbaBMF2jXBVnagoHvaA6rLxmaYL8gb8T",
    "1FDCgJ8m2xDyVmYuankk13XReVC2Zvs5cz",
    "1FAkhqm95YnV5Mi7Q5j2Wb8CkbK7Z9zpyB",
];
const LISTS: [(&str, ListKind); 5] = [
    ("adv", ListKind::Advisory),
    ("adv-2", ListKind::Advisory),
    ("seized", ListKind::Seizure),
    ("sanctions", ListKind::Sanctions),
    ("services", ListKind::Service),
];

fn address(dice: &mut Dice, chain: &Chain) -> String {
    match chain {
        Chain::Bitcoin => dice.of(&BITCOINS).to_owned(),
        _ => wallet(dice.below(WALLETS) as u8),
    }
}

fn asset(text: &str) -> Asset {
    lazaretto::domain::asset::AssetTable::asset(text, &Chain::Evm(1)).unwrap()
}

/// What is stored before any payment: in order, late, on several clocks, some of it dust.
fn history(dice: &mut Dice) -> Vec<Transfer> {
    let count = 6 + dice.below(24) as u32;
    let transfer = |number: u32| {
        let chain = dice.of(&[Chain::Evm(1), Chain::Evm(1), Chain::Evm(10), Chain::Bitcoin]);
        let time = at(START) + SignedDuration::from_secs(dice.below(600) as i64);
        let ends = [address(dice, &chain), address(dice, &chain)];
        let height = dice.below(40);
        let position = Position { height, tx_index: dice.below(3) as u32, index: number };
        let position = (dice.below(3) > 0).then_some(position);
        if chain == Chain::Bitcoin {
            let other = address(dice, &chain);
            let amount = (dice.below(8) > 0).then_some(1_000_000 + u64::from(number));
            let outputs = vec![(&ends[1], Some(700_000)), (&other, Some(9))];
            // Sometimes two that are joined by it.
            let beside = address(dice, &chain);
            let is_joining = dice.below(2) == 0;
            let beside = Some((&beside, amount)).filter(|_| is_joining && beside != ends[0]);
            let inputs = [(&ends[0], amount)].into_iter().chain(beside).collect();
            return utxo(time, position, [inputs, outputs]);
        }
        let amount = dice.of(&[1, ETHER, 3 * ETHER]) + u128::from(number);
        let mut transfer = unplaced(1, time, &ends[0], &ends[1], amount);
        transfer.chain = chain.clone();
        transfer.placement = position.into();
        if let Movement::Account(movement) = &mut transfer.movement
            && chain == Chain::Evm(1)
            && dice.below(4) == 0
        {
            (movement.asset, movement.amount) = (asset(USDT), Amount::from(5_000_000 + number));
        }
        transfer
    };
    (0..count).map(transfer).collect()
}

fn utxo(
    time: Timestamp,
    position: Option<Position>,
    [inputs, outputs]: [Vec<(&String, Option<u64>)>; 2],
) -> Transfer {
    let leg = |(address, amount): (&String, Option<u64>)| Leg {
        holders: vec![Holder::parse(address, &Chain::Bitcoin).unwrap()],
        unattributable: false,
        amount,
    };
    let inputs = inputs.into_iter().map(leg).collect();
    let outputs = outputs.into_iter().map(leg).collect();
    Transfer {
        chain: Chain::Bitcoin,
        time: time.as_second() as u64,
        placement: position.into(),
        block_hash: None,
        tx: None,
        status: TxStatus::Unknown,
        movement: Movement::Utxo(Box::new(UtxoMovement { coinbase: false, inputs, outputs })),
    }
}

fn import(desk: &Desk, dice: &mut Dice) {
    for (id, kind) in LISTS {
        if id != "adv" && dice.below(3) == 0 {
            continue;
        }
        let mut csv = "address,ticker,party_uid,listed_on\n".to_owned();
        for n in 0..=dice.below(2) {
            // Some before all transfers, some in between, some after all payments.
            let day = dice.of(&["2025-11-01", "2025-11-20", "2025-11-22", "2025-12-24"]);
            let (address, ticker) = match dice.below(5) {
                0 => (address(dice, &Chain::Bitcoin), "XBT"),
                _ => (address(dice, &Chain::Evm(1)), "ETH"),
            };
            csv += &format!("{address},{ticker},p{n},{day}\n");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.csv");
        std::fs::write(&path, &csv).unwrap();
        desk.import(id, Some(kind), &path, Some("test")).unwrap();
    }
}

fn payment(dice: &mut Dice) -> Payment {
    let chain = dice.of(&[Chain::Evm(1), Chain::Evm(1), Chain::Evm(10), Chain::Bitcoin]);
    let mut side = || {
        let count = [1, 1, 1, 2, 3][dice.below(5) as usize];
        let side: std::collections::BTreeSet<_> =
            (0..count).map(|_| address(dice, &chain)).collect();
        side.into_iter().collect::<Vec<_>>()
    };
    let (sources, destinations) = (side(), side());
    let token = chain == Chain::Evm(1) && dice.below(4) == 0;
    let amount = match (&chain, token) {
        (Chain::Bitcoin, _) => 900_000 + u128::from(dice.below(1000)),
        (_, true) => 90_000_000 + u128::from(dice.below(1000)),
        _ => ETHER * u128::from(1 + dice.below(5)) + u128::from(dice.below(1000)),
    };
    Payment {
        sources,
        destinations,
        asset: if token { asset(USDT) } else { Asset::Native },
        chain,
        amount: Amount::from(amount),
        direction: dice.of(&Direction::ALL),
    }
}

/// The payment as transfers, all at one place of their chain.
fn made(payment: &Payment, time: Timestamp, height: Option<u64>) -> Vec<Transfer> {
    let Payment { sources, destinations, chain, asset, amount, .. } = payment;
    let position =
        |index: usize| height.map(|height| Position { height, tx_index: 0, index: index as u32 });
    if *chain == Chain::Bitcoin {
        let legs = [sources, destinations].map(|side| {
            // Inputs pay for all outputs, however that divides.
            let whole = amount.as_u64().next_multiple_of(side.len() as u64);
            let part =
                Some((if side == sources { whole } else { amount.as_u64() }) / side.len() as u64);
            side.iter().map(|address| (address, part)).collect()
        });
        return vec![utxo(time, position(0), legs)];
    }
    let pairs = sources.iter().flat_map(|from| destinations.iter().map(move |to| (from, to)));
    let part = *amount / Amount::from((sources.len() * destinations.len()) as u64);
    let transfer = |(index, (from, to)): (usize, (&String, &String))| {
        let holder = |address: &String| Some(Holder::parse(address, chain).unwrap());
        Transfer {
            chain: chain.clone(),
            time: time.as_second() as u64,
            placement: position(index).into(),
            block_hash: None,
            tx: None,
            status: TxStatus::Unknown,
            movement: Movement::Account(AccountMovement {
                from: holder(from),
                to: holder(to),
                asset: asset.clone(),
                // Nothing else tells them apart where there is no position.
                amount: part + Amount::from(if height.is_none() { index as u64 } else { 0 }),
                usd_micros: None,
            }),
        }
    };
    pairs.enumerate().map(transfer).collect()
}

/// An exposure in short; the share where it is known.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    kind: ListKind,
    hub: bool,
    hops: u8,
    timing: Timing,
    listed: (String, String),
    share: Option<u16>,
    value: Option<u64>,
    score: u8,
    common_input: bool,
}

impl Seen {
    fn of(found: &Finding<'_>) -> Option<Self> {
        let near = found.exposure?;
        let direct = near.direct.unwrap_or_default();
        Some(Self {
            kind: near.kind,
            hub: near.hub,
            hops: near.hops,
            timing: near.timing,
            listed: (found.list.id().to_string(), found.row.key.address.clone()),
            share: direct.share,
            value: direct.value,
            score: found.score,
            common_input: near.common_input,
        })
    }
}

/// The exposures of each address of the customer's side, in the payment's direction.
fn seen(desk: &Desk, payment: &Payment, narrowing: &ScopeFilter) -> Vec<Vec<Seen>> {
    let snapshot = desk.engine().snapshot().unwrap();
    let scope = Scope::new(&snapshot, narrowing, desk.engine().now()).unwrap();
    let of = |address: &String| {
        let deep = desk.engine().screen(&scope, address, Some(&payment.chain), false).unwrap();
        let findings = deep.screening.findings.iter();
        let near = findings
            .filter(|found| found.exposure.is_some_and(|near| near.direction == payment.direction));
        near.filter_map(Seen::of).collect()
    };
    payment.own().iter().map(of).collect()
}

/// The kinds of lists on which the sources of a payment stand, or with whose listings they are joined.
fn joined_kinds(desk: &Desk, payment: &Payment, narrowing: &ScopeFilter) -> Vec<Vec<ListKind>> {
    let snapshot = desk.engine().snapshot().unwrap();
    let scope = Scope::new(&snapshot, narrowing, desk.engine().now()).unwrap();
    let of = |address: &String| {
        let deep = desk.engine().screen(&scope, address, Some(&payment.chain), false).unwrap();
        let findings = deep.screening.findings.iter().filter(|found| found.exposure.is_none());
        let mut kinds: Vec<_> = findings.map(|found| found.list.kind()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.retain(|kind| *kind != ListKind::Service);
        kinds
    };
    payment.sources.iter().map(of).collect()
}

/// Whether a payment is a CoinJoin, which joins nobody: three inputs at least, and as many equal outputs.
fn is_coin_join(payment: &Payment) -> bool {
    payment.sources.len() >= 3 && payment.destinations.len() >= 3
}

/// What is said before: by place what is now and what would be.
fn foretold(
    desk: &Desk,
    payment: &Payment,
    narrowing: &ScopeFilter,
) -> Vec<(usize, Option<u8>, Seen)> {
    let payment_context = desk.engine().payment_context(desk.engine().now()).unwrap();
    let scope = Scope::new(payment_context.snapshot(), narrowing, desk.engine().now()).unwrap();
    let prospective = payment_context.project(&scope, payment);
    assert!(!prospective.incomplete);
    let said = |(place, Prospect { now, then }): (usize, Prospect<'_>)| {
        (place, now.map(|near| near.hops), Seen::of(&then).unwrap())
    };
    prospective.found.into_iter().map(said).collect()
}

/// Holds what was foretold against what came. `exact` where labels answer.
fn compare(
    payment: &Payment,
    foretold: &[(usize, Option<u8>, Seen)],
    (before, after): (&[Vec<Seen>], &[Vec<Seen>]),
    exact: bool,
    context: &str,
) {
    for (place, now) in after.iter().enumerate() {
        let of = |seen: &Seen| {
            let same = |known: &&Seen| (known.kind, known.hub) == (seen.kind, seen.hub);
            before[place].iter().find(same).cloned()
        };
        for seen in now {
            // A search looks for what hubs have whenever they had it.
            if !exact && seen.hub {
                continue;
            }
            // What now comes round by a hub that was sent to before, beside the direct dealing that is
            // told, is not looked for.
            let is_nearer = |(at, _, told): &&(usize, Option<u8>, Seen)| {
                *at == place && told.kind == seen.kind && !told.hub && told.hops == 1
            };
            let is_beside = payment.direction == Direction::SentTo;
            if is_beside && seen.hub && foretold.iter().any(|told| is_nearer(&told)) {
                continue;
            }
            let told = foretold.iter().find(|(at, _, told)| {
                *at == place && (told.kind, told.hub) == (seen.kind, seen.hub)
            });
            let before = of(seen);
            let Some((_, hops_now, told)) = told else {
                let before = before.unwrap_or_else(|| {
                    panic!("{context}: {place} not foretold {seen:?}, of {foretold:?}")
                });
                assert_eq!(before.hops, seen.hops, "{context}: not foretold {seen:?}");
                if exact {
                    let share_grew = before.share.is_some() && seen.share > before.share;
                    assert!(!share_grew, "{context}: {before:?} {seen:?}");
                    assert_eq!(before.timing, seen.timing, "{context}");
                }
                continue;
            };
            assert_eq!(*hops_now, before.map(|before| before.hops), "{context}");
            assert_eq!(told.hops, seen.hops, "{context}: {told:?} {seen:?}");
            if !exact {
                continue;
            }
            if payment.own_amount().is_some() || seen.hops > 1 {
                assert_eq!(told, seen, "{context}");
                continue;
            }
            assert_eq!((told.share, told.value), (None, None), "{context}");
            assert!(told.score >= seen.score, "{context}: {told:?} {seen:?}");
            let Seen { share, value, score, .. } = seen.clone();
            assert_eq!(Seen { share, value, score, ..told.clone() }, *seen, "{context}");
        }
    }
    for (place, _, told) in foretold {
        let same = |seen: &&Seen| (seen.kind, seen.hub) == (told.kind, told.hub);
        assert!(after[*place].iter().any(|seen| same(&seen)), "{context}: did not come {told:?}");
    }
}

fn generation(desk: &Desk) -> u64 {
    let snapshot = desk.engine().snapshot().unwrap();
    snapshot.exposure().labels.as_ref().map_or(0, |labels| labels.generation())
}

#[test]
fn what_is_foretold_comes() {
    let seeds = std::env::var("LAZARETTO_SEEDS").map_or(1..81, |text| {
        let (from, to) = text.split_once("..").unwrap();
        from.parse().unwrap()..to.parse().unwrap()
    });
    let (mut told, mut by_hub, mut farther, mut searched) = (0, 0, 0, 0);
    let (mut joined, mut by_common_input) = (0, 0);
    for seed in seeds {
        let mut dice = Dice(seed);
        let set = dice.of(&["exposure.max_hops=5", "exposure.max_hops=2", "exposure.hub_limit=3"]);
        let desk = Desk::new(NOW, &["lists.us-ofac-sdn.enabled=false", set]);
        desk.store(history(&mut dice), &[]);
        import(&desk, &mut dice);
        for round in 0..10_u64 {
            let time = at(NOW) + SignedDuration::from_mins(round as i64);
            desk.set_clock(&time.to_string());
            let payment = payment(&mut dice);
            let context = format!("seed {seed}, round {round}, {payment:?}");
            let mut narrowing = ScopeFilter::default();
            match dice.below(5) {
                0 => narrowing.lists = vec!["adv".parse().unwrap()],
                1 => narrowing.max_hops = Some(1 + dice.below(3) as u8),
                _ => {}
            }
            desk.engine().wait_for_exposure(true).unwrap();
            let foretold = foretold(&desk, &payment, &narrowing);
            let before = seen(&desk, &payment, &narrowing);
            let kinds_before = joined_kinds(&desk, &payment, &narrowing);
            let generation_before = generation(&desk);
            let height = (dice.below(4) > 0).then_some(1000 + round);
            desk.store(made(&payment, time, height), &[]);
            desk.engine().wait_for_exposure(true).unwrap();
            // It made a hub, and with it other labels for all.
            if generation(&desk) != generation_before {
                continue;
            }
            // That a payment joins its own sources is not foretold: whoever is joined with a listed one by
            // it is tied to nobody of the kind any more.
            let kinds_after = joined_kinds(&desk, &payment, &narrowing);
            if kinds_after != kinds_before {
                assert!(payment.is_utxo() && payment.sources.len() > 1, "{context}");
                assert!(!is_coin_join(&payment), "{context}");
                joined += 1;
                continue;
            }
            let after = seen(&desk, &payment, &narrowing);
            let snapshot = desk.engine().snapshot().unwrap();
            let scope = Scope::new(&snapshot, &narrowing, time).unwrap();
            compare(&payment, &foretold, (&before, &after), !scope.needs_search(), &context);
            told += foretold.len();
            by_common_input += foretold.iter().filter(|(_, _, seen)| seen.common_input).count();
            by_hub += foretold.iter().filter(|(_, _, seen)| seen.hub).count();
            farther += foretold.iter().filter(|(_, _, seen)| seen.hops > 1).count();
            searched += if scope.needs_search() { foretold.len() } else { 0 };
        }
    }
    eprintln!(
        "{told} foretold, {farther} beyond one hop, {by_hub} by hubs, {searched} by searches, \
         {by_common_input} by common inputs, {joined} that joined their own sources"
    );
    assert!(told > 150 && farther > 20 && by_hub > 4 && searched > 10, "too little was foretold");
    assert!(by_common_input > 2 && joined > 5, "too little was joined");
}

/// After a start labels answer at once: hops are told, and that shares are not known yet.
#[test]
fn while_transfers_are_read_in_the_answer_says_so() {
    let set = ["lists.us-ofac-sdn.enabled=false"];
    let desk = Desk::new(NOW, &set);
    let csv = format!("address,ticker,party_uid,listed_on\n{},ETH,p,2025-11-01\n", wallet(0));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.csv");
    std::fs::write(&path, csv).unwrap();
    desk.import("adv", Some(ListKind::Advisory), &path, Some("test")).unwrap();
    desk.store(vec![unplaced(1, at(START), &wallet(0), &wallet(1), ETHER)], &[]);
    desk.engine().wait_for_exposure(true).unwrap();
    let desk = Desk::on(desk.closed(), NOW, &set);
    let payment = |from: u8| Payment {
        sources: vec![wallet(from)],
        destinations: vec![wallet(2)],
        chain: Chain::Evm(1),
        asset: Asset::Native,
        amount: Amount::from(ETHER),
        direction: Direction::ReceivedFrom,
    };
    let told = |from: u8| {
        let payment_context = desk.engine().payment_context(desk.engine().now()).unwrap();
        let narrowing = ScopeFilter::default();
        let scope =
            Scope::new(payment_context.snapshot(), &narrowing, desk.engine().now()).unwrap();
        let prospective = payment_context.project(&scope, &payment(from));
        let found = prospective.found.iter().filter_map(|(_, of)| Seen::of(&of.then));
        let found: Vec<_> = found.map(|seen| (seen.hops, seen.share)).collect();
        (prospective.incomplete, found)
    };
    assert_eq!(told(0), (true, vec![(1, None)]));
    desk.engine().wait_for_exposure(true).unwrap();
    assert_eq!(told(0), (false, vec![(1, Some(10_000))]));
    assert_eq!(told(1), (false, vec![(2, None)]));
}
