//! Permanent records referenced by answers: snapshots by id, policies by version, settings of exposure
//! and bases of labels by digest.

use super::{MAX_NAME, Store, StoreError, Tree, value};

impl Store {
    /// Saves the bytes of a snapshot id, durably. An existing record is replaced.
    pub fn save_snapshot(&self, id: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.save_record(&self.snapshots, "snapshots", id, bytes)
    }

    /// Returns the bytes of a snapshot id, if saved.
    pub fn snapshot(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_record(&self.snapshots, "snapshots", id)
    }

    /// Saves the file of a policy version, durably. An existing record is replaced.
    pub fn save_policy(&self, version: &str, text: &str) -> Result<(), StoreError> {
        self.save_record(&self.policies, "policies", version, text.as_bytes())
    }

    /// Returns the file of a policy version, if saved.
    pub fn policy(&self, version: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_record(&self.policies, "policies", version)
    }

    /// Saves settings of exposure under their digest, durably.
    pub fn save_settings(&self, digest: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.save_record(&self.settings, "settings", digest, bytes)
    }

    /// Returns the settings of exposure with this digest, if saved.
    pub fn settings(&self, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_record(&self.settings, "settings", digest)
    }

    /// Saves the basis of labels under its name, durably.
    pub fn save_label_basis(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.save_record(&self.bases, "bases", name, bytes)
    }

    /// Returns the basis of labels of this name, if saved.
    pub fn label_basis(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_record(&self.bases, "bases", name)
    }

    fn save_record(
        &self,
        tree: &Tree,
        name: &'static str,
        id: &str,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let key = key(id)?;
        let known = || value::read(tree, name, &key);
        self.write(known, |known: Option<Vec<u8>>| {
            if known.as_deref() == Some(bytes) {
                return Ok(());
            }
            value::remove(tree, &key)?;
            value::write(tree, &key, bytes)?;
            self.sync()
        })
    }

    fn read_record(
        &self,
        tree: &Tree,
        name: &'static str,
        id: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key(id)?;
        let _writer = self.lock();
        value::read(tree, name, &key)
    }
}

fn key(id: &str) -> Result<Vec<u8>, StoreError> {
    if id.is_empty() || id.len() > MAX_NAME {
        return Err(StoreError::Name(id.len()));
    }
    let mut key = vec![id.len() as u8];
    key.extend_from_slice(id.as_bytes());
    Ok(key)
}
