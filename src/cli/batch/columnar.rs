//! Converts a finished result to a Parquet file with row groups of a fixed size and Snappy compression.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::columns::{Kind, ResultRow};
use super::form::RowForm;
use super::results::{self, Results};
use crate::source::rows::{Columns, Origin};

/// The rows of a group.
const GROUP: usize = 65_536;

/// Makes the file at `path`, which is replaced, of the rows of the result at `work_file`.
pub fn convert(path: &Path, form: &RowForm, work_file: &Path) -> Result<()> {
    let list = results::columns(&form.kept);
    let columns = Columns { read_as: "a work file of screen --input", list: &list, closed: false };
    let rows = Results::with_columns(Origin::File(work_file), &columns)?;
    write(path, form, rows)
}

/// Writes `rows` to the file at `path`, which is replaced.
fn write(path: &Path, form: &RowForm, rows: impl Iterator<Item = Result<ResultRow>>) -> Result<()> {
    let ours = form.columns().map(|column| field(column.name, column.kind));
    let fields = ours.chain(form.kept.iter().map(|name| field(name, Kind::Text)));
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder("result").with_fields(fields).build()?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let file = BufWriter::new(File::create(path)?);
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
    let mut group = Vec::with_capacity(GROUP);
    for row in rows {
        group.push(row?);
        if group.len() == GROUP {
            write_group(&mut writer, form, &group)?;
            group.clear();
        }
    }
    if !group.is_empty() {
        write_group(&mut writer, form, &group)?;
    }
    let mut file = writer.into_inner()?;
    file.flush()?;
    file.get_ref().sync_all()?;
    Ok(())
}

fn field(name: &str, kind: Kind) -> Result<Arc<Type>, ParquetError> {
    let (physical, repetition, converted) = match kind {
        Kind::RowNumber => (Physical::INT64, Repetition::REQUIRED, ConvertedType::NONE),
        Kind::Number => (Physical::INT32, Repetition::OPTIONAL, ConvertedType::NONE),
        Kind::Text | Kind::Decimal | Kind::Json => {
            (Physical::BYTE_ARRAY, Repetition::OPTIONAL, ConvertedType::UTF8)
        }
    };
    let field = Type::primitive_type_builder(name, physical).with_repetition(repetition);
    field.with_converted_type(converted).build().map(Arc::new)
}

fn write_group(
    writer: &mut SerializedFileWriter<BufWriter<File>>,
    form: &RowForm,
    rows: &[ResultRow],
) -> Result<()> {
    let mut group = writer.next_row_group()?;
    for ours in form.columns() {
        let texts = rows.iter().map(|row| (ours.text)(row));
        match ours.kind {
            Kind::RowNumber => {
                let numbers = texts.map(|text| text.parse().ok());
                column::<Int64Type>(&mut group, numbers, false)?;
            }
            Kind::Number => {
                let numbers = texts.map(|text| text.parse().ok());
                column::<Int32Type>(&mut group, numbers, true)?;
            }
            Kind::Text | Kind::Decimal | Kind::Json => {
                let texts = texts.map(|text| (!text.is_empty()).then(|| ByteArray::from(&*text)));
                column::<ByteArrayType>(&mut group, texts, true)?;
            }
        }
    }
    for at in 0..form.kept.len() {
        let texts = rows.iter().map(|row| row.kept.get(at).filter(|text| !text.is_empty()));
        let texts = texts.map(|text| text.map(|text| ByteArray::from(text.as_str())));
        column::<ByteArrayType>(&mut group, texts, true)?;
    }
    group.close()?;
    Ok(())
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, BufWriter<File>>,
    values: impl Iterator<Item = Option<T::T>>,
    is_optional: bool,
) -> Result<()> {
    let mut definitions = Vec::new();
    let mut found = Vec::new();
    for value in values {
        definitions.push(i16::from(value.is_some()));
        found.extend(value);
    }
    let mut column = group.next_column()?.context("there are as many columns as in the schema")?;
    let definitions = is_optional.then_some(definitions.as_slice());
    column.typed::<T>().write_batch(&found, definitions, None)?;
    Ok(column.close()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::batch::cells::RowDecision;
    use crate::cli::batch::columns::COLUMNS;
    use crate::cli::batch::form::Lines;

    #[test]
    fn what_is_written_is_read() {
        let mut full = ResultRow::default();
        for (place, column) in COLUMNS.iter().enumerate() {
            let text = match column.kind {
                Kind::Text if column.name == "decision" => "REVIEW".to_owned(),
                Kind::Text | Kind::Json => format!("the {}", column.name),
                Kind::RowNumber | Kind::Number | Kind::Decimal => (place + 1).to_string(),
            };
            (column.read)(&mut full, &text).unwrap();
        }
        let error = ResultRow { row: 8, decision: RowDecision::Error, ..Default::default() };
        let mut rows: Vec<_> =
            (0..GROUP as u64).map(|row| ResultRow { row, ..error.clone() }).collect();
        rows.extend([full, error]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.parquet");
        write(&path, &RowForm::new(Lines::Csv, true), rows.iter().cloned().map(Ok)).unwrap();
        let found: Result<Vec<_>> = results::read(&path).unwrap().collect();
        assert_eq!(found.unwrap(), rows);
        write(&path, &RowForm::new(Lines::Csv, false), std::iter::empty()).unwrap();
        assert_eq!(results::read(&path).unwrap().count(), 0);
    }
}
