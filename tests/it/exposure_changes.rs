//! Whatever the order in which transfers, lists, retractions and restarts come, answers are those of
//! an engine that got the same at once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use lazaretto::domain::chain::Chain;
use lazaretto::domain::coverage::Verdict;
use lazaretto::domain::list::ListKind;
use lazaretto::domain::transfer::{
    Amount, Holder, Leg, Movement, Position, Transfer, TxStatus, UtxoMovement,
};
use lazaretto::engine::{CounterpartyQuery, ExposureEvidence};
use lazaretto::exposure::Direction;
use lazaretto::screening::policy::Decision;
use lazaretto::screening::{Incomplete, ScopeFilter};

use crate::support::desk::{Desk, Look, at, sends, unplaced, wallet};
use crate::support::dice::Dice;

pub const NOW: &str = "2025-11-25T12:00:00Z";
const ETHER: u128 = 1_000_000_000_000_000_000;
pub const WALLETS: u64 = 9;
/// From this height on blocks have hashes.
const FORKED: u64 = 30;
pub const BITCOINS: [&str; 4] = [
    "138cWsiAGpW9yqfjMVCCsFcnaiSHyoWMnJ",
    "1HxbaBMF2jXBVnagoHvaA6rLxmaYL8gb8T",
    "1FDCgJ8m2xDyVmYuankk13XReVC2Zvs5cz",
    "1FAkhqm95YnV5Mi7Q5j2Wb8CkbK7Z9zpyB",
];
pub const SETTINGS: [&[&str]; 4] = [
    &["chains.ethereum.required=true"],
    &["exposure.max_hops=3"],
    &["exposure.hub_limit=4"],
    &["assets.ethereum.native.floor=2.5", "chains.ethereum.max_age=1d"],
];

/// Settings, with no list that must be there.
pub fn with(set: &[&'static str]) -> Vec<&'static str> {
    [&["lists.us-ofac-sdn.enabled=false"], set].concat()
}

pub fn start() -> Timestamp {
    at("2025-11-20T00:00:00Z")
}

/// An import of a list, as it is repeated.
#[derive(Clone, Debug)]
pub struct Import {
    id: &'static str,
    kind: ListKind,
    csv: String,
}

impl Import {
    pub fn random(dice: &mut Dice) -> Self {
        let lists = [
            ("adv", ListKind::Advisory),
            ("adv-2", ListKind::Advisory),
            ("seized", ListKind::Seizure),
            ("tags", ListKind::Service),
        ];
        let (id, kind) = lists[dice.below(4) as usize];
        let mut csv = "address,ticker,party_uid,listed_on\n".to_owned();
        for n in 0..=dice.below(2) {
            // Some before all transfers, some after.
            let day = ["2025-11-01", "2025-11-20", "2025-11-22"][dice.below(3) as usize];
            let (address, ticker) = match dice.below(6) {
                0 => (BITCOINS[dice.below(4) as usize].to_owned(), "XBT"),
                _ => (wallet(dice.below(WALLETS) as u8), "ETH"),
            };
            csv += &format!("{address},{ticker},p{n},{day}\n");
        }
        Self { id, kind, csv }
    }

    /// A list of these wallets.
    pub fn of(id: &'static str, kind: ListKind, wallets: &[u8]) -> Self {
        let rows = wallets.iter().map(|n| format!("{},ETH,p,2025-11-01\n", wallet(*n)));
        let csv = "address,ticker,party_uid,listed_on\n".to_owned() + &rows.collect::<String>();
        Self { id, kind, csv }
    }

    pub fn make(&self, desk: &Desk) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.csv");
        std::fs::write(&path, &self.csv).unwrap();
        desk.import(self.id, Some(self.kind), &path, Some("test")).unwrap();
    }
}

/// What was done so far, in the words of who does it again at once.
#[derive(Default)]
pub struct Model {
    pub imports: Vec<Import>,
    /// What counts.
    pub rows: Vec<Transfer>,
    /// What was taken back.
    gone: Vec<Transfer>,
    /// Makes every transfer another.
    count: u32,
    pub set: &'static [&'static str],
    /// Settings of every start.
    pub always: Vec<&'static str>,
    /// The time of a start; [`NOW`] where none is set.
    pub now: Option<String>,
}

