//! The compression of a file.

/// The compression of a file, detected by its first bytes, never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Packing {
    /// RFC 1952, `1f 8b`; several members are read one after the other.
    Gzip,
    /// `BZh`; several streams are read one after the other.
    Bzip2,
    /// RFC 8878, `28 b5 2f fd`; several frames are read one after the other.
    Zstd,
    /// `PK`; must hold exactly one file.
    Zip,
}

impl Packing {
    /// The name used in errors and reports.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Detects the compression, if any.
    pub(super) fn detect(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Self::Bzip2),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Self::Zip),
            _ => None,
        }
    }
}
