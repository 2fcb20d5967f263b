//! One input tensor: its values as an Arrow array of a contract column.
//!
//! Raw values stay where they came in if they stand at a place that their type can be read from. Every length is compared with the count
//! of elements before anything is allocated for them. Errors are texts that continue a sentence which begins with the tensor's name.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use bytes::Bytes;
use sternpost_engine::NULL_I64;
use sternpost_engine::contract::Kind;
use sternpost_wire::inference::InferTensorContents;

use super::datatype::Datatype;

/// An input as it came: its elements are still bytes, or typed contents, but their number is known.
#[derive(Debug)]
pub struct Tensor {
    /// Element type.
    pub datatype: Datatype,
    /// Elements.
    pub count: usize,
    /// Where they are.
    pub content: Content,
}

/// The elements of a tensor.
#[derive(Debug)]
pub enum Content {
    /// Little-endian, row-major.
    Raw(Bytes),
    /// Message fields by type.
    Typed(InferTensorContents),
}

impl Tensor {
    /// The values as an array that a column of this kind takes.
    ///
    /// # Errors
    /// What is wrong with the type, the number or the values of the elements.
    pub fn array(self, kind: &Kind, nulls: Option<NullBuffer>) -> Result<ArrayRef, String> {
        match (kind, self.datatype) {
            (Kind::Bool, Datatype::Bool) => Ok(Arc::new(BooleanArray::new(self.flags()?, nulls))),
            (Kind::Category { .. }, Datatype::Bytes) => Ok(Arc::new(self.labels(nulls)?)),
            (Kind::Float(_), Datatype::Fp64) => self.numbers::<Float64Type>(nulls),
            (Kind::Float(_), Datatype::Fp32) => self.numbers::<Float32Type>(nulls),
            (Kind::Timestamp(_), datatype) if datatype.is_integer() => {
                let instants = PrimitiveArray::<TimestampMicrosecondType>::new(self.wide()?, nulls);
                Ok(Arc::new(instants.with_timezone("UTC")))
            }
            (Kind::Float(_) | Kind::Int(_) | Kind::Money { .. }, datatype) => match datatype {
                Datatype::Int8 => self.numbers::<Int8Type>(nulls),
                Datatype::Int16 => self.numbers::<Int16Type>(nulls),
                Datatype::Int32 => self.numbers::<Int32Type>(nulls),
                Datatype::Int64 => self.numbers::<Int64Type>(nulls),
                Datatype::Uint8 => self.numbers::<UInt8Type>(nulls),
                Datatype::Uint16 => self.numbers::<UInt16Type>(nulls),
                Datatype::Uint32 => self.numbers::<UInt32Type>(nulls),
                Datatype::Uint64 => self.numbers::<UInt64Type>(nulls),
                _ => Err(self.refused(kind)),
            },
            _ => Err(self.refused(kind)),
        }
    }

    /// The validity that a mask of nulls means; nothing if it has none.
    ///
    /// # Errors
    /// As [`Self::array`].
    pub fn validity(self) -> Result<Option<NullBuffer>, String> {
        if self.datatype != Datatype::Bool {
            return Err(format!("is {}; a mask of nulls is BOOL, true where a value is null", self.datatype.word()));
        }
        let valid = NullBuffer::new(!&self.flags()?);
        Ok((valid.null_count() > 0).then_some(valid))
    }

    /// The one element of a BYTES tensor.
    ///
    /// # Errors
    /// What it is instead.
    pub fn blob(self) -> Result<Bytes, String> {
        if self.datatype != Datatype::Bytes || self.count != 1 {
            return Err(format!(
                "has {} elements of {}; it is one element of BYTES, an Arrow IPC stream",
                self.count,
                self.datatype.word()
            ));
        }
        let mut blob = Bytes::new();
        self.each_bytes(|_, element| {
            blob = element;
            Ok(())
        })?;
        Ok(blob)
    }