impl Model {
    fn transfer(&mut self, dice: &mut Dice) -> Transfer {
        self.count += 1;
        let time = start() + SignedDuration::from_secs(dice.below(600) as i64);
        if dice.below(5) == 0 {
            return self.bitcoin(dice);
        }
        let [from, to] = [0; 2].map(|_| wallet(dice.below(WALLETS) as u8));
        let amount = [0, 1, ETHER, 3 * ETHER, 3 * ETHER][dice.below(5) as usize];
        let amount = amount + u128::from(self.count) * u128::from(amount > 0);
        let chain = [1, 1, 1, 10][dice.below(4) as usize];
        let mut transfer = unplaced(chain, time, &from, &to, amount);
        if dice.below(3) > 0 {
            let height = dice.below(40);
            // Blocks are dated against the order of heights now and then.
            let noise = dice.below(40) as i64;
            let late = SignedDuration::from_secs(12 * height as i64 + noise);
            transfer.time = (start() + late).as_second() as u64;
            let tx_index = dice.below(3) as u32;
            transfer.placement = Position { height, tx_index, index: self.count }.into();
            // The later blocks are told by two nodes now and then.
            transfer.block_hash =
                (height >= FORKED).then(|| [(2 * height + dice.below(2)) as u8; 32]);
        }
        if dice.below(12) == 0 {
            transfer.status = TxStatus::Failed;
        }
        // Nothing else tells two transfers without position and amount apart.
        if transfer.position().is_none() && amount == 0 {
            transfer.placement = Position { height: 7, tx_index: 9, index: self.count }.into();
        }
        transfer
    }

    fn bitcoin(&mut self, dice: &mut Dice) -> Transfer {
        let mut leg = |amount: u64| Leg {
            holders: vec![
                Holder::parse(BITCOINS[dice.below(4) as usize], &Chain::Bitcoin).unwrap(),
            ],
            unattributable: false,
            amount: Some(amount),
        };
        let mut inputs = vec![leg(500_000), leg(1_000_000 + u64::from(self.count))];
        let outputs = vec![leg(700_000), leg(1)];
        if dice.below(3) == 0 {
            inputs[1].holders.clear();
        }
        let height = dice.below(10);
        let position = Position { height, tx_index: self.count, index: 0 };
        let late = SignedDuration::from_secs(60 * height as i64);
        Transfer {
            chain: Chain::Bitcoin,
            time: (start() + late).as_second() as u64,
            placement: position.into(),
            block_hash: None,
            tx: None,
            status: TxStatus::Unknown,
            movement: Movement::Utxo(Box::new(UtxoMovement { coinbase: false, inputs, outputs })),
        }
    }

    pub fn batch(&mut self, dice: &mut Dice) -> Vec<Transfer> {
        (0..=dice.below(8)).map(|_| self.transfer(dice)).collect()
    }

    /// One step, of the desk and of the model.
    pub fn step(&mut self, desk: Desk, dice: &mut Dice) -> Desk {
        match dice.below(18) {
            0..=3 => {
                let batch = self.batch(dice);
                let mut session = desk.engine().begin_ingest();
                session.append(batch.clone(), &[]).unwrap();
                self.rows.extend(batch);
            }
            4 => {
                // Two sessions at once.
                let batches = [self.batch(dice), self.batch(dice)];
                std::thread::scope(|scope| {
                    for batch in &batches {
                        let mut session = desk.engine().begin_ingest();
                        scope.spawn(move || session.append(batch.clone(), &[]).unwrap());
                    }
                });
                self.rows.extend(batches.concat());
            }
            5 => {
                // Again what is there, and what was taken back.
                let mut batch: Vec<_> =
                    self.rows.iter().filter(|_| dice.below(3) == 0).cloned().collect();
                let back = std::mem::take(&mut self.gone);
                batch.extend(back.iter().cloned());
                desk.engine().begin_ingest().append(batch, &[]).unwrap();
                self.rows.extend(back);
            }
            6..=7 => {
                let import = Import::random(dice);
                import.make(&desk);
                self.imports.push(import);
            }
            8..=9 => {
                let chain = [Chain::Evm(1), Chain::Bitcoin][dice.below(2) as usize].clone();
                let from = dice.below(40);
                let retracted = desk.engine().retract(&chain, from, None, "test").unwrap();
                let goes = |row: &Transfer| {
                    row.chain == chain && row.position().is_some_and(|at| at.height >= from)
                };
                let (gone, rows) = std::mem::take(&mut self.rows).into_iter().partition(goes);
                self.rows = rows;
                let gone: Vec<_> = gone;
                assert_eq!(retracted, gone.len() as u64);
                self.gone = gone;
            }
            10 => desk.engine().wait_for_exposure(dice.below(2) == 0).unwrap(),
            11..=13 => self.better(&desk, dice),
            14..=15 => self.contradiction(&desk, dice),
            16 => self.orphan(&desk, dice),
            _ => {
                if dice.below(3) == 0 {
                    self.set = SETTINGS[dice.below(4) as usize];
                }
                return self.restarted(desk);
            }
        }
        desk
    }

