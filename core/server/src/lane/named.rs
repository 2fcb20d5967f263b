//! Named rows: for people with generic clients. Every column must be there by name; nothing may be left over.

use prost::Message;
use sternpost_engine::contract::Contract;
use sternpost_engine::nearest;
use sternpost_engine::rows::Rows;
use sternpost_engine::value_rows::{self, Value, WrongType};
use sternpost_wire::failure::{Failure, Reason};
use sternpost_wire::scoring::{NamedRow, value::Kind};
use tonic::Code;

/// Judges a named row and writes it at `row` of a block.
pub fn unpack(contract: &Contract, bytes: &[u8], row: usize, rows: &mut Rows) -> Result<(), Failure> {
    let named = NamedRow::decode(bytes).map_err(|error| bad(format!("the named row cannot be read: {error}")))?;
    for name in named.values.keys() {
        if contract.position(name).is_none() {
            let near = nearest::name(name, contract.columns.iter().map(|column| column.name.as_str()));
            let near = near.map_or("; leave it out".to_owned(), |near| format!("; did you mean {near}?"));
            return Err(bad(format!("{name} is not a column of contract {}{near}", contract.name)));
        }
    }
    for (place, column) in contract.columns.iter().enumerate() {
        let Some(value) = named.values.get(&column.name) else {
            return Err(bad(format!("column {} is missing from the row; a null is said as null", column.name)));
        };
        let read = match &value.kind {
            None => return Err(bad(format!("column {}: the value has no kind; a null is said as null", column.name))),
            Some(Kind::Null(_)) => Value::Null,
            Some(Kind::Number(number)) => Value::Float(*number),
            Some(Kind::Integer(integer)) => Value::Int(*integer),
            Some(Kind::Flag(flag)) => Value::Bool(*flag),
            Some(Kind::Text(text)) => Value::Text(text.as_bytes()),
        };
        value_rows::put(contract, place, row, read, rows).map_err(|WrongType| {
            let kind = column.kind.name();
            bad(format!("column {}: {:?} is not a {kind}; send the kind that the description names", column.name, value.kind))
        })?;
    }
    Ok(())
}

fn bad(message: String) -> Failure {
    Failure::new(Code::InvalidArgument, Reason::BadRequest, message)
}
