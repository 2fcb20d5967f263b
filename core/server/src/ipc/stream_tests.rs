use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Float64Array, NullArray, RecordBatch, StringArray, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow_ipc::writer::{DictionaryHandling, IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field};
use proptest::prelude::*;
use sternpost_wire::failure::Reason;
use tonic::Code;

use super::*;

const LIMIT: usize = 1000;

fn contract() -> Contract {
    let json = r#"{"format": 1, "name": "Ride", "columns": [{"name": "x", "type": "float", "nullable": true},
        {"name": "c", "type": "category", "categories": ["red", "blue"], "nullable": true},
        {"name": "b", "type": "bool", "nullable": true}, {"name": "t", "type": "timestamp"}, {"name": "m", "type": "money"}]}"#;
    Contract::from_json(json).unwrap()
}

type Columns = Vec<(&'static str, ArrayRef)>;

/// The columns around a column `c`.
fn around(c: ArrayRef) -> Columns {
    let rows = 0..c.len();
    let x: Float64Array = rows.clone().map(|row| (row % 3 > 0).then_some(row as f64)).collect();
    let b: BooleanArray = rows.clone().map(|row| (row % 2 > 0).then_some(row % 3 > 0)).collect();
    let t = TimestampMicrosecondArray::from_iter_values(rows.clone().map(|row| row as i64)).with_timezone("UTC");
    let m = Decimal128Array::from_iter_values(rows.map(|row| row as i128)).with_precision_and_scale(38, 2).unwrap();
    vec![("x", Arc::new(x)), ("c", c), ("b", Arc::new(b)), ("t", Arc::new(t)), ("m", Arc::new(m))]
}

fn batch(c: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter(around(c)).unwrap()
}

fn plain(rows: usize) -> RecordBatch {
    batch(Arc::new((0..rows).map(|row| (row % 4 > 0).then_some("red")).collect::<StringArray>()))
}

fn dictionary(labels: &[&str]) -> RecordBatch {
    batch(Arc::new(labels.iter().copied().collect::<DictionaryArray<Int32Type>>()))
}

fn views(labels: &[&str]) -> RecordBatch {
    batch(Arc::new(labels.iter().copied().map(Some).collect::<StringViewArray>()))
}

fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    drop(writer);
    bytes
}

fn read_all(bytes: impl Into<Bytes>) -> Result<Batches, Failure> {
    read(&bytes.into(), &contract(), LIMIT)
}

fn refusal(bytes: impl Into<Bytes>) -> String {
    let failure = read_all(bytes).unwrap_err();
    assert_eq!(failure.code, Code::InvalidArgument, "{}", failure.message);
    failure.message
}

#[test]
fn what_is_written_is_read() {
    let long = "a label of more than twelve bytes";
    for batches in [vec![plain(5), plain(0), plain(7)], vec![dictionary(&["red", "blue", "red"])], vec![views(&["red", long, "blue"])]] {
        let read = read_all(stream(&batches)).unwrap();
        assert_eq!(read.rows, batches.iter().map(RecordBatch::num_rows).sum::<usize>());
        let with_rows: Vec<_> = batches.into_iter().filter(|batch| batch.num_rows() > 0).collect();
        assert_eq!(read.batches, with_rows);
    }
    // Without its end, and at any place in memory.
    let bytes = stream(&[plain(9)]);
    assert_eq!(read_all(bytes[..bytes.len() - 8].to_vec()).unwrap().rows, 9);
    for shift in 0..8 {
        let shifted = Bytes::from([vec![0; shift], bytes.clone()].concat()).slice(shift..);
        assert_eq!(read_all(shifted).unwrap().batches, [plain(9)]);
    }
}

#[test]
fn fields_are_the_columns_and_of_their_types() {
    let x = || Arc::new(Float64Array::from(vec![1.0])) as ArrayRef;
    let c = || Arc::new(StringArray::from(vec!["red"])) as ArrayRef;
    let other = |change: &dyn Fn(&mut Columns)| {
        let mut columns = around(c());
        change(&mut columns);
        refusal(stream(&[RecordBatch::try_from_iter(columns).unwrap()]))
    };
    assert!(other(&|columns| drop(columns.remove(1))).contains("column missing from the table: c"));
    assert!(other(&|columns| columns[1].1 = x()).contains("column c: found double"));
    assert!(other(&|columns| columns.push(("d", c()))).contains("field \"d\" is no column of contract Ride"));
    assert_eq!(read_all(stream(&[batch(Arc::new(NullArray::new(1)))])).unwrap().rows, 1);
    let doubled = Schema::new(vec![Field::new("x", DataType::Float64, true), Field::new("x", DataType::Float64, true)]);
    let doubled = RecordBatch::try_new(Arc::new(doubled), vec![x(), x()]).unwrap();
    assert!(refusal(stream(&[doubled])).contains("column x: the table has it twice"));
}

