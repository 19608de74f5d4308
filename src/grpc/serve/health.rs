//! Health: whether the server has started, is ready or is shutting down, for probes and load balancers
//! (`grpc.health.v1`) and for the operations port.
//!
//! The server stays ready while labels catch up with a publication, or every replica would become
//! unready at once. Answers are INCOMPLETE meanwhile, and a metric says so.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::engine::{Engine, Readiness};
use crate::grpc::v1::policy_service_server::SERVICE_NAME as POLICIES;
use crate::grpc::v1::sanctions_list_service_server::SERVICE_NAME as LISTS;
use crate::grpc::v1::screening_service_server::SERVICE_NAME as SCREENING;
use crate::grpc::v1::store_service_server::SERVICE_NAME as STORE;
use crate::grpc::v1::transfer_service_server::SERVICE_NAME as TRANSFERS;
use crate::grpc::wire::MAX_QUESTION;
use crate::metrics::Metrics;

/// Service names that report readiness.
const READINESS: [&str; 3] = ["", SCREENING, "readiness"];

/// Services that answer whatever is loaded: lists and transfers can be imported before any list is
/// there, policies be read, the store be kept.
const ALWAYS: [&str; 4] = [LISTS, TRANSFERS, POLICIES, STORE];

/// Under which name the process says that it answers at all.
const LIVENESS: &str = "liveness";

/// Under which name it says that it has started.
const STARTUP: &str = "startup";

/// Staleness comes with time alone: how often it is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What is true at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceHealth {
    /// Whether it was once whole: every required list loaded, and labels caught up with it.
    pub has_started: bool,
    /// Why the server is not ready; `None` where it is.
    pub unready: Option<Unready>,
}

/// Why the server is not ready. What it displays names lists, and files of the store without their
/// directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unready {
    /// Nothing was looked at yet.
    Unknown,
    Draining,
    /// No list is loaded, or required ones are not.
    Lists(Readiness),
    /// Required lists are stale, and that is configured to count.
    Stale(Readiness),
    /// Publications of required lists were read and could not be stored.
    NotStored(Readiness),
    /// The store's files were removed, moved or replaced.
    Store(String),
    /// The decision log cannot be written, and answers without a record are refused.
    Log,
    /// It has not started: labels do not know yet what is loaded.
    Labels,
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |lists: &[crate::domain::list::ListId]| {
            lists.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Unknown => f.write_str("starting"),
            Self::Draining => f.write_str("the server is ending"),
            Self::Lists(found) if found.missing.is_empty() => f.write_str("no list is loaded"),
            Self::Lists(found) => {
                write!(f, "required and not loaded: {}", names(&found.missing))
            }
            Self::Stale(found) => write!(f, "required and stale: {}", names(&found.stale)),
            Self::NotStored(found) => {
                write!(f, "required and not stored: {}", names(&found.not_stored))
            }
            Self::Store(why) => f.write_str(why),
            Self::Log => f.write_str("the decision log cannot be written"),
            Self::Labels => f.write_str("the labels of exposure have not caught up yet"),
        }
    }
}

/// The health of the server, on both of its ports.
#[derive(Debug)]
pub struct Health {
    unready_when_stale: bool,
    /// Of the main port, whose watches end with the calls, and of the operations port, which goes
    /// on to the end of the process.
    reporters: [HealthReporter; 2],
    health: watch::Sender<ServiceHealth>,
    draining: AtomicBool,
    /// Held while a change is published, so that changes are published in order.
    telling: Mutex<()>,
}

impl Health {
    /// Health that knows nothing yet and so is not ready.
    pub fn new(unready_when_stale: bool) -> Self {
        let health = ServiceHealth { has_started: false, unready: Some(Unready::Unknown) };
        Self {
            unready_when_stale,
            reporters: [HealthReporter::new(), HealthReporter::new()],
            health: watch::Sender::new(health),
            draining: AtomicBool::new(false),
            telling: Mutex::new(()),
        }
    }

    /// `grpc.health.v1.Health` of the main port.
    pub fn service(&self) -> HealthServer<HealthService> {
        service(&self.reporters[0])
    }

    /// `grpc.health.v1.Health` of the operations port.
    pub fn operations_service(&self) -> HealthServer<HealthService> {
        service(&self.reporters[1])
    }

    pub fn health(&self) -> ServiceHealth {
        self.health.borrow().clone()
    }

    /// Reads the engine's state and publishes it. Call it once before the server listens.
    pub async fn look(&self, engine: &Engine, metrics: &Metrics) {
        let _telling = self.telling.lock().await;
        if self.draining.load(Ordering::Acquire) {
            return;
        }
        let found = engine.readiness();
        let before = self.health();
        let next = self.judge(before.has_started, found);
        metrics.ready(next.unready.is_none());
        if next == before {
            return;
        }
        if next.unready != before.unready {
            match &next.unready {
                Some(why) => tracing::warn!(%why, "not ready"),
                None => tracing::info!("ready"),
            }
        }
        self.tell(&next).await;
        self.health.send_replace(next);
    }

