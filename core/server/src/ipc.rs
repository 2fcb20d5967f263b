//! An Arrow IPC stream from a stranger, as batches of a contract's columns.
//!
//! What this module owes its callers:
//! - no bytes make it panic, or allocate more than a few times their own number; the library's reader asserts that a message's buffers lie
//!   within its body, so that is checked before it is asked, with every count and length;
//! - columns of the stream are the contract's, each of a type that the contract takes, before any batch is decoded;
//! - values stay where they came in, unless they stand at a place that their type cannot be read from.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::{MessageBuffer, try_fb_to_schema};
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{Message, MessageHeader};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use bytes::Bytes;
use sternpost_engine::arrow_rows::Table;
use sternpost_engine::contract::Contract;
use sternpost_wire::failure::{Failure, Reason};
use tonic::Code;

use crate::engine_failure;

/// How often on average a byte may be looked at through string views.
const VIEWED: u64 = 16;
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Batches of one schema.
#[derive(Debug)]
pub struct Batches {
    /// Their schema.
    pub schema: SchemaRef,
    /// Those that have rows, in order.
    pub batches: Vec<RecordBatch>,
    /// How many rows all of them have.
    pub rows: usize,
}

/// Reads a whole stream: schema, dictionaries, batches, and nothing after its end.
///
/// # Errors
/// `INVALID_ARGUMENT` that says what is wrong; `RESOURCE_EXHAUSTED` for more than `max_rows` rows.
pub fn read(stream: &Bytes, contract: &Contract, max_rows: usize) -> Result<Batches, Failure> {
    // The checks below are all that is known to be needed; what is not known must not end the server.
    let read = catch_unwind(AssertUnwindSafe(|| decode(stream, contract, max_rows)));
    read.unwrap_or_else(|_| Err(wrong("it is malformed")))
}

/// Whether a record batch or dictionary message may be handed to the library's reader: not compressed, all counts and lengths within
/// `body` bytes and not over one another, at most `max_rows` rows, no column of another length (so none that is nested).
///
/// # Errors
/// What is wrong.
pub fn check(message: &Message<'_>, body: usize, max_rows: usize) -> Result<(), &'static str> {
    let batch = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => {
            let dictionary = message.header_as_dictionary_batch().ok_or("a dictionary has no header")?;
            if dictionary.isDelta() {
                return Err("a dictionary grows within the stream; send it whole, before the batches");
            }
            dictionary.data()
        }
        _ => return Err("a message is neither a batch nor a dictionary"),
    };
    let batch = batch.ok_or("a batch has no header")?;
    if batch.compression().is_some() {
        return Err("its buffers are compressed; send them as they are");
    }
    let rows = batch.length();
    // A dictionary is not rows, but what it holds cannot be more than its body can, except for empty strings.
    let limit = if message.header_type() == MessageHeader::RecordBatch { max_rows } else { body };
    if !usize::try_from(rows).is_ok_and(|rows| rows <= limit) {
        return Err("a batch says it has more rows than are allowed");
    }
    for node in batch.nodes().into_iter().flatten() {
        if node.length() != rows || !(0..=rows).contains(&node.null_count()) {
            return Err("a column has another length than its batch");
        }
    }
    let (mut buffers, mut bytes) = (0i64, 0i64);
    for buffer in batch.buffers().into_iter().flatten() {
        let end = buffer.offset().checked_add(buffer.length());
        let within =
            buffer.offset() >= 0 && buffer.length() >= 0 && end.is_some_and(|end| usize::try_from(end).is_ok_and(|end| end <= body));
        if !within {
            return Err("a buffer lies outside of its message");
        }
        buffers += 1;
        bytes = bytes.saturating_add(buffer.length());
    }
    // Buffers that overlap would be copied and validated once for each.
    if !usize::try_from(bytes).is_ok_and(|bytes| bytes <= body) {
        return Err("its buffers overlap");
    }
    if batch.variadicBufferCounts().into_iter().flatten().any(|count| !(0..=buffers).contains(&count)) {
        return Err("a column says it has more buffers than its batch");
    }
    Ok(())
}

