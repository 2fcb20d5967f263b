//! One Arrow value as text, for messages only.

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType};
use arrow_array::{Array, ArrowPrimitiveType, downcast_integer_array};
use arrow_schema::{DataType, TimeUnit};

use super::labels::bytes_of;
use crate::contract::INSTANTS;
use crate::instant;

/// The value at `row`; empty for null. Floats read as Python prints them, instants as ISO 8601 in UTC, wrong UTF-8 with replacement marks.
pub(super) fn value(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return String::new();
    }
    match array.data_type() {
        DataType::Float64 => format!("{:?}", array.as_primitive::<arrow_array::types::Float64Type>().value(row)),
        DataType::Float32 => format!("{:?}", array.as_primitive::<arrow_array::types::Float32Type>().value(row)),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Decimal128(_, _) => array.as_primitive::<arrow_array::types::Decimal128Type>().value_as_string(row),
        DataType::Timestamp(unit, _) => {
            let (count, per_second) = match unit {
                TimeUnit::Second => (at::<TimestampSecondType>(array, row), 1),
                TimeUnit::Millisecond => (at::<TimestampMillisecondType>(array, row), 1_000),
                TimeUnit::Microsecond => (at::<TimestampMicrosecondType>(array, row), 1_000_000),
                TimeUnit::Nanosecond => (at::<TimestampNanosecondType>(array, row), 1_000_000_000),
            };
            let micros = (i128::from(count) * 1_000_000).div_euclid(per_second);
            match i64::try_from(micros) {
                Ok(micros) if (INSTANTS.0..=INSTANTS.1).contains(&micros) => instant::text(micros),
                _ => format!("{count} {} since 1970", unit_word(unit)),
            }
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(_, _) => {
            bytes_of(array, row).map(text).unwrap_or_default()
        }
        _ => downcast_integer_array!(array => array.value(row).to_string(), _ => String::new()),
    }
}

fn at<T: ArrowPrimitiveType<Native = i64>>(array: &dyn Array, row: usize) -> i64 {
    array.as_primitive::<T>().value(row)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn unit_word(unit: &TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "seconds",
        TimeUnit::Millisecond => "milliseconds",
        TimeUnit::Microsecond => "microseconds",
        TimeUnit::Nanosecond => "nanoseconds",
    }
}
