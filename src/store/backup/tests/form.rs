//! The form of the file: every byte of it is checked, and what is newer is named.

use super::*;
use crate::store::backup::frame::Header;

/// The least of all kinds of frames.
fn small() -> Vec<u8> {
    let header = Header {
        program: "0.1.0".to_owned(),
        format: FORMAT,
        schema: SCHEMA,
        made: Timestamp::UNIX_EPOCH,
        trees: vec!["meta".to_owned(), "lists".to_owned()],
    };
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &header).unwrap();
    writer.heads(b"heads").unwrap();
    writer.entry(0, b"a", b"1").unwrap();
    writer.entry(0, b"b", b"").unwrap();
    writer.entry(1, b"a", b"1").unwrap();
    writer.segments(b"segment 1").unwrap();
    writer.segments(b"segment 2").unwrap();
    writer.end().unwrap();
    bytes
}

/// Reads all frames; where each began, and the end.
fn frames(bytes: &[u8]) -> Result<Vec<u64>, BackupError> {
    let (mut reader, _) = Reader::new(bytes)?;
    let mut places = vec![reader.position()];
    loop {
        let ended = matches!(reader.next()?, Frame::End(_));
        places.push(reader.position());
        if ended {
            return Ok(places);
        }
    }
}

fn refusal(bytes: &[u8]) -> String {
    frames(bytes).unwrap_err().to_string()
}

#[test]
fn every_changed_byte_is_noticed() {
    let whole = small();
    frames(&whole).unwrap();
    for place in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << bit;
            let error = frames(&bytes).unwrap_err();
            match error {
                BackupError::NotABackup => assert!(place < 16),
                BackupError::Damaged { position, .. } => {
                    assert!(position <= whole.len() as u64, "{place}: {error}");
                }
                error @ (BackupError::Newer { .. }
                | BackupError::Content { .. }
                | BackupError::Read { .. }
                | BackupError::Write(_)
                | BackupError::Exists(_)
                | BackupError::Restoring(_)
                | BackupError::TooLarge { .. }
                | BackupError::Store(_)) => panic!("{place}: {error}"),
            }
        }
    }
}

#[test]
fn every_truncation_is_noticed_where_the_file_ends() {
    let whole = small();
    for length in 0..whole.len() {
        let said = refusal(&whole[..length]);
        match length {
            0 => assert!(said.starts_with("byte 0: this is not a backup"), "{said}"),
            _ => {
                let want = format!("byte {length}: the backup is damaged: the file ends here");
                assert!(said.starts_with(&want), "{length}: {said}");
            }
        }
    }
    let longer = [&whole[..], b"x"].concat();
    let want = "the backup is damaged: something follows the end of the backup";
    assert_eq!(refusal(&longer), format!("byte {}: {want}", whole.len()));
}

#[test]
fn frames_in_another_order_are_noticed() {
    let whole = small();
    let places: Vec<usize> = frames(&whole).unwrap().iter().map(|place| *place as usize).collect();
    let parts: Vec<&[u8]> = places.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
    let head = &whole[..places[0]];
    for first in 0..parts.len() {
        for second in 0..parts.len() {
            if first == second {
                continue;
            }
            let mut swapped = parts.clone();
            swapped.swap(first, second);
            refusal(&[head, &swapped.concat()].concat());
            let mut doubled = parts.clone();
            doubled.insert(second, parts[first]);
            if doubled != parts {
                refusal(&[head, &doubled.concat()].concat());
            }
        }
        let mut without = parts.clone();
        without.remove(first);
        refusal(&[head, &without.concat()].concat());
    }
    // Of another backup, at the same place: only the digest at the end tells.
    let mut other = whole.clone();
    let segment = places[3];
    other[segment + 5] = b'S';
    let checksum = frame::frame_checksum_of(&other[segment..places[4]], segment as u64);
    other[places[4] - 8..places[4]].copy_from_slice(&checksum);
    let said = refusal(&other);
    assert!(said.ends_with("the digest of all data before it is wrong"), "{said}");
}

#[test]
fn what_is_newer_is_named_with_its_program() {
    let dir = tempfile::tempdir().unwrap();
    let header = |program: &str, format, schema| Header {
        program: program.to_owned(),
        format,
        schema,
        made: Timestamp::UNIX_EPOCH,
        trees: Vec::new(),
    };
    let check = |header: &Header, want: &str| {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes, header).unwrap();
        // What follows has a form that nobody knows yet.
        bytes.extend_from_slice(&[0xff; 99]);
        let error = restore(dir.path(), &*bytes, DEFAULT_CACHE, &judge).unwrap_err();
        assert_eq!(error.to_string(), want);
        assert_eq!(verify_backup(&*bytes, &judge).unwrap_err().to_string(), want);
        assert_eq!(names(dir.path()), [""; 0]);
    };
    let ours = env!("CARGO_PKG_VERSION");
    let reads = "which reads format 1 and schemas 1 to 8 only: use lazaretto 9.1.0 or later";
    check(
        &header("9.1.0", 2, 2),
        &format!(
            "byte 16: the backup was written by lazaretto 9.1.0 (backup format 2, store schema 2), but this is lazaretto {ours}, {reads}"
        ),
    );
    check(
        &header("9.1.0", 1, 9),
        &format!(
            "byte 16: the backup was written by lazaretto 9.1.0 (backup format 1, store schema 9), but this is lazaretto {ours}, {reads}"
        ),
    );
    let none = "byte 16: the backup is damaged: there is no backup format";
    check(&header("0.1.0", 0, 2), &format!("{none} 0 with store schema 2"));
    check(&header("0.1.0", 1, 0), &format!("{none} 1 with store schema 0"));
    let unclear = "byte 24: the backup is damaged: the header cannot be parsed";
    check(&header("", 1, 2), unclear);
    check(&header("9\u{1b}[2J", 2, 2), unclear);
    check(&header(&"9".repeat(65), 2, 2), unclear);
}

#[test]
fn claims_beyond_all_bounds_are_refused() {
    let whole = small();
    let start = frames(&whole).unwrap()[0] as usize;
    let mut long = whole.clone();
    long[20..24].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(refusal(&long), "byte 20: the backup is damaged: the header is too long");
    let mut long = whole.clone();
    long[start + 1..start + 5].copy_from_slice(&u32::MAX.to_be_bytes());
    let want = "the backup is damaged: a frame of 4294967295 bytes, at most 2097152";
    assert_eq!(refusal(&long), format!("byte {start}: {want}"));
}
