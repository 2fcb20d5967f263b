//! Category columns from Arrow strings, string views and dictionaries.
//!
//! Plain strings are looked up one by one. A dictionary's entries are looked up once per dictionary (batches that share the buffers of one
//! share its translation), and rows are then gathered by key. Bytes are never trusted to be UTF-8: a label is compared as bytes, and only one
//! that is not in the contract is examined.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, ByteArrayType, Int8Type, Int16Type, Int32Type, Int64Type, LargeUtf8Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type, Utf8Type,
};
use arrow_array::{Array, ArrayRef, DictionaryArray, GenericByteArray, StringViewArray};
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;

use super::{Span, mistyped, nulls};
use crate::contract::Column;
use crate::dictionary::Dictionary;
use crate::error::Result;
use crate::rows::{Findings, Rows};
use crate::{NULL_CODE, UNSEEN_CODE};

/// Longest label that a view holds in itself.
const INLINE: u32 = 12;

/// Calls `$run::<Key>(...)` for the array's dictionary key type.
macro_rules! by_key {
    ($array:expr, $key:expr, $run:ident($($argument:expr),*)) => {
        match $key {
            DataType::Int8 => $run::<Int8Type>($array.as_dictionary(), $($argument),*),
            DataType::Int16 => $run::<Int16Type>($array.as_dictionary(), $($argument),*),
            DataType::Int32 => $run::<Int32Type>($array.as_dictionary(), $($argument),*),
            DataType::Int64 => $run::<Int64Type>($array.as_dictionary(), $($argument),*),
            DataType::UInt8 => $run::<UInt8Type>($array.as_dictionary(), $($argument),*),
            DataType::UInt16 => $run::<UInt16Type>($array.as_dictionary(), $($argument),*),
            DataType::UInt32 => $run::<UInt32Type>($array.as_dictionary(), $($argument),*),
            DataType::UInt64 => $run::<UInt64Type>($array.as_dictionary(), $($argument),*),
            _ => return Err(mistyped($array)),
        }
    };
}

/// The code of every entry of a dictionary array; nothing for other arrays. `before` is the same column of the batch before.
pub(super) fn translate(
    labels: &Dictionary,
    array: &ArrayRef,
    before: Option<(&ArrayRef, &Option<Arc<[i32]>>)>,
) -> Result<Option<Arc<[i32]>>> {
    let DataType::Dictionary(key, _) = array.data_type() else { return Ok(None) };
    let entries = by_key!(array.as_ref(), **key, entries_of());
    if let Some((previous, Some(codes))) = before
        && let DataType::Dictionary(previous_key, _) = previous.data_type()
    {
        let previous_entries = by_key!(previous.as_ref(), **previous_key, entries_of());
        if previous_entries.to_data().ptr_eq(&entries.to_data()) {
            return Ok(Some(codes.clone()));
        }
    }
    let codes = (0..entries.len()).map(|entry| match bytes_of(entries, entry) {
        Some(label) => labels.code(label),
        None => NULL_CODE,
    });
    Ok(Some(codes.collect()))
}

fn entries_of<K: ArrowDictionaryKeyType>(array: &DictionaryArray<K>) -> &ArrayRef {
    array.values()
}

/// Decodes a span of a category column.
pub(super) fn decode(
    column: &Column,
    labels: &Dictionary,
    array: &dyn Array,
    codes: Option<&[i32]>,
    span: Span,
    rows: &mut Rows,
) -> Result<()> {
    let (out, findings) = rows.code_span(column.slot, span.at, span.count);
    match (array.data_type(), codes) {
        (DataType::Null, _) => out.fill(NULL_CODE),
        (DataType::Utf8, _) => strings::<Utf8Type>(labels, array.as_bytes(), span, out),
        (DataType::LargeUtf8, _) => strings::<LargeUtf8Type>(labels, array.as_bytes(), span, out),
        (DataType::Utf8View, _) => views(labels, array.as_string_view(), span, out),
        (DataType::Dictionary(key, _), Some(codes)) => by_key!(array, **key, keys(codes, span, out)),
        _ => return Err(mistyped(array)),
    }
    if let Some(nulls) = nulls::within(array, span) {
        nulls::each(&nulls, |row| out[row] = NULL_CODE);
    }
    let least = if column.nullable { NULL_CODE } else { 0 };
    if out.iter().fold(false, |bad, code| bad | (*code < least)) {
        judge(column, array, span, out, findings);
    }
    Ok(())
}

