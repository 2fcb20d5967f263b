//! Record batches out of messages that a stranger wrote.
//!
//! The arrow crates check what an array holds, but panic on some offsets and believe a compressed buffer's word on its size before anything
//! else. So a header's numbers are compared with the body and the limits before arrow sees the message, and a panic that is left is caught.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_flight::FlightData;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{CompressionType, Message, MessageHeader, root_as_message};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use sternpost_wire::failure::{Failure, Reason};
use tonic::Code;

use super::Limits;
use super::order::wrong;

/// No array is longer; products with any width stay far from overflow.
const LONGEST: i64 = 1 << 40;
/// Before a compressed buffer stands its length as an `i64`, or this if it is not compressed after all.
const PREFIX: usize = 8;
const NOT_COMPRESSED: i64 = -1;

/// More bytes than these are a matter of tens of microseconds.
const LONG: usize = 128 << 10;

/// Reads the batches of one stream.
#[derive(Debug)]
pub(super) struct Reader {
    limits: Limits,
    sent: SchemaRef,
    /// The columns that are read, as positions in what is sent.
    columns: Vec<usize>,
    dictionaries: HashMap<i64, ArrayRef>,
    /// What every dictionary keeps alive, by its number.
    held: HashMap<i64, usize>,
}

/// The schema in a stream's first message.
pub(super) fn read_schema(data: &FlightData, limits: &Limits) -> Result<SchemaRef, Failure> {
    let read = || {
        let message = parse(data)?;
        let Some(schema) = message.header_as_schema() else {
            return Err(wrong("the stream does not begin with a schema; send the table's schema before its batches"));
        };
        try_fb_to_schema(schema).map_err(damaged)
    };
    let schema = guarded(read)?;
    let columns = schema.flattened_fields().len();
    if columns > limits.columns {
        return Err(too_large(format!("the table has {columns} columns, nested ones included, and at most {} are taken", limits.columns)));
    }
    Ok(Arc::new(schema))
}

impl Reader {
    /// A reader of the named columns of a stream; every name must be there.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` that names a column that is absent or nested.
    pub(super) fn new<'a>(sent: SchemaRef, names: impl Iterator<Item = &'a str>, limits: Limits) -> Result<Self, Failure> {
        let columns = names.map(|name| {
            let (place, field) = sent.fields().find(name).ok_or_else(|| wrong(format!("column {name}: the table does not have it")))?;
            if is_flat(field.data_type()) {
                Ok(place)
            } else {
                Err(wrong(format!("column {name}: nested and run-end encoded columns are not taken; it is {}", field.data_type())))
            }
        });
        let mut columns = columns.collect::<Result<Vec<_>, _>>()?;
        columns.sort_unstable();
        columns.dedup();
        Ok(Self { limits, columns, sent, dictionaries: HashMap::new(), held: HashMap::new() })
    }

    /// The schema of the batches that are read.
    pub(super) fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().filter_map(|place| self.sent.fields().get(*place)).cloned();
        Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), self.sent.metadata().clone()))
    }

    /// Whether reading a message takes long enough to be done by another thread.
    pub(super) fn is_long(data: &FlightData) -> bool {
        // Compressed, a byte may become 255; a header that cannot be read is soon refused.
        let compressed = || {
            let message = root_as_message(&data.data_header).ok();
            let batch = message.and_then(|message| {
                message.header_as_record_batch().or_else(|| message.header_as_dictionary_batch().and_then(|batch| batch.data()))
            });
            batch.is_some_and(|batch| batch.compression().is_some())
        };
        data.data_body.len() > LONG || data.data_body.len() > LONG / 255 && compressed()
    }

    /// Reads a message: a batch, or nothing if it was a dictionary.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for damage, `RESOURCE_EXHAUSTED` for size, `UNIMPLEMENTED` for a compression that we do not have.
    pub(super) fn read(&mut self, data: &FlightData) -> Result<Option<RecordBatch>, Failure> {
        guarded(|| self.message(data))
    }

    fn message(&mut self, data: &FlightData) -> Result<Option<RecordBatch>, Failure> {
        let message = parse(data)?;
        // The body is shared with the message, not copied.
        let body = Buffer::from(data.data_body.clone());
        let version = message.version();
        if let Some(batch) = message.header_as_record_batch() {
            check(&batch, &body, &self.limits)?;
            let (schema, columns) = (self.sent.clone(), Some(self.columns.as_slice()));
            let batch = read_record_batch(&body, batch, schema, &self.dictionaries, columns, &version).map_err(damaged)?;
            return Ok(Some(batch));
        }
        if let Some(dictionary) = message.header_as_dictionary_batch() {
            let id = dictionary.id();
            if !self.columns.iter().filter_map(|place| self.sent.fields().get(*place)).any(|field| has_dictionary(field, id)) {
                return Ok(None);
            }
            let values = dictionary.data().ok_or_else(|| wrong("a dictionary without values"))?;
            check(&values, &body, &self.limits)?;
            let before = self.held.get(&id).copied().filter(|_| dictionary.isDelta()).unwrap_or(0);
            let others: usize = self.held.iter().filter(|(other, _)| **other != id).map(|(_, held)| *held).sum();
            let held = before.saturating_add(body.len());
            if others.saturating_add(held) > self.limits.dictionary_bytes {
                return Err(too_large(format!("dictionaries of more than {} bytes; send plain strings", self.limits.dictionary_bytes)));
            }
            read_dictionary(&body, dictionary, &self.sent, &mut self.dictionaries, &version).map_err(damaged)?;
            self.held.insert(id, held);
            return Ok(None);
        }
        let found = if message.header_type() == MessageHeader::Schema { "a second schema" } else { "neither a batch nor a dictionary" };
        Err(wrong(format!("{found} in the middle of a stream; begin another one")))
    }
}

