//! Past snapshots are rebuilt whole: over a random story of lists, policies, tags, transfers, coverage
//! and settings, every answer is given again field by field.

mod answers;
mod on_record;

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use lazaretto::domain::chain::Chain;
use lazaretto::domain::coverage::{CoverageDeclaration, Extent, Gap, GapCause, Verdict};
use lazaretto::domain::list::ListKind;
use lazaretto::domain::publication::Force;
use lazaretto::domain::tag::TagInput;
use lazaretto::domain::transfer::{Amount, Asset, Holder, Movement, MovementKind};
use lazaretto::engine::{
    Declaration, EngineError, NotRebuilt, RebuildLimits, TagRequest, check_named_record,
};
use lazaretto::exposure::Direction;
use lazaretto::screening::ScopeFilter;
use lazaretto::screening::payment::Payment;
use lazaretto::screening::policy::Policy;
use lazaretto::store::backup::restore;
use lazaretto::store::verify_backup;

use crate::exposure_changes::{BITCOINS, Import, Model, NOW, SETTINGS, WALLETS, start, with};
use crate::support::desk::{Desk, list_id, sends, wallet};
use crate::support::dice::Dice;
use answers::{Answers, Question};

/// Settings of a start, beside those of the model.
const MORE_SETTINGS: [&[&str]; 6] = [
    &["chains.ethereum.required=native", "exposure.cluster_limit=2"],
    &["exposure.risk_categories=exchange", "chains.optimism.max_age=1h"],
    &["chains.bitcoin.common_input=false", "exposure.hub_limit=3"],
    &["exposure.max_hops=2", "chains.bitcoin.required=true", "chains.bitcoin.max_age=1d"],
    &["exposure.service_categories=scam,hack"],
    &["assets.optimism.native.floor=2", "chains.ethereum.max_age=1d"],
];

const ETHER: u128 = 1_000_000_000_000_000_000;

/// A story: what was done, and what was answered meanwhile.
struct Story {
    dice: Dice,
    model: Model,
    answers: Answers,
    policies: tempfile::TempDir,
    /// How many questions are asked at a moment.
    asked: u64,
    /// How many batches of transfers come at once.
    batches: u64,
}

/// Policy number `n`, one of five.
fn policy(n: u64) -> String {
    let edits = [
        ("received_from = [60, 50,", "received_from = [60, 55,"),
        ("hub_percent = 50", "hub_percent = 80"),
        ("ADVISORY = 75", "ADVISORY = 40"),
        ("ATTRIBUTION = 75", "ATTRIBUTION = 20"),
        ("at_least_percent = 10\n", "at_least_percent = 5\n"),
    ];
    let (from, to) = edits[n as usize];
    let text = Policy::built_in().text().to_owned();
    assert!(text.contains(from), "{from}");
    // No more than the least setting of the story.
    let text = text.replacen("max_hops = 5", "max_hops = 2", 1);
    let name = Policy::built_in().version().split('@').next().unwrap().to_owned();
    text.replace(from, to).replacen(&format!("\"{name}\""), &format!("\"policy-{n}\""), 1)
}

fn policy_path(dir: &Path) -> std::path::PathBuf {
    dir.join("policy.toml")
}

impl Story {
    fn new(seed: u64, asked: u64, batches: u64) -> (Self, Desk) {
        let policies = tempfile::tempdir().unwrap();
        std::fs::write(policy_path(policies.path()), policy(0)).unwrap();
        let setting = format!("policy={}", policy_path(policies.path()).display());
        let mut model = Model::default();
        model.set = SETTINGS[0];
        model.always = vec![Box::leak(setting.into_boxed_str())];
        let desk = Desk::new(NOW, &[with(model.set), model.always.clone()].concat());
        let (dice, answers) = (Dice(seed), Answers::default());
        (Self { dice, model, answers, policies, asked, batches }, desk)
    }

