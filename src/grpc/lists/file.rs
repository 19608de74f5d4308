//! What a list file was taken for, as a message.

use crate::domain::list::{FileNote, FileReport};
use crate::grpc::convert::day;
use crate::grpc::v1;

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
    v1::ListFileNote {
        kind: v1::ListFileNoteKind::from(note.kind).into(),
        subject: note.subject.clone(),
        count: note.count,
        examples: note.examples.clone(),
    }
}
