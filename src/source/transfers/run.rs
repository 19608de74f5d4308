//! Converts the rows of one file to batches of transfers: detects the format, and counts the
//! outcome of each row.

use std::collections::BTreeMap;
use std::path::Path;

use super::amazon::Unit;
use super::bitcoin::{self, Bitcoin};
use super::error::{FieldFault, ReadTransfersError, RowFault};
use super::ethereum::{self, Context};
use super::joins::{Blocks, Receipts};
use super::own::{self, Own};
use super::row::ConvertedRow;
use super::{
    AssetDecimals, BATCH, ReadReport, ReadSettings, Reject, RejectSink, RowPlace, TransferFormat,
    place, schema,
};
use crate::domain::chain::Chain;
use crate::domain::transfer::{Movement, Transfer};
use crate::source::excerpt::excerpt;
use crate::source::rows::{Columns, Origin, Progress, Table};

/// The maximum number of skipped or rejected rows before `sink` is called to report progress.
const QUIET_ROWS: u64 = 65_536;

/// The most inputs and outputs of the transactions of a batch, but for its last transaction.
const BATCH_LEGS: usize = 1 << 18;

/// The next batch of transfers.
struct Batch {
    transfers: Vec<Transfer>,
    legs: usize,
}

impl Batch {
    fn new() -> Self {
        Self { transfers: Vec::with_capacity(BATCH), legs: 0 }
    }

    fn is_full(&self) -> bool {
        self.transfers.len() == BATCH || self.legs > BATCH_LEGS
    }

    fn push(&mut self, transfer: Transfer) {
        if let Movement::Utxo(movement) = &transfer.movement {
            self.legs += movement.inputs.len() + movement.outputs.len();
        }
        self.transfers.push(transfer);
    }

    fn take(&mut self) -> Vec<Transfer> {
        std::mem::replace(self, Self::new()).transfers
    }
}

type Sink<'a> = &'a mut dyn FnMut(Vec<Transfer>, Progress) -> Result<(), ReadTransfersError>;

enum Reader<'a> {
    Transactions(Context),
    TokenTransfers(Context),
    Traces(Context),
    Bitcoin(Bitcoin),
    Own(Own<'a>),
}

fn columns(format: TransferFormat) -> &'static Columns<'static> {
    match format {
        TransferFormat::EthereumTransactions => &ethereum::TRANSACTIONS,
        TransferFormat::EthereumTokenTransfers => &ethereum::TOKEN_TRANSFERS,
        TransferFormat::EthereumTraces => &ethereum::TRACES,
        TransferFormat::BitcoinTransactions | TransferFormat::AwsBitcoinTransactions => {
            &bitcoin::TRANSACTIONS
        }
        TransferFormat::Own => &own::TRANSFERS,
    }
}

/// The columns that identify a format: never null, and not all of them in another format. Amazon's
/// are those of bitcoin-etl; the content of inputs and outputs distinguishes it.
fn marks(format: TransferFormat) -> &'static [&'static str] {
    match format {
        TransferFormat::EthereumTransactions => &["hash", "block_number", "from_address", "value"],
        TransferFormat::EthereumTokenTransfers => &["token_address", "transaction_hash", "value"],
        TransferFormat::EthereumTraces => &["trace_type", "block_number", "value"],
        TransferFormat::BitcoinTransactions | TransferFormat::AwsBitcoinTransactions => {
            &["hash", "block_number", "outputs"]
        }
        TransferFormat::Own => &["time", "asset", "amount"],
    }
}

fn tell_format(table: &Table<'_>, path: &Path) -> Result<TransferFormat, ReadTransfersError> {
    let has = |mark: &&str| table.names().iter().any(|name| name == mark);
    let is_amazon = bitcoin::is_amazon(table);
    let fits = |format: &TransferFormat| {
        let other = if is_amazon {
            TransferFormat::BitcoinTransactions
        } else {
            TransferFormat::AwsBitcoinTransactions
        };
        *format != other && marks(*format).iter().all(has)
    };
    let candidates: Vec<_> = TransferFormat::ALL.into_iter().filter(fits).collect();
    match candidates[..] {
        [format] => Ok(format),
        [] => Err(ReadTransfersError::Rows(table.unfit(format!(
            "the columns are of no known format (docs/transfer-formats.md): {}: name it to learn \
             which are missing",
            excerpt(&table.names().join(", "))
        )))),
        _ => Err(ReadTransfersError::Ambiguous { path: path.display().to_string(), candidates }),
    }
}