    fn refused(&self, kind: &Kind) -> String {
        let expected = match kind {
            Kind::Float(_) => "FP64, FP32 or an integer type",
            Kind::Int(_) => "INT64 or another integer type",
            Kind::Timestamp(_) => "INT64, microseconds since 1970 in UTC",
            Kind::Money { .. } => "INT64, minor units",
            Kind::Bool => "BOOL",
            Kind::Category { .. } => "BYTES, labels in UTF-8",
        };
        format!("is {}, but its column is {}; send {expected}", self.datatype.word(), kind.name())
    }

    fn numbers<T: Element>(self, nulls: Option<NullBuffer>) -> Result<ArrayRef, String> {
        Ok(Arc::new(PrimitiveArray::<T>::new(self.scalars::<T>()?, nulls)))
    }

    fn scalars<T: Element>(self) -> Result<ScalarBuffer<T::Native>, String> {
        match self.content {
            Content::Raw(bytes) => {
                exact(bytes.len(), self.count, self.datatype)?;
                let stands = !bytes.is_empty() && bytes.as_ptr().align_offset(align_of::<T::Native>()) == 0;
                let buffer = if stands { Buffer::from(bytes) } else { Buffer::from_slice_ref(&bytes) };
                Ok(ScalarBuffer::new(buffer, 0, self.count))
            }
            Content::Typed(mut contents) => {
                let values = T::take(&mut contents).ok_or_else(|| format!("has a value beyond {}", self.datatype.word()))?;
                settled(&contents, self.datatype, values.len(), self.count)?;
                Ok(values.into())
            }
        }
    }

    /// Whole numbers in 64 bits; one beyond them becomes the number that is no instant, which the contract refuses by row.
    fn wide(self) -> Result<ScalarBuffer<i64>, String> {
        fn widened<T: Element>(tensor: Tensor) -> Result<ScalarBuffer<i64>, String>
        where
            T::Native: TryInto<i64>,
        {
            Ok(tensor.scalars::<T>()?.iter().map(|value| (*value).try_into().unwrap_or(NULL_I64)).collect())
        }
        match self.datatype {
            Datatype::Int8 => widened::<Int8Type>(self),
            Datatype::Int16 => widened::<Int16Type>(self),
            Datatype::Int32 => widened::<Int32Type>(self),
            Datatype::Uint8 => widened::<UInt8Type>(self),
            Datatype::Uint16 => widened::<UInt16Type>(self),
            Datatype::Uint32 => widened::<UInt32Type>(self),
            Datatype::Uint64 => widened::<UInt64Type>(self),
            _ => self.scalars::<Int64Type>(),
        }
    }

    fn flags(self) -> Result<BooleanBuffer, String> {
        match self.content {
            Content::Raw(bytes) => {
                exact(bytes.len(), self.count, Datatype::Bool)?;
                if let Some(place) = bytes.iter().position(|byte| *byte > 1) {
                    return Err(format!("has a byte that is neither 0 nor 1 at element {place}"));
                }
                Ok(bytes.iter().map(|byte| *byte == 1).collect())
            }
            Content::Typed(mut contents) => {
                let flags = std::mem::take(&mut contents.bool_contents);
                settled(&contents, Datatype::Bool, flags.len(), self.count)?;
                Ok(flags.into())
            }
        }
    }

    fn labels(self, nulls: Option<NullBuffer>) -> Result<StringArray, String> {
        // Elements are at least their lengths, so the bytes received bound what is allocated.
        let (elements, bytes) = self.content.extent();
        if elements < self.count {
            return Err(format!(
                "has too few bytes for {} elements of BYTES; an element is 4 bytes of length and so many bytes",
                self.count
            ));
        }
        let mut ends: Vec<i32> = Vec::with_capacity(self.count + 1);
        let mut values: Vec<u8> = Vec::with_capacity(bytes.saturating_sub(4 * self.count));
        ends.push(0);
        self.each_bytes(|place, element| {
            if std::str::from_utf8(&element).is_err() {
                return Err(format!("has a label that is not UTF-8 at element {place}"));
            }
            values.extend_from_slice(&element);
            ends.push(i32::try_from(values.len()).map_err(|_| "has more than 2 GiB of labels; send the rows in parts".to_owned())?);
            Ok(())
        })?;
        let array = StringArray::try_new(OffsetBuffer::new(ends.into()), Buffer::from_vec(values), nulls);
        array.map_err(|error| format!("cannot be read: {error}"))
    }