    /// A desk on the same directory, with the settings of now.
    pub fn restarted(&self, desk: Desk) -> Desk {
        let now = self.now.as_deref().unwrap_or(NOW);
        Desk::on(desk.closed(), now, &[with(self.set), self.always.clone()].concat())
    }

    /// Some of what has a place is told again, and better.
    fn better(&mut self, desk: &Desk, dice: &mut Dice) {
        let mut batch = Vec::new();
        for row in self.rows.iter_mut().filter(|row| row.position().is_some()) {
            if dice.below(4) > 0 {
                continue;
            }
            match &mut row.movement {
                Movement::Utxo(utxo) => {
                    let unnamed = utxo.inputs.iter_mut().filter(|leg| leg.holders.is_empty());
                    unnamed.for_each(|leg| {
                        let bitcoin = BITCOINS[dice.below(4) as usize];
                        leg.holders = vec![Holder::parse(bitcoin, &Chain::Bitcoin).unwrap()];
                    });
                }
                Movement::Account(_) => row.status = TxStatus::Succeeded,
            }
            batch.push(row.clone());
        }
        desk.engine().begin_ingest().append(batch, &[]).unwrap();
    }

    /// What has a place is told otherwise, and somebody decides.
    pub fn contradiction(&mut self, desk: &Desk, dice: &mut Dice) {
        self.count += 1;
        let count = self.rows.len().max(1) as u64;
        let Some(row) = self.rows.get_mut(dice.below(count) as usize) else { return };
        let mut other = row.clone();
        match &mut other.movement {
            Movement::Account(account) if row.position().is_some() => {
                account.from = Some(Holder::parse(&wallet(WALLETS as u8), &row.chain).unwrap());
                // Never told before.
                account.amount = Amount::new(3 * ETHER + u128::from(self.count));
            }
            _ => return,
        }
        desk.engine().begin_ingest().append(vec![other.clone()], &[]).unwrap();
        if dice.below(2) == 0 {
            desk.engine().wait_for_exposure(false).unwrap();
        }
        let open = desk.engine().conflicts(None, false, None, 10).unwrap();
        let [(number, ..)] = open[..] else { panic!("{open:?}") };
        let verdict = [Verdict::First, Verdict::Second][dice.below(2) as usize];
        desk.engine().settle_conflict(number, verdict, "a node says so").unwrap();
        if verdict == Verdict::Second {
            *row = other;
        }
    }

    /// One block is taken back.
    fn orphan(&mut self, desk: &Desk, dice: &mut Dice) {
        let hashes: BTreeSet<_> = self.rows.iter().filter_map(|row| row.block_hash).collect();
        let count = hashes.len().max(1) as u64;
        let Some(hash) = hashes.into_iter().nth(dice.below(count) as usize) else { return };
        let goes = |row: &Transfer| row.chain == Chain::Evm(1) && row.block_hash == Some(hash);
        let (gone, rows) = std::mem::take(&mut self.rows).into_iter().partition(goes);
        (self.gone, self.rows) = (gone, rows);
        let retract = || desk.engine().retract(&Chain::Evm(1), 0, Some(hash), "orphaned");
        match self.gone.len() as u64 {
            0 => assert!(retract().is_err(), "there is no such block"),
            gone => assert_eq!(retract().unwrap(), gone),
        }
    }

    /// A desk that gets everything at once.
    fn at_once(&self, dice: &mut Dice) -> Desk {
        let desk = Desk::new(NOW, &with(self.set));
        let mut rows = self.rows.clone();
        for last in (1..rows.len()).rev() {
            rows.swap(last, dice.below(last as u64 + 1) as usize);
        }
        let lists_first = dice.below(2) == 0;
        if !lists_first {
            desk.store(rows.clone(), &[]);
        }
        self.imports.iter().for_each(|import| import.make(&desk));
        if lists_first {
            desk.store(rows, &[]);
        }
        desk
    }
}

fn addresses() -> Vec<String> {
    let wallets = (0..=WALLETS).map(|n| wallet(n as u8));
    wallets.chain(BITCOINS.map(str::to_owned)).collect()
}

