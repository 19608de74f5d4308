//! Lists that come by hand: the file, whether it needs more than the permission to import, and its
//! publication.

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::civil::Date;
use tempfile::NamedTempFile;

use super::dialogue::{Declaration, Import, Publication};
use super::{Engine, EngineError, MAX_FILE, MAX_UPLOAD, UPLOAD, unconfigured};
use crate::domain::list::{DeclaredCheck, ListId, ListKind, Provenance, ReadList, begin};
use crate::domain::publication::{Force, Gate, Refused};
use crate::refresh::{ImportOptions, ListSettings, RefreshError, log_notes};
use crate::screening::snapshot::SnapshotList;
use crate::source::{self, Bounds, Include, ParsedFile};

/// The bytes of uploads on their way in, by caller.
pub(super) type Uploading = Mutex<HashMap<Arc<str>, u64>>;

/// The bytes of an import on their way in.
#[derive(Debug)]
pub struct Upload {
    file: NamedTempFile,
    size: u64,
    caller: Arc<str>,
    all: Arc<Uploading>,
}

fn lock(uploading: &Uploading) -> MutexGuard<'_, HashMap<Arc<str>, u64>> {
    uploading.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upload {
    /// Takes bytes; refused where they, or those of all uploads, are too many.
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
    /// A new file for the bytes of an import by `caller`, gone when dropped: at most [`MAX_UPLOAD`]
    /// of all callers at one time, and half of that of one.
    pub fn begin_upload(&self, file_name: &str, caller: Arc<str>) -> Result<Upload, EngineError> {
        let file = self.upload_file(file_name)?;
        Ok(Upload { file, size: 0, caller, all: Arc::clone(&self.uploading) })
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
        date(&mut list, import.published)
            .map_err(|what| EngineError::Field { field: "header.published", what })?;
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
                list = %import.id, looked_at = %at, by, file = import.file_name,
                "an import was declared to be a look at the list's source",
            );
        }
        Ok(Publication { file: Some(file), ..report.into() })
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
        // Also where no list is loaded, and so there is no snapshot.
        let (policy, _) = self.policies.pair();
        let is_required = settings.is_some_and(|settings| settings.required)
            || policy.requirements().lists.contains(id);
        let kinds = [settings.map(|settings| settings.kind), list.map(SnapshotList::kind)];
        let is_sanctions = kinds.into_iter().flatten().any(|kind| kind == ListKind::Sanctions);
        is_required && (is_sanctions || kinds == [None, None])
    }
}

/// The field of an import that declares a look.
const LOOK_FIELD: &str = "header.declared_check";

/// A declared look, checked: not after now, and not before the day (UTC) on which the file says that
/// it was published.
fn declared_check(
    declaration: &Declaration,
    published: Option<Date>,
    now: Timestamp,
) -> Result<DeclaredCheck, EngineError> {
    let refused = |what: String| EngineError::Field { field: LOOK_FIELD, what };
    let at = declaration.at.unwrap_or(now);
    if at > now {
        return Err(refused(format!(
            "{at} is later than now, {now}: give the moment at which the source was looked at \
             (--checked TIME), or no moment, which means now"
        )));
    }
    // Where it is the next day already the file may be of tomorrow.
    let earliest = published.and_then(begin).map(|begins| begins.min(now));
    if let (Some(day), Some(earliest)) = (published, earliest)
        && at < earliest
    {
        return Err(refused(format!(
            "at {at} the file was not published yet, which is of {day}: give the moment at which \
             the source was looked at (--checked TIME), {earliest} or later"
        )));
    }
    Ok(DeclaredCheck { at, by: declaration.by.clone(), declared_at: now })
}

/// Takes the day of publication that was given, unless the file says another.
pub(super) fn date(list: &mut ReadList, given: Option<Date>) -> Result<(), String> {
    if let (Some(stated), Some(given)) = (list.published, given)
        && stated != given
    {
        return Err(format!("{given}, and the file itself says {stated}: leave it out"));
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
