//! Backfill: inserts old publications into the history of a list.

use jiff::civil::Date;

use super::import::set_published_day;
use super::{Engine, EngineError, Upload, unconfigured};
use crate::domain::list::ListId;
use crate::domain::publication::{Backfilled, OldFile};
use crate::source::{self, Bounds, Format};

/// The most rows of all files of one backfill: all are in memory at once.
const MAX_ROWS: usize = 500_000;

/// The most bytes of text of all files of one backfill.
const MAX_TEXT: usize = 128 << 20;

/// Request to backfill a list.
#[derive(Clone, Debug)]
pub struct Backfill {
    pub id: ListId,
    /// Whether this is a dry run: nothing is changed, the result says what would be.
    pub is_trial: bool,
}

#[derive(Clone, Debug)]
pub struct BackfillFile {
    /// The file's name, for the record.
    pub name: String,
    /// The file's format; `None`: detected from its content.
    pub format: Option<Format>,
    /// The day of publication, where the file does not state it.
    pub published: Option<Date>,
}

impl Engine {
    /// Inserts old publications into the history of a list. Blocks.
    pub fn backfill(
        &self,
        backfill: &Backfill,
        files: &[(BackfillFile, Upload)],
    ) -> Result<Backfilled, EngineError> {
        let id = &backfill.id;
        let state = self.publisher.list(id).ok_or_else(|| EngineError::UnknownList(id.clone()))?;
        let settings = self.settings(id).cloned();
        let settings = settings.unwrap_or_else(|| unconfigured(id.clone(), state.version.kind));
        let _turn = self.publisher.reader_permit();
        let (mut rows, mut text) = (0, 0);
        let mut read = Vec::with_capacity(files.len());
        for (file, upload) in files {
            let old = read_dated(file, upload)?;
            rows += old.list.rows.len();
            text += old.list.text();
            if rows > MAX_ROWS || text > MAX_TEXT {
                let what = format!(
                    "{}: the files up to this one have more than {MAX_ROWS} rows or {} MiB of text; \
                     backfill fewer files at a time",
                    file.name,
                    MAX_TEXT >> 20
                );
                return Err(EngineError::Field { field: "file", what });
            }
            read.push(old);
        }
        Ok(self.publisher.backfill(&settings, read, backfill.is_trial)?)
    }
}

fn read_dated(file: &BackfillFile, upload: &Upload) -> Result<OldFile, EngineError> {
    let name = || file.name.clone();
    let mut list = source::read_file(upload.path(), file.format, &Bounds::default())
        .map_err(|error| EngineError::MalformedFile { name: name(), error })?;
    set_published_day(&mut list, file.published).map_err(|what| {
        let what = format!("{}: {what}", file.name);
        EngineError::Field { field: "file.published_on", what }
    })?;
    Ok(OldFile { name: name(), list })
}