/// What of an evidence does not hang on the choice between equals.
fn evidence_of(look: &Look) -> Vec<String> {
    let text = |evidence: &ExposureEvidence| {
        let ExposureEvidence { plain_hops, direct_values, unvalued, unknown, .. } = evidence;
        format!("{plain_hops} {direct_values:?} {unvalued} {unknown}")
    };
    look.near.iter().map(|(_, evidence)| evidence.as_ref().map_or_else(String::new, text)).collect()
}

/// The path of an exposure is there and is as long as it says.
fn check_paths(look: &Look, context: &str) {
    for (exposed, evidence) in look.near.iter().filter(|(exposed, _)| !exposed.hub) {
        let evidence = evidence.as_ref().unwrap_or_else(|| panic!("{context}: {exposed:?}"));
        let path = evidence.path.as_ref().unwrap_or_else(|| panic!("{context}: {exposed:?}"));
        assert_eq!(path.hops.len(), usize::from(exposed.hops), "{context}");
        assert!(evidence.plain_hops <= exposed.hops.into(), "{context}");
        let end = match exposed.direction {
            Direction::ReceivedFrom => &path.hops.first().unwrap().from,
            Direction::SentTo => &path.hops.last().unwrap().to,
        };
        // A path begins at the listed address, or at one that is joined with it.
        let listed = match &path.common_input {
            None => &end.address,
            Some(chain) => {
                let (first, last) = (chain.joins.first().unwrap(), chain.joins.last().unwrap());
                assert_eq!(first.from, end.address, "{context}");
                &last.to
            }
        };
        assert_eq!(path.common_input.is_some(), exposed.common_input, "{context}");
        assert_eq!(listed.to_string(), exposed.listed.1, "{context}");
    }
}

fn compare(desk: &Desk, fresh: &Desk, context: &str) -> usize {
    let heads = |desk: &Desk| {
        let heads = desk.engine().transfer_heads().heads;
        let text = |head: &lazaretto::ingest::ChainState| {
            let heights = head.kinds.iter().map(|(kind, own)| (*kind, own.heights.clone()));
            let heights: Vec<_> = heights.filter(|(_, heights)| !heights.is_empty()).collect();
            format!(
                "{} {} {:?} {:?} {heights:?}",
                head.transfers, head.unpositioned, head.first_time, head.last_time
            )
        };
        let loaded = heads.iter().filter(|head| head.head.transfers > 0);
        let heads = loaded.map(|head| (head.head.chain.to_string(), text(&head.head)));
        heads.collect::<BTreeMap<_, _>>()
    };
    assert_eq!(heads(desk), heads(fresh), "{context}");
    let mut seen = 0;
    for address in addresses() {
        for as_of in [None, Some(100), Some(300), Some(450)] {
            let as_of = as_of.map(|late| (start() + SignedDuration::from_secs(late)).to_string());
            let context = format!("{context}, {address} as of {as_of:?}");
            let [a, b] = [desk, fresh].map(|desk| desk.look(&address, as_of.as_deref()));
            let said = |look: &Look| (look.decision, look.score, look.covered, look.exposed());
            assert_eq!(said(&a), said(&b), "{context}");
            assert_eq!(a.incomplete, b.incomplete, "{context}");
            assert_eq!(evidence_of(&a), evidence_of(&b), "{context}");
            if as_of.is_none() {
                check_paths(&a, &context);
                check_paths(&b, &context);
                seen += a.near.len();
            }
        }
        let dealings = |desk: &Desk| {
            let query = CounterpartyQuery {
                address: address.clone(),
                chain: None,
                direction: None,
                after: None,
                limit: 1000,
            };
            let page = desk.engine().counterparties(&query).unwrap();
            let mut rows: Vec<_> = page
                .rows
                .iter()
                .map(|row| {
                    let others = &row.others;
                    format!(
                        "{:?} {:?} {:?} {others:?}",
                        row.direction, row.not_counted, row.transfer
                    )
                })
                .collect();
            rows.sort();
            rows
        };
        assert_eq!(dealings(desk), dealings(fresh), "{context}, {address}");
    }
    seen
}

#[test]
fn answers_are_those_of_an_engine_that_got_everything_at_once() {
    let seeds = std::env::var("LAZARETTO_SEEDS").map_or(1..31, |text| {
        let (from, to) = text.split_once("..").unwrap();
        from.parse().unwrap()..to.parse().unwrap()
    });
    let mut seen = 0;
    for seed in seeds {
        let mut dice = Dice(seed);
        let mut model = Model { set: SETTINGS[0], ..Model::default() };
        let mut desk = Desk::new(NOW, &with(model.set));
        for step in 1..=30 {
            desk = model.step(desk, &mut dice);
            if step % 10 == 0 && !model.imports.is_empty() {
                let fresh = model.at_once(&mut dice);
                desk.engine().wait_for_exposure(true).unwrap();
                seen += compare(&desk, &fresh, &format!("seed {seed}, step {step}"));
            }
        }
    }
    assert!(seen > 300, "too little was near anything: {seen}");
}

