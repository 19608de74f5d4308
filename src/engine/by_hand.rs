//! Lists that come by hand: the file, whether it needs more than the permission to import, and its
//! publication.

use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::NamedTempFile;

use super::dialogue::{Import, Publication};
use super::{Engine, EngineError, MAX_UPLOAD, UPLOAD, unconfigured};
use crate::domain::list::{ListId, ListKind, Provenance};
use crate::refresh::{ByHand, ListSettings};
use crate::screening::snapshot::SnapshotList;
use crate::source::{self, Bounds};

/// The bytes of an import on their way in.
#[derive(Debug)]
pub struct Upload {
    file: NamedTempFile,
    size: u64,
    /// Bytes of all uploads.
    all: Arc<AtomicU64>,
}

impl Upload {
    /// Takes bytes; refused where they, or those of all uploads, are too many.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let more = bytes.len() as u64;
        if self.size + more > MAX_UPLOAD {
            return Err(EngineError::UploadTooLarge);
        }
        self.size += more;
        // Counted before it is asked: those that are refused give theirs back when they are dropped.
        if self.all.fetch_add(more, Ordering::Relaxed) + more > MAX_UPLOAD {
            return Err(EngineError::TooManyUploads);
        }
        Ok(self.file.write_all(bytes)?)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.all.fetch_sub(self.size, Ordering::Relaxed);
    }
}

impl Engine {
    /// A new file for the bytes of an import ([`MAX_UPLOAD`], and no more in all that come at one time);
    /// gone when dropped.
    pub fn begin_upload(&self, file_name: &str) -> Result<Upload, EngineError> {
        let file = self.upload_file(file_name)?;
        Ok(Upload { file, size: 0, all: Arc::clone(&self.uploading) })
    }

    /// A new file in the data directory; gone when dropped. Its name ends as `file_name`, which helps
    /// to tell its form.
    pub(super) fn upload_file(&self, file_name: &str) -> Result<NamedTempFile, EngineError> {
        // What could not be stored need not be sent.
        if let Some(refusal) = self.publisher.store().refusal() {
            return Err(refusal.into());
        }
        let safe = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let ending: String = file_name.chars().rev().take(32).filter(safe).collect();
        let ending: String = ending.chars().rev().collect();
        // Where it could not be made at the start there may be room now.
        DirBuilder::new().recursive(true).mode(0o700).create(&self.uploads)?;
        Ok(tempfile::Builder::new()
            .prefix(UPLOAD)
            .suffix(&format!("-{ending}"))
            .tempfile_in(&self.uploads)?)
    }

    /// Publishes a file by hand. Blocks.
    pub fn import(&self, import: &Import, path: &Path) -> Result<Publication, EngineError> {
        let state = self.publisher.list(&import.id);
        let loaded = state.map(|state| state.version.kind);
        let mut settings = match (self.settings(&import.id), import.kind.or(loaded)) {
            (Some(settings), kind) => {
                ListSettings { kind: kind.unwrap_or(settings.kind), ..settings.clone() }
            }
            (None, Some(kind)) => unconfigured(import.id.clone(), kind),
            (None, None) => return Err(EngineError::KindMissing(import.id.clone())),
        };
        settings.format = import.format;
        let _turn = self.publisher.reading_turn();
        let mut list = source::read_file(path, settings.format, &Bounds::default())?;
        list.published = list.published.or(import.published);
        let provenance = Provenance::Import(import.file_name.clone());
        let by_hand = ByHand {
            force: import.force.as_ref(),
            ages_by_source: self.is_guarded(&import.id) && !import.refreshes_age,
        };
        if import.is_trial {
            let preview = self.publisher.preview(&settings, &list, &provenance, by_hand)?;
            return Ok(preview.into());
        }
        Ok(self.publisher.publish_list(&settings, &list, &provenance, by_hand)?.into())
    }

    /// Whether imports by hand of a list need more than the permission to import: it has a
    /// configured source, or screenings require it (by the configuration or the policy) and it is of
    /// kind SANCTIONS, or of none that is known.
    pub fn is_guarded(&self, id: &ListId) -> bool {
        let settings = self.settings(id);
        if settings.is_some_and(|settings| settings.source_name().is_some()) {
            return true;
        }
        let snapshot = self.snapshot();
        let list = snapshot.as_deref().and_then(|snapshot| snapshot.list(id));
        let is_missing = snapshot.as_deref().is_some_and(|it| it.record().missing.contains(id));
        let is_required = settings.is_some_and(|settings| settings.required)
            || list.is_some_and(|list| list.terms().required)
            || is_missing;
        let kinds = [settings.map(|settings| settings.kind), list.map(SnapshotList::kind)];
        let is_sanctions = kinds.into_iter().flatten().any(|kind| kind == ListKind::Sanctions);
        is_required && (is_sanctions || kinds == [None, None])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_have_a_total_and_give_it_back() {
        let all = Arc::new(AtomicU64::new(MAX_UPLOAD - 8));
        let upload =
            || Upload { file: NamedTempFile::new().unwrap(), size: 0, all: Arc::clone(&all) };
        let mut first = upload();
        first.write(b"12345").unwrap();
        let mut second = upload();
        let refused = second.write(b"6789").unwrap_err();
        assert!(matches!(refused, EngineError::TooManyUploads), "{refused}");
        assert_eq!(std::fs::read(second.path()).unwrap(), b"");
        drop(first);
        drop(second);
        assert_eq!(all.load(Ordering::Relaxed), MAX_UPLOAD - 8);
        upload().write(b"12345678").unwrap();
        let mut large = upload();
        large.size = MAX_UPLOAD;
        all.fetch_add(MAX_UPLOAD, Ordering::Relaxed);
        assert!(matches!(large.write(b"1"), Err(EngineError::UploadTooLarge)));
    }
}
