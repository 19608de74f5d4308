//! Manual list imports: the upload, the extra permission that some imports need, and the publication.

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use jiff::civil::Date;
use tempfile::NamedTempFile;

use super::types::{Declaration, Import, Publication};
use super::{Engine, EngineError, MAX_FILE, MAX_UPLOAD, UPLOAD, unconfigured};
use crate::domain::list::{DeclaredCheck, ListId, ListKind, Provenance, ReadList, begin};
use crate::domain::lock::Recover;
use crate::domain::publication::{Force, Gate, Refused};
use crate::refresh::{ImportOptions, ListSettings, RefreshError, log_notes};
use crate::screening::snapshot::SnapshotList;
use crate::source::{self, Bounds, Include, ParsedFile};

/// Bytes of uploads in flight, by caller.
pub(super) type Uploading = Mutex<HashMap<Arc<str>, u64>>;

/// An upload: a temporary file, removed when dropped, whose bytes count against the limits.
#[derive(Debug)]
pub struct Upload {
    file: NamedTempFile,
    size: u64,
    caller: Arc<str>,
    all: Arc<Uploading>,
}

fn lock(uploading: &Uploading) -> MutexGuard<'_, HashMap<Arc<str>, u64>> {
    uploading.lock().recover()
}

impl Upload {
    /// Appends bytes. Fails if this upload, its caller's or all uploads together would pass their limit.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let more = bytes.len() as u64;
        if self.size + more > MAX_FILE {
            return Err(EngineError::UploadTooLarge);
        }
        self.count(more)?;
        Ok(self.file.write_all(bytes)?)
    }

    fn count(&mut self, more: u64) -> Result<(), EngineError> {
        let mut all = lock(&self.all);
        let of_all: u64 = all.values().sum();
        let of_caller = all.entry(Arc::clone(&self.caller)).or_default();
        if *of_caller + more > MAX_FILE || of_all + more > MAX_UPLOAD {
            return Err(EngineError::TooManyUploads);
        }
        *of_caller += more;
        self.size += more;
        Ok(())
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let mut all = lock(&self.all);
        if let Some(of_caller) = all.get_mut(&self.caller) {
            *of_caller -= self.size;
        }
        all.retain(|_, bytes| *bytes > 0);
    }
}

impl Engine {
    /// Opens an upload for an import by `caller`: [`MAX_UPLOAD`] bytes at most of all callers, and half
    /// of that of one.
    pub fn begin_upload(&self, file_name: &str, caller: Arc<str>) -> Result<Upload, EngineError> {
        let file = self.upload_file(file_name)?;
        Ok(Upload { file, size: 0, caller, all: Arc::clone(&self.uploading) })
    }

    /// Creates a temporary file in the upload directory. Its name ends like `file_name`, because the
    /// extension is a hint at the format.
    pub(super) fn upload_file(&self, file_name: &str) -> Result<NamedTempFile, EngineError> {
        // Refuse early: the import could not be stored.
        if let Some(refusal) = self.publisher.store().refusal() {
            return Err(refusal.into());
        }
        let safe = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let ending: String = file_name.chars().rev().take(32).filter(safe).collect();
        let ending: String = ending.chars().rev().collect();
        // The directory may be missing because the disk was full at the start.
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
                let opens = |force: &Force| force.overrides(Gate::Kind);
                let other = import.kind.filter(|&kind| loaded.is_none() && kind != settings.kind);
                if let Some(incoming) = other.filter(|_| !import.force.as_ref().is_some_and(opens))
                {
                    let (id, loaded) = (import.id.clone(), settings.kind);
                    return Err(RefreshError::from(Refused::Kind { id, loaded, incoming }).into());
                }
                ListSettings { kind: kind.unwrap_or(settings.kind), ..settings.clone() }
            }
            (None, Some(kind)) => unconfigured(import.id.clone(), kind),
            (None, None) => return Err(EngineError::KindMissing(import.id.clone())),
        };
        settings.format = import.format;
        let _turn = self.publisher.reader_permit();
        let ParsedFile { mut list, report: file } =
            source::read_reported(path, settings.format, Include::Refused, &Bounds::default())?;
        log_notes(&import.id, &file);
        set_published_day(&mut list, import.published)
            .map_err(|what| EngineError::Field { field: "header.published_on", what })?;
        let provenance = Provenance::Import(import.file_name.clone());
        let declared = match &import.declaration {
            Some(declaration) => Some(declared_check(declaration, list.published, self.now())?),
            None => None,
        };
        let by_hand = ImportOptions {
            force: import.force.as_ref(),
            ages_by_source: self.is_guarded(&import.id) && !import.refreshes_age,
            declared: declared.as_ref(),
        };
        if import.is_trial {
            let preview = self.publisher.preview(&settings, &list, &provenance, by_hand)?;
            return Ok(Publication { file: Some(file), ..preview.into() });
        }
        let report = self.publisher.publish_list(&settings, &list, &provenance, by_hand)?;
        if let Some(DeclaredCheck { at, by, .. }) = &declared {
            tracing::info!(
                list = %import.id, checked_at = %at, by, file = import.file_name,
                "import declared as a check of its source",
            );
        }
        Ok(Publication { file: Some(file), ..report.into() })
    }

    /// Returns whether a manual import of a list needs more than the permission to import. It does if
    /// the list has a configured source. It also does if the configuration or the policy requires the
    /// list, and its kind is SANCTIONS or unknown.
    pub fn is_guarded(&self, id: &ListId) -> bool {
        let settings = self.settings(id);
        if settings.is_some_and(|settings| settings.source_name().is_some()) {
            return true;
        }
        let snapshot = self.snapshot();
        let list = snapshot.as_deref().and_then(|snapshot| snapshot.list(id));
        // Not from the snapshot: without a loaded list there is none.
        let (policy, _) = self.policies.pair();
        let is_required = settings.is_some_and(|settings| settings.required)
            || policy.requirements().lists.contains(id);
        let kinds = [settings.map(|settings| settings.kind), list.map(SnapshotList::kind)];
        let is_sanctions = kinds.into_iter().flatten().any(|kind| kind == ListKind::Sanctions);
        is_required && (is_sanctions || kinds == [None, None])
    }
}

