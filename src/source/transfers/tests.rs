//! Files of transfers, small ones written here, through the public interface.
#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::domain::transfer::{
    AccountMovement, Amount, Holder, Leg, MAX_TX_INDEX, Movement, MovementKind, PartialPosition,
    Placement, Position, TxId, TxStatus, UtxoMovement,
};

mod bitcoin;
mod columns;
mod containers;
mod ethereum;
mod own;
mod places;
mod published;

const A: &str = "0x00000000000000000000000000000000000000aa";
const B: &str = "0x00000000000000000000000000000000000000bb";
const USDT: &str = "0xdac17f958d2ee523a2206206994597c13d831ec7";

/// A file in a folder of its own, which goes with it.
struct ParsedNumber {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

fn write(bytes: impl AsRef<[u8]>) -> ParsedNumber {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    ParsedNumber { path, _folder: folder }
}

/// What was read of a file.
struct Outcome {
    report: ReadReport,
    transfers: Vec<Transfer>,
    /// Place, reason and verbatim row.
    rejects: Vec<(u64, String, String)>,
    /// Where they stand.
    stands: Vec<RowPlace>,
}

impl Outcome {
    fn account(&self, at: usize) -> &AccountMovement {
        match &self.transfers[at].movement {
            Movement::Account(movement) => movement,
            Movement::Utxo(_) => panic!("row {at} is of a UTXO chain"),
        }
    }

    fn utxo(&self, at: usize) -> &UtxoMovement {
        match &self.transfers[at].movement {
            Movement::Utxo(movement) => movement,
            Movement::Account(_) => panic!("row {at} is of an account chain"),
        }
    }
}

fn decimals(_: &Chain, asset: &Asset) -> Option<u8> {
    (*asset == Asset::Native).then_some(18)
}

fn read_path(
    path: &Path,
    settings: &ReadSettings,
    rejecting: bool,
) -> Result<Outcome, ReadTransfersError> {
    let mut transfers = Vec::new();
    let (mut rejects, mut stands) = (Vec::new(), Vec::new());
    let mut last = Progress::default();
    let mut sink = |batch: Vec<Transfer>, progress: Progress| {
        assert!(batch.len() <= BATCH);
        assert!(progress.rows >= last.rows && progress.bytes >= last.bytes, "{progress:?}");
        assert!(progress.total_bytes.is_none_or(|total| progress.bytes <= total), "{progress:?}");
        last = progress;
        transfers.extend(batch);
        Ok::<_, io::Error>(())
    };
    let mut reject = |reject: &Reject<'_>| {
        let row = String::from_utf8_lossy(reject.verbatim).into_owned();
        let line = reject.place.line.unwrap_or(reject.place.row);
        rejects.push((line, reject.fault.to_string(), row));
        stands.push(reject.stands.clone());
        Ok(())
    };
    let reject: Option<RejectSink<'_>> = if rejecting { Some(&mut reject) } else { None };
    let report = read(path, settings, &decimals, reject, &mut sink)?;
    assert_eq!(report.kept, transfers.len() as u64);
    assert_eq!(report.rejected, rejects.len() as u64);
    let left_out: u64 = report.left_out.values().sum();
    assert_eq!(report.rows_read, report.kept + left_out + report.rejected, "every row has a fate");
    assert_eq!(last.rows, report.rows_read);
    let kinds = report.format.kinds();
    assert!(transfers.iter().all(|transfer| kinds.contains(&transfer.kind())));
    if let Some(lines) = report.lines {
        assert_eq!(lines.check(report.rows_read), Ok(()));
    }
    Ok(Outcome { report, transfers, rejects, stands })
}

fn read_with(
    bytes: impl AsRef<[u8]>,
    settings: &ReadSettings,
) -> Result<Outcome, ReadTransfersError> {
    read_path(&write(bytes).path, settings, false)
}

fn read_text(text: impl AsRef<[u8]>) -> Outcome {
    read_with(text, &ReadSettings::default()).unwrap()
}

/// What is said of a file that is refused, without its path.
fn refusal_with(bytes: impl AsRef<[u8]>, settings: &ReadSettings) -> String {
    let written = write(bytes);
    let error =
        read_path(&written.path, settings, false).map(|outcome| outcome.report).unwrap_err();
    // As the command line shows it, with its causes.
    format!("{:#}", anyhow::Error::new(error)).replace(&format!("{}: ", written.path.display()), "")
}

fn refusal(bytes: impl AsRef<[u8]>) -> String {
    refusal_with(bytes, &ReadSettings::default())
}

fn evm(text: &str) -> Option<Holder> {
    Some(Holder::parse(text, &Chain::Evm(1)).unwrap())
}

fn hash(byte: &str) -> String {
    format!("0x{}", byte.repeat(32))
}
