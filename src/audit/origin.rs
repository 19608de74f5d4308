//! The file `origin`: the log's identity, and the place on disk at which it was started.
//!
//! Text: `lazaretto origin 1`, the origin, and the inode and birth time of this very file, as
//! `<inode> <nanoseconds>`. The file is never replaced, so its inode is that of the place. A copy,
//! a restored backup and a new disk have another inode or another birth time: the log then stays
//! as it is, and the next one begins, so that no two processes sign different trees by one key.
//!
//! What this cannot notice: a clone of the whole file system, block by block (a volume snapshot, an
//! image of a machine). Inode and birth time are the same there. Two such clones sign two trees of
//! one origin, and only a holder of checkpoints of both can prove it. A file system without
//! birth times is told by its inodes alone; one that numbers inodes anew at each mount (some of
//! those on FUSE) begins a log at each start and is not fit for this.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{AtFlags, Statx, StatxFlags, statx};

use super::{AuditError, files, note};

const FIRST_LINE: &str = "lazaretto origin 1";

pub(super) struct Origin {
    pub(super) origin: String,
    /// As the file has it.
    place: String,
}

/// Returns a new origin under a name.
pub(super) fn new_origin(name: &str) -> Result<String, AuditError> {
    if !note::is_name(name) {
        return Err(AuditError::Name(name.to_owned()));
    }
    let mut random = [0; 8];
    SystemRandom::new().fill(&mut random).map_err(|_| AuditError::Random)?;
    Ok(format!("{name}/{}", HEXLOWER.encode(&random)))
}

pub(super) fn create(log: &Path, origin: &str) -> Result<(), AuditError> {
    let path = log.join("origin");
    let new = files::beside(&path);
    let io = AuditError::io(&new);
    let mut file = files::create(&new).map_err(&io)?;
    let place = place_of(&file).map_err(&io)?;
    let text = format!("{FIRST_LINE}\n{origin}\n{place}\n");
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(&io)?;
    files::rename(&new, &path)
}

pub(super) fn read(log: &Path) -> Result<Origin, AuditError> {
    let path = log.join("origin");
    let text = files::read_text(&path)?;
    let lines: Vec<&str> = text.lines().collect();
    let [FIRST_LINE, origin, place] = lines[..] else {
        return Err(AuditError::damaged(&path, 0, format!("it is not a file `{FIRST_LINE}`")));
    };
    if !note::is_name(origin) {
        return Err(AuditError::damaged(&path, 0, "the origin is no name of a log"));
    }
    Ok(Origin { origin: origin.to_owned(), place: place.to_owned() })
}

impl Origin {
    /// Returns whether the log stands where it was started, and has its key.
    pub(super) fn is_in_place(&self, log: &Path) -> Result<bool, AuditError> {
        let path = log.join("origin");
        let file = files::open(&path)?;
        let place = place_of(&file).map_err(AuditError::io(&path))?;
        let key = log.join("key");
        Ok(place == self.place && fs::exists(&key).map_err(AuditError::io(&key))?)
    }
}

fn place_of(file: &File) -> std::io::Result<String> {
    let wanted = StatxFlags::INO | StatxFlags::BTIME;
    let found: Statx = statx(file.as_fd(), "", AtFlags::EMPTY_PATH, wanted)?;
    let has_birth = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
    let birth = i128::from(found.stx_btime.tv_sec) * 1_000_000_000;
    let birth = if has_birth { birth + i128::from(found.stx_btime.tv_nsec) } else { 0 };
    Ok(format!("{} {birth}", found.stx_ino))
}
