//! An Arrow IPC stream from a stranger, as batches of a contract's columns.
//!
//! What this module owes its callers:
//! - no bytes make it panic, or allocate more than a few times their own number: the library's reader asserts that buffers lie within their
//!   message and hold whole elements, so every count and length is checked before it is asked;
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

/// Whether a record batch or dictionary message may be handed to the library's reader, which asserts much of what is checked here: not
/// compressed; at most `max_rows` rows; no column of another length; exactly the buffers of its schema, within the body and not over one
/// another, each a whole number of its elements; no string views that take long to look at.
///
/// # Errors
/// What is wrong.
pub fn check(schema: &Schema, message: &Message<'_>, body: &[u8], max_rows: usize) -> Result<(), &'static str> {
    let (batch, kinds, most) = match message.header_type() {
        MessageHeader::RecordBatch => {
            let kinds: Vec<_> = schema.fields().iter().map(|field| field.data_type()).collect();
            (message.header_as_record_batch(), kinds, max_rows)
        }
        MessageHeader::DictionaryBatch => {
            let dictionary = message.header_as_dictionary_batch().ok_or("a dictionary has no header")?;
            if dictionary.isDelta() {
                return Err("a dictionary grows within the stream; send it whole, before the batches");
            }
            // Every entry has an offset.
            (dictionary.data(), vec![values_of(schema, dictionary.id()).ok_or("a dictionary belongs to no field")?], body.len())
        }
        _ => return Err("a message is neither a batch nor a dictionary"),
    };
    let batch = batch.ok_or("a batch has no header")?;
    if batch.compression().is_some() {
        return Err("its buffers are compressed; send them as they are");
    }
    let rows = batch.length();
    if !usize::try_from(rows).is_ok_and(|rows| rows <= most) {
        return Err("a batch says it has more rows than are allowed");
    }
    for node in batch.nodes().into_iter().flatten() {
        if node.length() != rows || !(0..=rows).contains(&node.null_count()) {
            return Err("a column has another length than its batch");
        }
    }
    let mut buffers = Vec::new();
    for buffer in batch.buffers().into_iter().flatten() {
        let (start, len) = (usize::try_from(buffer.offset()), usize::try_from(buffer.length()));
        let end = start.ok().zip(len.ok()).and_then(|(start, len)| Some((start, start.checked_add(len)?)));
        buffers.push(end.and_then(|(start, end)| body.get(start..end)).ok_or("a buffer lies outside of its message")?);
    }
    // Buffers that overlap would be copied and validated once for each.
    if buffers.iter().map(|buffer| buffer.len()).fold(0, usize::saturating_add) > body.len() {
        return Err("its buffers overlap");
    }
    let counts = batch.variadicBufferCounts().into_iter().flatten();
    fitting(&kinds, &buffers, counts)?;
    Ok(())
}

/// The type of a dictionary's entries.
#[allow(deprecated)] // the reader finds a dictionary's type in this very way
fn values_of(schema: &Schema, id: i64) -> Option<&DataType> {
    match schema.fields_with_dict_id(id).first()?.data_type() {
        DataType::Dictionary(_, values) => Some(values),
        _ => None,
    }
}

/// Buffers are those of columns of these types, and string views among them do not stand for too many bytes: every view is validated by
/// itself, so views of one long text cost its length each.
fn fitting(kinds: &[&DataType], buffers: &[&[u8]], mut counts: impl Iterator<Item = i64>) -> Result<(), &'static str> {
    const OTHER: &str = "its buffers are not those of its schema";
    let received: usize = buffers.iter().map(|buffer| buffer.len()).sum();
    let mut viewed = 0u64;
    let mut buffers = buffers.iter();
    for kind in kinds.iter().filter(|kind| ***kind != DataType::Null) {
        buffers.next().ok_or(OTHER)?;
        for width in widths(kind).ok_or(OTHER)? {
            let buffer = buffers.next().ok_or(OTHER)?;
            if buffer.len() % width != 0 {
                return Err("a buffer ends within an element");
            }
            if **kind == DataType::Utf8View {
                let lengths = buffer.chunks_exact(*width).filter_map(|view| view.first_chunk().copied().map(u32::from_le_bytes));
                viewed = lengths.fold(viewed, |viewed, len| viewed.saturating_add(u64::from(len)));
            }
        }
        if **kind == DataType::Utf8View {
            let count = counts.next().and_then(|count| usize::try_from(count).ok()).filter(|count| *count <= buffers.len()).ok_or(OTHER)?;
            buffers.by_ref().take(count).for_each(drop);
        }
    }
    if buffers.next().is_some() || counts.next().is_some() {
        return Err(OTHER);
    }
    if viewed / VIEWED > received as u64 {
        return Err("its string views share so many bytes that looking at them takes too long; send strings");
    }
    Ok(())
}

/// Bytes of an element in each buffer of a column after its validity; nothing for a type that no column takes.
fn widths(kind: &DataType) -> Option<&'static [usize]> {
    Some(match kind {
        DataType::Boolean | DataType::Int8 | DataType::UInt8 => &[1],
        DataType::Int16 | DataType::UInt16 => &[2],
        DataType::Int32 | DataType::UInt32 | DataType::Float32 => &[4],
        DataType::Int64 | DataType::UInt64 | DataType::Float64 | DataType::Timestamp(_, _) => &[8],
        DataType::Decimal128(_, _) | DataType::Utf8View => &[16],
        DataType::Utf8 => &[4, 1],
        DataType::LargeUtf8 => &[8, 1],
        DataType::Dictionary(key, _) => return widths(key),
        _ => return None,
    })
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
        check(&schema, &message, &body, max_rows).map_err(wrong)?;
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