    /// Walks the elements of a BYTES tensor; afterwards all were there and nothing else was.
    fn each_bytes(self, mut each: impl FnMut(usize, Bytes) -> Result<(), String>) -> Result<(), String> {
        let count = self.count;
        match self.content {
            Content::Raw(mut rest) => {
                for place in 0..count {
                    let cut = || format!("ends within element {place} of {count}; an element is 4 bytes of length and so many bytes");
                    let len = rest.first_chunk().copied().map(u32::from_le_bytes).ok_or_else(cut)?;
                    let end = usize::try_from(len).ok().and_then(|len| len.checked_add(4)).filter(|end| *end <= rest.len());
                    each(place, rest.split_to(end.ok_or_else(cut)?).split_off(4))?;
                }
                if rest.is_empty() { Ok(()) } else { Err(format!("has {} bytes after its {count} elements", rest.len())) }
            }
            Content::Typed(mut contents) => {
                let elements = std::mem::take(&mut contents.bytes_contents);
                settled(&contents, Datatype::Bytes, elements.len(), count)?;
                elements.into_iter().enumerate().try_for_each(|(place, element)| each(place, element))
            }
        }
    }
}

impl Content {
    /// How many BYTES elements there are at most, and their bytes with lengths.
    fn extent(&self) -> (usize, usize) {
        match self {
            Self::Raw(bytes) => (bytes.len() / 4, bytes.len()),
            Self::Typed(contents) => {
                let elements = &contents.bytes_contents;
                (elements.len(), elements.iter().map(|element| element.len().saturating_add(4)).fold(0, usize::saturating_add))
            }
        }
    }
}

/// A number type and the field of typed contents that has its values.
trait Element: ArrowPrimitiveType {
    /// Takes the values out; nothing if one is beyond the type.
    fn take(contents: &mut InferTensorContents) -> Option<Vec<Self::Native>>;
}

macro_rules! element {
    ($($kind:ty: $field:ident),*) => {$(
        impl Element for $kind {
            fn take(contents: &mut InferTensorContents) -> Option<Vec<Self::Native>> {
                std::mem::take(&mut contents.$field).into_iter().map(|value| value.try_into().ok()).collect()
            }
        }
    )*};
}

element!(
    Int8Type: int_contents, Int16Type: int_contents, Int32Type: int_contents, Int64Type: int64_contents,
    UInt8Type: uint_contents, UInt16Type: uint_contents, UInt32Type: uint_contents, UInt64Type: uint64_contents,
    Float32Type: fp32_contents, Float64Type: fp64_contents
);

/// Raw bytes are exactly those of the elements.
fn exact(bytes: usize, count: usize, datatype: Datatype) -> Result<(), String> {
    match count.checked_mul(datatype.size()) {
        Some(expected) if expected == bytes => Ok(()),
        _ => Err(format!("has {bytes} bytes; {count} elements of {} have {} each", datatype.word(), datatype.size())),
    }
}

/// After the values of its type were taken out of them, contents have nothing left, and the values are as many as the shape says.
fn settled(rest: &InferTensorContents, datatype: Datatype, found: usize, count: usize) -> Result<(), String> {
    let left = [
        rest.bool_contents.len(),
        rest.int_contents.len(),
        rest.int64_contents.len(),
        rest.uint_contents.len(),
        rest.uint64_contents.len(),
        rest.fp32_contents.len(),
        rest.fp64_contents.len(),
        rest.bytes_contents.len(),
    ];
    if left.iter().any(|left| *left > 0) {
        return Err(format!("has contents of another type; those of {} stand in {}", datatype.word(), datatype.field()));
    }
    if found != count {
        return Err(format!("has {found} values in {} and its shape says {count}", datatype.field()));
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/tensor.rs"]
mod tests;
