//! Packed rows: one tag byte a column and what follows it, in the contract's order. `proto/sternpost/v1/scoring.proto` specifies the bytes.

use sternpost_engine::contract::{Contract, EXACT_INT, Kind};
use sternpost_engine::rows::Rows;
use sternpost_engine::value_rows::{self, Value, WrongType};

const NULL: u8 = 0;
const VALUE: u8 = 1;
const OUT_OF_RANGE: u8 = 2;
const UNLISTED: u8 = 3;

/// Why bytes are not a row of a contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end too early.
    #[error("the packed row ends inside of column {0}; pack it by the server's description")]
    Short(String),
    /// They go on after the last column.
    #[error("the packed row has {0} bytes after its last column; pack it by the server's description")]
    Long(usize),
    /// A tag or value that the column's type does not have.
    #[error("column {column}: {what} is not a {kind}; pack it by the server's description")]
    Wrong {
        /// The column.
        column: String,
        /// What stands there.
        what: String,
        /// The column's type.
        kind: &'static str,
    },
}

/// Appends the value of the contract's column `place`; columns must come in order.
///
/// # Errors
/// [`WrongType`] if the column does not take such a value; nothing was written.
pub fn pack(contract: &Contract, place: usize, value: Value<'_>, out: &mut Vec<u8>) -> Result<(), WrongType> {
    let kind = &contract.columns[place].kind;
    let mut with = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend_from_slice(bytes);
    };
    match (kind, value) {
        (_, Value::Null) => with(NULL, &[]),
        (Kind::Float(_), Value::Float(value)) => with(VALUE, &value.to_le_bytes()),
        (Kind::Float(_), Value::Int(value)) if value.unsigned_abs() <= EXACT_INT => with(VALUE, &(value as f64).to_le_bytes()),
        (Kind::Float(_), Value::Int(_) | Value::HugeInt) => with(OUT_OF_RANGE, &[]),
        (Kind::Int(_) | Kind::Money { .. } | Kind::Timestamp(_), Value::Int(value)) => with(VALUE, &value.to_le_bytes()),
        (Kind::Int(_) | Kind::Money { .. } | Kind::Timestamp(_), Value::HugeInt) => with(OUT_OF_RANGE, &[]),
        (Kind::Timestamp(_), Value::Instant(value)) => with(VALUE, &value.to_le_bytes()),
        (Kind::Bool, Value::Bool(value)) => with(VALUE, &[u8::from(value)]),
        (Kind::Category { .. }, Value::Label(label)) => with(VALUE, &label.to_le_bytes()),
        (Kind::Category { labels, .. }, Value::Text(text)) => match u32::try_from(labels.code(text)) {
            Ok(code) => with(VALUE, &code.to_le_bytes()),
            Err(_) => {
                with(UNLISTED, &(text.len() as u32).to_le_bytes());
                out.extend_from_slice(text);
            }
        },
        _ => return Err(WrongType),
    }
    Ok(())
}

/// Judges a packed row and writes it at `row` of a block.
///
/// # Errors
/// [`Malformed`]; the row may then be partly written and must not be scored.
pub fn unpack(contract: &Contract, bytes: &[u8], row: usize, rows: &mut Rows) -> Result<(), Malformed> {
    values(contract, bytes, |place, value| value_rows::put(contract, place, row, value, rows))
}

/// Reads a packed row: every column's place and value, in order and unjudged.
///
/// # Errors
/// [`Malformed`]; also where `each` does not take a value.
#[inline]
pub fn values<'a>(
    contract: &Contract,
    mut bytes: &'a [u8],
    mut each: impl FnMut(usize, Value<'a>) -> Result<(), WrongType>,
) -> Result<(), Malformed> {
    for (place, column) in contract.columns.iter().enumerate() {
        let value = read(&column.kind, &mut bytes).map_err(|wrong| match wrong {
            None => Malformed::Short(column.name.clone()),
            Some(what) => Malformed::Wrong { column: column.name.clone(), what, kind: column.kind.name() },
        })?;
        each(place, value).map_err(|WrongType| Malformed::Wrong {
            column: column.name.clone(),
            what: format!("{value:?}"),
            kind: column.kind.name(),
        })?;
    }
    if bytes.is_empty() { Ok(()) } else { Err(Malformed::Long(bytes.len())) }
}

