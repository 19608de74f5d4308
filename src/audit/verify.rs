//! Verifies a log: reads every byte, computes every hash anew, and says where something differs
//! from the index, from a checkpoint, or from what the log says of itself. Needs one block of
//! memory, and some for each redaction.
//!
//! May run while the log is appended to. If a segment is replaced meanwhile (redaction, retention),
//! findings are those of a second pass. If one is replaced again during that, or if a crash cut a
//! replacement off, they may be false: stop the server, or verify a copy of a log that was closed.

mod accounts;
mod checkpoints;
mod succession;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::block::Block;
use super::files;
use super::filter::LoadedFilter;
use super::frame::{self, FramePlace};
use super::frontier::Frontier;
use super::head::{self, HEAD, Kind, LogId};
use super::index::{BlockPlace, Index, Row};
use super::merkle::{Hash, root_of};
use super::uncovered::Uncovered;
use super::{
    AuditError, BLOCK_BITS, BLOCKS_PER_SEGMENT, Cut, Damage, LEAVES_PER_BLOCK, SEGMENT_BITS,
    checkpoint_file, keys, origin, recover, replace,
};
use accounts::Accounts;
use checkpoints::Signed;

pub use succession::verify_succession;

/// Findings that are listed; more are counted only.
const MAX_LISTED: usize = 100;

/// Longer than a segment takes from the journal to the last row of the index.
const REPLACING: Duration = Duration::from_secs(1);

/// The outcome of a verification, and what was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub origin: String,
    /// Leaves that were read or whose hashes stand.
    pub size: u64,
    pub items: u64,
    /// Bytes of the segment files.
    pub bytes: u64,
    pub checkpoints: u64,
    /// Leaves behind the last checkpoint: their checksums alone protect them.
    pub uncovered: u64,
    /// Items whose values were redacted.
    pub redacted: u64,
    /// Leaves of which retention left the hash only.
    pub bare: u64,
    /// Blocks of which retention left the index row only.
    pub dropped: u64,
    /// A torn end without a checkpoint, as a crash or a running writer leaves it: no finding.
    pub torn: Option<Cut>,
    /// The first 100 of them.
    pub findings: Vec<Damage>,
    pub finding_count: u64,
}

impl Report {
    /// Returns true if nothing differs.
    pub fn is_sound(&self) -> bool {
        self.finding_count == 0
    }

    fn add(&mut self, finding: Damage) {
        self.finding_count += 1;
        if self.findings.len() < MAX_LISTED {
            self.findings.push(finding);
        }
    }

    /// Takes in an error that is a finding; others end the verification.
    fn take(&mut self, error: AuditError) -> Result<(), AuditError> {
        let AuditError::Damaged(damage) = error else { return Err(error) };
        self.add(damage);
        Ok(())
    }
}

/// Verifies the log in a directory such as `log.1`, and that it goes on from `outside`: a signed
/// checkpoint that was kept elsewhere. Without one, a log that was rolled back as a whole, or
/// signed anew by its own key, is sound in itself. `fingerprints` are those of [`super::Settings`].
///
/// What later logs of the directory announce of this one is taken in. That the logs follow each
/// other is checked by [`verify_succession`].
pub fn verify(
    log: &Path,
    outside: Option<&str>,
    fingerprints: fn(&str, &mut Vec<u64>),
) -> Result<Report, AuditError> {
    let before = Replacements::of(log);
    let report = verify_once(log, outside, fingerprints);
    let is_sound = report.as_ref().is_ok_and(Report::is_sound);
    let after = Replacements::of(log);
    let is_running = after.as_ref().is_some_and(|after| after.is_running);
    if is_sound || (before == after && !is_running) {
        return report;
    }
    if is_running {
        std::thread::sleep(REPLACING);
    }
    verify_once(log, outside, fingerprints)
}

/// What changes on disk when a segment is replaced.
#[derive(PartialEq, Eq)]
struct Replacements {
    /// Each gives a file of this directory its name, or removes one. So does a new segment.
    segments: SystemTime,
    is_running: bool,
}

impl Replacements {
    /// `None` if it cannot be told.
    fn of(log: &Path) -> Option<Self> {
        let segments =
            fs::metadata(log.join("segments")).and_then(|found| found.modified()).ok()?;
        Some(Self { segments, is_running: fs::exists(replace::journal(log)).ok()? })
    }
}