    fn step(&mut self, desk: Desk) -> Desk {
        let desk = match self.dice.below(26) {
            0..=9 => self.model.step(desk, &mut self.dice),
            10..=12 => {
                for _ in 0..self.batches {
                    self.append(&desk);
                }
                desk
            }
            13 => self.bulk_load(desk),
            14 => self.open_conflict(desk),
            15..=16 => self.import(desk),
            24..=25 => self.wait(desk),
            17 => self.tag(desk),
            18..=19 => self.declare(desk),
            20 => self.gap(desk),
            21..=22 => {
                let text = policy(self.dice.below(5));
                std::fs::write(policy_path(self.policies.path()), text).unwrap();
                desk.engine().reload_policies().unwrap();
                desk
            }
            _ => {
                self.model.set = if self.dice.below(2) == 0 {
                    self.dice.of(&MORE_SETTINGS)
                } else {
                    self.dice.of(&SETTINGS)
                };
                self.model.restarted(desk)
            }
        };
        // The labels may be behind here, as chance has it.
        self.ask(&desk, false);
        desk.engine().wait_for_exposure(true).unwrap();
        self.ask(&desk, true);
        desk
    }

    fn append(&mut self, desk: &Desk) {
        let batch = self.model.batch(&mut self.dice);
        desk.engine().begin_ingest().append(batch.clone(), &[]).unwrap();
        self.model.rows.extend(batch);
    }

    /// A bulk load: what is stored of it is not labelled before its end.
    fn bulk_load(&mut self, desk: Desk) -> Desk {
        let mut session = desk.engine().begin_ingest();
        for _ in 0..=self.dice.below(3) {
            let batch = self.model.batch(&mut self.dice);
            session.append_durable(batch.clone(), &[]).unwrap();
            self.model.rows.extend(batch);
            self.ask(&desk, false);
        }
        if self.dice.below(2) == 0 {
            session.finish().unwrap();
        } else {
            drop(session);
        }
        desk
    }

    /// Two contradictory rows count until their conflict is settled.
    fn open_conflict(&mut self, desk: Desk) -> Desk {
        let placed = self.model.rows.iter().filter(|row| row.position().is_some());
        let placed: Vec<_> =
            placed.filter(|row| matches!(row.movement, Movement::Account(_))).collect();
        if placed.is_empty() {
            return desk;
        }
        let mut other = placed[self.dice.below(placed.len() as u64) as usize].clone();
        if let Movement::Account(account) = &mut other.movement {
            account.to = Some(Holder::parse(&wallet(WALLETS as u8), &other.chain).unwrap());
            account.amount = Amount::new(5 * ETHER + u128::from(self.dice.below(1 << 60)));
        }
        desk.engine().begin_ingest().append(vec![other], &[]).unwrap();
        desk.engine().wait_for_exposure(true).unwrap();
        self.ask(&desk, true);
        let open = desk.engine().conflicts(None, false, None, 10).unwrap();
        for (number, ..) in open {
            desk.engine().settle_conflict(number, Verdict::First, "a node says so").unwrap();
        }
        desk
    }

    /// A list changes; the graph is held now and then, so that labels are behind for sure.
    fn import(&mut self, desk: Desk) -> Desk {
        let held =
            (self.dice.below(2) == 0).then(|| desk.engine().payment_context(desk.engine().now()));
        if self.dice.below(2) == 0 {
            Import::random(&mut self.dice).make(&desk);
        } else {
            self.publish(&desk);
        }
        if held.is_some() {
            self.ask(&desk, false);
        }
        drop(held);
        desk
    }

