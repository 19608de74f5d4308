//! What the targets for files of transfers share: bytes as a file, read with every row that cannot
//! be understood rejected, so that the rows behind it are read too. Must not judge what comes out.

use std::io::{self, Write};

use lazaretto::domain::chain::Chain;
use lazaretto::domain::transfer::{Asset, Transfer};
use lazaretto::source::transfers::{
    Progress, ReadSettings, Reject, TransferBounds, TransferFormat, read,
};

/// Reads `bytes` as a file, within bounds that keep a run short.
pub fn read_bytes(bytes: &[u8], format: Option<TransferFormat>) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    file.write_all(bytes).expect("a temporary file can be written");
    let bounds = TransferBounds { max_unpacked: 16 << 20, ..TransferBounds::default() };
    let settings = ReadSettings { format, bounds, ..ReadSettings::default() };
    let decimals = |_: &Chain, asset: &Asset| (*asset == Asset::Native).then_some(18);
    let mut reject = |_: &Reject<'_>| Ok(());
    let mut sink = |_: Vec<Transfer>, _: Progress| Ok::<_, io::Error>(());
    let _ = read(file.path(), &settings, &decimals, Some(&mut reject), &mut sink);
}
