//! What was left out of a list file, as lines of the log. Names no address.

use crate::domain::list::{FileReport, ListId, NoteKind};

/// Logs what was left out of a file, or read with a doubt; no address of it.
pub fn log_notes(list: &ListId, report: &FileReport) {
    for note in &report.notes {
        let (subject, count) = (&*note.subject, note.count);
        match note.kind {
            NoteKind::UnknownType => tracing::warn!(
                %list, subject, count,
                "values of a type that looks like addresses and is not known were read by their form",
            ),
            NoteKind::NoAddress => {
                tracing::warn!(%list, subject, count, "left out of a list for want of an address");
            }
            NoteKind::NotAddresses | NoteKind::UnknownField => {
                tracing::debug!(%list, subject, count, "passed by in a list");
            }
        }
    }
}