#[test]
fn what_is_no_stream_is_told() {
    assert!(refusal("").contains("it is empty"));
    assert!(refusal("abc").contains("it is cut short"));
    let bytes = stream(&[plain(3)]);
    assert!(refusal(bytes[..bytes.len() - 30].to_vec()).contains("it is cut short"));
    assert!(refusal([bytes.as_slice(), b"more"].concat()).contains("bytes follow its end"));
    // A batch where the schema should be.
    let schema = 8 + u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    assert!(refusal(bytes[schema..].to_vec()).contains("does not begin with a schema"));
    assert!(refusal([&bytes[..schema], &bytes[..schema]].concat()).contains("neither a batch nor a dictionary"));
}

#[test]
fn more_rows_than_allowed_are_refused() {
    let failure = read_all(stream(&[plain(600), plain(600)])).unwrap_err();
    assert_eq!((failure.code, failure.reason, failure.retry_after_ms), (Code::ResourceExhausted, Reason::TooLarge, Some(-1)));
    let failure = read_all(stream(&[plain(LIMIT + 1)])).unwrap_err();
    assert_eq!((failure.code, failure.reason, failure.retry_after_ms), (Code::ResourceExhausted, Reason::TooLarge, Some(-1)));
}

#[test]
fn a_dictionary_that_grows_is_refused() {
    let options = IpcWriteOptions::default().with_dictionary_handling(DictionaryHandling::Delta);
    let (one, other) = (dictionary(&["red"]), dictionary(&["red", "blue"]));
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new_with_options(&mut bytes, &one.schema(), options).unwrap();
    writer.write(&one).unwrap();
    writer.write(&other).unwrap();
    writer.finish().unwrap();
    drop(writer);
    assert!(refusal(bytes).contains("a dictionary grows"));
}

#[test]
fn views_that_share_a_long_text_without_end_are_refused() {
    let text = "x".repeat(4000);
    let shared = |rows: usize| {
        let mut builder = arrow_array::builder::StringViewBuilder::new().with_deduplicate_strings();
        (0..rows).for_each(|_| builder.append_value(&text));
        batch(Arc::new(builder.finish()))
    };
    assert_eq!(read_all(stream(&[shared(8)])).unwrap().rows, 8);
    assert!(refusal(stream(&[shared(900)])).contains("takes too long"));
}

/// One batch of every kind of column that is checked in a way of its own.
fn kinds() -> [RecordBatch; 3] {
    [plain(5), dictionary(&["red", "blue", "red", "green", "red"]), views(&["red", "a label of more than twelve bytes", "blue"])]
}

/// Reads without the net under `read`, which would hide a panic.
fn unguarded(bytes: Vec<u8>) {
    if let Ok(read) = decode(&bytes.into(), &contract(), LIMIT) {
        assert!(read.rows <= LIMIT);
        let table = Table::bind(&contract(), &read.schema, &read.batches).unwrap();
        assert_eq!(table.rows(), read.rows);
    }
}

#[test]
fn no_single_byte_can_make_the_reader_panic() {
    for batch in kinds() {
        let bytes = stream(&[batch]);
        for at in 0..bytes.len() {
            let byte = bytes[at];
            for other in [0, 1, 0x7f, 0x80, 0xff, byte ^ 1, byte.wrapping_add(3), byte ^ 0x10] {
                let mut changed = bytes.clone();
                changed[at] = other;
                unguarded(changed);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The library's reader asserts; the checks before it must leave it nothing to assert.
    #[test]
    fn changed_streams_are_read_or_refused_without_a_panic(
        kind in 0..3usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0), Just(0x7f), Just(0xff), Just(0x80)]), 0..5),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = stream(&kinds()[kind..=kind]);
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        unguarded(bytes);
    }
}
