//! The column types of a Parquet file.

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::schema::types::Type;

/// A column of a Parquet file, or a field of a nested one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaField {
    pub name: String,
    /// Its type; for a list, the type of the elements.
    pub holds: Holds,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Floating-point numbers, by the name of their type.
    Floats(&'static str),
    /// Decimal numbers with this many digits after the point.
    Decimals(i32),
    Dates,
    TimesOfDay,
    Timestamps,
    Integers,
    Flags,
    /// Text or bytes.
    Bytes,
    Groups(Vec<SchemaField>),
}

/// Returns the top-level columns of a schema.
pub(super) fn columns(schema: &Type) -> Vec<SchemaField> {
    schema.get_fields().iter().map(|field| column(field)).collect()
}

fn column(field: &Type) -> SchemaField {
    SchemaField { name: field.name().to_owned(), holds: holds(element(field)) }
}

/// Returns the element of a list, by all versions of the format's rules and whatever its levels are
/// named; another field unchanged.
fn element(field: &Type) -> &Type {
    if !field.is_group() || field.get_basic_info().converted_type() != ConvertedType::LIST {
        return field;
    }
    let [repeated] = field.get_fields() else { return field };
    let is_element = repeated.is_primitive()
        || repeated.name() == "array"
        || repeated.name().ends_with("_tuple")
        || repeated.get_fields().len() > 1;
    let is_nested = repeated.is_group()
        && matches!(repeated.get_fields(), [only] if only.get_basic_info().has_repetition()
            && only.get_basic_info().repetition() == Repetition::REPEATED);
    match repeated.is_group().then(|| repeated.get_fields().first()).flatten() {
        Some(only) if !is_element || is_nested => only,
        _ => repeated,
    }
}

fn holds(field: &Type) -> Holds {
    if field.is_group() {
        return Holds::Groups(columns(field));
    }
    let info = field.get_basic_info();
    match info.logical_type_ref() {
        Some(LogicalType::Timestamp(_)) => return Holds::Timestamps,
        Some(LogicalType::Time(_)) => return Holds::TimesOfDay,
        Some(LogicalType::Float16) => return Holds::Floats("FLOAT16"),
        _ => {}
    }
    match (info.converted_type(), field.get_physical_type()) {
        (ConvertedType::DECIMAL, _) => Holds::Decimals(field.get_scale()),
        (ConvertedType::DATE, _) => Holds::Dates,
        (ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS, _) => Holds::TimesOfDay,
        (ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS, _)
        | (_, Physical::INT96) => Holds::Timestamps,
        (_, Physical::FLOAT) => Holds::Floats("FLOAT"),
        (_, Physical::DOUBLE) => Holds::Floats("DOUBLE"),
        (_, Physical::BOOLEAN) => Holds::Flags,
        (_, Physical::INT32 | Physical::INT64) => Holds::Integers,
        (_, Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY) => Holds::Bytes,
    }
}
