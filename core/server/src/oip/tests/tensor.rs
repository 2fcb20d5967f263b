use arrow_array::Array;
use arrow_array::cast::AsArray;
use proptest::prelude::*;
use sternpost_engine::contract::{Bounds, Contract};

use super::*;

const FLOAT: Kind = Kind::Float(Bounds { ge: None, gt: None, le: None, lt: None });
const INT: Kind = Kind::Int(Bounds { ge: None, gt: None, le: None, lt: None });
const INSTANT: Kind = Kind::Timestamp(Bounds { ge: None, gt: None, le: None, lt: None });
const MONEY: Kind = Kind::Money { bounds: Bounds { ge: None, gt: None, le: None, lt: None }, minor_digits: 2 };

fn category() -> Kind {
    let json = r#"{"format": 1, "name": "C", "columns": [{"name": "c", "type": "category", "categories": ["a", "b"]}]}"#;
    Contract::from_json(json).unwrap().columns.remove(0).kind
}

fn raw(datatype: Datatype, count: usize, bytes: impl Into<Bytes>) -> Tensor {
    Tensor { datatype, count, content: Content::Raw(bytes.into()) }
}

fn typed(datatype: Datatype, count: usize, contents: InferTensorContents) -> Tensor {
    Tensor { datatype, count, content: Content::Typed(contents) }
}

fn framed(labels: &[&[u8]]) -> Vec<u8> {
    labels.iter().flat_map(|label| [&(label.len() as u32).to_le_bytes(), *label].concat()).collect()
}

/// The same bytes at a place that is off by `shift` from one that any number can be read from.
fn shifted(bytes: &[u8], shift: usize) -> Bytes {
    let mut padded = vec![0u8; bytes.len() + 32];
    let start = padded.as_ptr().align_offset(16) + shift;
    padded[start..start + bytes.len()].copy_from_slice(bytes);
    Bytes::from(padded).slice(start..start + bytes.len())
}

#[test]
fn every_number_is_the_same_raw_typed_and_at_any_place() {
    macro_rules! check {
        ($arrow:ty, $native:ty, $datatype:expr, $field:ident, $values:expr) => {{
            let values: Vec<$native> = $values.to_vec();
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            for kind in [&FLOAT, &INT, &MONEY] {
                if matches!(($datatype, kind), (Datatype::Fp32 | Datatype::Fp64, Kind::Int(_) | Kind::Money { .. })) {
                    assert!(raw($datatype, values.len(), bytes.clone()).array(kind, None).unwrap_err().contains("send INT64"));
                    continue;
                }
                for shift in 0..8 {
                    let array = raw($datatype, values.len(), shifted(&bytes, shift)).array(kind, None).unwrap();
                    assert_eq!(array.as_primitive::<$arrow>().values().as_ref(), values.as_slice());
                }
                let contents = InferTensorContents { $field: values.iter().map(|value| (*value).into()).collect(), ..Default::default() };
                let array = typed($datatype, values.len(), contents).array(kind, None).unwrap();
                assert_eq!(array.as_primitive::<$arrow>().values().as_ref(), values.as_slice());
            }
        }};
    }
    check!(Int8Type, i8, Datatype::Int8, int_contents, [i8::MIN, -1, 0, i8::MAX]);
    check!(Int16Type, i16, Datatype::Int16, int_contents, [i16::MIN, -1, 0, i16::MAX]);
    check!(Int32Type, i32, Datatype::Int32, int_contents, [i32::MIN, -1, 0, i32::MAX]);
    check!(Int64Type, i64, Datatype::Int64, int64_contents, [i64::MIN, -1, 0, i64::MAX]);
    check!(UInt8Type, u8, Datatype::Uint8, uint_contents, [0, 1, u8::MAX]);
    check!(UInt16Type, u16, Datatype::Uint16, uint_contents, [0, 1, u16::MAX]);
    check!(UInt32Type, u32, Datatype::Uint32, uint_contents, [0, 1, u32::MAX]);
    check!(UInt64Type, u64, Datatype::Uint64, uint64_contents, [0, 1, u64::MAX]);
    check!(Float32Type, f32, Datatype::Fp32, fp32_contents, [0.1, -0.0, f32::INFINITY]);
    check!(Float64Type, f64, Datatype::Fp64, fp64_contents, [0.1, -0.0, f64::MIN_POSITIVE]);
}

