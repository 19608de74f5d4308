//! The logs before the present one in the same directory: open for reading, redaction and retention.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::domain::lock::Recover;

use super::directory::logs;
use super::recover::{self, Access};
use super::store::Store;
use super::{AuditError, files};

/// Each is opened once, when it is first asked for.
pub(super) struct EarlierLogs {
    directory: PathBuf,
    /// The number of the present log.
    present: u64,
    /// By the tag of their record ids.
    opened: Mutex<BTreeMap<[u8; 4], Arc<Store>>>,
}

impl EarlierLogs {
    pub(super) fn new(directory: PathBuf, present: u64) -> Self {
        Self { directory, present, opened: Mutex::default() }
    }

    /// Returns the earlier log whose record ids begin with `tag`.
    pub(super) fn find(&self, tag: [u8; 4]) -> Result<Option<Arc<Store>>, AuditError> {
        if let Some(store) = self.opened.lock().recover().get(&tag) {
            return Ok(Some(Arc::clone(store)));
        }
        // Ids of no log are rare: they cost the reading of a small file for each log.
        let logs = logs(&self.directory)?;
        let log = logs.find(|log| log.tag == tag && log.number < self.present)?;
        log.map(|log| self.open(log.number, tag)).transpose()
    }

    fn open(&self, number: u64, tag: [u8; 4]) -> Result<Arc<Store>, AuditError> {
        let mut opened = self.opened.lock().recover();
        if let Some(store) = opened.get(&tag) {
            return Ok(Arc::clone(store));
        }
        let path = files::log_directory(&self.directory, number);
        let store = Arc::new(recover::open(&path, Access::Replace)?.store);
        opened.insert(tag, Arc::clone(&store));
        Ok(store)
    }

    /// Returns all of them, oldest first. Fails if one cannot be read.
    pub(super) fn all(&self) -> Result<Vec<Arc<Store>>, AuditError> {
        let logs = logs(&self.directory)?;
        let earlier = logs.all()?.iter().filter(|log| log.number < self.present);
        earlier.map(|log| self.open(log.number, log.tag)).collect()
    }

    /// Forgets a log of which a replacement failed: opening it anew settles what was left.
    pub(super) fn forget(&self, tag: [u8; 4]) {
        self.opened.lock().recover().remove(&tag);
    }
}
