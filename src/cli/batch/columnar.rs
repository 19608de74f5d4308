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

use super::form::RowForm;
use super::results::{self, Results};
use super::row::ResultRow;
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
    let columns = form.columns();
    let ours = columns.iter().map(|name| field(name));
    let fields = ours.chain(form.kept.iter().map(|name| text_field(name)));
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

fn field(name: &str) -> Result<Arc<Type>, ParquetError> {
    let number = |kind, repetition| {
        Type::primitive_type_builder(name, kind).with_repetition(repetition).build().map(Arc::new)
    };
    match name {
        "row" => number(Physical::INT64, Repetition::REQUIRED),
        "score" | "hops" | "exposure_hops" | "unvalued_direct" => {
            number(Physical::INT32, Repetition::OPTIONAL)
        }
        name => text_field(name),
    }
}

fn text_field(name: &str) -> Result<Arc<Type>, ParquetError> {
    let text = Type::primitive_type_builder(name, Physical::BYTE_ARRAY);
    let text = text.with_repetition(Repetition::OPTIONAL);
    text.with_converted_type(ConvertedType::UTF8).build().map(Arc::new)
}

fn write_group(
    writer: &mut SerializedFileWriter<BufWriter<File>>,
    form: &RowForm,
    rows: &[ResultRow],
) -> Result<()> {
    let mut group = writer.next_row_group()?;
    for name in form.columns() {
        let known = |value: fn(&ResultRow) -> Option<u32>| {
            rows.iter().map(move |row| value(row).and_then(|value| i32::try_from(value).ok()))
        };
        match *name {
            "row" => {
                let numbers = rows.iter().map(|row| i64::try_from(row.row).ok());
                column::<Int64Type>(&mut group, numbers, false)?;
            }
            "score" => {
                let scores = known(|row| row.score.map(u32::from));
                column::<Int32Type>(&mut group, scores, true)?;
            }
            "hops" => column::<Int32Type>(&mut group, known(|row| row.hops), true)?,
            "unvalued_direct" => {
                column::<Int32Type>(&mut group, known(|row| row.unvalued_direct), true)?;
            }
            "exposure_hops" => {
                column::<Int32Type>(&mut group, known(|row| row.exposure_hops), true)?;
            }
            name => {
                let texts = rows.iter().map(|row| text(row, name));
                let texts = texts
                    .map(|text| (!text.is_empty()).then(|| ByteArray::from(text.into_bytes())));
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

fn text(row: &ResultRow, column: &str) -> String {
    match column {
        "reference" => &row.reference,
        "address" => &row.address,
        "chain" => &row.chain,
        "decision" => return row.decision.to_string(),
        "level" => &row.level,
        "status" => &row.status,
        "finding" => &row.finding,
        "timing" => &row.timing,
        "timing_basis" => &row.timing_basis,
        "share" => return row.share.map(|share| share.to_string()).unwrap_or_default(),
        "list" => &row.list,
        "list_kind" => &row.list_kind,
        "party" => &row.party,
        "listed_address" => &row.listed_address,
        "programs" => &row.programs,
        "aliases" => &row.aliases,
        "listed_on" => &row.listed_on,
        "listed_on_basis" => &row.listed_on_basis,
        "rule" => &row.rule,
        "reason" => &row.reason,
        "coverage" => &row.coverage,
        "snapshot" => &row.snapshot,
        "policy" => &row.policy,
        "evaluated_at" => &row.evaluated_at,
        "common_input" => &row.common_input,
        "cluster_cut" => &row.cluster_cut,
        "path" => &row.path,
        other => unreachable!("{other} is no column of text"),
    }
    .clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::batch::form::Lines;
    use crate::cli::batch::row::{COLUMNS, RowDecision, Share};

    #[test]
    fn what_is_written_is_read() {
        let names: std::collections::BTreeMap<&str, String> =
            COLUMNS.iter().map(|name| (*name, format!("the {name}"))).collect();
        let mut full: serde_json::Value = serde_json::to_value(names).unwrap();
        let numbers = [
            ("row", 7),
            ("score", 60),
            ("hops", 2),
            ("share", 12),
            ("exposure_hops", 8),
            ("unvalued_direct", 17),
        ];
        for (name, value) in numbers {
            full[name] = value.into();
        }
        full["decision"] = "REVIEW".into();
        let full: ResultRow = serde_json::from_value(full).unwrap();
        assert_eq!(full.share, Some(Share(1_200)));
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