#[test]
fn aligned_numbers_stay_where_they_came_in() {
    let bytes: Vec<u8> = (0..64u64).flat_map(u64::to_le_bytes).collect();
    for (shift, stays) in [(0, true), (8, true), (1, false), (4, false)] {
        let received = shifted(&bytes, shift);
        let start = received.as_ptr();
        let array = raw(Datatype::Fp64, 64, received).array(&FLOAT, None).unwrap();
        assert_eq!(array.as_primitive::<Float64Type>().values().as_ptr().cast::<u8>() == start, stays, "{shift}");
    }
}

#[test]
fn instants_keep_their_type_for_any_integer() {
    let expected = |array: ArrayRef, values: &[i64]| {
        assert!(
            matches!(array.data_type(), arrow_schema::DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC")
        );
        assert_eq!(array.as_primitive::<TimestampMicrosecondType>().values().as_ref(), values);
    };
    let bytes = [1i64, -5].map(i64::to_le_bytes).concat();
    expected(raw(Datatype::Int64, 2, bytes).array(&INSTANT, None).unwrap(), &[1, -5]);
    let bytes = [1i16, -5].map(i16::to_le_bytes).concat();
    expected(raw(Datatype::Int16, 2, bytes).array(&INSTANT, None).unwrap(), &[1, -5]);
    // Beyond 64 signed bits: the number that is no instant, refused by row.
    let contents = InferTensorContents { uint64_contents: vec![7, u64::MAX], ..Default::default() };
    expected(typed(Datatype::Uint64, 2, contents).array(&INSTANT, None).unwrap(), &[7, i64::MIN]);
    assert!(raw(Datatype::Fp64, 0, "").array(&INSTANT, None).unwrap_err().contains("microseconds since 1970"));
}

#[test]
fn flags_are_bytes_of_zero_or_one() {
    let array = raw(Datatype::Bool, 3, vec![1, 0, 1]).array(&Kind::Bool, None).unwrap();
    assert_eq!(array.as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false), Some(true)]);
    let contents = InferTensorContents { bool_contents: vec![false, true], ..Default::default() };
    let array = typed(Datatype::Bool, 2, contents).array(&Kind::Bool, None).unwrap();
    assert_eq!(array.as_boolean().iter().collect::<Vec<_>>(), [Some(false), Some(true)]);
    assert!(raw(Datatype::Bool, 2, vec![0, 2]).array(&Kind::Bool, None).unwrap_err().contains("element 1"));
    assert!(raw(Datatype::Int8, 1, vec![0]).array(&Kind::Bool, None).unwrap_err().contains("send BOOL"));
}

#[test]
fn a_mask_is_true_where_a_value_is_null() {
    let nulls = raw(Datatype::Bool, 3, vec![0, 1, 0]).validity().unwrap().unwrap();
    assert_eq!(nulls.iter().collect::<Vec<_>>(), [true, false, true]);
    assert!(raw(Datatype::Bool, 2, vec![0, 0]).validity().unwrap().is_none());
    assert!(raw(Datatype::Int8, 1, vec![0]).validity().unwrap_err().contains("mask"));
}

#[test]
fn labels_are_lengths_and_bytes() {
    let kind = category();
    let bytes = framed(&[b"a", b"", "é".as_bytes()]);
    let array = raw(Datatype::Bytes, 3, bytes.clone()).array(&kind, None).unwrap();
    assert_eq!(array.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["a", "", "é"]);
    let contents = InferTensorContents { bytes_contents: vec!["a".into(), "é".into()], ..Default::default() };
    let array = typed(Datatype::Bytes, 2, contents).array(&kind, None).unwrap();
    assert_eq!(array.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["a", "é"]);
    let wrong = |count, bytes: Vec<u8>| raw(Datatype::Bytes, count, bytes).array(&kind, None).unwrap_err();
    assert!(wrong(2, framed(&[b"a", b"\xff"])).contains("UTF-8 at element 1"));
    assert!(wrong(2, bytes.clone()).contains("after its 2 elements"));
    assert!(wrong(4, bytes.clone()).contains("too few bytes") || wrong(4, bytes.clone()).contains("ends within"));
    assert!(wrong(1, vec![255, 255, 255, 255]).contains("ends within element 0"));
    assert!(wrong(1, vec![1, 0, 0]).contains("too few bytes"));
    assert!(wrong(usize::MAX, bytes).contains("too few bytes"));
    assert!(raw(Datatype::Int64, 0, "").array(&kind, None).unwrap_err().contains("labels in UTF-8"));
}

