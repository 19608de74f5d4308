//! Rows of a Parquet file, each as the JSON object of its columns.
//!
//! One page of each wanted column is held at a time. The library may panic on a damaged file; that
//! becomes an error.

// A match over the compressions of Parquet.
#![allow(clippy::wildcard_enum_match_arm)]

use std::fmt::Write;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use parquet::basic::{Compression, LogicalType, TimeUnit};
use parquet::data_type::{ByteArray, Decimal};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

use super::columns::Columns;
use super::parquet_schema::{self, SchemaField};
use crate::domain::transfer::Amount;
use crate::source::excerpt::excerpt;

/// The maximum scale of a decimal.
const MAX_SCALE: usize = 100;

/// A Parquet file with known columns and unread rows.
pub(super) struct ParquetFile {
    reader: SerializedFileReader<File>,
    size: u64,
}

/// The rows of a Parquet file.
pub(super) struct ParquetRows {
    rows: RowIter<'static>,
    read: u64,
    total: u64,
    size: u64,
    object: String,
    /// Units per second of a column, if it is a timestamp that the library returns as a bare
    /// number.
    units: Vec<Option<i64>>,
}

/// Runs the library; returns errors and panics as text.
fn guarded<T>(run: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|error| format!("damaged: {}", excerpt(&error.to_string()))),
        Err(_) => Err("damaged: the Parquet library gave up".to_owned()),
    }
}

impl ParquetFile {
    /// Reads the metadata.
    pub(super) fn open(file: File) -> Result<Self, String> {
        let size = file.metadata().map_err(|error| error.to_string())?.len();
        Ok(Self { reader: guarded(|| SerializedFileReader::new(file))?, size })
    }

    /// Returns the names of the top-level columns.
    pub(super) fn names(&self) -> Vec<String> {
        let schema = self.reader.metadata().file_metadata().schema();
        schema.get_fields().iter().map(|field| field.name().to_owned()).collect()
    }

    /// Returns the top-level schema.
    pub(super) fn schema(&self) -> Vec<SchemaField> {
        parquet_schema::columns(self.reader.metadata().file_metadata().schema())
    }

    /// Reads the rows with the wanted columns. Fails if a row group has more than `max_row_group`
    /// unpacked bytes in them, or an unsupported compression.
    pub(super) fn rows(
        self,
        columns: &Columns<'_>,
        max_row_group: u64,
    ) -> Result<ParquetRows, String> {
        let metadata = self.reader.metadata();
        check(metadata, columns, max_row_group)?;
        let total = metadata.row_groups().iter().map(|group| group.num_rows()).sum::<i64>();
        let schema = metadata.file_metadata().schema();
        let wanted =
            schema.get_fields().iter().filter(|field| columns.find(field.name()).is_some());
        let wanted: Vec<Arc<Type>> = wanted.cloned().collect();
        let units = wanted.iter().map(|column| timestamp_unit(column)).collect();
        let name = schema.name().to_owned();
        let projection = guarded(|| Type::group_type_builder(&name).with_fields(wanted).build())?;
        let reader = Box::new(self.reader);
        let rows = guarded(|| RowIter::from_file_into(reader).project(Some(projection)))?;
        let total = u64::try_from(total).map_err(|_| "damaged: a negative number of rows")?;
        Ok(ParquetRows { rows, read: 0, total, size: self.size, object: String::new(), units })
    }
}

fn check(metadata: &ParquetMetaData, columns: &Columns<'_>, most: u64) -> Result<(), String> {
    for (at, group) in metadata.row_groups().iter().enumerate() {
        let size = wanted_size(group, columns)?;
        if size > most {
            return Err(format!("row group {at} holds {size} bytes unpacked, more than {most}"));
        }
    }
    Ok(())
}

fn wanted_size(group: &RowGroupMetaData, columns: &Columns<'_>) -> Result<u64, String> {
    let mut size = 0u64;
    for chunk in group.columns() {
        let path = chunk.column_path().parts();
        if path.first().is_none_or(|name| columns.find(name).is_none()) {
            continue;
        }
        match chunk.compression() {
            Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) => {}
            other => {
                let name = other.to_string();
                let codec = name.split('(').next().unwrap_or_default();
                return Err(format!(
                    "its columns are packed with {codec}, and only Snappy, gzip and none are read: \
                     write it again with one of these"
                ));
            }
        }
        let bytes = u64::try_from(chunk.uncompressed_size());
        let bytes = bytes.map_err(|_| "damaged: a column of negative size")?;
        size = size.saturating_add(bytes);
    }
    Ok(size)
}