fn verify_once(
    log: &Path,
    outside: Option<&str>,
    fingerprints: fn(&str, &mut Vec<u64>),
) -> Result<Report, AuditError> {
    let origin = origin::read(log)?.origin;
    let id = LogId::of(&origin);
    let keys = keys::read(log)?;
    let mut report = Report { origin: origin.clone(), ..Report::default() };
    // Before the leaves are read: what these checkpoints cover is written by now.
    let signed = Signed::open(log, &origin, keys.clone(), outside, &mut report)?;
    let index = Index::open(log, id, false)?;
    let rows = index.len()?;
    let mut pass = Pass {
        log,
        id,
        report,
        signed,
        accounts: Accounts::new(&origin),
        fingerprints,
        filter: None,
        frontier: Frontier::default(),
        uncovered: Uncovered::default(),
        segment: None,
        scratch: Vec::new(),
    };
    for block in 0..rows {
        pass.sealed_block(block, index.row(block))?;
        if pass.report.finding_count > MAX_FOUND {
            let what = format!("more than {MAX_FOUND} findings: the rest is not verified");
            pass.report.add(damage(log, 0, block << BLOCK_BITS, what));
            return Ok(pass.report);
        }
    }
    pass.open_blocks(rows)?;
    let Pass { mut report, signed, mut accounts, frontier, mut uncovered, .. } = pass;
    // A server may have signed meanwhile. Damage of the file is found where it stands.
    if let Ok((last, _)) = checkpoint_file::last(log) {
        let size = last.map_or(0, |last| last.checkpoint.size);
        uncovered.leave_out_before(size);
        if let Some(what) = uncovered.fault(size) {
            report.add(Damage {
                path: checkpoint_file::path(log),
                byte: 0,
                leaf: Some(size),
                what,
            });
        }
    }
    report.uncovered = uncovered.count();
    succession::take_in_later(log, &mut accounts)?;
    report.size = frontier.size();
    signed.end(&frontier, &mut report)?;
    accounts.compare(log, &keys, &mut report);
    Ok(report)
}

/// Findings after which the rest is not verified.
const MAX_FOUND: u64 = 10_000;

/// The most bytes of a block: 4,096 records of the longest texts are larger, and no call makes such.
const MAX_BLOCK: usize = 256 << 20;

struct Pass<'a> {
    log: &'a Path,
    id: LogId,
    report: Report,
    signed: Signed,
    accounts: Accounts,
    fingerprints: fn(&str, &mut Vec<u64>),
    /// Of the open segment; `None` also once it was found to miss an address.
    filter: Option<LoadedFilter>,
    frontier: Frontier,
    uncovered: Uncovered,
    segment: Option<Segment>,
    scratch: Vec<u8>,
}

/// A segment that is being read.
struct Segment {
    number: u64,
    path: PathBuf,
    file: File,
    length: u64,
    /// Where the next block must begin.
    position: u64,
}

