//! What a list file was taken for, and what was left out of it.

use super::super::words::{count, line, or_dash};
use crate::cli::text::{Colour, Style, escape};
use crate::grpc::v1::{self, ListFileNoteKind};

/// What opens the ticker of rows whose type is not known, and what closes it.
const UNKNOWN_TYPE: (&str, char) = ("type \"", '"');

/// What the file was taken for, in lines.
pub(super) fn describe_file(file: &v1::ListFile, style: Style) -> String {
    let mut text = String::new();
    let packed = match &*file.compression {
        "" => String::new(),
        packing => format!(", {}", escape(packing)),
    };
    let rows = count(file.rows as usize, "row", "rows");
    let parties = count(file.parties as usize, "party", "parties");
    let dated = match &*file.published_on {
        "" => "no day of publication".to_owned(),
        day => format!("of {}", escape(day)),
    };
    let read = format!("{}{packed}: {rows} of {parties}, {dated}", or_dash(&file.format));
    line(&mut text, 2, "read as", &read);
    for note in &file.notes {
        let words = describe_note(note);
        let is_doubtful = !matches!(note.kind(), ListFileNoteKind::NotAddresses);
        let words = if is_doubtful { style.paint(Colour::Doubtful, &words) } else { words };
        line(&mut text, 2, "note", &words);
    }
    text
}

fn describe_note(note: &v1::ListFileNote) -> String {
    let subject = escape(&note.subject);
    let values = count(note.count as usize, "value", "values");
    let words = match note.kind() {
        ListFileNoteKind::UnknownType => {
            format!("{values} of the type \"{subject}\", which is not known, read by form")
        }
        ListFileNoteKind::NoAddress => format!("{} {subject} left out", note.count),
        ListFileNoteKind::NotAddresses => format!("{} {subject} passed by", note.count),
        ListFileNoteKind::UnknownField => {
            format!("{values} of the field \"{subject}\", which is not known, left out")
        }
        ListFileNoteKind::Unspecified => format!("{} {subject}", note.count),
    };
    if note.examples.is_empty() {
        return words;
    }
    let examples: Vec<_> = note.examples.iter().map(|example| escape(example)).collect();
    let more = if note.count > examples.len() as u64 { ", ..." } else { "" };
    format!("{words}: {}{more}", examples.join(", "))
}

/// What of a list needs a person's eye: rows of types that are not known, and entries that the file
/// of its source has without an address.
pub(super) fn doubts(list: &v1::SanctionsList) -> Vec<String> {
    let counts = list.counts.iter().flat_map(|counts| &counts.by_ticker);
    let unknown = counts.filter_map(|ticker| {
        let name = ticker.ticker.strip_prefix(UNKNOWN_TYPE.0)?.strip_suffix(UNKNOWN_TYPE.1)?;
        let rows = count(ticker.rows as usize, "row", "rows");
        Some(format!("{rows} of the type \"{}\", which is not known", escape(name)))
    });
    let notes = list.last_file.iter().flat_map(|file| &file.notes);
    let left_out =
        notes.filter(|note| note.kind() == ListFileNoteKind::NoAddress).map(describe_note);
    unknown.chain(left_out).collect()
}
