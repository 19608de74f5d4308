//! What a list file was taken for, as a message.

use crate::domain::list::{FileNote, FileReport, NoteKind};
use crate::grpc::convert::day;
use crate::grpc::v1::{self, ListFileNoteKind};

/// The message of a report.
pub(super) fn message(report: &FileReport) -> v1::ListFile {
    v1::ListFile {
        format: report.format.to_owned(),
        compression: report.packing.unwrap_or_default().to_owned(),
        rows: report.rows,
        parties: report.parties,
        published_on: day(report.published),
        notes: report.notes.iter().map(note).collect(),
    }
}

fn note(note: &FileNote) -> v1::ListFileNote {
    let kind = match note.kind {
        NoteKind::UnknownType => ListFileNoteKind::UnknownType,
        NoteKind::NoAddress => ListFileNoteKind::NoAddress,
        NoteKind::NotAddresses => ListFileNoteKind::NotAddresses,
        NoteKind::UnknownField => ListFileNoteKind::UnknownField,
    };
    v1::ListFileNote {
        kind: kind.into(),
        subject: note.subject.clone(),
        count: note.count,
        examples: note.examples.clone(),
    }
}
