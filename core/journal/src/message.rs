//! Arrow IPC messages as a segment holds them: a schema, then batches without dictionaries.
//!
//! Checksums stand before this, so what arrives here was written by a writer; even so no bytes may make it panic: the library asserts some of
//! what a message says, and a panic of its is caught and told as damage.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::read_record_batch;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_ipc::{MetadataVersion, root_as_message};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::header::ALIGN;

/// Makes messages of batches of one schema.
pub(crate) struct Messages {
    writer: StreamWriter<Vec<u8>>,
}

impl Messages {
    /// A maker of messages, and the schema's own message.
    pub fn new(schema: &Schema) -> Result<(Self, Vec<u8>)> {
        if let Some(field) = schema.flattened_fields().into_iter().find(|field| matches!(field.data_type(), DataType::Dictionary(..))) {
            return Err(Error::Usage(format!("column {}: a journal keeps labels as strings; cast the dictionary first", field.name())));
        }
        let options = IpcWriteOptions::try_new(ALIGN, false, MetadataVersion::V5).map_err(unwritable)?;
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), schema, options).map_err(unwritable)?;
        let message = std::mem::take(writer.get_mut());
        Ok((Self { writer }, message))
    }

    /// The message of a batch.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        self.writer.get_mut().clear();
        self.writer.write(batch).map_err(unwritable)?;
        Ok(std::mem::take(self.writer.get_mut()))
    }

    /// Hands memory back for the next message.
    pub fn reuse(&mut self, memory: Vec<u8>) {
        *self.writer.get_mut() = memory;
    }
}

fn unwritable(error: ArrowError) -> Error {
    Error::Usage(format!("the rows cannot be written: {error}"))
}

/// Reads a schema's message; nothing for anything else.
pub(crate) fn schema(message: &[u8]) -> Option<SchemaRef> {
    guarded(|| {
        let (header, _) = parts(message)?;
        let message = root_as_message(message.get(header)?).ok()?;
        try_fb_to_schema(message.header_as_schema()?).ok().map(Arc::new)
    })
}

/// Reads a batch's message of `rows` rows; nothing for anything else.
pub(crate) fn batch(message: &Buffer, schema: &SchemaRef, rows: u32) -> Option<RecordBatch> {
    guarded(|| {
        let (header, body) = parts(message)?;
        let parsed = root_as_message(message.get(header)?).ok()?;
        let batch = parsed.header_as_record_batch()?;
        let body_len = usize::try_from(parsed.bodyLength()).ok()?;
        if batch.length() != i64::from(rows) || message.len().checked_sub(body)? < body_len {
            return None;
        }
        let body = message.slice_with_length(body, body_len);
        let read = read_record_batch(&body, batch, schema.clone(), &HashMap::new(), None, &parsed.version()).ok()?;
        (read.num_rows() == rows as usize).then_some(read)
    })
}

/// Where the header of a message stands, and where its body begins.
fn parts(message: &[u8]) -> Option<(std::ops::Range<usize>, usize)> {
    let (word, rest) = message.split_first_chunk::<4>()?;
    if *word != [0xff; 4] {
        return None;
    }
    let (len, _) = rest.split_first_chunk::<4>()?;
    let end = 8usize.checked_add(u32::from_le_bytes(*len) as usize).filter(|end| *end <= message.len())?;
    Some((8..end, end))
}

/// The last net under a library that asserts.
fn guarded<T>(read: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok().flatten()
}
