//! What labels rest on beside transfers, as the store keeps it under the beginning of its digest.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::record::SnapshotRecord;
use crate::domain::list::{ListId, ListKind};
use crate::exposure;

/// The list versions, settings and program that labels were made by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelBasis {
    /// In the order of their ids.
    pub lists: Vec<BasisList>,
    /// [`super::ENGINE_VERSION`].
    pub engine_version: String,
    /// [`exposure::REVISION`].
    pub revision: u32,
    /// SHA-256 of the settings.
    pub exposure_settings: [u8; 32],
}

/// A list version that labels were made by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasisList {
    pub id: ListId,
    /// The stricter of the version's and the configured kind.
    pub kind: ListKind,
    pub version: u64,
}

impl From<&SnapshotRecord> for LabelBasis {
    fn from(record: &SnapshotRecord) -> Self {
        let lists = record.lists.iter().map(|list| BasisList {
            id: list.id.clone(),
            kind: list.kind,
            version: list.version,
        });
        Self {
            lists: lists.collect(),
            engine_version: record.engine_version.clone(),
            revision: exposure::REVISION,
            exposure_settings: record.exposure_settings,
        }
    }
}

impl LabelBasis {
    /// Returns SHA-256 over all of it.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for list in &self.lists {
            digest.update(format!("{} {} {}\n", list.id, list.kind, list.version));
        }
        digest.update(format!("{} {}\n", self.engine_version, self.revision));
        digest.update(self.exposure_settings);
        digest.finalize().into()
    }

    /// Returns the name of the basis with this digest: its first 8 bytes, in hex.
    pub fn name_of(digest: &[u8; 32]) -> String {
        HEXLOWER.encode(&digest[..8])
    }

    /// Returns the stored form, JSON.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and lists always have a JSON form")
    }

    /// Reads the stored form of the basis of this name; fails with the problem.
    pub fn decode(name: &str, stored: &[u8]) -> Result<Self, String> {
        let basis: Self = serde_json::from_slice(stored).map_err(|error| error.to_string())?;
        if Self::name_of(&basis.digest()) == name {
            Ok(basis)
        } else {
            Err("its content does not match its name".to_owned())
        }
    }
}
