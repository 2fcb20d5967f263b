//! Messages into record batches, one after the other.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{DictionaryBatch, Endianness, Message, root_as_message};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use sternpost_wire::failure::Failure;

use super::check::check;
use super::layout::is_flat;
use super::{Limits, guarded, wrong};
use crate::refusal::too_large;

/// Reads the batches of one stream.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    sent: SchemaRef,
    /// The columns that are read, as positions in what is sent.
    columns: Vec<usize>,
    dictionaries: HashMap<i64, ArrayRef>,
    /// What every dictionary keeps alive, by its number.
    held: HashMap<i64, usize>,
}

/// The schema that a stream's first message should be.
///
/// # Errors
/// `INVALID_ARGUMENT` if it is not one, `RESOURCE_EXHAUSTED` for more columns than are allowed.
pub fn schema(header: &[u8], limits: &Limits) -> Result<SchemaRef, Failure> {
    let read = || {
        let message = parse(header)?;
        let Some(schema) = message.header_as_schema() else {
            return Err(wrong("it does not begin with a schema; send the table's schema before its batches"));
        };
        if schema.endianness() != Endianness::Little {
            return Err(wrong("its numbers are big-endian; send them little-endian"));
        }
        try_fb_to_schema(schema).map_err(damaged)
    };
    let schema = guarded(read)?;
    let columns = schema.flattened_fields().len();
    if columns > limits.columns {
        return Err(too_large(format!("the table has {columns} columns, nested ones included, and at most {} are taken", limits.columns)));
    }
    Ok(Arc::new(schema))
}

/// Whether a message says that its buffers are packed. One that cannot be read says nothing.
pub fn is_packed(header: &[u8]) -> bool {
    let message = root_as_message(header).ok();
    let batch = message.and_then(|message| {
        message.header_as_record_batch().or_else(|| message.header_as_dictionary_batch().and_then(|batch| batch.data()))
    });
    batch.is_some_and(|batch| batch.compression().is_some())
}

impl Reader {
    /// A reader of the named columns of a stream; every name must be there.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` that names a column that is absent or nested.
    pub fn new<'a>(sent: SchemaRef, names: impl Iterator<Item = &'a str>, limits: Limits) -> Result<Self, Failure> {
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
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new_with_metadata(self.fields().cloned().collect::<Vec<_>>(), self.sent.metadata().clone()))
    }

    /// Reads a message and its body: a batch, or nothing if it was a dictionary.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for damage, `RESOURCE_EXHAUSTED` for size, `UNIMPLEMENTED` for a compression that we do not have.
    pub fn read(&mut self, header: &[u8], body: Bytes) -> Result<Option<RecordBatch>, Failure> {
        guarded(|| self.message(header, body))
    }

    /// The same without a net, for who has one of his own.
    pub(super) fn message(&mut self, header: &[u8], body: Bytes) -> Result<Option<RecordBatch>, Failure> {
        let message = parse(header)?;
        // The body is shared with the message, not copied.
        let body = if body.is_empty() { Buffer::default() } else { Buffer::from(body) };
        let version = message.version();
        if let Some(batch) = message.header_as_record_batch() {
            let kinds = self.sent.fields().iter().enumerate();
            let kinds = kinds.map(|(place, field)| (field.data_type(), self.columns.binary_search(&place).is_ok()));
            check(&batch, version, kinds, &body, self.limits.rows, &self.limits)?;
            let (schema, columns) = (self.sent.clone(), Some(self.columns.as_slice()));
            return read_record_batch(&body, batch, schema, &self.dictionaries, columns, &version).map(Some).map_err(damaged);
        }
        match message.header_as_dictionary_batch() {
            Some(dictionary) => self.dictionary(&message, dictionary, &body).map(|()| None),
            None => Err(wrong("a message in its middle is neither a batch nor a dictionary; begin another stream")),
        }
    }

    fn dictionary(&mut self, message: &Message<'_>, dictionary: DictionaryBatch<'_>, body: &Buffer) -> Result<(), Failure> {
        let (id, version, limits) = (dictionary.id(), message.version(), self.limits);
        if !self.fields().any(|field| has_dictionary(field, id)) {
            return Ok(());
        }
        let kind = values_of(&self.sent, id).ok_or_else(|| wrong("a dictionary belongs to no field"))?;
        if dictionary.isDelta() {
            // All that is there would be copied for every piece.
            return Err(wrong("a dictionary grows within the stream; send it whole, before the batches"));
        }
        let values = dictionary.data().ok_or_else(|| wrong("a dictionary has no values"))?;
        let unpacked = check(&values, version, [(kind, true)].into_iter(), body, limits.dictionary_bytes, &limits)?;
        let others: usize = self.held.iter().filter(|(other, _)| **other != id).map(|(_, held)| *held).sum();
        // Values that were not packed keep the whole message.
        let held = if values.compression().is_some() { body.len().saturating_add(unpacked) } else { body.len() };
        if others.saturating_add(held) > limits.dictionary_bytes {
            return Err(too_large(format!("dictionaries of more than {} bytes; send plain strings", limits.dictionary_bytes)));
        }
        read_dictionary(body, dictionary, &self.sent, &mut self.dictionaries, &version).map_err(damaged)?;
        self.held.insert(id, held);
        Ok(())
    }

    fn fields(&self) -> impl Iterator<Item = &Arc<Field>> {
        self.columns.iter().filter_map(|place| self.sent.fields().get(*place))
    }
}

/// The type of a dictionary's entries.
#[allow(deprecated)] // the library finds a dictionary's type in this very way
fn values_of(schema: &Schema, id: i64) -> Option<&DataType> {
    match schema.fields_with_dict_id(id).first()?.data_type() {
        DataType::Dictionary(_, values) => Some(values),
        _ => None,
    }
}

#[allow(deprecated)] // the format still names dictionaries by number, and a field is where the library keeps it
fn has_dictionary(field: &Field, id: i64) -> bool {
    field.dict_id() == Some(id)
}

/// The length of a message's body, as its header says.
pub(super) fn body_length(header: &[u8]) -> Result<i64, Failure> {
    Ok(parse(header)?.bodyLength())
}

fn parse(header: &[u8]) -> Result<Message<'_>, Failure> {
    root_as_message(header).map_err(|error| wrong(format!("a message's header is damaged: {error}")))
}

fn damaged(error: ArrowError) -> Failure {
    wrong(error.to_string())
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "kinds_tests.rs"]
mod kinds_tests;
