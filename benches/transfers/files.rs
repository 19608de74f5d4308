//! The files that the bench imports: transfers of an R-MAT graph in our own CSV form, and a list of
//! some of its addresses. Measures nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

use crate::rmat::{Rmat, address, random, transfer};

pub const SEED: u64 = 42;
/// Addresses are at most a sixteenth of the transfers, as in Graph500.
const EDGE_FACTOR: u64 = 16;

/// How much the CSV says of each transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Chain, time, ends, asset and amount: 137 bytes a row.
    Plain,
    /// The transaction's hash and the position too, in order, as a node exports them: 213 bytes.
    Placed,
}

impl Columns {
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "without tx and position",
            Self::Placed => "with tx and position",
        }
    }
}

/// The power of two that bounds the addresses of a graph.
pub fn scale(transfers: u64) -> u32 {
    (transfers / EDGE_FACTOR).max(2).ilog2()
}

/// An address as it stands in a file.
pub fn hex(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    b"0x".iter().copied().chain(bytes.iter().flat_map(digits)).collect()
}

/// Writes the transfers.
pub fn write_transfers(path: &Path, transfers: u64, columns: Columns) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(match columns {
        Columns::Plain => b"chain,time,from,to,asset,amount\n",
        Columns::Placed => b"chain,tx,position,time,from,to,asset,amount\n",
    })?;
    let mut state = SEED;
    for (row, (from, to)) in (0..transfers).zip(Rmat::new(SEED, scale(transfers))) {
        let time = transfer(row, (from, to)).time;
        file.write_all(b"eip155:1,")?;
        if columns == Columns::Placed {
            let parts = [(); 4].map(|()| random(&mut state).to_be_bytes());
            file.write_all(&hex(parts.as_flattened()))?;
            write!(file, ",{}:{}:0,", row / 200, row % 200)?;
        }
        write!(file, "{time},")?;
        file.write_all(&hex(&address(from)))?;
        file.write_all(b",")?;
        file.write_all(&hex(&address(to)))?;
        writeln!(file, ",native,{}", 1_000_000_000_000_000_000 + row)?;
    }
    file.into_inner()?.sync_all()
}

/// Numbers of `count` addresses that have a transfer.
pub fn seeds(transfers: u64, count: usize) -> Vec<u32> {
    let mut seen = vec![false; 1 << scale(transfers)];
    for (_, (from, to)) in (0..transfers).zip(Rmat::new(SEED, scale(transfers))) {
        (seen[from as usize], seen[to as usize]) = (true, true);
    }
    let (mut seeds, mut state) = (BTreeSet::new(), 7);
    while seeds.len() < count {
        let node = random(&mut state) as usize % seen.len();
        if seen[node] {
            seeds.insert(u32::try_from(node).expect("below 2^32"));
        }
    }
    seeds.into_iter().collect()
}

/// Writes a list of those addresses, published today.
pub fn write_list(path: &Path, seeds: &[u32]) -> Result<()> {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "# lazaretto list 1\n# published: {today}")?;
    writeln!(file, "address,ticker,party_uid,party_name,listed_on")?;
    for seed in seeds {
        file.write_all(&hex(&address(*seed)))?;
        writeln!(file, ",ETH,{seed},PARTY {seed},2024-01-02")?;
    }
    file.into_inner()?.sync_all()
}
