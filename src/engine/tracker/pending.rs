//! Work that waits for the tracker's thread: a state machine, which [`super::Tracker`] drives under
//! one lock.
//!
//! ```text
//! worker   Idle ---take---> Busy ---finish---> Idle
//!                             \-----fail-----> Failed, for good
//!
//! labels   Current --bulk rows--> Deferred --label_now--> Due ---take---> Current
//!             \_________\___other rows, change of lists or state__/
//!
//! graph    Absent --want_graph--> Wanted --read in--> Loaded --reload--> Absent
//!             \_____________read in for other work______/
//! ```
//!
//! There is work while the worker has not failed and rows are appended, labels are `Due` or the
//! graph is `Wanted`. After a stop, pending work is finished only if the graph is `Loaded`.

use std::sync::Arc;

use crate::domain::transfer::Transfer;

#[derive(Debug, Default)]
pub(super) struct PendingWork {
    /// Stored transfers with the number of their first row, in no particular order.
    appended: Vec<(u64, Vec<Transfer>)>,
    /// The number of transfers in `appended`.
    waiting: usize,
    labels: LabelState,
    graph: GraphState,
    worker: Worker,
    is_stopping: bool,
}

/// How far labels are behind what was enqueued, in the order of urgency.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LabelState {
    #[default]
    Current,
    /// Only by rows of a bulk load. Labelling after each batch would cost more than the rest of the
    /// load.
    Deferred,
    Due,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum GraphState {
    #[default]
    Absent,
    /// To be read in even if there is nothing else to do.
    Wanted,
    Loaded,
}

#[derive(Debug, Default)]
enum Worker {
    #[default]
    Idle,
    Busy,
    /// Why the tracker failed.
    Failed(Arc<str>),
}

/// What the thread took to work on.
#[derive(Debug)]
pub(super) struct TakenWork {
    pub(super) appended: Vec<(u64, Vec<Transfer>)>,
    /// Only rows of bulk loads were pending.
    pub(super) may_defer_labels: bool,
}

impl PendingWork {
    pub(super) fn has_work(&self) -> bool {
        let is_due = !self.appended.is_empty()
            || self.labels == LabelState::Due
            || self.graph == GraphState::Wanted;
        is_due && self.failed().is_none()
    }

    /// Returns whether the thread has nothing to do and does nothing.
    pub(super) fn is_idle(&self) -> bool {
        !matches!(self.worker, Worker::Busy) && !self.has_work()
    }

    /// Returns whether the thread ends rather than takes up what is pending.
    pub(super) fn ends_here(&self) -> bool {
        self.is_stopping && !(self.has_graph() && self.has_work())
    }

    pub(super) fn append(&mut self, first_row: u64, rows: Vec<Transfer>, is_bulk: bool) {
        self.waiting += rows.len();
        self.appended.push((first_row, rows));
        self.labels = self.labels.max(if is_bulk { LabelState::Deferred } else { LabelState::Due });
    }

    /// Returns whether another append would exceed `limit` transfers while the thread goes on.
    pub(super) fn is_full(&self, limit: usize) -> bool {
        self.waiting > limit && self.failed().is_none() && !self.is_stopping
    }

    /// Lists, retractions, replacements or coverage changed.
    pub(super) fn state_changed(&mut self) {
        self.labels = LabelState::Due;
    }

    /// Demands labels for all rows so far. `Deferred` outlasts a labelling that no row demanded (the
    /// first after the graph is read in): then rows are labelled once more, for nothing.
    pub(super) fn label_now(&mut self) {
        if self.labels == LabelState::Deferred {
            self.labels = LabelState::Due;
        }
    }

    pub(super) fn want_graph(&mut self) {
        if self.graph == GraphState::Absent {
            self.graph = GraphState::Wanted;
        }
    }

    pub(super) fn has_graph(&self) -> bool {
        self.graph == GraphState::Loaded
    }

    pub(super) fn graph_loaded(&mut self) {
        self.graph = GraphState::Loaded;
    }

    pub(super) fn graph_dropped(&mut self) {
        self.graph = GraphState::Absent;
    }

