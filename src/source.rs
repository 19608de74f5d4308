//! STUB, replaced at merge. Bytes of list files to [`crate::domain::list::ReadList`], or an error
//! with its position.

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ofac-advanced
    OfacAdvanced,
    /// ofac-sdn
    OfacSdn,
    /// tagpack
    TagPack,
    /// opensanctions
    OpenSanctions,
    /// csv
    Csv,
    /// jsonl
    JsonLines,
    /// plain
    Plain,
}

const NAMES: [(&str, Format); 7] = [
    ("ofac-advanced", Format::OfacAdvanced),
    ("ofac-sdn", Format::OfacSdn),
    ("tagpack", Format::TagPack),
    ("opensanctions", Format::OpenSanctions),
    ("csv", Format::Csv),
    ("jsonl", Format::JsonLines),
    ("plain", Format::Plain),
];

impl std::str::FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        NAMES
            .into_iter()
            .find(|(name, _)| *name == text)
            .map(|(_, format)| format)
            .ok_or_else(|| format!("{text:?} is no format"))
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = NAMES
            .iter()
            .find(|(_, format)| format == self)
            .map_or("", |(name, _)| name);
        f.write_str(name)
    }
}
