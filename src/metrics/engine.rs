//! Metrics of the engine, read at each scrape: lists, sources, transfers, labels, store, policies.

use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::text::{Kind, Text};
use crate::domain::list::ListVersion;
use crate::engine::decision_log::DecisionLog;
use crate::engine::{Cause, Engine, ListOverview};
use crate::screening::snapshot::SnapshotList;

pub fn write_metrics(engine: &Engine, text: &mut Text) {
    let lists = engine.overview();
    let now = engine.now();
    ages(&lists, now, text);
    contents(engine, &lists, text);
    sources(&lists, text);
    transfers(engine, text);
    labels(engine, text);
    store(engine, text);
    policies(engine, text);
    decision_log(engine, text);
}

/// Writes a gauge with one sample per list that has a value.
fn by_list<V: std::fmt::Display>(
    text: &mut Text,
    lists: &[ListOverview],
    (name, help): (&'static str, &str),
    value: impl Fn(&ListOverview) -> Option<V>,
) {
    text.family(name, Kind::Gauge, help);
    for list in lists {
        if let Some(value) = value(list) {
            text.sample(&[("list", list.id.as_str())], value);
        }
    }
}

/// Like [`by_list`], for loaded lists.
fn by_loaded<V: std::fmt::Display>(
    text: &mut Text,
    lists: &[ListOverview],
    named: (&'static str, &str),
    value: impl Fn(&SnapshotList) -> Option<V>,
) {
    by_list(text, lists, named, |list| list.loaded.as_ref().and_then(&value));
}

fn ages(lists: &[ListOverview], now: Timestamp, text: &mut Text) {
    let named = ("list_age_seconds", "How long ago a list was last known to be current.");
    by_loaded(text, lists, named, |list| Some(list.age_at(now)?.as_secs()));
    let named = ("list_max_age_seconds", "The age from which a list is stale; absent: never.");
    by_list(text, lists, named, |list| match (&list.loaded, &list.settings) {
        (Some(loaded), _) => loaded.terms().max_age.map(|age| age.as_secs()),
        (None, Some(settings)) if !settings.is_static => {
            settings.max_age.map(|age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
        }
        (None, _) => None,
    });
    let named =
        ("list_stale", "1 where a list is older than its limit, or the clock is behind it.");
    by_loaded(text, lists, named, |list| Some(u8::from(list.counts_as_stale(now))));
    let named = (
        "list_age_declared",
        "1 where the age of a list counts from a look at its source that was declared by hand.",
    );
    let is_declared = |list: &SnapshotList| list.state().check.declared_check_in_force().is_some();
    by_loaded(text, lists, named, |list| Some(u8::from(is_declared(list))));
}

fn contents(engine: &Engine, lists: &[ListOverview], text: &mut Text) {
    let missing = engine.readiness().missing;
    let named = ("list_required", "1 where answers are INCOMPLETE without the list.");
    by_list(text, lists, named, |list| {
        let required = match &list.loaded {
            Some(loaded) => loaded.terms().required,
            None => missing.contains(&list.id),
        };
        Some(u8::from(required))
    });
    let named = ("list_loaded", "1 where a list is loaded.");
    by_list(text, lists, named, |list| Some(u8::from(list.loaded.is_some())));
    let named = ("list_listings", "Rows that stand, those pending removal among them.");
    by_loaded(text, lists, named, |list| Some(list.state().version.counts.listings));
    let named = ("list_quarantined", "Rows that stand with an address that is not understood.");
    by_loaded(text, lists, named, |list| Some(list.state().version.counts.quarantined));
    let named = ("list_pending_removals", "Rows whose removal waits to be confirmed.");
    by_loaded(text, lists, named, |list| Some(list.state().version.counts.removals_pending));
    text.family("list_info", Kind::Gauge, "The version of a list that is in force; always 1.");
    for list in lists {
        let Some(loaded) = &list.loaded else { continue };
        let ListVersion { version, digest, .. } = &loaded.state().version;
        let (version, digest) = (version.to_string(), HEXLOWER.encode(digest));
        let labels = [
            ("list", list.id.as_str()),
            ("kind", loaded.kind().as_str()),
            ("version", &version),
            ("digest", &digest),
        ];
        text.sample(&labels, 1);
    }
}

fn sources(lists: &[ListOverview], text: &mut Text) {
    let help = "How often a list's source was read since the start, by how that ended.";
    text.family("refreshes_total", Kind::Counter, help);
    for list in lists {
        let Some(source) = &list.source else { continue };
        for (outcome, count) in [("succeeded", source.succeeded), ("failed", source.failed)] {
            text.sample(&[("list", list.id.as_str()), ("outcome", outcome)], count);
        }
    }
    let help = "Why URLs of a list's source, or its file, failed since the start, by cause.";
    text.family("source_failures_total", Kind::Counter, help);
    for list in lists {
        let Some(source) = &list.source else { continue };
        for (cause, count) in Cause::ALL.iter().zip(source.causes) {
            text.sample(&[("list", list.id.as_str()), ("cause", cause.as_str())], count);
        }
    }
    let help = "Questions whether a list's source has a new publication, by what was answered.";
    text.family("source_probes_total", Kind::Counter, help);
    for list in lists.iter().filter(|list| list.is_probed()) {
        let Some(source) = &list.source else { continue };
        let probe = &source.probe;
        let outcomes =
            [("unchanged", probe.unchanged), ("new", probe.announced), ("failed", probe.failed)];
        for (outcome, count) in outcomes {
            text.sample(&[("list", list.id.as_str()), ("outcome", outcome)], count);
        }
    }
    let named =
        ("list_last_success_timestamp_seconds", "When a list's source was last read, Unix time.");
    by_list(text, lists, named, |list| Some(list.source.as_ref()?.last_success?.as_second()));
}

fn transfers(engine: &Engine, text: &mut Text) {
    let known = engine.transfer_heads();
    let heads: Vec<_> =
        known.heads.iter().map(|head| (head.head.chain.caip2().into_owned(), &head.head)).collect();
    let kinds = || {
        let of_chain = heads.iter().zip(&known.heads);
        of_chain.flat_map(|((chain, _), head)| {
            head.coverage.kinds.iter().map(move |kind| (chain.as_str(), kind))
        })
    };
    let help = "The time of a chain's last transfer, Unix time.";
    text.family("transfer_head_timestamp_seconds", Kind::Gauge, help);
    for (chain, head) in &heads {
        if let Some(time) = head.last_time {
            text.sample(&[("chain", chain)], time);
        }
    }
    let help = "The last block of a chain that was seen or declared, by kind of movement.";
    text.family("transfer_head_height", Kind::Gauge, help);
    for (chain, kind) in kinds() {
        if let Some(height) = kind.last_height {
            text.sample(&[("chain", chain), ("kind", kind.kind.as_str())], height);
        }
    }
    text.family("transfers", Kind::Gauge, "Transfers that count, of all chains.");
    text.sample(&[], heads.iter().map(|(_, head)| head.transfers).sum::<u64>());
    let help = "Known gaps of a chain, between its blocks and within them, by kind of movement.";
    text.family("transfer_gaps", Kind::Gauge, help);
    for (chain, kind) in kinds() {
        let gaps = kind.spans.saturating_sub(1) + kind.gaps;
        text.sample(&[("chain", chain), ("kind", kind.kind.as_str())], gaps);
    }
    let help = "1 where everything of a kind of movement is known that covering the chain needs.";
    text.family("transfers_whole", Kind::Gauge, help);
    for (chain, kind) in kinds().filter(|(_, kind)| kind.is_needed) {
        let labels = [("chain", chain), ("kind", kind.kind.as_str())];
        text.sample(&labels, u8::from(kind.shortfall.is_none()));
    }
    let help = "Contradictions between transfers of a chain that are not settled.";
    text.family("transfer_conflicts", Kind::Gauge, help);
    for head in &known.heads {
        text.sample(&[("chain", &head.head.chain.caip2())], head.conflicts);
    }
    let help = "Untagged hubs, where paths end; absent while transfers are read in or labelled.";
    text.family("hubs", Kind::Gauge, help);
    if let Some(hubs) = engine.hub_counts() {
        for head in &known.heads {
            let count = hubs.get(&head.head.chain).copied().unwrap_or(0);
            text.sample(&[("chain", &head.head.chain.caip2())], count);
        }
    }
    let help = "Stored transfers that the labels of exposure do not know yet.";
    text.family("exposure_waiting_transfers", Kind::Gauge, help);
    text.sample(&[], known.rows.saturating_sub(known.labelled_rows));
}

fn labels(engine: &Engine, text: &mut Text) {
    let snapshot = engine.snapshot();
    let exposure = snapshot.as_deref().map(|snapshot| snapshot.exposure());
    let flag = |flag: Option<bool>| u8::from(flag.unwrap_or(false));
    let help = "1 while the labels of exposure do not know what is loaded: answers are INCOMPLETE.";
    text.family("exposure_behind", Kind::Gauge, help);
    text.sample(&[], flag(exposure.map(|exposure| exposure.behind)));
    let help = "1 where exposure can no longer be kept up to date until a restart.";
    text.family("exposure_failed", Kind::Gauge, help);
    text.sample(&[], flag(exposure.map(|exposure| exposure.failed.is_some())));
    text.family("exposure_labels", Kind::Gauge, "Addresses that have a label of exposure.");
    let labels = exposure.and_then(|exposure| exposure.labels.as_ref());
    text.sample(&[], labels.map_or(0, |labels| labels.len()));
    let help =
        "The lists and the policy in force, by the first part of the snapshot's id; always 1.";
    text.family("snapshot_info", Kind::Gauge, help);
    if let Some(snapshot) = &snapshot {
        // The rest of the id changes with every block, and each value is another time series.
        text.sample(&[("snapshot", snapshot.record_name())], 1);
    }
}

fn store(engine: &Engine, text: &mut Text) {
    text.family("store_size_bytes", Kind::Gauge, "The files of the store; absent: unreadable.");
    match engine.store_size() {
        Ok(bytes) => text.sample(&[], bytes),
        // At debug, because it repeats at each scrape; the missing sample shows it.
        Err(error) => tracing::debug!(%error, "store size unreadable"),
    }
    let help =
        "0 while the store takes no changes: no room, a read-only disk, or its files were removed.";
    text.family("store_writable", Kind::Gauge, help);
    text.sample(&[], u8::from(engine.store_writable()));
}

fn policies(engine: &Engine, text: &mut Text) {
    let policies = engine.policies();
    let help = "The policy in force, and the shadow where there is one; always 1.";
    text.family("policy_info", Kind::Gauge, help);
    let shadow = policies.shadow.as_ref().map_or("", |shadow| shadow.policy.version());
    text.sample(&[("version", policies.live.policy.version()), ("shadow", shadow)], 1);
    let help = "Problems found when the files of policies were last read: what was in force stays.";
    text.family("policy_reload_problems", Kind::Gauge, help);
    text.sample(&[], policies.problems.len());
    let help = "What the policy in force and the shadow decided, since the shadow was read.";
    text.family("shadow_screenings_total", Kind::Counter, help);
    for (live, shadow, count) in &policies.shadow_counts {
        text.sample(&[("live", live.as_str()), ("shadow", shadow.as_str())], count);
    }
}

fn decision_log(engine: &Engine, text: &mut Text) {
    let log = engine.decision_log();
    let status = log.map(DecisionLog::status).unwrap_or_default();
    let help = "1 where every screening is recorded in the decision log.";
    text.family("decision_log_enabled", Kind::Gauge, help);
    text.sample(&[], u8::from(log.is_some()));
    text.family("decision_log_leaves", Kind::Gauge, "Leaves of the decision log.");
    text.sample(&[], status.leaves);
    let help = "Leaves of the decision log that are synced to disk.";
    text.family("decision_log_synced_leaves", Kind::Gauge, help);
    text.sample(&[], status.synced);
    let help = "When the last checkpoint was signed, Unix time; 0: none since the start.";
    text.family("decision_log_checkpoint_timestamp_seconds", Kind::Gauge, help);
    text.sample(&[], status.checkpoint_at);
    text.family("decision_log_failed", Kind::Gauge, "1 while the decision log cannot be written.");
    text.sample(&[], u8::from(status.is_failed));
    let help = "Answers that left without a record.";
    text.family("decision_log_unrecorded_answers_total", Kind::Counter, help);
    text.sample(&[], status.unrecorded);
    let help = "Checkpoints that the configured file or URL did not take.";
    text.family("decision_log_checkpoint_failures_total", Kind::Counter, help);
    text.sample(&[], status.witness_failures);
}