/// The proto field that declares a check of the source, for errors.
const LOOK_FIELD: &str = "header.declared_check";

/// Validates a declared check of the source: not after now, and not before the day (UTC) on which the
/// file says that it was published.
fn declared_check(
    declaration: &Declaration,
    published: Option<Date>,
    now: Timestamp,
) -> Result<DeclaredCheck, EngineError> {
    let refused = |what: String| EngineError::Field { field: LOOK_FIELD, what };
    let at = declaration.at.unwrap_or(now);
    if at > now {
        return Err(refused(format!(
            "{at} is later than now ({now}): give the time at which the source was checked \
             (--checked TIME), or leave the time out for now"
        )));
    }
    // In time zones ahead of UTC a publisher may date a file tomorrow.
    let earliest = published.and_then(begin).map(|begins| begins.min(now));
    if let (Some(day), Some(earliest)) = (published, earliest)
        && at < earliest
    {
        return Err(refused(format!(
            "{at} is before the file was published ({day}): give the time at which the source was \
             checked (--checked TIME), {earliest} or later"
        )));
    }
    Ok(DeclaredCheck { at, by: declaration.by.clone(), declared_at: now })
}

/// Sets the given day of publication. Fails if the file states another day.
pub(super) fn set_published_day(list: &mut ReadList, given: Option<Date>) -> Result<(), String> {
    if let (Some(stated), Some(given)) = (list.published, given)
        && stated != given
    {
        return Err(format!("{given} contradicts the file, which says {stated}; leave it out"));
    }
    list.published = list.published.or(given);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_look_lies_between_the_publication_and_now() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-03-04T12:00:00Z");
        let check = |moment: Option<&str>, published: Option<&str>, want: Result<&str, &str>| {
            let declaration = Declaration { at: moment.map(at), by: "anna".to_owned() };
            let published = published.map(|day| day.parse().unwrap());
            match (declared_check(&declaration, published, now), want) {
                (Ok(look), Ok(want)) => {
                    assert_eq!((look.at, look.declared_at), (at(want), now), "{moment:?}");
                    assert_eq!(look.by, "anna");
                }
                (Err(error), Err(want)) => {
                    let text = error.to_string();
                    assert!(text.starts_with(LOOK_FIELD) && text.contains(want), "{text}");
                    assert!(text.contains("--checked TIME"), "{text}");
                }
                (found, want) => panic!("{moment:?}: {found:?}, and not {want:?}"),
            }
        };
        check(None, None, Ok("2026-03-04T12:00:00Z"));
        check(Some("2026-03-04T12:00:00Z"), None, Ok("2026-03-04T12:00:00Z"));
        check(Some("2026-03-04T12:00:01Z"), None, Err("later than now"));
        check(Some("2026-03-01T00:00:00Z"), Some("2026-03-01"), Ok("2026-03-01T00:00:00Z"));
        check(
            Some("2026-02-28T23:59:59Z"),
            Some("2026-03-01"),
            Err("2026-03-01T00:00:00Z or later"),
        );
        check(None, Some("2026-03-05"), Ok("2026-03-04T12:00:00Z"));
    }

    #[test]
    fn uploads_have_a_total_and_one_by_caller_and_give_them_back() {
        let all = Arc::<Uploading>::default();
        let upload = |caller: &str| Upload {
            file: NamedTempFile::new().unwrap(),
            size: 0,
            caller: caller.into(),
            all: Arc::clone(&all),
        };
        let mut first = upload("a");
        first.count(MAX_FILE - 5).unwrap();
        let mut second = upload("a");
        let refused = second.write(b"678901").unwrap_err();
        assert!(matches!(refused, EngineError::TooManyUploads), "{refused}");
        assert_eq!(std::fs::read(second.path()).unwrap(), b"");
        second.write(b"12345").unwrap();
        let mut third = upload("b");
        third.count(MAX_FILE).unwrap();
        assert!(matches!(third.write(b"1"), Err(EngineError::UploadTooLarge)));
        let mut fourth = upload("c");
        assert!(matches!(fourth.write(b"1"), Err(EngineError::TooManyUploads)));
        drop((first, second));
        fourth.write(b"1").unwrap();
        drop((third, fourth));
        assert!(lock(&all).is_empty());
    }
}
