//! Every number of a header, compared with the body and the limits before the library sees it.

use std::vec::IntoIter;

use arrow_ipc::{CompressionType, MetadataVersion, RecordBatch};
use arrow_schema::{DataType, UnionMode};
use sternpost_wire::failure::Failure;

use super::layout::layout;
use super::views::viewed;
use super::{Limits, wrong};
use crate::refusal::{too_large, unsupported};

/// How often on average a byte may be looked at through string views.
const VIEWED: u64 = 16;
/// Before a packed buffer stands its size as an `i64`, or this if it is not packed after all.
pub(super) const NOT_PACKED: i64 = -1;
const OTHER: &str = "its buffers are not those of its schema";

/// What is left of a header, column after column.
struct Parts<'a> {
    limits: &'a Limits,
    version: MetadataVersion,
    /// Length and nulls of each column and what is nested in it.
    nodes: IntoIter<(i64, i64)>,
    buffers: IntoIter<&'a [u8]>,
    /// Buffers that views point into, for each column of views.
    counts: IntoIter<i64>,
    packed: bool,
    /// Bytes of what is read, unpacked.
    bytes: usize,
    viewed: u64,
}

/// Whether a batch may be handed to the library: at most `most` rows; of every column that is read as many, in exactly the buffers of its
/// type, within the body and not over one another, each a whole number of elements, none larger than it may be, no string views that take
/// long to look at. Columns come with whether they are read. Gives the bytes of what is read when unpacked.
///
/// # Errors
/// `INVALID_ARGUMENT` for damage, `RESOURCE_EXHAUSTED` for size, `UNIMPLEMENTED` for a packing that we do not have.
pub(super) fn check<'a>(
    batch: &RecordBatch<'_>,
    version: MetadataVersion,
    columns: impl Iterator<Item = (&'a DataType, bool)>,
    body: &[u8],
    most: usize,
    limits: &Limits,
) -> Result<usize, Failure> {
    let rows = batch.length();
    match usize::try_from(rows) {
        Err(_) => return Err(wrong("a batch has a negative number of rows")),
        Ok(rows) if rows > most => {
            return Err(too_large(format!("a batch has {rows} rows, and at most {most} are taken; send smaller batches")));
        }
        Ok(_) => {}
    }
    let packed = match batch.compression().map(|compression| compression.codec()) {
        None => false,
        Some(_) if !limits.packed => return Err(wrong("its buffers are compressed; send them as they are")),
        Some(CompressionType::LZ4_FRAME) => true,
        Some(_) => {
            return Err(unsupported("batches compressed with zstd are not taken; send them uncompressed or with lz4"));
        }
    };
    let nodes: Vec<_> = batch.nodes().into_iter().flatten().map(|node| (node.length(), node.null_count())).collect();
    let (buffers, counts) = (buffers(batch, body)?, batch.variadicBufferCounts().into_iter().flatten().collect::<Vec<_>>());
    let (nodes, buffers, counts) = (nodes.into_iter(), buffers.into_iter(), counts.into_iter());
    let mut parts = Parts { limits, version, nodes, buffers, counts, packed, bytes: 0, viewed: 0 };
    for (kind, is_read) in columns {
        if is_read { parts.read(kind, rows)? } else { parts.skip(kind)? }
    }
    if parts.buffers.next().is_some() || parts.counts.next().is_some() {
        return Err(wrong(OTHER));
    }
    if parts.viewed / VIEWED > parts.bytes as u64 || parts.viewed > limits.batch_bytes as u64 {
        return Err(wrong("its string views share so many bytes that looking at them takes too long; send strings"));
    }
    Ok(parts.bytes)
}

fn buffers<'a>(batch: &RecordBatch<'_>, body: &'a [u8]) -> Result<Vec<&'a [u8]>, Failure> {
    let place = |buffer: &arrow_ipc::Buffer| {
        let (start, len) = (usize::try_from(buffer.offset()).ok()?, usize::try_from(buffer.length()).ok()?);
        body.get(start..start.checked_add(len)?)
    };
    let buffers: Option<Vec<_>> = batch.buffers().into_iter().flatten().map(place).collect();
    let buffers = buffers.ok_or_else(|| wrong("its buffers lie outside of their message"))?;
    // Buffers that overlap would be copied and validated once for each.
    if buffers.iter().map(|buffer| buffer.len()).fold(0, usize::saturating_add) > body.len() {
        return Err(wrong("its buffers overlap"));
    }
    Ok(buffers)
}

