//! Reports how a list file was read, and what was skipped and why.

use std::collections::BTreeMap;

use super::excerpt::excerpt;
use crate::domain::list::{FileNote, FileReport, NoteKind, ReadList};

/// The maximum number of notes of a file; further ones are counted under [`MORE`].
const MAX_NOTES: usize = 50;

/// The maximum number of examples of a note.
const MAX_EXAMPLES: usize = 5;

/// The subject of the note on everything beyond [`MAX_NOTES`].
const MORE: &str = "others";

/// A list file as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedFile {
    pub list: ReadList,
    /// How it was read.
    pub report: FileReport,
}

/// The notes on a file being read.
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