/// The unit of the values of inputs and outputs.
fn unit(format: TransferFormat) -> Unit {
    match format {
        TransferFormat::AwsBitcoinTransactions => Unit::Coins,
        TransferFormat::EthereumTransactions
        | TransferFormat::EthereumTokenTransfers
        | TransferFormat::EthereumTraces
        | TransferFormat::BitcoinTransactions
        | TransferFormat::Own => Unit::Smallest,
    }
}

/// Reads a file; see [`super::read`].
pub(super) fn read(
    path: &Path,
    settings: &ReadSettings,
    asset_decimals: AssetDecimals<'_>,
    reject: Option<RejectSink<'_>>,
    sink: Sink<'_>,
) -> Result<ReadReport, ReadTransfersError> {
    let mut table = Table::open(Origin::File(path), None, &settings.of_rows())?;
    let format = match settings.format {
        Some(format) => format,
        None => tell_format(&table, path)?,
    };
    if columns(format).find("inputs").is_some() && table.is_csv() {
        let what = "inputs and outputs do not fit in CSV: give JSON lines or Parquet";
        return Err(table.unfit(what).into());
    }
    schema::check(&table, columns(format), unit(format))?;
    table.select(columns(format))?;
    let reader = Reader::new(format, settings, asset_decimals)?;
    let report = ReadReport::new(format);
    Run { path, table, reader, reject, now: settings.now, report }.all(sink)
}

impl ReadReport {
    fn new(format: TransferFormat) -> Self {
        Self {
            format,
            rows_read: 0,
            lines: None,
            kept: 0,
            left_out: BTreeMap::new(),
            rejected: 0,
            unpositioned: 0,
            without_tx: 0,
            unnamed_inputs: 0,
            unnamed_outputs: 0,
            unnamed_accounts: 0,
        }
    }
}

impl<'a> Reader<'a> {
    fn new(
        format: TransferFormat,
        settings: &ReadSettings,
        asset_decimals: AssetDecimals<'a>,
    ) -> Result<Self, ReadTransfersError> {
        let chain = settings.chain.clone();
        let misfit = |chain: &Chain| ReadTransfersError::Chain { format, chain: chain.to_string() };
        match format {
            TransferFormat::Own => {
                if let Some(chain) = &chain {
                    own::check_chain(chain).map_err(|_: FieldFault| misfit(chain))?;
                }
                return Ok(Self::Own(Own::new(chain, settings.plain_times, asset_decimals)));
            }
            TransferFormat::BitcoinTransactions | TransferFormat::AwsBitcoinTransactions => {
                let chain = chain.unwrap_or(Chain::Bitcoin);
                if !chain.caip2().starts_with("bip122:") {
                    return Err(misfit(&chain));
                }
                let reader = Bitcoin::new(chain, unit(format), settings.plain_times);
                return Ok(Self::Bitcoin(reader));
            }
            TransferFormat::EthereumTransactions
            | TransferFormat::EthereumTokenTransfers
            | TransferFormat::EthereumTraces => {}
        }
        let chain = chain.unwrap_or(Chain::Evm(1));
        if !matches!(chain, Chain::Evm(_)) {
            return Err(misfit(&chain));
        }
        let blocks = settings.blocks.as_deref().map(|path| Blocks::read(path, settings));
        let by_place = format == TransferFormat::EthereumTraces;
        let receipts = settings.receipts.as_deref();
        let receipts = receipts.map(|path| Receipts::read(path, settings, by_place));
        let context = Context {
            chain,
            blocks: blocks.transpose()?,
            receipts: receipts.transpose()?,
            plain_times: settings.plain_times,
        };
        Ok(match format {
            TransferFormat::EthereumTransactions => Self::Transactions(context),
            TransferFormat::EthereumTokenTransfers => Self::TokenTransfers(context),
            TransferFormat::EthereumTraces
            | TransferFormat::BitcoinTransactions
            | TransferFormat::AwsBitcoinTransactions
            | TransferFormat::Own => Self::Traces(context),
        })
    }

    #[inline]
    fn understand(&mut self, table: &mut Table<'_>) -> Result<ConvertedRow, RowFault> {
        match self {
            Self::Own(own) => own.transfer(table.cells()?),
            Self::Transactions(context) => ethereum::transaction(table.cells()?, context),
            Self::TokenTransfers(context) => ethereum::token_transfer(table.cells()?, context),
            Self::Traces(context) => ethereum::trace(table.cells()?, context),
            Self::Bitcoin(bitcoin) => bitcoin.transaction(table.verbatim()),
        }
    }

