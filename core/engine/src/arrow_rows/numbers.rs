//! Float, int, bool, timestamp and money columns from Arrow.
//!
//! Each loop writes what a kernel sees and collects whether anything in the stretch needs a judge; comparisons are branch-free so that
//! the compiler can pack them. A value that the physical type cannot hold is written as something the check must notice: an infinity in a
//! float column, the null in a 64-bit column (where the number of nulls then no longer fits).

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, BooleanArray, PrimitiveArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};

use super::{Span, mistyped, nulls};
use crate::contract::{Bounds, Column, EXACT_INT, INSTANTS, Kind, LONGS};
use crate::error::Result;
use crate::rows::{Cell, Rows};
use crate::wide::wide;
use crate::{NULL_F64, NULL_FLAG, NULL_I64};

/// Decodes a span of any column but a category.
pub(super) fn decode(column: &Column, array: &dyn Array, span: Span, rows: &mut Rows) -> Result<()> {
    match &column.kind {
        Kind::Float(bounds) => float_column(column, bounds, array, span, rows),
        Kind::Int(bounds) | Kind::Money { bounds, .. } => long_column(column, bounds, LONGS, array, span, rows),
        Kind::Timestamp(bounds) => long_column(column, bounds, INSTANTS, array, span, rows),
        Kind::Bool => bool_column(column, array, span, rows),
        Kind::Category { .. } => Err(mistyped(array)),
    }
}

fn float_column(column: &Column, bounds: &Bounds<f64>, array: &dyn Array, span: Span, rows: &mut Rows) -> Result<()> {
    macro_rules! from {
        ($kind:ty, $read:expr) => {
            floats::<$kind>(column, bounds, array.as_primitive(), span, rows, $read)
        };
    }
    match array.data_type() {
        DataType::Null => {
            let (out, findings) = rows.float_span(column.slot, span.at, span.count);
            for (row, out) in out.iter_mut().enumerate() {
                *out = findings.judge_float(column, bounds, span.place, span.at + row, Cell::Null);
            }
        }
        DataType::Float64 => from!(Float64Type, Some),
        DataType::Float32 => from!(Float32Type, |value| Some(f64::from(value))),
        DataType::Int8 => from!(Int8Type, |value| Some(f64::from(value))),
        DataType::Int16 => from!(Int16Type, |value| Some(f64::from(value))),
        DataType::Int32 => from!(Int32Type, |value| Some(f64::from(value))),
        DataType::Int64 => from!(Int64Type, |value| (value.unsigned_abs() <= EXACT_INT).then_some(value as f64)),
        DataType::UInt8 => from!(UInt8Type, |value| Some(f64::from(value))),
        DataType::UInt16 => from!(UInt16Type, |value| Some(f64::from(value))),
        DataType::UInt32 => from!(UInt32Type, |value| Some(f64::from(value))),
        DataType::UInt64 => from!(UInt64Type, |value| (value <= EXACT_INT).then_some(value as f64)),
        _ => return Err(mistyped(array)),
    }
    Ok(())
}

fn floats<T: ArrowPrimitiveType>(
    column: &Column,
    bounds: &Bounds<f64>,
    array: &PrimitiveArray<T>,
    span: Span,
    rows: &mut Rows,
    read: impl Fn(T::Native) -> Option<f64>,
) {
    let values = &array.values()[span.offset..span.offset + span.count];
    let (out, findings) = rows.float_span(column.slot, span.at, span.count);
    let nulls = nulls::within(array, span);
    let (low, high) = bounds.interval();
    for (out, value) in out.iter_mut().zip(values) {
        *out = read(*value).unwrap_or(f64::INFINITY);
    }
    if let Some(nulls) = &nulls {
        nulls::each(nulls, |row| out[row] = NULL_F64);
    }
    let (outside, written_nans) = weigh_floats(out, low, high);
    // More than the nulls: some arrived as values, with whatever bits. Rare, and writing everywhere costs as much as the rest.
    if written_nans > nulls.as_ref().map_or(0, NullBuffer::null_count) {
        out.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = NULL_F64);
    }
    if !outside && (column.nullable || written_nans == 0) {
        return;
    }
    for (row, (out, value)) in out.iter_mut().zip(values).enumerate() {
        let cell = match &nulls {
            Some(nulls) if nulls.is_null(row) => Cell::Null,
            _ => read(*value).map_or(Cell::OutOfRange, Cell::Value),
        };
        *out = findings.judge_float(column, bounds, span.place, span.at + row, cell);
    }
}

wide! {
    /// Whether a value lies outside of `low..=high`, and how many are NaN.
    fn weigh_floats(values: &[f64], low: f64, high: f64) -> (bool, usize) {
        let mut outside = 0u64;
        let mut nans = 0u64;
        for value in values {
            outside |= u64::from(*value < low) | u64::from(*value > high);
            nans += u64::from(value.is_nan());
        }
        (outside != 0, nans as usize)
    }
}