    /// Publishes a list of rows that go and come, by hand or as its source has it, with gates or without.
    fn publish(&mut self, desk: &Desk) {
        let dice = &mut self.dice;
        let (id, kind) = dice.of(&[
            ("sanctions", ListKind::Sanctions),
            ("sanctions", ListKind::Sanctions),
            ("seized", ListKind::Seizure),
            ("tagged", ListKind::Attribution),
        ]);
        let mut csv = "address,ticker,party_uid,party_name,listed_on,category\n".to_owned();
        let name = dice.of(&["Alice", "Bob"]);
        for n in 0..WALLETS {
            if dice.below(3) == 0 {
                continue;
            }
            let day = dice.of(&["2025-11-01", "2025-11-20", ""]);
            let category = dice.of(&["exchange", "scam", "hack", ""]);
            let party = n / 3;
            csv += &format!("{},ETH,p{party},{name},{day},{category}\n", wallet(n as u8));
        }
        if dice.below(4) == 0 {
            csv += &format!("{},XBT,p9,Carol,2025-11-01,\n", dice.of(&BITCOINS));
            csv += "not an address,ETH,p9,Carol,2025-11-01,\n";
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.csv");
        std::fs::write(&path, csv).unwrap();
        let declaration = (dice.below(4) == 0).then(|| Declaration { at: None, by: "test".into() });
        let import = lazaretto::engine::Import {
            id: list_id(id),
            kind: Some(kind),
            format: None,
            file_name: "list.csv".to_owned(),
            force: (dice.below(3) == 0).then(|| Force::all("test")),
            published: None,
            refreshes_age: dice.below(2) == 0,
            declaration,
            is_trial: false,
        };
        match desk.engine().import(&import, &path) {
            Ok(_) | Err(EngineError::Refused(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Time goes on.
    fn wait(&mut self, desk: Desk) -> Desk {
        let now = desk.engine().now() + SignedDuration::from_secs(self.dice.below(90_000) as i64);
        desk.set_clock(&now.to_string());
        self.model.now = Some(now.to_string());
        desk
    }

    fn tag(&mut self, desk: Desk) -> Desk {
        let kind = self.dice.of(&[ListKind::Attribution, ListKind::Service]);
        let id = if kind == ListKind::Service { "own-services" } else { "own-tags" };
        let request = TagRequest {
            id: list_id(id),
            kind: Some(kind),
            draft: TagInput {
                address: wallet(self.dice.below(WALLETS) as u8),
                chain: None,
                category: self.dice.of(&["exchange", "scam", "hack", "exchange,scam"]).to_owned(),
                label: Some("a label".to_owned()),
                reference: None,
            },
            replaces: true,
            by: "test".to_owned(),
            is_trial: false,
        };
        desk.engine().add_tag(&request).unwrap();
        desk
    }

    fn declare(&mut self, desk: Desk) -> Desk {
        let chain = self.dice.of(&[Chain::Evm(1), Chain::Evm(10), Chain::Bitcoin]);
        let kinds = match chain {
            Chain::Bitcoin => vec![MovementKind::Utxo],
            _ => vec![MovementKind::Native, MovementKind::Tokens],
        };
        let extent = if self.dice.below(3) == 0 {
            let from = start().as_second() as u64;
            Extent::Times(from..=from + self.dice.below(2000))
        } else {
            let from = self.dice.below(30);
            Extent::Heights(from..=from + self.dice.below(40))
        };
        let is_clean_import = self.dice.below(2) == 0;
        let covered = CoverageDeclaration { chain, kinds, extent, is_clean_import };
        desk.engine().declare(&[covered]).unwrap();
        desk
    }

    fn gap(&mut self, desk: Desk) -> Desk {
        let height = self.dice.below(40);
        let gap = Gap {
            kind: MovementKind::Native,
            extent: Extent::Heights(height..=height + self.dice.below(3)),
            cause: GapCause::Rejected,
            place: None,
        };
        let mut session = desk.engine().begin_ingest();
        session.add_gaps([(Chain::Evm(1), gap)]);
        let batch = self.model.batch(&mut self.dice);
        session.append(batch.clone(), &[]).unwrap();
        self.model.rows.extend(batch);
        desk
    }

    /// Asks random questions. `is_settled`: labels are up to date, so that searches and payments have a
    /// graph that equals them.
    fn ask(&mut self, desk: &Desk, is_settled: bool) {
        let Some(snapshot) = desk.engine().snapshot() else { return };
        for _ in 0..self.asked {
            let question = self.question(desk.engine().now(), &snapshot, is_settled);
            self.answers.ask(desk.engine(), &snapshot, question);
        }
    }

    fn question(
        &mut self,
        now: Timestamp,
        snapshot: &lazaretto::screening::snapshot::Snapshot,
        is_settled: bool,
    ) -> Question {
        let dice = &mut self.dice;
        let address = match dice.below(5) {
            0 => dice.of(&BITCOINS).to_owned(),
            _ => wallet(dice.below(WALLETS + 1) as u8),
        };
        let chain = (dice.below(4) == 0 && address.starts_with("0x")).then_some(Chain::Evm(10));
        let mut filter = ScopeFilter::default();
        if dice.below(4) == 0 {
            filter.max_hops = Some(dice.below(5) as u8);
        }
        if is_settled && dice.below(4) == 0 {
            filter.as_of = Some(start() + SignedDuration::from_secs(dice.below(700) as i64));
        }
        if is_settled && dice.below(4) == 0 {
            let lists = snapshot.lists().iter().filter(|_| dice.below(2) == 0);
            filter.lists = lists.map(|list| list.id().clone()).collect();
        }
        let payment = (is_settled && dice.below(4) == 0).then(|| Payment {
            sources: vec![wallet(dice.below(WALLETS) as u8)],
            destinations: vec![wallet(dice.below(WALLETS) as u8)],
            chain: Chain::Evm(1),
            asset: if dice.below(4) == 0 { Asset::Contract([9; 20]) } else { Asset::Native },
            amount: Amount::from(dice.of(&[1, ETHER, 900 * ETHER])),
            direction: dice.of(&Direction::ALL),
        });
        Question { now, address, chain, filter, payment }
    }
}

/// Tells a story until so many answers were given, and gives them again. Returns how many, from how many
/// snapshots.
fn tell(seed: u64, mut left: u64, asked: u64, batches: u64) -> (usize, usize) {
    let (mut story, mut desk) = Story::new(seed, asked, batches);
    while left > 0 {
        let before = story.answers.count() as u64;
        desk = story.step(desk);
        left = left.saturating_sub((story.answers.count() as u64 - before).max(1));
    }
    let lists: u64 = desk.engine().snapshot().map_or(0, |snapshot| {
        snapshot.lists().iter().map(|list| list.state().version.version).max().unwrap_or(0)
    });
    eprintln!("seed {seed}: {lists} list versions, {}", story.answers.tally());
    // In their order, after a restart, and in another order.
    let desk = story.model.restarted(desk);
    desk.engine().wait_for_exposure(true).unwrap();
    let (rows, begun) = (desk.engine().transfer_state().rows, std::time::Instant::now());
    let replayed = story.answers.check(desk.engine(), &format!("seed {seed}"), |_| {});
    eprintln!("seed {seed}: replayed over {rows} stored rows in {:?}", begun.elapsed());
    let (begun, now) = (std::time::Instant::now(), desk.engine().now());
    let records = story.answers.on_record.replay(desk.engine(), now);
    eprintln!("seed {seed}: {records} records replayed in {:?}", begun.elapsed());
    let shuffle =
        |ids: &mut Vec<String>| ids.sort_by_key(|id| id.bytes().rev().collect::<Vec<_>>());
    if batches == 1 {
        story.answers.check(desk.engine(), &format!("seed {seed}, in another order"), shuffle);
    }
    replayed
}

/// A story of one wallet's payments to another, and the ids of its snapshots.
fn short_story() -> (Desk, Vec<String>) {
    let desk = Desk::new(NOW, &with(&[]));
    let mut ids = Vec::new();
    let mut id = |desk: &Desk| {
        desk.engine().wait_for_exposure(true).unwrap();
        ids.push(desk.engine().snapshot().unwrap().id().to_owned());
    };
    Import::of("adv", ListKind::Advisory, &[0]).make(&desk);
    id(&desk);
    for height in 1..4 {
        desk.store(vec![sends(height, &wallet(0), &wallet(height as u8), start())], &[]);
        id(&desk);
    }
    desk.engine().retract(&Chain::Evm(1), 3, None, "test").unwrap();
    id(&desk);
    (desk, ids)
}

#[track_caller]
fn check_not_rebuilt(desk: &Desk, id: &str, want: &NotRebuilt) {
    let mut rebuilder = desk.engine().rebuilder(RebuildLimits::default());
    match rebuilder.rebuild(id) {
        Err(EngineError::SnapshotNotKept { id: of, why }) => assert_eq!((&*of, &why), (id, want)),
        other => panic!("{id}: {:?}", other.map(|rebuilt| rebuilt.snapshot().id().to_owned())),
    }
}

#[test]
fn what_cannot_be_rebuilt_says_why() {
    let (desk, ids) = short_story();
    let mut rebuilder = desk.engine().rebuilder(RebuildLimits::default());
    for id in &ids {
        assert_eq!(rebuilder.rebuild(id).unwrap().snapshot().id(), id);
    }
    let [empty, one, two, three, _] = &ids[..] else { panic!("{ids:?}") };
    for wrong in ["", "0123456789abcdef", "0123456789abcdef-c1"] {
        let error = rebuilder.rebuild(wrong).unwrap_err();
        assert!(matches!(error, EngineError::UnknownSnapshot(_)), "{error}");
    }
    // An id that is put together of others.
    let numbers = |id: &str, from: &str, to: &str| {
        assert!(id.contains(from), "{id}");
        id.replacen(from, to, 1)
    };
    check_not_rebuilt(&desk, &numbers(one, "-1-", "-9-"), &NotRebuilt::NoSuchTransfers);
    check_not_rebuilt(&desk, &numbers(one, "-1-", "-1-1-"), &NotRebuilt::NoSuchTransfers);
    check_not_rebuilt(&desk, &format!("{two}-d7"), &NotRebuilt::NoSuchTransfers);
    check_not_rebuilt(&desk, &format!("{three}-b12"), &NotRebuilt::UnnamedBasis);
    let basis = "0123456789abcdef";
    let behind = format!("{three}-b{basis}.0.0.3");
    check_not_rebuilt(&desk, &behind, &NotRebuilt::Basis(basis.to_owned()));
    check_not_rebuilt(&desk, &format!("{empty}-b0.0.0.99"), &NotRebuilt::NoSuchTransfers);
    // Labels were there: an id without them is of no snapshot.
    check_not_rebuilt(&desk, &format!("{three}-b0.0.0.3"), &NotRebuilt::Differs);
    check_not_rebuilt(&desk, &format!("{three}-f"), &NotRebuilt::ExposureFailed);
    check_not_rebuilt(&desk, &format!("{empty}-u01234567"), &NotRebuilt::ListsNotStored);
}

#[test]
fn a_graph_beyond_the_limit_of_memory_is_not_built() {
    let (desk, ids) = short_story();
    let mut rebuilder = desk.engine().rebuilder(RebuildLimits { graph_bytes: 900 });
    assert!(rebuilder.rebuild(&ids[2]).is_ok());
    let error = rebuilder.rebuild(&ids[3]).unwrap_err();
    let EngineError::SnapshotNotKept { why, .. } = &error else { panic!("{error}") };
    assert_eq!(*why, NotRebuilt::TooLarge { estimated: 1200, limit: 900 });
    assert!(rebuilder.rebuild(&ids[1]).is_ok(), "the next one is");
}

/// A day of a chain that is not required, after which it is stale, is part of the snapshot.
#[test]
fn the_age_at_which_a_chain_is_stale_is_part_of_an_id() {
    let (desk, ids) = short_story();
    let last = ids.last().unwrap();
    let aged = with(&["chains.ethereum.max_age=1h"]);
    let desk = Desk::on(desk.closed(), NOW, &aged);
    desk.engine().wait_for_exposure(true).unwrap();
    let now = desk.engine().snapshot().unwrap().id().to_owned();
    assert_ne!(now, *last);
    let mut rebuilder = desk.engine().rebuilder(RebuildLimits::default());
    let mut age = |id: &str| rebuilder.rebuild(id).unwrap().snapshot().exposure().chains[0].max_age;
    assert_eq!([age(&now), age(last)], [Some(SignedDuration::from_hours(1)), None]);
}

#[test]
fn a_restored_backup_rebuilds_what_the_store_did() {
    let (mut story, mut desk) = Story::new(7, 3, 1);
    while story.answers.count() < 150 {
        desk = story.step(desk);
    }
    let mut backup = Vec::new();
    desk.engine().backup(&mut backup).unwrap();
    let verified = verify_backup(&*backup, &check_named_record).unwrap();
    assert_eq!(verified.problems, Vec::<String>::new());
    assert!(verified.coverages > 10 && verified.settings > 0 && verified.label_bases > 1);
    drop(desk);
    let dir = tempfile::tempdir().unwrap();
    restore(dir.path(), &*backup, 64 << 20, &check_named_record).unwrap();
    let desk = Desk::on(dir, NOW, &with(&[]));
    story.answers.check(desk.engine(), "restored", |_| {});
}

#[test]
fn every_answer_is_given_again_from_its_snapshot() {
    let answers = std::env::var("LAZARETTO_REPLAY").map(|text| text.parse().unwrap());
    if let Ok(answers) = answers {
        let seed = std::env::var("LAZARETTO_SEEDS").map_or(1, |text| text.parse().unwrap());
        let (replayed, snapshots) = tell(seed, answers, 25, 4);
        eprintln!("{replayed} answers from {snapshots} snapshots are equal");
        return;
    }
    let mut seen = (0, 0);
    for seed in 1..=6 {
        let (replayed, snapshots) = tell(seed, 250, 3, 1);
        seen = (seen.0 + replayed, seen.1 + snapshots);
    }
    assert!(seen.0 > 1000 && seen.1 > 100, "too little was asked: {seen:?}");
}
