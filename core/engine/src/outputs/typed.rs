//! One feature's values as an Arrow array of its type, written block by block while they are still in the cache.
//!
//! Validity is a bitmap that exists only once there is a null; both it and bool values are packed eight values at a time without branches.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};

use crate::scorer::BLOCK_ROWS;
use crate::spec::FeatureType;
use crate::{NULL_CODE, NULL_F64};

const BYTE: usize = u8::BITS as usize;
// Every block but a chunk's last ends on a whole byte of the bitmaps.
const _: () = assert!(BLOCK_ROWS.is_multiple_of(BYTE));

/// A growing column.
#[derive(Debug)]
pub(super) struct TypedColumn {
    values: Values,
    valid: Bits,
    nulls: bool,
}

#[derive(Debug)]
enum Values {
    Float(Vec<f64>),
    Int(Vec<i64>),
    Bool(Bits),
    Category(Vec<i32>),
}

/// Bits in Arrow's order: the first in the lowest place.
#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl TypedColumn {
    /// An empty column for at most `rows` values.
    pub(super) fn with_capacity(kind: FeatureType, rows: usize) -> Self {
        let values = match kind {
            FeatureType::Float => Values::Float(Vec::with_capacity(rows)),
            FeatureType::Int => Values::Int(Vec::with_capacity(rows)),
            FeatureType::Bool => Values::Bool(Bits::with_capacity(rows)),
            FeatureType::Category => Values::Category(Vec::with_capacity(rows)),
        };
        Self { values, valid: Bits::with_capacity(rows), nulls: false }
    }

    /// Appends a kernel's values; only a column's last block may have a length that is no multiple of eight.
    pub(super) fn append(&mut self, block: &[f64]) {
        // What stands under a null is never read; it only has to be the same every time.
        match &mut self.values {
            Values::Float(values) => values.extend(block.iter().map(|value| if value.is_nan() { NULL_F64 } else { *value })),
            Values::Int(values) => values.extend(block.iter().map(|value| *value as i64)),
            Values::Bool(values) => values.append(block, |value| value.abs() > 0.0),
            Values::Category(values) => {
                let null = f64::from(NULL_CODE);
                values.extend(block.iter().map(|value| *value as i32));
                self.nulls |= self.valid.append_unless(block, |value| value.is_nan() | (value == null));
                return;
            }
        }
        self.nulls |= self.valid.append_unless(block, f64::is_nan);
    }

    /// The array.
    pub(super) fn finish(self) -> ArrayRef {
        let nulls = self.nulls.then(|| NullBuffer::new(self.valid.finish()));
        match self.values {
            Values::Float(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            Values::Int(values) => Arc::new(Int64Array::new(values.into(), nulls)),
            Values::Bool(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Category(values) => Arc::new(Int32Array::new(values.into(), nulls)),
        }
    }
}

impl Bits {
    fn with_capacity(bits: usize) -> Self {
        Self { bytes: Vec::with_capacity(bits.div_ceil(BYTE)), len: 0 }
    }

    /// A bit per value: whether `test` holds.
    fn append(&mut self, values: &[f64], test: impl Fn(f64) -> bool) {
        debug_assert!(self.len.is_multiple_of(BYTE));
        let byte = |eight: &[f64]| eight.iter().rev().fold(0, |byte, value| byte << 1 | u8::from(test(*value)));
        let (eights, rest) = values.as_chunks::<BYTE>();
        self.bytes.extend(eights.iter().map(|eight| byte(eight)));
        if !rest.is_empty() {
            self.bytes.push(byte(rest));
        }
        self.len += values.len();
    }

    /// A bit per value: whether `test` does not hold. Tells whether it held anywhere; where it did not, nothing has to be packed.
    fn append_unless(&mut self, values: &[f64], test: impl Fn(f64) -> bool) -> bool {
        if values.iter().fold(false, |any, value| any | test(*value)) {
            self.append(values, |value| !test(value));
            return true;
        }
        self.len += values.len();
        self.bytes.resize(self.len.div_ceil(BYTE), u8::MAX);
        false
    }

    fn finish(self) -> BooleanBuffer {
        BooleanBuffer::new(Buffer::from_vec(self.bytes), 0, self.len)
    }
}