    /// Returns the place of the rejected row.
    fn stands(&mut self, table: &mut Table<'_>) -> RowPlace {
        let has_chains = !table.has_headings() || table.names().iter().any(|name| name == "chain");
        let cells = table.readable_cells();
        match self {
            Self::Own(own) => own.readable_place(cells, has_chains),
            Self::Transactions(context) => place::transaction(cells, context),
            Self::TokenTransfers(context) => place::token_transfer(cells, context),
            Self::Traces(context) => place::trace(cells, context),
            Self::Bitcoin(bitcoin) => place::bitcoin(cells, bitcoin),
        }
    }

    /// Returns true if transactions were read and none of them names a holder that could be named.
    fn names_nobody(&self) -> bool {
        match self {
            Self::Bitcoin(bitcoin) => bitcoin.names_nobody(),
            Self::Transactions(_) | Self::TokenTransfers(_) | Self::Traces(_) | Self::Own(_) => {
                false
            }
        }
    }
}

/// The state of reading one file.
struct Run<'a, 'r> {
    path: &'a Path,
    table: Table<'static>,
    reader: Reader<'a>,
    reject: Option<RejectSink<'r>>,
    /// In Unix seconds.
    now: u64,
    report: ReadReport,
}

impl Run<'_, '_> {
    fn all(mut self, sink: Sink<'_>) -> Result<ReadReport, ReadTransfersError> {
        let mut batch = Batch::new();
        let read = self.rows(&mut batch, sink);
        if self.reader.names_nobody() {
            read?;
            return Err(self.table.unfit(bitcoin::NAMES_NOBODY).into());
        }
        match read {
            Ok(()) => {}
            Err(error @ ReadTransfersError::Sink(_)) => return Err(error),
            Err(error) => {
                // Rows before an invalid one are passed on too.
                sink(batch.take(), self.table.progress())?;
                return Err(error);
            }
        }
        self.table.check_lines(self.report.rows_read)?;
        self.report.lines = self.table.line_counts();
        sink(batch.take(), self.table.progress())?;
        Ok(self.report)
    }

    fn rows(&mut self, batch: &mut Batch, sink: Sink<'_>) -> Result<(), ReadTransfersError> {
        let mut quiet = 0;
        while self.table.advance()? {
            self.report.rows_read += 1;
            quiet += 1;
            match self.reader.understand(&mut self.table) {
                // Inline, because moving a transfer is expensive.
                Ok(ConvertedRow::Transfer(transfer)) => match transfer.check(self.now) {
                    Ok(()) => {
                        self.count(&transfer);
                        batch.push(transfer);
                        if batch.is_full() {
                            if self.reader.names_nobody() {
                                return Err(self.table.unfit(bitcoin::NAMES_NOBODY).into());
                            }
                            quiet = 0;
                            sink(batch.take(), self.table.progress())?;
                        }
                    }
                    Err(error) => self.reject(RowFault::Transfer(error))?,
                },
                Ok(ConvertedRow::LeftOut(reason)) => {
                    *self.report.left_out.entry(reason).or_default() += 1;
                }
                Err(fault) => self.reject(fault)?,
            }
            if quiet == QUIET_ROWS {
                quiet = 0;
                sink(Vec::new(), self.table.progress())?;
            }
        }
        Ok(())
    }

    fn count(&mut self, transfer: &Transfer) {
        self.report.kept += 1;
        self.report.unpositioned += u64::from(transfer.position().is_none());
        self.report.without_tx += u64::from(transfer.tx.is_none());
        match &transfer.movement {
            Movement::Account(_) => {
                self.report.unnamed_accounts += u64::from(transfer.has_unnamed_holders());
            }
            Movement::Utxo(movement) => {
                self.report.unnamed_inputs += u64::from(movement.has_unnamed_inputs());
                self.report.unnamed_outputs += u64::from(movement.has_unnamed_outputs());
            }
        }
    }

    /// Passes an invalid row to `reject`, or stops.
    fn reject(&mut self, fault: RowFault) -> Result<(), ReadTransfersError> {
        let stands = self.reader.stands(&mut self.table);
        let Some(reject) = &mut self.reject else {
            return Err(ReadTransfersError::of_row(self.path, self.table.place(), fault, stands));
        };
        self.report.rejected += 1;
        let (place, verbatim) = (self.table.place(), self.table.verbatim());
        reject(&Reject { path: self.path, place, fault: &fault, stands: &stands, verbatim })
            .map_err(ReadTransfersError::Reject)
    }
}