impl<'a> Parts<'a> {
    fn node(&mut self) -> Result<(i64, i64), Failure> {
        self.nodes.next().ok_or_else(|| wrong(OTHER))
    }

    fn buffer(&mut self) -> Result<&'a [u8], Failure> {
        self.buffers.next().ok_or_else(|| wrong(OTHER))
    }

    /// A buffer whose bytes count: its bytes without their prefix, their number when unpacked, and whether they are packed.
    fn counted(&mut self) -> Result<(&'a [u8], usize, bool), Failure> {
        let bytes = self.buffer()?;
        let (bytes, size, packed) = if !self.packed || bytes.is_empty() {
            (bytes, bytes.len(), false)
        } else {
            let (prefix, rest) = bytes.split_first_chunk().ok_or_else(|| wrong("its buffers are cut short"))?;
            match i64::from_le_bytes(*prefix) {
                NOT_PACKED => (rest, rest.len(), false),
                size => (rest, usize::try_from(size).map_err(|_| wrong("its buffers have negative sizes"))?, true),
            }
        };
        self.bytes = self.bytes.saturating_add(size);
        if self.packed && self.bytes > self.limits.batch_bytes {
            let message = format!("a batch has more than the {} bytes that are taken; send smaller batches", self.limits.batch_bytes);
            return Err(too_large(message));
        }
        Ok((bytes, size, packed))
    }

    /// How many buffers the views of the next column of them point into.
    fn count(&mut self) -> Result<usize, Failure> {
        let count = self.counts.next().and_then(|count| usize::try_from(count).ok());
        count.filter(|count| *count <= self.buffers.len()).ok_or_else(|| wrong(OTHER))
    }

    /// Goes past a column that is read.
    fn read(&mut self, kind: &DataType, rows: i64) -> Result<(), Failure> {
        let (length, nulls) = self.node()?;
        if length != rows || !(0..=rows).contains(&nulls) {
            return Err(wrong("a column has another length than its batch"));
        }
        if *kind == DataType::Null {
            return Ok(());
        }
        let layout = layout(kind).ok_or_else(|| wrong(OTHER))?;
        self.counted()?;
        let (bytes, size, packed) = self.counted()?;
        if size % layout.width != 0 {
            return Err(wrong("a buffer ends within an element"));
        }
        if layout.offsets {
            self.counted()?;
        }
        if layout.views {
            if *kind == DataType::Utf8View {
                self.viewed = self.viewed.saturating_add(viewed(bytes, packed.then_some(size))?);
            }
            for _ in 0..self.count()? {
                self.counted()?;
            }
        }
        Ok(())
    }

    /// Goes past a column that the library is told to skip, in the way in which it does.
    fn skip(&mut self, kind: &DataType) -> Result<(), Failure> {
        self.node()?;
        let own = match kind {
            DataType::Null | DataType::RunEndEncoded(..) => 0,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => 3,
            DataType::ListView(_) | DataType::LargeListView(_) => 3,
            DataType::Utf8View | DataType::BinaryView => self.count()?.saturating_add(2),
            DataType::FixedSizeList(..) | DataType::Struct(_) => 1,
            DataType::Union(_, mode) => 1 + usize::from(self.version < MetadataVersion::V5) + usize::from(matches!(mode, UnionMode::Dense)),
            _ => 2,
        };
        for _ in 0..own {
            self.buffer()?;
        }
        match kind {
            DataType::List(field)
            | DataType::LargeList(field)
            | DataType::Map(field, _)
            | DataType::ListView(field)
            | DataType::LargeListView(field)
            | DataType::FixedSizeList(field, _) => self.skip(field.data_type()),
            DataType::Struct(fields) => fields.iter().try_for_each(|field| self.skip(field.data_type())),
            DataType::Union(fields, _) => fields.iter().try_for_each(|(_, field)| self.skip(field.data_type())),
            DataType::RunEndEncoded(ends, values) => [ends, values].iter().try_for_each(|field| self.skip(field.data_type())),
            _ => Ok(()),
        }
    }
}
