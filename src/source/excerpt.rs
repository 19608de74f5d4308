//! Short excerpts of untrusted text for errors.

/// The maximum excerpt of the input in an error, in characters.
const EXCERPT: usize = 80;

/// Returns the beginning of an untrusted text, short enough for an error.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