/// Transfers are there before any list: the first one is never answered from without them.
#[test]
fn the_first_list_does_not_clear_what_transfers_tie_to_it() {
    for _ in 0..5 {
        let desk = Desk::new(NOW, &with(&[]));
        let mut transfers: Vec<_> = (0..2000)
            .map(|n| sends(n, &wallet((n % 90) as u8 + 100), &wallet(99), start()))
            .collect();
        transfers.push(sends(2001, &wallet(0), &wallet(1), start()));
        desk.store(transfers, &[]);
        desk.import("adv", Some(ListKind::Advisory), &list_of(0).1, None).unwrap();
        let look = desk.look_at_once(&wallet(1), &ScopeFilter::default());
        assert_ne!(look.decision, Decision::Allow, "{look:?}");
        let look = desk.look(&wallet(1), None);
        assert_eq!((look.near.len(), look.incomplete.len()), (1, 0), "{look:?}");
    }
}

/// A listing that comes after its transfers, and goes: answers in between are behind or right.
#[test]
fn a_new_listing_is_in_force_or_said_to_be_behind() {
    let desk = Desk::new(NOW, &with(&[]));
    desk.store(vec![sends(1, &wallet(0), &wallet(1), start())], &[]);
    desk.import("adv", Some(ListKind::Advisory), &list_of(5).1, None).unwrap();
    assert_eq!(desk.look(&wallet(1), None).decision, Decision::Allow);
    desk.import("more", Some(ListKind::Advisory), &list_of(0).1, None).unwrap();
    let look = desk.look_at_once(&wallet(1), &ScopeFilter::default());
    let behind = look.incomplete.contains(&Incomplete::ExposureBehind);
    assert!(behind || look.near.len() == 1, "{look:?}");
    assert_eq!(desk.look(&wallet(1), None).near.len(), 1);
}

/// A retraction where nothing is stored makes labels of nothing: lists do not leave them behind.
#[test]
fn lists_are_in_force_where_nothing_was_taken_back() {
    for lists_first in [false, true] {
        let desk = Desk::new(NOW, &with(&[]));
        let import = |n: u8| {
            let id = format!("adv-{n}");
            desk.import(&id, Some(ListKind::Advisory), &list_of(n).1, None).unwrap();
        };
        if lists_first {
            import(1);
        }
        desk.engine().retract(&Chain::Evm(1), 0, None, "test").unwrap();
        desk.engine().wait_for_exposure(false).unwrap();
        import(2);
        import(3);
        let look = desk.look(&wallet(9), None);
        assert_eq!((look.decision, look.incomplete), (Decision::Allow, Vec::new()));
    }
}

/// Sessions at once, many times: whatever the order in which they say what they stored, nothing is
/// lost.
#[test]
fn nothing_is_lost_between_sessions() {
    const EACH: u64 = 60;
    let desk = Desk::new(NOW, &with(&[]));
    desk.import("adv", Some(ListKind::Advisory), &list_of(0).1, None).unwrap();
    std::thread::scope(|scope| {
        for session in 0..4u64 {
            let mut ours = desk.engine().begin_ingest();
            scope.spawn(move || {
                for n in 0..EACH {
                    let n = session * EACH + n;
                    let time = start() + SignedDuration::from_secs(n as i64);
                    let to = format!("0x{:040x}", 0x1_0000_0000 + n);
                    let transfer = unplaced(1, time, &wallet(0), &to, ETHER);
                    ours.append(vec![transfer], &[]).unwrap();
                }
            });
        }
    });
    desk.engine().wait_for_exposure(true).unwrap();
    for n in 0..4 * EACH {
        let look = desk.look(&format!("0x{:040x}", 0x1_0000_0000 + n), None);
        assert_eq!(look.near.len(), 1, "{n}: {look:?}");
    }
    let heads = desk.engine().transfer_heads();
    assert_eq!((heads.rows, heads.labelled_rows), (4 * EACH, 4 * EACH));
}

/// A list of one wallet, as a file.
fn list_of(n: u8) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.csv");
    let text = format!("address,ticker,party_uid,listed_on\n{},ETH,p,2025-11-01\n", wallet(n));
    std::fs::write(&path, text).unwrap();
    (dir, path)
}