#[cold]
fn judge(column: &Column, array: &dyn Array, span: Span, out: &mut [i32], findings: &mut Findings) {
    for (row, out) in out.iter_mut().enumerate() {
        let value = match *out {
            NULL_CODE => None,
            code if code >= 0 => continue,
            code => Some((code, bytes_of(array, span.offset + row).unwrap_or_default())),
        };
        *out = findings.judge_code(column, span.place, span.at + row, value);
    }
}

fn strings<T: ByteArrayType>(labels: &Dictionary, array: &GenericByteArray<T>, span: Span, out: &mut [i32]) {
    let data = array.value_data();
    let offsets = &array.value_offsets()[span.offset..span.offset + span.count + 1];
    let mut start = offsets[0].as_usize();
    for (out, end) in out.iter_mut().zip(&offsets[1..]) {
        let end = end.as_usize();
        *out = labels.code_at(data, start, end.wrapping_sub(start));
        start = end;
    }
}

fn views(labels: &Dictionary, array: &StringViewArray, span: Span, out: &mut [i32]) {
    let views = &array.views()[span.offset..span.offset + span.count];
    let buffers = array.data_buffers();
    for (out, view) in out.iter_mut().zip(views) {
        let len = *view as u32;
        *out = if len <= INLINE {
            labels.code_of_words((*view >> 32) as u64, (*view >> 96) as u64, len)
        } else {
            long_view(*view, buffers).map_or(UNSEEN_CODE, |(data, start)| labels.code_at(data, start, len as usize))
        };
    }
}

fn long_view(view: u128, buffers: &[arrow_buffer::Buffer]) -> Option<(&[u8], usize)> {
    let buffer = buffers.get((view >> 64) as u32 as usize)?;
    Some((buffer.as_slice(), (view >> 96) as u32 as usize))
}

fn keys<K: ArrowDictionaryKeyType>(array: &DictionaryArray<K>, codes: &[i32], span: Span, out: &mut [i32]) {
    let keys = &array.keys().values()[span.offset..span.offset + span.count];
    for (out, key) in out.iter_mut().zip(keys) {
        // The key under a null may be anything; a wrong one elsewhere reads as unseen.
        *out = codes.get(key.as_usize()).copied().unwrap_or(UNSEEN_CODE);
    }
}

/// The bytes of one label, whatever array holds it; nothing for a null or a place outside of the buffers.
pub fn bytes_of(array: &dyn Array, row: usize) -> Option<&[u8]> {
    if row >= array.len() || array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8 => slice::<Utf8Type>(array.as_bytes(), row),
        DataType::LargeUtf8 => slice::<LargeUtf8Type>(array.as_bytes(), row),
        DataType::Utf8View => {
            let view = array.as_string_view();
            let raw = view.views().get(row)?;
            let len = *raw as u32 as usize;
            if len as u32 <= INLINE {
                let bytes = view.views().inner().as_slice().get(row * 16 + 4..)?;
                return bytes.get(..len);
            }
            let (data, start) = long_view(*raw, view.data_buffers())?;
            data.get(start..start.checked_add(len)?)
        }
        DataType::Dictionary(key, _) => match **key {
            DataType::Int8 => entry::<Int8Type>(array, row),
            DataType::Int16 => entry::<Int16Type>(array, row),
            DataType::Int32 => entry::<Int32Type>(array, row),
            DataType::Int64 => entry::<Int64Type>(array, row),
            DataType::UInt8 => entry::<UInt8Type>(array, row),
            DataType::UInt16 => entry::<UInt16Type>(array, row),
            DataType::UInt32 => entry::<UInt32Type>(array, row),
            DataType::UInt64 => entry::<UInt64Type>(array, row),
            _ => None,
        },
        _ => None,
    }
}

fn slice<T: ByteArrayType>(array: &GenericByteArray<T>, row: usize) -> Option<&[u8]> {
    let offsets = array.value_offsets();
    array.value_data().get(offsets.get(row)?.as_usize()..offsets.get(row + 1)?.as_usize())
}

fn entry<K: ArrowDictionaryKeyType>(array: &dyn Array, row: usize) -> Option<&[u8]> {
    let dictionary = array.as_dictionary::<K>();
    bytes_of(dictionary.values(), dictionary.key(row)?)
}