#[test]
fn sizes_are_exact_before_anything_is_allocated() {
    let wrong = |datatype, count, len: usize| raw(datatype, count, vec![0; len]).array(&FLOAT, None).is_err();
    for len in [0, 7, 9, 15, 17, 24] {
        assert!(wrong(Datatype::Fp64, 2, len), "{len}");
    }
    assert!(!wrong(Datatype::Fp64, 2, 16));
    // The number of bytes overflows.
    assert!(wrong(Datatype::Fp64, usize::MAX / 8 + 2, 8));
    assert!(wrong(Datatype::Fp64, usize::MAX, 0));
    assert!(raw(Datatype::Bool, usize::MAX, "").array(&Kind::Bool, None).is_err());
    assert!(typed(Datatype::Fp64, usize::MAX, InferTensorContents::default()).array(&FLOAT, None).is_err());
}

#[test]
fn typed_contents_are_of_the_type_they_say() {
    let doubles = || InferTensorContents { fp64_contents: vec![1.0], ..Default::default() };
    let error = typed(Datatype::Fp32, 1, doubles()).array(&FLOAT, None).unwrap_err();
    assert!(error.contains("fp32_contents"), "{error}");
    let both = InferTensorContents { fp32_contents: vec![1.0], ..doubles() };
    assert!(typed(Datatype::Fp64, 1, both).array(&FLOAT, None).is_err());
    assert!(typed(Datatype::Fp64, 2, doubles()).array(&FLOAT, None).unwrap_err().contains("1 values in fp64_contents"));
    for (datatype, value) in [(Datatype::Int8, 128), (Datatype::Int16, -32769)] {
        let contents = InferTensorContents { int_contents: vec![value], ..Default::default() };
        assert!(typed(datatype, 1, contents).array(&INT, None).unwrap_err().contains("beyond INT"));
    }
    let contents = InferTensorContents { uint_contents: vec![256], ..Default::default() };
    assert!(typed(Datatype::Uint8, 1, contents).array(&INT, None).unwrap_err().contains("beyond UINT8"));
}

#[test]
fn nothing_is_a_legal_number_of_elements() {
    let kind = category();
    let datatypes = [Datatype::Bool, Datatype::Int8, Datatype::Uint64, Datatype::Fp32, Datatype::Fp64, Datatype::Bytes];
    for (datatype, kind) in datatypes.into_iter().zip([&Kind::Bool, &INT, &INSTANT, &FLOAT, &FLOAT, &kind]) {
        assert_eq!(raw(datatype, 0, Bytes::new()).array(kind, None).unwrap().len(), 0);
        assert_eq!(typed(datatype, 0, InferTensorContents::default()).array(kind, None).unwrap().len(), 0);
    }
}

#[test]
fn a_blob_is_one_element() {
    let bytes = Bytes::from(framed(&[b"stream"]));
    let blob = raw(Datatype::Bytes, 1, bytes.clone()).blob().unwrap();
    assert_eq!((blob.as_ref(), blob.as_ptr()), (b"stream".as_slice(), bytes[4..].as_ptr()));
    assert!(raw(Datatype::Bytes, 2, framed(&[b"a", b"b"])).blob().is_err());
    assert!(raw(Datatype::Uint8, 1, vec![0]).blob().is_err());
}

proptest! {
    /// An array has the elements that were announced, or there is none.
    #[test]
    fn any_bytes_are_taken_or_refused(
        (datatype, kind, count, shift) in (0..14usize, 0..6usize, 0..12usize, 0..8usize),
        bytes in prop::collection::vec(0..3u8, 0..40),
    ) {
        let words = ["BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP16", "BF16", "FP32", "FP64", "BYTES"];
        let datatype = Datatype::of(words[datatype]).unwrap();
        let category = category();
        let kind = [&FLOAT, &INT, &Kind::Bool, &category, &INSTANT, &MONEY][kind];
        if let Ok(array) = raw(datatype, count, shifted(&bytes, shift)).array(kind, None) {
            prop_assert_eq!(array.len(), count);
        }
    }
}