fn long_column(column: &Column, bounds: &Bounds<i64>, limits: (i64, i64), array: &dyn Array, span: Span, rows: &mut Rows) -> Result<()> {
    macro_rules! from {
        ($kind:ty, $read:expr) => {
            longs::<$kind>(column, bounds, limits, array.as_primitive(), span, rows, $read)
        };
    }
    match array.data_type() {
        DataType::Null => {
            let (out, findings) = rows.long_span(column.slot, span.at, span.count);
            for (row, out) in out.iter_mut().enumerate() {
                *out = findings.judge_long(column, bounds, limits, span.place, span.at + row, Cell::Null);
            }
        }
        DataType::Int8 => from!(Int8Type, i64::from),
        DataType::Int16 => from!(Int16Type, i64::from),
        DataType::Int32 => from!(Int32Type, i64::from),
        DataType::Int64 => from!(Int64Type, |value| value),
        DataType::UInt8 => from!(UInt8Type, i64::from),
        DataType::UInt16 => from!(UInt16Type, i64::from),
        DataType::UInt32 => from!(UInt32Type, i64::from),
        DataType::UInt64 => from!(UInt64Type, |value| i64::try_from(value).unwrap_or(NULL_I64)),
        DataType::Decimal128(_, _) => from!(Decimal128Type, |value| i64::try_from(value).unwrap_or(NULL_I64)),
        DataType::Timestamp(TimeUnit::Second, _) => {
            from!(TimestampSecondType, |value: i64| value.checked_mul(1_000_000).unwrap_or(NULL_I64))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            from!(TimestampMillisecondType, |value: i64| value.checked_mul(1_000).unwrap_or(NULL_I64))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => from!(TimestampMicrosecondType, |value| value),
        // Floor, so that an instant before 1970 is not moved into its future.
        DataType::Timestamp(TimeUnit::Nanosecond, _) => from!(TimestampNanosecondType, |value: i64| value.div_euclid(1_000)),
        _ => return Err(mistyped(array)),
    }
    Ok(())
}

/// `read` gives `NULL_I64` for a value that 64 bits or the unit cannot hold.
fn longs<T: ArrowPrimitiveType>(
    column: &Column,
    bounds: &Bounds<i64>,
    limits: (i64, i64),
    array: &PrimitiveArray<T>,
    span: Span,
    rows: &mut Rows,
    read: impl Fn(T::Native) -> i64,
) {
    let values = &array.values()[span.offset..span.offset + span.count];
    let (out, findings) = rows.long_span(column.slot, span.at, span.count);
    let nulls = nulls::within(array, span);
    let (low, high) = bounds.interval(limits);
    for (out, value) in out.iter_mut().zip(values) {
        *out = read(*value);
    }
    if let Some(nulls) = &nulls {
        nulls::each(nulls, |row| out[row] = NULL_I64);
    }
    let (outside, written_nulls) = weigh_longs(out, low, high);
    let null_count = nulls.as_ref().map_or(0, |nulls| nulls.null_count());
    if !outside && written_nulls == null_count && (column.nullable || null_count == 0) {
        return;
    }
    for (row, (out, value)) in out.iter_mut().zip(values).enumerate() {
        let cell = match (&nulls, read(*value)) {
            (Some(nulls), _) if nulls.is_null(row) => Cell::Null,
            (_, NULL_I64) => Cell::OutOfRange,
            (_, value) => Cell::Value(value),
        };
        *out = findings.judge_long(column, bounds, limits, span.place, span.at + row, cell);
    }
}

wide! {
    /// Whether a value other than the null lies outside of `low..=high`, and how many nulls there are.
    fn weigh_longs(values: &[i64], low: i64, high: i64) -> (bool, usize) {
        let mut outside = 0u64;
        let mut nulls = 0u64;
        for value in values {
            let null = u64::from(*value == NULL_I64);
            nulls += null;
            outside |= u64::from(*value > high) | (u64::from(*value < low) & !null);
        }
        (outside != 0, nulls as usize)
    }
}

fn bool_column(column: &Column, array: &dyn Array, span: Span, rows: &mut Rows) -> Result<()> {
    let values: Option<&BooleanArray> = match array.data_type() {
        DataType::Null => None,
        DataType::Boolean => Some(array.as_boolean()),
        _ => return Err(mistyped(array)),
    };
    let (out, findings) = rows.flag_span(column.slot, span.at, span.count);
    let Some(values) = values else {
        for (row, out) in out.iter_mut().enumerate() {
            *out = findings.judge_flag(column, span.place, span.at + row, None);
        }
        return Ok(());
    };
    let bits = values.values().slice(span.offset, span.count);
    for (out, bit) in out.iter_mut().zip(bits.iter()) {
        *out = i8::from(bit);
    }
    if let Some(nulls) = nulls::within(array, span) {
        nulls::each(&nulls, |row| out[row] = NULL_FLAG);
        if !column.nullable {
            nulls::each(&nulls, |row| {
                findings.judge_flag(column, span.place, span.at + row, None);
            });
        }
    }
    Ok(())
}