    /// Takes all pending work and marks the thread as busy.
    pub(super) fn take(&mut self) -> TakenWork {
        self.worker = Worker::Busy;
        self.waiting = 0;
        let may_defer_labels = self.labels != LabelState::Due;
        if !may_defer_labels {
            self.labels = LabelState::Current;
        }
        TakenWork { appended: std::mem::take(&mut self.appended), may_defer_labels }
    }

    /// The thread has applied what it took.
    pub(super) fn finish(&mut self) {
        self.worker = Worker::Idle;
    }

    /// Drops all work, for good.
    pub(super) fn fail(&mut self, why: Arc<str>) {
        let is_stopping = self.is_stopping;
        *self = Self { worker: Worker::Failed(why), is_stopping, ..Self::default() };
    }

    pub(super) fn failed(&self) -> Option<&Arc<str>> {
        match &self.worker {
            Worker::Failed(why) => Some(why),
            Worker::Idle | Worker::Busy => None,
        }
    }

    pub(super) fn stop(&mut self) {
        self.is_stopping = true;
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Bulk,
        Rows,
        Changed,
        LabelNow,
        WantGraph,
        Loaded,
        Take,
        Finish,
        Fail,
        Stop,
    }
    use Event::*;

    /// Applies events to a loaded graph, then compares whether there is work, and whether its labels
    /// may be deferred.
    #[track_caller]
    fn check(events: &[Event], work: Option<bool>) {
        let mut pending = PendingWork::default();
        pending.graph_loaded();
        apply(&mut pending, events);
        let found = pending.has_work().then(|| pending.take().may_defer_labels);
        assert_eq!(found, work, "{events:?}");
    }

    fn apply(pending: &mut PendingWork, events: &[Event]) {
        for event in events {
            match event {
                Bulk => pending.append(0, Vec::new(), true),
                Rows => pending.append(0, Vec::new(), false),
                Changed => pending.state_changed(),
                LabelNow => pending.label_now(),
                WantGraph => pending.want_graph(),
                Loaded => pending.graph_loaded(),
                Take => drop(pending.take()),
                Finish => pending.finish(),
                Fail => pending.fail("broken".into()),
                Stop => pending.stop(),
            }
        }
    }

    #[test]
    fn labels_of_a_bulk_load_wait_until_demanded() {
        let (none, defers, labels) = (None, Some(true), Some(false));
        check(&[], none);
        check(&[LabelNow], none);
        check(&[Bulk], defers);
        check(&[Bulk, LabelNow], labels);
        check(&[Bulk, Rows], labels);
        check(&[Rows, Bulk], labels);
        check(&[Changed], labels);
        check(&[Bulk, Take, Finish], none);
        check(&[Bulk, Take, Finish, LabelNow], labels);
        check(&[Bulk, Take, LabelNow, Finish], labels);
        check(&[Bulk, Take, Finish, Bulk], defers);
        check(&[Bulk, Take, Finish, Changed, Take, Finish, LabelNow], none);
        check(&[Rows, Take, LabelNow, Finish], none);
        check(&[Rows, Take, LabelNow, Finish, Bulk], defers);
        check(&[Rows, Take, Bulk, Finish, LabelNow], labels);
        check(&[WantGraph], none);
        check(&[Rows, Take, Fail], none);
        check(&[Rows, Take, Fail, Rows, Changed], none);
    }

    #[test]
    fn a_stop_finishes_work_only_on_a_loaded_graph() {
        let check = |events: &[Event], ends: bool| {
            let mut pending = PendingWork::default();
            apply(&mut pending, events);
            assert_eq!(pending.ends_here(), ends, "{events:?}");
        };
        check(&[], false);
        check(&[Stop], true);
        check(&[WantGraph, Stop], true);
        check(&[Rows, Stop], true);
        check(&[Loaded, Rows, Stop], false);
        check(&[Loaded, Bulk, Stop], false);
        check(&[Loaded, Rows, Take, Finish, Stop], true);
        check(&[Loaded, Rows, Take, Fail, Stop], true);
    }
}
