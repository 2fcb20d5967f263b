//! A whole stream in one piece, as batches of a contract's columns.

use arrow_schema::Schema;
use bytes::Bytes;
use sternpost_engine::arrow_rows::Table;
use sternpost_engine::contract::Contract;
use sternpost_wire::failure::Failure;

use super::reader::{Reader, body_length, schema};
use super::{Limits, guarded, wrong};
use crate::engine_failure;
use crate::refusal::too_large;
use crate::scoring::Batches;

const CONTINUATION: [u8; 4] = [0xff; 4];

/// Reads a whole stream: schema, dictionaries, batches, and nothing after its end. Columns are the contract's, of types that it takes, or
/// nothing is decoded.
///
/// # Errors
/// `INVALID_ARGUMENT` that says what is wrong; `RESOURCE_EXHAUSTED` for more than `max_rows` rows.
pub fn read(stream: &Bytes, contract: &Contract, max_rows: usize) -> Result<Batches, Failure> {
    guarded(|| decode(stream, contract, max_rows))
}

fn decode(stream: &Bytes, contract: &Contract, max_rows: usize) -> Result<Batches, Failure> {
    // What is not packed is no larger than what came, and too many columns are not the contract's.
    let limits = Limits { rows: max_rows, columns: usize::MAX, batch_bytes: usize::MAX, dictionary_bytes: stream.len(), packed: false };
    let mut rest = stream.clone();
    let (header, _) = next(&mut rest)?.ok_or_else(|| wrong("it is empty"))?;
    let schema = schema(&header, &limits)?;
    fits(contract, &schema)?;
    let mut reader = Reader::new(schema.clone(), contract.columns.iter().map(|column| column.name.as_str()), limits)?;
    let mut read = Batches { schema, batches: Vec::new(), rows: 0 };
    while let Some((header, body)) = next(&mut rest)? {
        let Some(batch) = reader.message(&header, body)? else { continue };
        read.rows = read.rows.saturating_add(batch.num_rows());
        if read.rows > max_rows {
            return Err(too_many(read.rows, max_rows));
        }
        if batch.num_rows() > 0 {
            read.batches.push(batch);
        }
    }
    Ok(read)
}

/// The refusal of too many rows, which no waiting makes fewer.
pub fn too_many(rows: usize, max_rows: usize) -> Failure {
    too_large(format!("a request may have {max_rows} rows and this one has {rows}; send it in parts"))
}

/// Every field is a column and every column a field, of a type that is taken. A field too many is refused: it was sent for nothing, and
/// mostly by mistake.
fn fits(contract: &Contract, schema: &Schema) -> Result<(), Failure> {
    if let Some(field) = schema.fields().iter().find(|field| contract.position(field.name()).is_none()) {
        let name: String = field.name().chars().take(64).collect();
        return Err(wrong(format!("field {name:?} is no column of contract {}; leave it out", contract.name)));
    }
    Table::bind(contract, schema, &[]).map(|_| ()).map_err(|error| engine_failure::failure(&error))
}

/// The next message's header and body; nothing at the end.
fn next(rest: &mut Bytes) -> Result<Option<(Bytes, Bytes)>, Failure> {
    if rest.is_empty() {
        return Ok(None);
    }
    let mut word = take(rest, 4)?;
    if word.as_ref() == CONTINUATION {
        word = take(rest, 4)?;
    }
    let size = word.as_ref().try_into().map(u32::from_le_bytes).map_err(|_| wrong("it is cut short"))?;
    if size == 0 {
        return if rest.is_empty() { Ok(None) } else { Err(wrong("bytes follow its end")) };
    }
    let header = take(rest, u64::from(size))?;
    let body = u64::try_from(body_length(&header)?).map_err(|_| wrong("a message's body has a negative length"))?;
    Ok(Some((header, take(rest, body)?)))
}

fn take(rest: &mut Bytes, count: u64) -> Result<Bytes, Failure> {
    match usize::try_from(count) {
        Ok(count) if count <= rest.len() => Ok(rest.split_to(count)),
        _ => Err(wrong("it is cut short")),
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
