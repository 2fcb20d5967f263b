//! Which Arrow types a column takes, and what to write when the table has another one.

use arrow_schema::{DataType, TimeUnit};

use crate::contract::{Column, Kind};
use crate::error::{Error, Result};

/// Checks one column's Arrow type.
///
/// # Errors
/// `Error::Contract` with the column, the type found, the types expected and the cast to write.
pub(super) fn check(column: &Column, found: &DataType) -> Result<()> {
    if found == &DataType::Null || accepts(&column.kind, found) {
        return Ok(());
    }
    let name = &column.name;
    let cast = |target: &str| format!("cast it: table[{name:?}].cast({target:?})");
    let advice = match (&column.kind, found) {
        (Kind::Float(_), _) => cast("float64"),
        (Kind::Int(_), _) => cast("int64"),
        (Kind::Bool, _) => cast("bool"),
        (Kind::Category { .. }, _) => cast("string"),
        (Kind::Timestamp(_), DataType::Timestamp(_, None)) => {
            format!("say which zone it is in: pyarrow.compute.assume_timezone(table[{name:?}], 'UTC')")
        }
        (Kind::Timestamp(_), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
            format!("parse it: pyarrow.compute.assume_timezone(table[{name:?}].cast(pyarrow.timestamp('us')), 'UTC')")
        }
        (Kind::Timestamp(_), _) => format!("cast it: table[{name:?}].cast(pyarrow.timestamp('us', 'UTC'))"),
        (Kind::Money { minor_digits, .. }, DataType::Decimal128(_, scale)) => {
            format!(
                "its scale is {scale} and the contract has minor_digits {minor_digits}; cast it: table[{name:?}].cast(pyarrow.decimal128(38, {minor_digits}))"
            )
        }
        (Kind::Money { minor_digits, .. }, _) => {
            format!("send integer minor units, or cast it: table[{name:?}].cast(pyarrow.decimal128(38, {minor_digits}))")
        }
    };
    Err(Error::Contract(format!("column {name}: found {}, expected {}; {advice}", spelled(found), expected(&column.kind))))
}

fn accepts(kind: &Kind, found: &DataType) -> bool {
    match kind {
        Kind::Float(_) => found.is_integer() || matches!(found, DataType::Float64 | DataType::Float32),
        Kind::Int(_) => found.is_integer(),
        Kind::Bool => found == &DataType::Boolean,
        Kind::Category { .. } => match found {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
            DataType::Dictionary(key, value) => key.is_integer() && matches!(**value, DataType::Utf8 | DataType::LargeUtf8),
            _ => false,
        },
        Kind::Timestamp(_) => matches!(found, DataType::Timestamp(_, Some(_))),
        Kind::Money { minor_digits, .. } => found.is_integer() || matches!(found, DataType::Decimal128(_, scale) if scale == minor_digits),
    }
}

fn expected(kind: &Kind) -> &'static str {
    match kind {
        Kind::Float(_) => "float (float64, float32 or an integer type)",
        Kind::Int(_) => "int (an integer type)",
        Kind::Bool => "bool",
        Kind::Category { .. } => "category (string, large_string, string_view or a dictionary of strings)",
        Kind::Timestamp(_) => "timestamp with a time zone",
        Kind::Money { .. } => "money (an integer type of minor units, or decimal128)",
    }
}

/// The type's name as pyarrow spells it.
fn spelled(found: &DataType) -> String {
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    };
    match found {
        DataType::Utf8 => "string".to_owned(),
        DataType::LargeUtf8 => "large_string".to_owned(),
        DataType::Utf8View => "string_view".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Float16 => "halffloat".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Date32 => "date32[day]".to_owned(),
        DataType::Date64 => "date64[ms]".to_owned(),
        DataType::Timestamp(precision, None) => format!("timestamp[{}] without a time zone", unit(precision)),
        DataType::Timestamp(precision, Some(zone)) => format!("timestamp[{}, tz={zone}]", unit(precision)),
        DataType::Decimal128(precision, scale) => format!("decimal128({precision}, {scale})"),
        DataType::Dictionary(key, value) => format!("dictionary<{}, {}>", spelled(key), spelled(value)),
        other => other.to_string().to_lowercase(),
    }
}
