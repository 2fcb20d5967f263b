//! How many buffers a column has, and how wide their elements are.

use arrow_schema::DataType;

/// The buffers of a column after its validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Bytes of an element in the first.
    pub width: usize,
    /// Whether the first holds offsets into one more, of bytes.
    pub offsets: bool,
    /// Whether the first holds views into as many more as the message says.
    pub views: bool,
}

/// Whether a column is one array, or a dictionary of one.
pub(super) fn is_flat(kind: &DataType) -> bool {
    match kind {
        DataType::RunEndEncoded(..) => false,
        DataType::Dictionary(_, values) => !matches!(**values, DataType::Dictionary(..)) && is_flat(values),
        kind => !kind.is_nested(),
    }
}

/// The layout of a flat column; nothing for one that has no buffers at all, or none that can be read.
pub(super) fn layout(kind: &DataType) -> Option<Layout> {
    let plain = |width| Layout { width, offsets: false, views: false };
    Some(match kind {
        DataType::Utf8 | DataType::Binary => Layout { offsets: true, ..plain(4) },
        DataType::LargeUtf8 | DataType::LargeBinary => Layout { offsets: true, ..plain(8) },
        DataType::Utf8View | DataType::BinaryView => Layout { views: true, ..plain(16) },
        // Bits: their number is the library's to compare.
        DataType::Boolean => plain(1),
        DataType::FixedSizeBinary(width) => plain(usize::try_from(*width).ok().filter(|width| *width > 0)?),
        DataType::Dictionary(key, _) => return layout(key),
        kind => plain(kind.primitive_width()?),
    })
}