    /// What follows from what is there.
    fn judge(&self, has_started: bool, found: Readiness) -> ServiceHealth {
        let whole = found.is_loaded && found.missing.is_empty();
        let has_started = has_started || whole && !found.is_behind;
        let unready = if let Some(why) = &found.misplaced {
            Some(Unready::Store(why.clone()))
        } else if found.is_not_recording {
            Some(Unready::Log)
        } else if !whole {
            let (stale, not_stored) = (Vec::new(), Vec::new());
            Some(Unready::Lists(Readiness { stale, not_stored, is_behind: false, ..found }))
        } else if !found.not_stored.is_empty() {
            let (stale, missing) = (Vec::new(), Vec::new());
            Some(Unready::NotStored(Readiness { stale, missing, is_behind: false, ..found }))
        } else if self.unready_when_stale && !found.stale.is_empty() {
            Some(Unready::Stale(Readiness { is_behind: false, ..found }))
        } else {
            (!has_started).then_some(Unready::Labels)
        };
        ServiceHealth { has_started, unready }
    }

    async fn tell(&self, health: &ServiceHealth) {
        let status = |serving: bool| {
            if serving { ServingStatus::Serving } else { ServingStatus::NotServing }
        };
        let is_draining = health.unready == Some(Unready::Draining);
        let ready = READINESS.map(|name| (name, health.unready.is_none()));
        let always = ALWAYS.map(|name| (name, !is_draining));
        let probes = [(LIVENESS, true), (STARTUP, health.has_started)];
        for (name, serving) in ready.into_iter().chain(always).chain(probes) {
            for reporter in &self.reporters {
                reporter.set_service_status(name, status(serving)).await;
            }
        }
    }

    /// Follows the engine. Never ends.
    pub async fn watch(&self, engine: &Engine, metrics: &Metrics) {
        let mut changes = engine.watch_changes();
        let mut clock = tokio::time::interval(LOOK);
        loop {
            self.look(engine, metrics).await;
            tokio::select! {
                // The engine lives as long as its borrow here: the other side cannot be gone.
                _ = changes.changed() => {}
                _ = clock.tick() => {}
            }
        }
    }

    /// Reports not ready from now on, whatever the engine's state, also to watches.
    pub async fn drain(&self, metrics: &Metrics) {
        self.draining.store(true, Ordering::Release);
        metrics.drains();
        metrics.ready(false);
        let _telling = self.telling.lock().await;
        let has_started = self.health.borrow().has_started;
        let next = ServiceHealth { has_started, unready: Some(Unready::Draining) };
        self.tell(&next).await;
        self.health.send_replace(next);
    }

    /// Ends the watches on the main port, which would keep their connections for ever.
    pub async fn end(&self) {
        let mut reporter = self.reporters[0].clone();
        for name in READINESS.into_iter().chain(ALWAYS).chain([LIVENESS, STARTUP]) {
            reporter.clear_service_status(name).await;
        }
    }
}

fn service(reporter: &HealthReporter) -> HealthServer<HealthService> {
    HealthServer::new(HealthService::from_health_reporter(reporter.clone()))
        .max_decoding_message_size(MAX_QUESTION)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use super::*;

    fn found(missing: &[&str], stale: &[&str], is_behind: bool) -> Readiness {
        let ids = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let (missing, stale) = (ids(missing), ids(stale));
        Readiness { is_loaded: true, missing, stale, is_behind, ..Readiness::default() }
    }

    #[test]
    fn what_follows() {
        let check = |strict: bool, started: bool, found: Readiness, want: (bool, &str)| {
            let health = Health::new(strict).judge(started, found.clone());
            let why = health.unready.map_or(String::new(), |why| why.to_string());
            assert_eq!((health.has_started, why.as_str()), want, "{strict} {started} {found:?}");
        };
        let nothing = Readiness::default;
        check(false, false, nothing(), (false, "no list is loaded"));
        check(
            false,
            false,
            found(&["a", "b"], &[], false),
            (false, "required and not loaded: a, b"),
        );
        let behind = "the labels of exposure have not caught up yet";
        check(false, false, found(&[], &[], true), (false, behind));
        check(false, false, found(&[], &[], false), (true, ""));
        // Once started, labels may fall behind.
        check(false, true, found(&[], &[], true), (true, ""));
        check(true, true, found(&[], &[], true), (true, ""));
        check(false, true, found(&["a"], &[], false), (true, "required and not loaded: a"));
        // Stale lists count where that is configured, and never for the start.
        check(false, true, found(&[], &["a"], false), (true, ""));
        check(true, true, found(&[], &["a"], false), (true, "required and stale: a"));
        check(true, false, found(&[], &["a"], false), (true, "required and stale: a"));
        check(true, true, found(&["b"], &["a"], false), (true, "required and not loaded: b"));
        // What could not be stored, and a store that is gone.
        let not_stored = |missing: &[&str]| Readiness {
            not_stored: vec!["a".parse().unwrap(), "c".parse().unwrap()],
            ..found(missing, &["a"], false)
        };
        check(true, true, not_stored(&[]), (true, "required and not stored: a, c"));
        check(false, false, not_stored(&[]), (true, "required and not stored: a, c"));
        check(false, true, not_stored(&["b"]), (true, "required and not loaded: b"));
        let gone =
            Readiness { misplaced: Some("the file db is gone".to_owned()), ..not_stored(&[]) };
        check(false, true, gone, (true, "the file db is gone"));
    }
}