fn decode(stream: &Bytes, contract: &Contract, max_rows: usize) -> Result<Batches, Failure> {
    let mut rest = stream.clone();
    let (message, body) = next(&mut rest)?.ok_or_else(|| wrong("it is empty"))?;
    if !body.is_empty() {
        return Err(wrong("it does not begin with a schema"));
    }
    let schema = message.as_ref().header_as_schema().ok_or_else(|| wrong("it does not begin with a schema"))?;
    let schema = Arc::new(try_fb_to_schema(schema).map_err(|error| unreadable(&error))?);
    fits(contract, &schema)?;
    let mut dictionaries: HashMap<i64, ArrayRef> = HashMap::new();
    let mut read = Batches { schema: schema.clone(), batches: Vec::new(), rows: 0 };
    while let Some((message, body)) = next(&mut rest)? {
        let message = message.as_ref();
        check(&message, body.len(), max_rows).map_err(wrong)?;
        if views(&schema, &message, &body).is_none_or(|bytes| bytes / VIEWED > body.len() as u64) {
            return Err(wrong("its string views share so many bytes that looking at them takes too long; send strings"));
        }
        let body = if body.is_empty() { Buffer::default() } else { Buffer::from(body) };
        if let Some(dictionary) = message.header_as_dictionary_batch() {
            read_dictionary(&body, dictionary, &schema, &mut dictionaries, &message.version()).map_err(|error| unreadable(&error))?;
        } else if let Some(batch) = message.header_as_record_batch() {
            let batch = read_record_batch(&body, batch, schema.clone(), &dictionaries, None, &message.version());
            let batch = batch.map_err(|error| unreadable(&error))?;
            read.rows = read.rows.saturating_add(batch.num_rows());
            if read.rows > max_rows {
                return Err(too_many(read.rows, max_rows));
            }
            if batch.num_rows() > 0 {
                read.batches.push(batch);
            }
        }
    }
    Ok(read)
}

/// Bytes that a checked batch's string views stand for; nothing if its buffers are not those of its schema. Every view is validated by
/// itself, so views of one long string cost its length each.
fn views(schema: &Schema, message: &Message<'_>, body: &[u8]) -> Option<u64> {
    let Some(batch) = message.header_as_record_batch() else { return Some(0) };
    let mut buffers = batch.buffers().into_iter().flatten();
    let mut counts = batch.variadicBufferCounts().into_iter().flatten();
    let mut total = 0u64;
    for field in schema.fields() {
        let skipped = match field.data_type() {
            DataType::Null => continue,
            DataType::Utf8 | DataType::LargeUtf8 => 2,
            DataType::Utf8View => {
                let views = buffers.nth(1)?;
                let start = usize::try_from(views.offset()).ok()?;
                let views = body.get(start..start.checked_add(usize::try_from(views.length()).ok()?)?)?;
                let lengths = views.chunks_exact(16).filter_map(|view| view.first_chunk().copied().map(u32::from_le_bytes));
                total = lengths.fold(total, |total, len| total.saturating_add(u64::from(len)));
                match usize::try_from(counts.next()?).ok()? {
                    0 => continue,
                    count => count - 1,
                }
            }
            _ => 1,
        };
        buffers.nth(skipped)?;
    }
    Some(total)
}

/// The refusal of too many rows, which no waiting makes fewer.
pub fn too_many(rows: usize, max_rows: usize) -> Failure {
    let message = format!("a request may have {max_rows} rows and this one has {rows}; send it in parts");
    Failure::new(Code::ResourceExhausted, Reason::TooLarge, message).retry_after(-1)
}

/// Every field is a column and every column a field, of a type that is taken. Unlike in a table, a field too many is refused: decoding it
/// costs.
fn fits(contract: &Contract, schema: &Schema) -> Result<(), Failure> {
    if let Some(field) = schema.fields().iter().find(|field| contract.position(field.name()).is_none()) {
        let name: String = field.name().chars().take(64).collect();
        return Err(wrong(&format!("field {name:?} is no column of contract {}; leave it out", contract.name)));
    }
    Table::bind(contract, schema, &[]).map(|_| ()).map_err(|error| engine_failure::failure(&error))
}

/// The next message and its body; nothing at the end.
fn next(rest: &mut Bytes) -> Result<Option<(MessageBuffer, Bytes)>, Failure> {
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
    let message = MessageBuffer::try_new(Buffer::from(take(rest, u64::from(size))?)).map_err(|_| wrong("a message cannot be read"))?;
    let body = u64::try_from(message.as_ref().bodyLength()).map_err(|_| wrong("a message's body has a negative length"))?;
    Ok(Some((message, take(rest, body)?)))
}

fn take(rest: &mut Bytes, count: u64) -> Result<Bytes, Failure> {
    match usize::try_from(count) {
        Ok(count) if count <= rest.len() => Ok(rest.split_to(count)),
        _ => Err(wrong("it is cut short")),
    }
}

fn unreadable(error: &ArrowError) -> Failure {
    let text: String = error.to_string().chars().take(300).collect();
    wrong(&text)
}

fn wrong(text: &str) -> Failure {
    Failure::new(Code::InvalidArgument, Reason::BadRequest, format!("the Arrow stream cannot be read: {text}"))
}

#[cfg(test)]
mod tests;