impl Pass<'_> {
    /// Checks a block that the index has a row of.
    fn sealed_block(&mut self, block: u64, row: Result<Row, AuditError>) -> Result<(), AuditError> {
        let row = match row {
            Ok(row) => Some(row),
            Err(error) => {
                self.report.take(error)?;
                None
            }
        };
        let is_dropped = row.is_some_and(|row| row.place.is_dropped());
        if is_dropped || !self.enter(block >> SEGMENT_BITS)? {
            self.report.dropped += u64::from(is_dropped);
            if !is_dropped {
                self.accounts.unreadable(block << BLOCK_BITS);
            }
            self.accounts.missing(block << BLOCK_BITS, LEAVES_PER_BLOCK);
            return self.skip(block, row.map(|row| row.hash));
        }
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let (offset, length) = match &row {
            Some(row) => (row.place.offset, (row.place.length as usize).min(MAX_BLOCK)),
            // Without its row a block begins where the last one ends, and is as long as it is.
            None => (segment.position, MAX_BLOCK),
        };
        if offset != segment.position {
            let what = format!("the index has the block at byte {offset}");
            self.report.add(damage(&segment.path, segment.position, block << BLOCK_BITS, what));
        }
        let bytes = segment.read(offset, length)?;
        segment.position = offset + bytes.len() as u64;
        let place = FramePlace { segment: segment.number, offset };
        let path = segment.path.clone();
        let (decoded, broken) = Block::decode(&bytes, place);
        if let Some(broken) = &broken {
            let leaf = (block << BLOCK_BITS) + decoded.len() as u64;
            let byte = offset + broken.byte as u64;
            self.report.add(damage(&path, byte, leaf, broken.what.to_owned()));
            return self.skip_damaged(block, row.map(|row| row.hash));
        }
        if (decoded.len() as u64) < LEAVES_PER_BLOCK {
            let what = format!("the block has {} leaves", decoded.len());
            self.report.add(damage(&path, offset, block << BLOCK_BITS, what));
            return self.skip_damaged(block, row.map(|row| row.hash));
        }
        let hashes = self.hashes(block, &decoded);
        let hash = root_of(&hashes);
        if let Some(row) = row {
            let found = Row { place: decoded.summary(row.place.offset), hash };
            if let Some(what) = differing(&row, &found) {
                self.report.add(damage(&path, offset, block << BLOCK_BITS, what.to_owned()));
                return self.skip_damaged(block, Some(row.hash));
            }
        } else if let Some(segment) = &mut self.segment {
            segment.position = offset + decoded.length() as u64;
        }
        self.take_in(block, &decoded);
        self.push(&hashes)?;
        self.leave(block)
    }

    fn skip_damaged(&mut self, block: u64, hash: Option<Hash>) -> Result<(), AuditError> {
        self.accounts.unreadable(block << BLOCK_BITS);
        self.skip(block, hash)
    }

    /// Adds a block whose leaves cannot be read, by the hash in the index.
    fn skip(&mut self, block: u64, hash: Option<Hash>) -> Result<(), AuditError> {
        self.signed.skip(&mut self.frontier, hash, &mut self.report)?;
        self.leave(block)
    }

    fn push(&mut self, hashes: &[Hash]) -> Result<(), AuditError> {
        self.signed.push(&mut self.frontier, hashes, &mut self.report)
    }

    fn hashes(&mut self, number: u64, block: &Block<'_>) -> Vec<Hash> {
        let signed = self.signed.last_size();
        let first = number << BLOCK_BITS;
        let behind = (signed.saturating_sub(first) as usize).min(block.len());
        if behind < block.len() {
            self.uncovered.add(first + behind as u64, &block.leaves()[behind..]);
        }
        block.leaves().iter().map(|leaf| block.hash(leaf, &mut self.scratch)).collect()
    }

    /// Opens a segment if it is not. Returns false if it cannot be read.
    fn enter(&mut self, number: u64) -> Result<bool, AuditError> {
        if self.segment.as_ref().is_some_and(|segment| segment.number == number) {
            return Ok(true);
        }
        match Segment::open(self.log, number, self.id) {
            Ok(segment) => {
                self.report.bytes += segment.length;
                self.segment = Some(segment);
                self.filter = match LoadedFilter::read(self.log, number, self.id) {
                    Ok(filter) => filter,
                    Err(error) => self.report.take(error).map(|()| None)?,
                };
                Ok(true)
            }
            Err(AuditError::Io { path, source }) => {
                let leaf = number << (SEGMENT_BITS + BLOCK_BITS);
                self.report.add(damage(&path, 0, leaf, source.to_string()));
                Ok(false)
            }
            Err(error) => self.report.take(error).map(|()| false),
        }
    }

    /// Checks what stands beside a segment after its last block.
    fn leave(&mut self, block: u64) -> Result<(), AuditError> {
        if !(block + 1).is_multiple_of(BLOCKS_PER_SEGMENT) {
            return Ok(());
        }
        let number = block >> SEGMENT_BITS;
        if let Some(segment) = self.segment.take_if(|segment| segment.number == number)
            && segment.length != segment.position
        {
            let leaf = (block + 1) << BLOCK_BITS;
            let what = "bytes follow the last block".to_owned();
            self.report.add(damage(&segment.path, segment.position, leaf, what));
        }
        Ok(())
    }

    fn take_in(&mut self, block: u64, decoded: &Block<'_>) {
        self.accounts.take_in(block << BLOCK_BITS, decoded, &mut self.report);
        let Some(filter) = &self.filter else { return };
        let mut found = Vec::new();
        let is_missed = |address: String| {
            found.clear();
            (self.fingerprints)(&address, &mut found);
            !found.is_empty() && !filter.may_contain(&found)
        };
        let mut addresses = decoded.all_items().iter().filter_map(|item| item.address.text());
        if addresses.any(is_missed) {
            let number = block >> SEGMENT_BITS;
            let path = files::filter(self.log, number);
            let what = "the filter misses an address of this block: searches pass the segment by";
            self.report.add(damage(&path, 0, block << BLOCK_BITS, what.to_owned()));
            self.filter = None;
        }
    }

    /// Checks the blocks after the index.
    fn open_blocks(&mut self, first: u64) -> Result<(), AuditError> {
        let mut block = first;
        loop {
            let number = block >> SEGMENT_BITS;
            let path = files::segment(self.log, number);
            let is_open = self.segment.as_ref().is_some_and(|segment| segment.number == number);
            if !is_open && !fs::exists(&path).map_err(AuditError::io(&path))? {
                return Ok(());
            }
            if !is_open && let Err(error) = Segment::open(self.log, number, self.id) {
                // A crash, or the writer, may be about to create it.
                self.end(&path, 0, files::length(&path)?, &error.to_string());
                return Ok(());
            }
            if !self.enter(number)? {
                return Ok(());
            }
            let Some(segment) = &mut self.segment else { return Ok(()) };
            let offset = segment.position;
            let length = files::length(&path)?;
            let bytes = segment.read(offset, MAX_BLOCK)?;
            let (decoded, broken) = Block::decode(&bytes, FramePlace { segment: number, offset });
            segment.position += decoded.length() as u64;
            let position = segment.position;
            let hashes = self.hashes(block, &decoded);
            self.take_in(block, &decoded);
            self.push(&hashes)?;
            if let Some(broken) = broken {
                let byte = offset + broken.byte as u64;
                let rest = &bytes[broken.byte..];
                if frame::follows_damage(rest, FramePlace { segment: number, offset: byte }) {
                    let what = format!("{}; whole frames follow it", broken.what);
                    self.report.add(damage(&path, byte, self.frontier.size(), what));
                    self.accounts.unreadable(block << BLOCK_BITS);
                } else {
                    self.end(&path, byte, rest.len() as u64, broken.what);
                }
            }
            if (decoded.len() as u64) < LEAVES_PER_BLOCK {
                // Where a writer has gone on meanwhile, the segment has grown.
                let is_short =
                    recover::has_frames(self.log, number + 1)? && files::length(&path)? == length;
                if is_short {
                    let what = "leaves are missing: the next segment has whole frames".to_owned();
                    self.report.add(damage(&path, position, self.frontier.size(), what));
                }
                return Ok(());
            }
            block += 1;
            if block.is_multiple_of(BLOCKS_PER_SEGMENT) {
                self.segment = None;
            }
        }
    }

    /// What follows `byte` is torn; that is a finding if a checkpoint covers it.
    fn end(&mut self, path: &Path, byte: u64, bytes: u64, what: &str) {
        let leaf = self.frontier.size();
        let what = what.to_owned();
        if self.signed.covers(leaf) {
            self.report.add(damage(path, byte, leaf, what));
        } else {
            self.report.torn = Some(Cut { path: path.to_owned(), byte, bytes, what });
        }
    }
}

