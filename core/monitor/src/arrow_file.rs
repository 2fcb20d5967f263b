//! One batch in one Arrow IPC file, out and back. What comes back is believed nothing: every number of its headers is compared with the bytes
//! that are there before the library, which asserts much of them, is asked.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::read_record_batch;
use arrow_ipc::writer::FileWriter;
use arrow_ipc::{Endianness, root_as_footer, root_as_message};
use arrow_schema::{ArrowError, Field, Schema};

const MAGIC: &[u8] = b"ARROW1";
/// The length before a message, behind the mark of a message.
const PREFIX: usize = 8;

/// Why a file cannot be read, as the end of a sentence.
pub(crate) type Fault = String;

/// A file's bytes, the same for the same content.
pub(crate) fn write(fields: Vec<Field>, about: HashMap<String, String>, columns: Vec<Arc<dyn Array>>) -> Result<Vec<u8>, Fault> {
    let write = || -> Result<Vec<u8>, ArrowError> {
        let schema = Arc::new(Schema::new_with_metadata(fields, about));
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        let mut writer = FileWriter::try_new(Vec::new(), &schema)?;
        writer.write(&batch)?;
        writer.into_inner()
    };
    write().map_err(|error| error.to_string())
}

/// The batch in a file of exactly these fields.
pub(crate) fn read(bytes: &[u8], fields: &[Field]) -> Result<RecordBatch, Fault> {
    catch_unwind(AssertUnwindSafe(|| checked(bytes, fields)))
        .unwrap_or_else(|_| Err("it is damaged in a way that could not be told".to_owned()))
}

fn checked(bytes: &[u8], fields: &[Field]) -> Result<RecordBatch, Fault> {
    let fault = |text: &str| text.to_owned();
    let inner = bytes
        .strip_prefix(MAGIC)
        .and_then(|bytes| bytes.strip_suffix(MAGIC))
        .ok_or_else(|| fault("it is no Arrow IPC file, or not all of one"))?;
    let (rest, length) = inner.split_last_chunk::<4>().ok_or_else(|| fault("it ends too soon"))?;
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| fault("its footer has a negative length"))?;
    let at = rest.len().checked_sub(length).ok_or_else(|| fault("its footer is longer than the file"))?;
    let footer = root_as_footer(rest.get(at..).unwrap_or_default()).map_err(|error| format!("its footer is damaged: {error}"))?;
    let schema = footer.schema().ok_or_else(|| fault("it has no schema"))?;
    if schema.endianness() != Endianness::Little {
        return Err(fault("its numbers are big-endian"));
    }
    let schema = try_fb_to_schema(schema).map_err(|error| error.to_string())?;
    if let Some((found, expected)) = unlike(&schema, fields) {
        return Err(format!("it has {found} where {expected} was expected"));
    }
    let blocks = footer.recordBatches().ok_or_else(|| fault("it has no batch"))?;
    if blocks.len() != 1 || footer.dictionaries().is_some_and(|dictionaries| !dictionaries.is_empty()) {
        return Err(format!("it has {} batches instead of one, or dictionaries", blocks.len()));
    }
    let block = blocks.get(0);
    let numbers = (usize::try_from(block.offset()), usize::try_from(block.metaDataLength()), usize::try_from(block.bodyLength()));
    let (Ok(offset), Ok(header), Ok(body)) = numbers else { return Err(fault("its batch stands at an impossible place")) };
    let outside = || fault("its batch lies outside of the file");
    let message = bytes.get(offset..).and_then(|bytes| bytes.get(PREFIX..header)).ok_or_else(outside)?;
    let body = bytes.get(offset..).and_then(|bytes| bytes.get(header..)).and_then(|bytes| bytes.get(..body)).ok_or_else(outside)?;
    let message = root_as_message(message).map_err(|error| format!("its batch's header is damaged: {error}"))?;
    let batch = message.header_as_record_batch().ok_or_else(|| fault("its batch is none"))?;
    if batch.compression().is_some() {
        return Err(fault("its buffers are compressed"));
    }
    let mut held = 0usize;
    for buffer in batch.buffers().into_iter().flatten() {
        let (Ok(start), Ok(length)) = (usize::try_from(buffer.offset()), usize::try_from(buffer.length())) else { return Err(outside()) };
        body.get(start..).and_then(|bytes| bytes.get(..length)).ok_or_else(outside)?;
        held = held.saturating_add(length);
    }
    let lengths = batch.nodes().into_iter().flatten().map(|node| node.length().max(node.null_count())).chain([batch.length()]);
    // An element takes a bit at least, so more of them than bits cannot be there; and buffers do not overlap.
    let most = (body.len() as u64).saturating_mul(8);
    if held > body.len() || lengths.into_iter().any(|length| u64::try_from(length).map_or(true, |length| length > most)) {
        return Err(fault("its columns claim more than the file holds"));
    }
    let read = read_record_batch(&Buffer::from(body), batch, Arc::new(schema), &HashMap::new(), None, &message.version());
    read.map_err(|error| error.to_string())
}

/// The first field that is not what it should be, found and expected.
fn unlike(schema: &Schema, fields: &[Field]) -> Option<(String, String)> {
    let told = |field: Option<&Field>| {
        field.map_or_else(|| "no more columns".to_owned(), |field| format!("{} {}", field.name(), field.data_type()))
    };
    let most = schema.fields().len().max(fields.len());
    let pairs = (0..most).map(|place| (schema.fields().get(place).map(Arc::as_ref), fields.get(place)));
    pairs.into_iter().find(|(found, expected)| found != expected).map(|(found, expected)| (told(found), told(expected)))
}

/// The number behind a key of the file's metadata.
pub(crate) fn number<T: std::str::FromStr>(batch: &RecordBatch, key: &str) -> Result<T, Fault> {
    let text = word(batch, key)?;
    text.parse().map_err(|_| format!("its {key} is {text:?}, which is not a number that can stand there"))
}

/// The text behind a key of the file's metadata.
pub(crate) fn word<'a>(batch: &'a RecordBatch, key: &str) -> Result<&'a str, Fault> {
    batch.schema_ref().metadata().get(key).map(String::as_str).ok_or_else(|| format!("it does not say its {key}"))
}

/// A column as what its type is.
pub(crate) fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a T, Fault> {
    batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref()).ok_or_else(|| format!("it has no column {name}"))
}
