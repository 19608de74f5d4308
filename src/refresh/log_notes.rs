//! Logs what a reader skipped in a list file, without any address.

use crate::domain::list::{FileReport, ListId, NoteKind};

/// Logs what was skipped in a file, or read with a doubt; never an address.
pub fn log_notes(list: &ListId, report: &FileReport) {
    for note in &report.notes {
        let (subject, count) = (&*note.subject, note.count);
        match note.kind {
            NoteKind::UnknownType => tracing::warn!(
                %list, subject, count,
                "unknown address type, values read by their form",
            ),
            NoteKind::NoAddress => {
                tracing::warn!(%list, subject, count, "entries without an address skipped");
            }
            NoteKind::NotAddresses | NoteKind::UnknownField => {
                tracing::debug!(%list, subject, count, "entries or fields without addresses skipped");
            }
        }
    }
}