impl Segment {
    fn open(log: &Path, number: u64, id: LogId) -> Result<Self, AuditError> {
        let path = files::segment(log, number);
        let file = files::open(&path)?;
        let length = file.metadata().map_err(AuditError::io(&path))?.len();
        let head = files::read_up_to(&file, HEAD).map_err(AuditError::io(&path))?;
        head::check(&path, &head, Kind::Segment, number, id)?;
        Ok(Self { number, path, file, length, position: HEAD as u64 })
    }

    /// Reads as much as the file has.
    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, AuditError> {
        files::read_at(&self.file, offset, length).map_err(AuditError::io(&self.path))
    }
}

fn damage(path: &Path, byte: u64, leaf: u64, what: String) -> Damage {
    Damage { path: path.to_owned(), byte, leaf: Some(leaf), what }
}

fn differing(row: &Row, found: &Row) -> Option<&'static str> {
    if row.hash != found.hash {
        return Some("the leaves of the block do not hash to the tile hash in the index");
    }
    // Of bare leaves the times are not known any more.
    let times = |place: &BlockPlace| (!place.has_bare()).then_some((place.earliest, place.latest));
    let rest = |place: &BlockPlace| {
        (place.length, place.items, place.classes, place.has_events(), place.has_bare())
    };
    let equal = rest(&row.place) == rest(&found.place) && times(&row.place) == times(&found.place);
    (!equal).then_some("the index holds other times, classes or sizes of the block")
}