/// Whether a column is one array, or a dictionary of one.
fn is_flat(kind: &DataType) -> bool {
    match kind {
        DataType::RunEndEncoded(..) => false,
        DataType::Dictionary(_, values) => !matches!(**values, DataType::Dictionary(..)) && is_flat(values),
        kind => !kind.is_nested(),
    }
}

#[allow(deprecated)] // the format still names dictionaries by number, and a field is where the crate keeps it
fn has_dictionary(field: &Field, id: i64) -> bool {
    field.dict_id() == Some(id)
}

fn parse(data: &FlightData) -> Result<Message<'_>, Failure> {
    root_as_message(&data.data_header).map_err(|error| wrong(format!("a message's header is damaged: {error}")))
}

/// Compares every number of a header with the body and the limits.
fn check(batch: &arrow_ipc::RecordBatch<'_>, body: &Buffer, limits: &Limits) -> Result<(), Failure> {
    let boastful = |what: &str| wrong(format!("a message is damaged: its {what}"));
    match usize::try_from(batch.length()) {
        Err(_) => return Err(boastful("number of rows is negative")),
        Ok(rows) if rows > limits.rows => {
            return Err(too_large(format!("{rows} rows in one batch, and at most {} are taken; send smaller batches", limits.rows)));
        }
        Ok(_) => {}
    }
    for node in batch.nodes().into_iter().flatten() {
        if !(0..=LONGEST).contains(&node.length()) || !(0..=node.length()).contains(&node.null_count()) {
            return Err(boastful("columns' lengths and nulls do not fit"));
        }
    }
    let compressed = match batch.compression().map(|compression| compression.codec()) {
        None => false,
        Some(CompressionType::LZ4_FRAME) => true,
        Some(_) => {
            let message = "batches compressed with zstd are not taken; send them uncompressed or with lz4";
            return Err(Failure::new(Code::Unimplemented, Reason::Unsupported, message));
        }
    };
    let (mut used, mut unpacked) = (0usize, 0u64);
    for buffer in batch.buffers().into_iter().flatten() {
        let place = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
        let bytes = place.and_then(|(start, len)| body.as_slice().get(start..start.checked_add(len)?));
        let Some(bytes) = bytes else { return Err(boastful("buffers lie outside of its body")) };
        used = used.saturating_add(bytes.len());
        if compressed && !bytes.is_empty() {
            let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() else {
                return Err(boastful("compressed buffers are cut short"));
            };
            let size = match i64::from_le_bytes(*prefix) {
                NOT_COMPRESSED => Ok(rest.len() as u64),
                size => u64::try_from(size).map_err(|_| boastful("compressed buffers have negative sizes")),
            };
            unpacked = unpacked.saturating_add(size?);
        }
    }
    // Buffers that share their bytes would be copied once for each, if they have to be aligned.
    if used > body.len() {
        return Err(boastful("buffers overlap"));
    }
    if unpacked > limits.batch_bytes as u64 {
        return Err(too_large(format!("a batch of {unpacked} bytes, and at most {} are taken; send smaller batches", limits.batch_bytes)));
    }
    Ok(())
}

fn guarded<T>(read: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let caught = catch_unwind(AssertUnwindSafe(read));
    caught.unwrap_or_else(|_| Err(wrong("a message is damaged in a way that could not be told")))
}

fn damaged(error: ArrowError) -> Failure {
    wrong(format!("a message is damaged: {error}"))
}

/// A refusal because of size, which no repetition helps.
pub(super) fn too_large(message: impl Into<String>) -> Failure {
    Failure::new(Code::ResourceExhausted, Reason::TooLarge, message).retry_after(-1)
}

#[cfg(test)]
#[path = "ipc_tests.rs"]
mod tests;
