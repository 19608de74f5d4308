//! What a list file was taken for, and what was left out of it and why: said beside the list, never
//! a part of it.

use std::collections::BTreeMap;

use super::error::excerpt;
use crate::domain::list::{FileNote, FileReport, NoteKind, ReadList};

/// The most notes of a file; what is beyond is counted under [`MORE`].
const MAX_NOTES: usize = 50;

/// The most examples of a note.
const MAX_EXAMPLES: usize = 5;

/// The subject of the note of all that is beyond [`MAX_NOTES`].
const MORE: &str = "others";

/// A list file as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedFile {
    pub list: ReadList,
    /// What it was taken for.
    pub report: FileReport,
}

/// The notes on a file in the making.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<(NoteKind, String), (u64, Vec<String>)>);

impl Notes {
    /// Notes `count` of something.
    pub(super) fn add(&mut self, kind: NoteKind, subject: &str, count: u64, example: Option<&str>) {
        if count == 0 {
            return;
        }
        let mut key = (kind, excerpt(subject));
        if self.0.len() >= MAX_NOTES && !self.0.contains_key(&key) {
            key.1 = MORE.to_owned();
        }
        let (total, examples) = self.0.entry(key).or_default();
        *total = total.saturating_add(count);
        if let Some(example) = example.filter(|example| !example.is_empty())
            && examples.len() < MAX_EXAMPLES
        {
            examples.push(excerpt(example));
        }
    }

    /// The notes, by kind and subject.
    pub(super) fn finish(self) -> Vec<FileNote> {
        let note =
            |((kind, subject), (count, examples))| FileNote { kind, subject, count, examples };
        self.0.into_iter().map(note).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_bounded_and_lose_no_count() {
        let mut notes = Notes::default();
        for at in 0..200_u64 {
            let subject = format!("{at:03}{}", "x".repeat(500));
            notes.add(NoteKind::UnknownField, &subject, 2, Some("value"));
            notes.add(NoteKind::UnknownField, "000", 0, Some("value"));
        }
        for _ in 0..9 {
            notes.add(NoteKind::NoAddress, "tags", 1, Some(&"y".repeat(500)));
        }
        let notes = notes.finish();
        assert_eq!(notes.iter().map(|note| note.count).sum::<u64>(), 409);
        assert!(notes.len() <= MAX_NOTES + 2, "{}", notes.len());
        for note in notes {
            assert!(note.examples.len() <= MAX_EXAMPLES && note.subject.len() < 90, "{note:?}");
            assert!(note.examples.iter().all(|example| example.len() < 90), "{note:?}");
        }
    }
}
