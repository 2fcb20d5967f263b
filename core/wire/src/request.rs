//! A score request read in place: the same message as [`crate::scoring::ScoreRequest`], borrowed from its bytes.
//!
//! Generated decoding copies the texts; this is the path of every request, so it copies nothing and leaves named rows to the generated code.

use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The borrowed form of a score request.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ScoreRequestRef<'a> {
    /// The bundle's name, if any.
    pub bundle: &'a str,
    /// The caller's name for the prediction, if any.
    pub id: &'a str,
    /// `Stake` by number.
    pub stake: i32,
    /// The row.
    pub row: RowRef<'a>,
    /// Microseconds within which an answer is of use; 0 for no limit.
    pub timeout_us: u64,
    /// Whom the row is about, if said.
    pub entity: &'a str,
}

/// The row of a request.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum RowRef<'a> {
    /// There is none.
    #[default]
    Absent,
    /// A packed row: schema digest and values.
    Packed(u64, &'a [u8]),
    /// A named row, still encoded.
    Named(&'a [u8]),
}

impl<'a> ScoreRequestRef<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(mut bytes: &'a [u8]) -> Result<Self, prost::DecodeError> {
        let mut read = Self::default();
        while bytes.has_remaining() {
            let (field, wire) = decode_key(&mut bytes)?;
            match (field, wire) {
                (1, WireType::LengthDelimited) => read.bundle = text(chunk(&mut bytes)?)?,
                (2, WireType::LengthDelimited) => read.id = text(chunk(&mut bytes)?)?,
                (3, WireType::Varint) => read.stake = decode_varint(&mut bytes)? as i32,
                (4, WireType::LengthDelimited) => read.row = packed(chunk(&mut bytes)?, read.row)?,
                (5, WireType::LengthDelimited) => read.row = RowRef::Named(chunk(&mut bytes)?),
                (6, WireType::Varint) => read.timeout_us = decode_varint(&mut bytes)?,
                (7, WireType::LengthDelimited) => read.entity = text(chunk(&mut bytes)?)?,
                (1..=7, _) => return Err(wrong("a field has a wire type that is not its own")),
                _ => skip_field(wire, field, &mut bytes, DecodeContext::default())?,
            }
        }
        Ok(read)
    }
}

/// A later occurrence of the same message adds to the earlier one, as everywhere in protobuf.
fn packed<'a>(mut bytes: &'a [u8], before: RowRef<'a>) -> Result<RowRef<'a>, prost::DecodeError> {
    let (mut schema, mut values) = match before {
        RowRef::Packed(schema, values) => (schema, values),
        _ => (0, [].as_slice()),
    };
    while bytes.has_remaining() {
        let (field, wire) = decode_key(&mut bytes)?;
        match (field, wire) {
            (1, WireType::SixtyFourBit) => schema = bytes.try_get_u64_le().map_err(|_| wrong("the schema digest is cut short"))?,
            (2, WireType::LengthDelimited) => values = chunk(&mut bytes)?,
            (1..=2, _) => return Err(wrong("a field has a wire type that is not its own")),
            _ => skip_field(wire, field, &mut bytes, DecodeContext::default())?,
        }
    }
    Ok(RowRef::Packed(schema, values))
}

fn chunk<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], prost::DecodeError> {
    let len = usize::try_from(decode_varint(bytes)?).map_err(|_| wrong("a length is beyond the address space"))?;
    let (chunk, rest) = bytes.split_at_checked(len).ok_or_else(|| wrong("a field is longer than the message"))?;
    *bytes = rest;
    Ok(chunk)
}

fn text(bytes: &[u8]) -> Result<&str, prost::DecodeError> {
    std::str::from_utf8(bytes).map_err(|_| wrong("a text is not UTF-8"))
}

#[allow(deprecated)] // the one way to make this error from outside of its crate
fn wrong(text: &'static str) -> prost::DecodeError {
    prost::DecodeError::new(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::scoring::{NamedRow, PackedRow, ScoreRequest, Value, score_request::Row, value::Kind};

    fn row() -> impl Strategy<Value = Option<Row>> {
        let packed = (any::<u64>(), prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(schema, values)| Row::Packed(PackedRow { schema, values: values.into() }));
        let named = prop::collection::hash_map("[a-z]{0,5}", any::<f64>(), 0..4).prop_map(|values| {
            let values = values.into_iter().map(|(name, value)| (name, Value { kind: Some(Kind::Number(value)) })).collect();
            Row::Named(NamedRow { values })
        });
        prop::option::of(prop_oneof![packed, named])
    }

    proptest! {
        #[test]
        fn reads_what_the_generated_code_writes(bundle in "\\PC{0,20}", id in "\\PC{0,20}", stake in any::<i32>(), row in row(), timeout_us in any::<u64>(), entity in "\\PC{0,20}") {
            let message = ScoreRequest { bundle, id, stake, row, timeout_us, entity };
            let bytes = message.encode_to_vec();
            let read = ScoreRequestRef::decode(&bytes).unwrap();
            prop_assert_eq!((read.bundle, read.id, read.stake), (message.bundle.as_str(), message.id.as_str(), message.stake));
            prop_assert_eq!((read.timeout_us, read.entity), (message.timeout_us, message.entity.as_str()));
            match (&message.row, read.row) {
                (None, RowRef::Absent) => {}
                (Some(Row::Packed(row)), RowRef::Packed(schema, values)) => {
                    prop_assert_eq!((row.schema, row.values.as_ref()), (schema, values));
                }
                (Some(Row::Named(row)), RowRef::Named(bytes)) => prop_assert_eq!(row, &NamedRow::decode(bytes).unwrap()),
                other => prop_assert!(false, "{:?}", other),
            }
        }

        /// Random bytes are taken or refused as the generated code does, but for groups, which no sender of this message uses.
        #[test]
        fn refuses_what_the_generated_code_refuses(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let (ours, generated) = (ScoreRequestRef::decode(&bytes), ScoreRequest::decode(bytes.as_slice()));
            if let Ok(message) = generated {
                prop_assert_eq!(ours.unwrap().bundle, message.bundle);
            }
        }
    }
}
