//! Past snapshots are rebuilt whole: over a random story of lists, policies, tags, transfers, coverage
//! and settings, every answer is given again field by field.

mod answers;

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use lazaretto::domain::chain::Chain;
use lazaretto::domain::coverage::{CoverageDeclaration, Extent, Gap, GapCause, Verdict};
use lazaretto::domain::list::ListKind;
use lazaretto::domain::tag::TagInput;
use lazaretto::domain::transfer::{Amount, Asset, Holder, Movement, MovementKind};
use lazaretto::engine::TagRequest;
use lazaretto::exposure::Direction;
use lazaretto::screening::ScopeFilter;
use lazaretto::screening::payment::Payment;
use lazaretto::screening::policy::Policy;

use crate::exposure_changes::{BITCOINS, Import, Model, NOW, SETTINGS, WALLETS, start, with};
use crate::support::desk::{Desk, list_id, wallet};
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
        let desk = match self.dice.below(24) {
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
        let import = Import::random(&mut self.dice);
        if self.dice.below(2) == 0 {
            let _held = desk.engine().payment_context();
            import.make(&desk);
            self.ask(&desk, false);
        } else {
            import.make(&desk);
        }
        self.model.imports.push(import);
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
    let replayed = story.answers.check(desk.engine(), &format!("seed {seed}"), |_| {});
    let shuffle = |ids: &mut Vec<String>| ids.sort_by_key(|id| id.bytes().rev().collect::<Vec<_>>());
    if batches == 1 {
        story.answers.check(desk.engine(), &format!("seed {seed}, in another order"), shuffle);
    }
    replayed
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
