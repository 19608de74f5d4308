//! Detects the format of a file from its beginning.

use std::path::Path;

use super::error::SourceError;
use super::foreign::without_bom;
use super::{Format, open_sanctions_csv};

/// Returns true if the text begins as markup.
pub(super) fn is_markup(head: &[u8]) -> bool {
    without_bom(head).trim_ascii_start().starts_with(b"<")
}

/// Detects the format from the beginning of the unpacked content. The file's name decides only
/// between ambiguous text forms.
pub(super) fn sniff(head: &[u8], name: Option<&Path>) -> Result<Format, SourceError> {
    let text = String::from_utf8_lossy(without_bom(head));
    let text = text.trim_start();
    if text.is_empty() {
        return Err(SourceError::UnknownFormat("it is empty"));
    }
    if text.starts_with('<') {
        return sniff_xml(text);
    }
    if text.starts_with('[') {
        return Ok(Format::JsonArray);
    }
    if text.starts_with('{') {
        return sniff_json(text);
    }
    sniff_text(text, name)
}

fn sniff_xml(mut text: &str) -> Result<Format, SourceError> {
    let unknown = Err(SourceError::UnknownFormat("XML without a known root element"));
    loop {
        text = text.trim_start();
        let end = match text {
            _ if text.starts_with("<?") => "?>",
            _ if text.starts_with("<!--") => "-->",
            _ => break,
        };
        match text.split_once(end) {
            Some((_, rest)) => text = rest,
            None => return unknown,
        }
    }
    let Some(tag) = text.strip_prefix('<') else {
        return unknown;
    };
    if tag.len() >= 4 && (tag.starts_with('!') || tag.as_bytes()[..4].eq_ignore_ascii_case(b"html"))
    {
        return Err(SourceError::UnknownFormat("an HTML page or a document type declaration"));
    }
    let name = tag.split(|c: char| c.is_whitespace() || c == '/' || c == '>').next();
    match name.and_then(|name| name.rsplit(':').next()) {
        Some("Sanctions") => Ok(Format::OfacAdvanced),
        Some("sdnList") => Ok(Format::OfacSdn),
        _ => unknown,
    }
}

fn sniff_json(text: &str) -> Result<Format, SourceError> {
    let line = text.lines().next().unwrap_or_default();
    let has = |key: &str| line.contains(key);
    if has("\"schema\"") && has("\"properties\"") {
        Ok(Format::OpenSanctions)
    } else if has("\"lazaretto_list\"") || has("\"address\"") {
        Ok(Format::JsonLines)
    } else {
        Err(SourceError::UnknownFormat("JSON with an unknown first line"))
    }
}

fn sniff_text(text: &str, name: Option<&Path>) -> Result<Format, SourceError> {
    let comment = |line: &&str| line.starts_with('#');
    if text
        .lines()
        .take_while(comment)
        .any(|line| line.trim_start_matches('#').trim_start().starts_with("lazaretto list"))
    {
        return Ok(Format::Csv);
    }
    let Some(first) = text.lines().find(|line| !comment(line) && !line.trim().is_empty()) else {
        return by_name(name).ok_or(SourceError::UnknownFormat("nothing but comments"));
    };
    let mut cells = first.split(',').map(|cell| cell.trim().trim_matches('"'));
    if cells.any(|cell| cell == "address") {
        return Ok(Format::Csv);
    }
    if open_sanctions_csv::is_heading(first) {
        return Ok(Format::OpenSanctionsCsv);
    }
    let key = first.split_once(':').map(|(key, rest)| (key.trim_matches(['"', '\'']), rest));
    let yaml_key = key.is_some_and(|(key, rest)| {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !key.is_empty() && key.chars().all(word) && (rest.is_empty() || rest.starts_with(' '))
    });
    if first.starts_with("%YAML") || first.trim_end() == "---" || yaml_key {
        return Ok(Format::TagPack);
    }
    let printable = |line: &str| line.trim().bytes().all(|byte| byte.is_ascii_graphic());
    if first.trim().len() >= 20 && printable(first) {
        return Ok(Format::Plain);
    }
    by_name(name).ok_or(SourceError::UnknownFormat("text of an unknown form"))
}

/// Detects the format by name, ignoring the extensions of packed files.
fn by_name(name: Option<&Path>) -> Option<Format> {
    let name = name?.file_name()?.to_str()?.to_ascii_lowercase();
    let bare = [".gz", ".bz2", ".zst", ".zip"].iter().find_map(|end| name.strip_suffix(end));
    match bare.unwrap_or(&name).rsplit_once('.')?.1 {
        "yaml" | "yml" => Some(Format::TagPack),
        "csv" => Some(Format::Csv),
        "txt" => Some(Format::Plain),
        _ => None,
    }
}
