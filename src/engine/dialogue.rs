//! What the engine is asked and what it answers, where plain values do not do.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::list::{FileReport, ListId, ListKind, ListingChange};
use crate::domain::publication::Force;
use crate::refresh::{ListSettings, Preview, Report, SourceStatus};
use crate::screening::snapshot::SnapshotList;
use crate::source::Format;

/// A file to publish by hand.
#[derive(Clone, Debug)]
pub struct Import {
    pub id: ListId,
    /// What being on it means; `None`: as it has or is configured.
    pub kind: Option<ListKind>,
    /// The file's form; `None`: by content.
    pub format: Option<Format>,
    /// The file's name, for the record and as a hint at its form.
    pub file_name: String,
    /// Overrides some of the sanity gates.
    pub force: Option<Force>,
    /// The day of publication where the file does not say it.
    pub published: Option<Date>,
    /// Whether the day of publication may make the list younger even where its age counts from its
    /// source ([`super::Engine::is_guarded`]): somebody vouches for the file.
    pub refreshes_age: bool,
    /// Declares the file to be what the list's source said at a moment.
    pub declaration: Option<Declaration>,
    /// Publishes nothing, and says what would be done.
    pub is_trial: bool,
}

/// That a file was what a list's source said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// When the source was looked at; `None`: now.
    pub at: Option<Timestamp>,
    /// The identity that declares it.
    pub by: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    pub id: ListId,
    /// False where the facts were those already loaded.
    pub published: bool,
    /// How many rows were newly listed.
    pub added: u64,
    /// How many rows' facts changed.
    pub updated: u64,
    /// How many rows were removed.
    pub removed: u64,
    /// How many removals newly wait to be confirmed.
    pub removals_pending: u64,
    /// Of a trial: the first of the rows that would be removed.
    pub lost: Vec<ListingChange>,
    /// What the file was taken for; of a source that is unchanged, the file that was read last. `None`
    /// where none was since the program started.
    pub file: Option<FileReport>,
}

/// A list as loaded or configured.
#[derive(Clone, Debug)]
pub struct ListOverview {
    pub id: ListId,
    /// Its configuration, where it has one.
    pub settings: Option<ListSettings>,
    /// Its version in force, where one is loaded.
    pub loaded: Option<SnapshotList>,
    /// How reading its source went, where it has one.
    pub source: Option<SourceStatus>,
    /// The source without credentials and query; empty where it has none.
    pub source_name: String,
}

impl ListOverview {
    /// Whether its source is asked for new publications.
    pub fn is_probed(&self) -> bool {
        self.settings.as_ref().is_some_and(|settings| settings.remote.probe.is_some())
    }
}

/// Where a listing of changes begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangesSince {
    /// With the first version ever loaded.
    Beginning,
    Version(u64),
    /// With versions published, or where undated loaded, on this day or later.
    Day(Date),
}

#[derive(Clone, Debug)]
pub struct Changes {
    pub changes: Vec<DatedChange>,
    /// Where to go on; `None` at the end.
    pub next: Option<[u64; 2]>,
}

/// A change with its version's day.
#[derive(Clone, Debug)]
pub struct DatedChange {
    pub list: ListId,
    /// The version that made it.
    pub version: u64,
    /// Which version of the list it is, from 1 on.
    pub number_on_list: u64,
    /// The day of publication of that version; where it tells the past anew, of the publication that
    /// made the change.
    pub published: Option<Date>,
    /// Whether the version tells the past of its list anew.
    pub is_retold: bool,
    pub change: ListingChange,
}

impl From<Preview> for Publication {
    fn from(preview: Preview) -> Self {
        Self { lost: preview.lost, ..preview.report.into() }
    }
}

impl From<Report> for Publication {
    fn from(report: Report) -> Self {
        match report {
            Report::Published { list, added, updated, removed, pending, .. } => Self {
                id: list,
                published: true,
                added,
                updated,
                removed,
                removals_pending: pending,
                lost: Vec::new(),
                file: None,
            },
            Report::Unchanged { list } => Self {
                id: list,
                published: false,
                added: 0,
                updated: 0,
                removed: 0,
                removals_pending: 0,
                lost: Vec::new(),
                file: None,
            },
        }
    }
}