/// The next value; nothing for too few bytes, else what is wrong.
fn read<'a>(kind: &Kind, bytes: &mut &'a [u8]) -> Result<Value<'a>, Option<String>> {
    let [tag] = take(bytes)?;
    let long = |bytes: &mut &'a [u8]| take(bytes).map(i64::from_le_bytes);
    match (tag, kind) {
        (NULL, _) => Ok(Value::Null),
        (VALUE, Kind::Float(_)) => Ok(Value::Float(f64::from_le_bytes(take(bytes)?))),
        (VALUE, Kind::Int(_) | Kind::Money { .. }) => long(bytes).map(Value::Int),
        (VALUE, Kind::Timestamp(_)) => long(bytes).map(Value::Instant),
        (VALUE, Kind::Bool) => match take(bytes)? {
            [0] => Ok(Value::Bool(false)),
            [1] => Ok(Value::Bool(true)),
            [other] => Err(Some(other.to_string())),
        },
        (VALUE, Kind::Category { .. }) => Ok(Value::Label(u32::from_le_bytes(take(bytes)?))),
        (OUT_OF_RANGE, Kind::Float(_) | Kind::Int(_) | Kind::Money { .. } | Kind::Timestamp(_)) => Ok(Value::HugeInt),
        (UNLISTED, Kind::Category { .. }) => {
            let len = u32::from_le_bytes(take(bytes)?) as usize;
            let (text, rest) = bytes.split_at_checked(len).ok_or(None)?;
            *bytes = rest;
            Ok(Value::Text(text))
        }
        (tag, _) => Err(Some(format!("tag {tag}"))),
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Option<String>> {
    let (first, rest) = bytes.split_first_chunk().ok_or(None)?;
    *bytes = rest;
    Ok(*first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contract() -> Contract {
        Contract::from_json(
            r#"{"format": 1, "name": "Row", "columns": [
                {"name": "f", "type": "float", "nullable": true}, {"name": "i", "type": "int"}, {"name": "b", "type": "bool", "nullable": true},
                {"name": "c", "type": "category", "categories": ["x", "", "a label of more than sixteen bytes"]},
                {"name": "t", "type": "timestamp"}, {"name": "m", "type": "money"}]}"#,
        )
        .unwrap()
    }

    fn value() -> impl Strategy<Value = Value<'static>> {
        let texts = prop::sample::select(vec!["x", "", "y", "a label of more than sixteen bytes", "another of more than sixteen bytes"]);
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            Just(Value::HugeInt),
            any::<f64>().prop_map(Value::Float),
            texts.prop_map(|text| Value::Text(text.as_bytes())),
            Just(Value::Text(&[0xff, 0xfe])),
            any::<i64>().prop_map(Value::Instant),
        ]
    }

    fn state(rows: &Rows) -> String {
        let floats: Vec<_> = rows.floats.iter().map(|value| value.to_bits()).collect();
        format!("{floats:?} {:?} {:?} {:?} {:?}", rows.longs, rows.codes, rows.flags, rows.findings)
    }

    proptest! {
        /// A row that is packed and unpacked is judged as the row itself.
        #[test]
        fn packing_changes_nothing(values in prop::collection::vec(value(), 6)) {
            let contract = contract();
            let (mut direct, mut packed) = (Rows::new(&contract, 1), Rows::new(&contract, 1));
            direct.reset(1);
            packed.reset(1);
            let mut bytes = Vec::new();
            for (place, value) in values.iter().enumerate() {
                let put = value_rows::put(&contract, place, 0, *value, &mut direct);
                prop_assert_eq!(put, pack(&contract, place, *value, &mut bytes));
                if put.is_err() {
                    value_rows::put(&contract, place, 0, Value::Null, &mut direct).unwrap();
                    pack(&contract, place, Value::Null, &mut bytes).unwrap();
                }
            }
            unpack(&contract, &bytes, 0, &mut packed).unwrap();
            prop_assert_eq!(state(&direct), state(&packed));
            // Every shorter row, and a longer one, is told apart.
            for end in 0..bytes.len() {
                let short = unpack(&contract, &bytes[..end], 0, &mut packed);
                prop_assert!(matches!(short, Err(Malformed::Short(_))), "{:?}", short);
            }
            bytes.push(0);
            prop_assert_eq!(unpack(&contract, &bytes, 0, &mut packed), Err(Malformed::Long(1)));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let contract = contract();
            let mut rows = Rows::new(&contract, 1);
            rows.reset(1);
            let _ = unpack(&contract, &bytes, 0, &mut rows);
        }
    }

    #[test]
    fn a_wrong_tag_or_value_is_told_with_its_column() {
        let contract = contract();
        let mut rows = Rows::new(&contract, 1);
        let mut told = |bytes: &[u8]| {
            rows.reset(1);
            unpack(&contract, bytes, 0, &mut rows).unwrap_err().to_string()
        };
        assert_eq!(told(&[3]), "column f: tag 3 is not a float; pack it by the server's description");
        assert_eq!(told(&[0, 0, 1, 2]), "column b: 2 is not a bool; pack it by the server's description");
        assert_eq!(told(&[0, 0, 0, 1, 3, 0, 0, 0]), "column c: Label(3) is not a category; pack it by the server's description");
        assert_eq!(told(&[0, 0, 0, 3, 255, 255, 255, 255]), "the packed row ends inside of column c; pack it by the server's description");
    }
}
