//! Single values into a block: the way of one row given as name -> value.
//!
//! The caller reads its own kind of object into a [`Value`]; a value of a type that the column does not take is told apart from a value
//! that breaks a rule: the first is a mistake of the program that calls, the second a property of the row.

use crate::contract::{Contract, EXACT_INT, INSTANTS, Kind, LONGS};
use crate::rows::{Cell, Rows};

/// One value of a row, as its sender typed it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// None.
    Null,
    /// true or false.
    Bool(bool),
    /// An integer within 64 bits.
    Int(i64),
    /// An integer beyond 64 bits.
    HugeInt,
    /// A float.
    Float(f64),
    /// Text, by its bytes (which may turn out not to be UTF-8).
    Text(&'a [u8]),
    /// An instant: microseconds since 1970 in UTC.
    Instant(i64),
    /// A category's label by its place in the contract.
    Label(u32),
}

/// The value's type is not one that the column takes; nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongType;

/// Judges a value and writes it at `row` of the contract's column `place`.
///
/// # Errors
/// [`WrongType`], to be told by the caller, who knows the object behind the value.
pub fn put(contract: &Contract, place: usize, row: usize, value: Value<'_>, rows: &mut Rows) -> Result<(), WrongType> {
    let column = &contract.columns[place];
    let mark = place as u32;
    match &column.kind {
        Kind::Float(bounds) => {
            let cell = match value {
                Value::Null => Cell::Null,
                Value::Float(value) => Cell::Value(value),
                Value::Int(value) if value.unsigned_abs() <= EXACT_INT => Cell::Value(value as f64),
                Value::Int(_) | Value::HugeInt => Cell::OutOfRange,
                _ => return Err(WrongType),
            };
            let (out, findings) = rows.float_span(column.slot, row, 1);
            out[0] = findings.judge_float(column, bounds, mark, row, cell);
        }
        Kind::Int(bounds) | Kind::Money { bounds, .. } => {
            let cell = long_cell(value)?;
            let (out, findings) = rows.long_span(column.slot, row, 1);
            out[0] = findings.judge_long(column, bounds, LONGS, mark, row, cell);
        }
        Kind::Timestamp(bounds) => {
            let cell = match value {
                Value::Instant(micros) => Cell::Value(micros),
                other => long_cell(other)?,
            };
            let (out, findings) = rows.long_span(column.slot, row, 1);
            out[0] = findings.judge_long(column, bounds, INSTANTS, mark, row, cell);
        }
        Kind::Bool => {
            let value = match value {
                Value::Null => None,
                Value::Bool(value) => Some(value),
                _ => return Err(WrongType),
            };
            let (out, findings) = rows.flag_span(column.slot, row, 1);
            out[0] = findings.judge_flag(column, mark, row, value);
        }
        Kind::Category { labels, .. } => {
            let value = match value {
                Value::Null => None,
                Value::Text(label) => Some((labels.code(label), label)),
                Value::Label(place) if (place as usize) < labels.labels().len() => Some((place as i32, [].as_slice())),
                _ => return Err(WrongType),
            };
            let (out, findings) = rows.code_span(column.slot, row, 1);
            out[0] = findings.judge_code(column, mark, row, value);
        }
    }
    Ok(())
}

fn long_cell(value: Value<'_>) -> Result<Cell<i64>, WrongType> {
    match value {
        Value::Null => Ok(Cell::Null),
        Value::Int(value) => Ok(Cell::Value(value)),
        Value::HugeInt => Ok(Cell::OutOfRange),
        _ => Err(WrongType),
    }
}
