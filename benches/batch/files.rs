//! The inputs of the batch bench. Measures nothing.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

use crate::addresses::{self, Family};

/// One address in so many has an exposure.
const EXPOSED_EVERY: usize = 1_000;

/// A CSV of `rows` lower-case EVM addresses at random, some of them `exposed`.
pub fn evm(path: &Path, rows: usize, exposed: &[String]) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    writeln!(file, "address")?;
    let mut random = fastrand::Rng::with_seed(0x0062_6174_6368);
    for row in 0..rows {
        match row % EXPOSED_EVERY {
            0 => writeln!(file, "{}", exposed[row / EXPOSED_EVERY % exposed.len()])?,
            _ => writeln!(file, "0x{:032x}{:08x}", random.u128(..), random.u32(..))?,
        }
    }
    file.into_inner()?.sync_all()
}

/// A CSV of `rows` Bitcoin addresses, P2PKH, P2SH and P2WPKH in turn; those of base58.
pub fn bitcoin(path: &Path, rows: usize) -> Result<Vec<String>> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    writeln!(file, "address")?;
    let each = rows.div_ceil(3);
    let p2pkh = Family::P2pkh.addresses(each, &[]);
    let p2sh: Vec<_> = addresses::p2sh(each).collect();
    let segwit = Family::P2wpkh.addresses(each, &[]);
    let families = [&p2pkh, &p2sh, &segwit];
    for row in 0..rows {
        writeln!(file, "{}", families[row % 3][row / 3])?;
    }
    file.into_inner()?.sync_all()?;
    Ok(p2pkh.into_iter().chain(p2sh).collect())
}
