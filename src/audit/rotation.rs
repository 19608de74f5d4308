//! Rotation of the key that signs.
//!
//! The next key is written as `key.new`, an event names it, one checkpoint is signed by both keys,
//! `keys` takes it in, and it replaces `key`. After a crash before `keys` names it the old key goes
//! on, after that the new one (see [`keys`](super::keys)).

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::domain::lock::Recover;

use super::keys::{self, LogKey};
use super::leaf::Event;
use super::note::{Signer, VerifierKey};
use super::{AuditError, Log, files};

impl Log {
    /// Makes a new key and has the present one sign it over. Returns its verifier key.
    pub fn rotate_key(&self, now: Timestamp) -> Result<VerifierKey, AuditError> {
        let appender = self.appender();
        let store = appender.store();
        let mut sealing = appender.sealing.lock().recover();
        let (next, text) = Signer::generate(&store.origin).ok_or(AuditError::Random)?;
        let verifier = next.verifier().clone();
        let path = store.directory.join("key");
        files::write_synced(&files::beside(&path), text.as_bytes())?;
        files::sync_parent(&path)?;
        appender.append_event(&Event::KeyRotated { key: verifier.to_string() }, now)?;
        appender.sync()?;
        let size = appender.synced.load(Ordering::Acquire);
        appender.sign_by(size, &[&sealing.signer, &next])?;
        let mut keys = store.keys.lock().recover().clone();
        keys.push(LogKey { from: size, key: verifier.clone() });
        keys::write(&store.directory, &keys)?;
        *store.keys.lock().recover() = keys;
        sealing.signer = next;
        files::rename(&files::beside(&path), &path)?;
        Ok(verifier)
    }
}