impl ParquetRows {
    /// Advances to the next row; returns false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, String> {
        let Some(row) = guarded(|| self.rows.next().transpose())? else {
            if self.read < self.total {
                return Err(format!("ends after {} of {} rows", self.read, self.total));
            }
            return Ok(false);
        };
        self.read += 1;
        self.object.clear();
        object(&row, &self.units, &mut self.object);
        Ok(true)
    }

    /// Returns the row as a JSON object.
    pub(super) fn object(&self) -> &[u8] {
        self.object.as_bytes()
    }

    /// Returns the approximate number of bytes read, and the file's size.
    pub(super) fn progress(&self) -> (u64, u64) {
        let share = u128::from(self.size) * u128::from(self.read) / u128::from(self.total.max(1));
        (u64::try_from(share).unwrap_or(self.size).min(self.size), self.size)
    }
}

/// The library knows only the older timestamp annotations, which nanoseconds and timestamps without
/// a time zone lack.
fn timestamp_unit(column: &Type) -> Option<i64> {
    match column.get_basic_info().logical_type_ref() {
        Some(LogicalType::Timestamp(timestamp)) => Some(match timestamp.unit {
            TimeUnit::MILLIS => 1_000,
            TimeUnit::MICROS => 1_000_000,
            TimeUnit::NANOS => 1_000_000_000,
        }),
        _ => None,
    }
}

fn object(row: &Row, units: &[Option<i64>], text: &mut String) {
    text.push('{');
    for (at, (name, field)) in row.get_column_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        string(name, text);
        text.push(':');
        match (field, units.get(at).copied().flatten()) {
            (Field::Long(moment), Some(unit)) => plain(moment.div_euclid(unit), text),
            _ => value(field, text),
        }
    }
    text.push('}');
}

fn value(field: &Field, text: &mut String) {
    match field {
        Field::Null => text.push_str("null"),
        Field::Bool(value) => plain(value, text),
        Field::Byte(value) => plain(value, text),
        Field::Short(value) => plain(value, text),
        Field::Int(value) | Field::Date(value) | Field::TimeMillis(value) => plain(value, text),
        Field::Long(value) | Field::TimeMicros(value) => plain(value, text),
        Field::UByte(value) => plain(value, text),
        Field::UShort(value) => plain(value, text),
        Field::UInt(value) => plain(value, text),
        Field::ULong(value) => plain(value, text),
        Field::Float16(value) => float(value.to_f64(), text),
        Field::Float(value) => {
            if value.is_finite() {
                plain(format_args!("{value:?}"), text)
            } else {
                float(f64::from(*value), text)
            }
        }
        Field::Double(value) => float(*value, text),
        Field::Decimal(value) => string(&decimal(value), text),
        Field::Str(value) => string(value, text),
        Field::Bytes(value) => string(&bytes(value), text),
        Field::TimestampMillis(value) => plain(value.div_euclid(1_000), text),
        Field::TimestampMicros(value) => plain(value.div_euclid(1_000_000), text),
        Field::Group(row) => object(row, &[], text),
        Field::ListInternal(list) => {
            text.push('[');
            for (at, element) in list.elements().iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                value(element, text);
            }
            text.push(']');
        }
        // No list or transfer format has one.
        Field::MapInternal(_) => string("a map", text),
    }
}

fn plain(value: impl std::fmt::Display, text: &mut String) {
    write!(text, "{value}").expect("a string takes what is written");
}

/// Always has a point or an exponent, unlike a whole number.
fn float(value: f64, text: &mut String) {
    if value.is_finite() {
        plain(format_args!("{value:?}"), text)
    } else {
        string(&value.to_string(), text)
    }
}

fn string(value: &str, text: &mut String) {
    text.push_str(&serde_json::to_string(value).expect("a string is JSON"));
}

/// Formats visible ASCII verbatim, other bytes in hex.
fn bytes(value: &ByteArray) -> String {
    let data = value.data();
    match std::str::from_utf8(data) {
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => text.to_owned(),
        _ => format!("0x{}", HEXLOWER.encode_display(data)),
    }
}

/// Formats a decimal number exactly; words if it exceeds 256 bits.
fn decimal(value: &Decimal) -> String {
    let data = value.data();
    let negative = data.first().is_some_and(|byte| byte & 0x80 != 0);
    let scale = usize::try_from(value.scale()).ok().filter(|scale| *scale <= MAX_SCALE);
    let padding = if negative { 0xff } else { 0 };
    let spare = data.len().saturating_sub(32);
    let (Some(scale), true) = (scale, data[..spare].iter().all(|byte| *byte == padding)) else {
        return "a decimal number beyond 256 bits".to_owned();
    };
    let mut bytes = [padding; 32];
    let low = &data[spare..];
    bytes[32 - low.len()..].copy_from_slice(low);
    let amount = Amount::from_be_bytes(bytes);
    let magnitude = if negative { amount.wrapping_neg() } else { amount };
    let digits = format!("{magnitude:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if negative { "-" } else { "" };
    let point = if scale == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}
