//! What answers name for good: what a snapshot id stands for, and policies by their version. Reads
//! nothing into it.

use super::{Store, StoreError, Tree, value};

/// The longest snapshot id or policy version, in bytes.
pub const MAX_NAME: usize = 128;

impl Store {
    /// Keeps what a snapshot id stands for, durably. The same id again replaces it.
    pub fn save_snapshot(&self, id: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.save(&self.snapshots, "snapshots", id, bytes)
    }

    /// What was kept under a snapshot id; `None` if nothing was.
    pub fn snapshot(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.named(&self.snapshots, "snapshots", id)
    }

    /// Keeps the file of a policy under its version, durably. The same version again replaces it.
    pub fn save_policy(&self, version: &str, text: &str) -> Result<(), StoreError> {
        self.save(&self.policies, "policies", version, text.as_bytes())
    }

    /// The file of a policy that was kept; `None` if none was.
    pub fn policy(&self, version: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.named(&self.policies, "policies", version)
    }

    fn save(
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

    fn named(
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
