//! Messages as a client writes them, and as nobody should.

use arrow_array::types::Int8Type;
use arrow_array::{Array, DictionaryArray, Float64Array, Int64Array, ListArray, NullArray, StringArray, StringViewArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use proptest::prelude::*;
use sternpost_wire::failure::Reason;
use tonic::Code;

use super::super::check::NOT_PACKED;
use super::*;

#[derive(Debug, Clone)]
pub struct Sent {
    pub header: Bytes,
    pub body: Bytes,
}

impl From<EncodedData> for Sent {
    fn from(encoded: EncodedData) -> Self {
        Self { header: encoded.ipc_message.into(), body: Buffer::from(encoded.arrow_data).as_slice().to_vec().into() }
    }
}

fn table(rows: usize) -> RecordBatch {
    let labels: DictionaryArray<Int8Type> = (0..rows).map(|row| (row % 3 != 0).then_some(["x", "y"][row % 2])).collect();
    let lists = ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>((0..rows).map(|row| Some(vec![Some(row as i32)])));
    let columns: [(&str, ArrayRef); 5] = [
        ("ignored", Arc::new(lists)),
        ("a", Arc::new(Float64Array::from_iter((0..rows).map(|row| (row % 5 != 0).then_some(row as f64))))),
        ("label", Arc::new(labels)),
        ("text", Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("row {row}"))))),
        ("view", Arc::new(StringViewArray::from_iter_values((0..rows).map(|row| format!("a text longer than twelve bytes {row}"))))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

pub fn messages(batch: &RecordBatch, options: &IpcWriteOptions) -> Vec<Sent> {
    let (generator, mut tracker) = (IpcDataGenerator::default(), DictionaryTracker::new(false));
    let schema = generator.schema_to_bytes_with_dictionary_tracker(batch.schema_ref(), &mut tracker, options);
    let (dictionaries, batch) = generator.encode(batch, &mut tracker, options, &mut IpcWriteContext::default()).unwrap();
    [schema].into_iter().chain(dictionaries).chain([batch]).map(Sent::from).collect()
}

fn plain() -> IpcWriteOptions {
    IpcWriteOptions::default()
}

pub fn read(messages: &[Sent], names: &[&str], limits: Limits) -> Result<Vec<RecordBatch>, Failure> {
    let schema = schema(&messages[0].header, &limits)?;
    let mut reader = Reader::new(schema, names.iter().copied(), limits)?;
    messages[1..].iter().filter_map(|message| reader.message(&message.header, message.body.clone()).transpose()).collect()
}

const NAMES: [&str; 4] = ["a", "label", "text", "view"];

#[test]
fn the_named_columns_arrive_as_they_were_sent() {
    let lz4 = plain().try_with_compression(Some(CompressionType::LZ4_FRAME)).unwrap();
    for rows in [0, 1, 1000] {
        let batch = table(rows);
        for options in [plain(), lz4.clone()] {
            let read = read(&messages(&batch, &options), &NAMES, Limits::default()).unwrap();
            assert_eq!(read.len(), 1);
            for name in NAMES {
                assert_eq!(read[0].column_by_name(name).unwrap(), batch.column_by_name(name).unwrap(), "{name}, {rows} rows");
            }
            assert_eq!(read[0].num_columns(), NAMES.len());
        }
    }
}

#[test]
fn nested_absent_and_too_many_columns_are_named() {
    let sent = messages(&table(3), &plain());
    for (names, word) in [(["ignored"], "ignored: nested"), (["b"], "b: the table does not have it")] {
        let failure = read(&sent, &names, Limits::default()).unwrap_err();
        assert!(failure.code == Code::InvalidArgument && failure.message.contains(word), "{}", failure.message);
    }
    let failure = read(&sent, &NAMES, Limits { columns: 5, ..Limits::default() }).unwrap_err();
    assert_eq!((failure.reason, failure.retry_after_ms), (Reason::TooLarge, Some(-1)));
}

#[test]
fn what_exceeds_a_limit_is_refused_before_it_is_read() {
    let lz4 = plain().try_with_compression(Some(CompressionType::LZ4_FRAME)).unwrap();
    let batch = table(1000);
    for (options, limits) in [
        (&plain(), Limits { rows: 999, ..Limits::default() }),
        (&plain(), Limits { dictionary_bytes: 16, ..Limits::default() }),
        (&lz4, Limits { batch_bytes: 10_000, ..Limits::default() }),
    ] {
        assert_eq!(read(&messages(&batch, options), &NAMES, limits).unwrap_err().reason, Reason::TooLarge, "{limits:?}");
    }
    // A column of nulls has no bytes, however long it says it is.
    let nulls = |rows| RecordBatch::try_from_iter([("a", Arc::new(NullArray::new(rows)) as ArrayRef)]).unwrap();
    assert_eq!(read(&messages(&nulls(5), &plain()), &["a"], Limits::default()).unwrap()[0].num_rows(), 5);
    assert_eq!(read(&messages(&nulls(1 << 40), &plain()), &["a"], Limits::default()).unwrap_err().reason, Reason::TooLarge);
}

#[test]
fn a_compressed_buffer_is_not_believed_what_it_says_of_its_size() {
    let lz4 = plain().try_with_compression(Some(CompressionType::LZ4_FRAME)).unwrap();
    let batch = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![7; 1000])) as ArrayRef)]).unwrap();
    let sent = messages(&batch, &lz4);
    let body = sent[1].body.to_vec();
    // The only buffer that is there: its true size stands before it.
    let place = body.windows(8).position(|bytes| bytes == 8000i64.to_le_bytes()).unwrap();
    for (size, code) in [
        (1 << 50, Code::ResourceExhausted),
        (i64::MAX, Code::ResourceExhausted),
        (i64::MIN, Code::InvalidArgument),
        (-2, Code::InvalidArgument),
        (7999, Code::InvalidArgument),
        (8001, Code::InvalidArgument),
        (0, Code::InvalidArgument),
        (NOT_PACKED, Code::InvalidArgument),
    ] {
        let mut body = body.clone();
        body[place..place + 8].copy_from_slice(&i64::to_le_bytes(size));
        let damaged = [sent[0].clone(), Sent { body: body.into(), ..sent[1].clone() }];
        assert_eq!(read(&damaged, &["a"], Limits::default()).unwrap_err().code, code, "{size}");
    }
}

#[test]
fn buffers_that_claim_the_same_bytes_or_none_of_the_body_are_refused() {
    let column = |value| Arc::new(Float64Array::from(vec![value; 1000])) as ArrayRef;
    let sent = messages(&RecordBatch::try_from_iter([("a", column(1.0)), ("b", column(2.0))]).unwrap(), &plain());
    assert!(read(&sent, &["a", "b"], Limits::default()).is_ok());
    let header = sent[1].header.to_vec();
    // The second column's values: they begin at byte 8000 and are 8000 bytes.
    let place = header.windows(16).rposition(|bytes| bytes[..8] == 8000i64.to_le_bytes() && bytes[8..] == bytes[..8]).unwrap();
    for (start, len) in [(0, sent[1].body.len() as i64), (16_000, 8000), (-8, 8), (0, -1), (i64::MAX, 8), (8, i64::MAX)] {
        let mut header = header.clone();
        header[place..place + 8].copy_from_slice(&i64::to_le_bytes(start));
        header[place + 8..place + 16].copy_from_slice(&i64::to_le_bytes(len));
        let damaged = [sent[0].clone(), Sent { header: header.into(), ..sent[1].clone() }];
        let failure = read(&damaged, &["a", "b"], Limits::default()).unwrap_err();
        assert!(failure.code == Code::InvalidArgument && failure.message.contains("its buffers"), "{start}, {len}: {}", failure.message);
    }
}

#[test]
fn messages_out_of_order_are_refused() {
    let sent = messages(&table(10), &plain());
    let (schema, dictionary, batch) = (&sent[0], &sent[1], &sent[2]);
    for (order, good) in [
        ([schema, dictionary, batch], true),
        ([schema, dictionary, dictionary], true),
        ([schema, schema, batch], false),
        ([batch, dictionary, batch], false),
        ([dictionary, batch, batch], false),
        // Keys without a dictionary.
        ([schema, batch, batch], false),
    ] {
        let found = read(&order.map(Clone::clone), &NAMES, Limits::default());
        assert_eq!(found.as_ref().map_err(|failure| failure.code).is_ok(), good, "{found:?}");
    }
}

/// Bytes with others at some places.
pub fn changed(bytes: &Bytes, changes: Vec<(prop::sample::Index, u8)>) -> Bytes {
    let mut bytes = bytes.to_vec();
    for (place, value) in changes {
        if !bytes.is_empty() {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
    }
    bytes.into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Damaged bytes are refused as the sender's fault or read as other values; nothing panics past us, and no row limit is passed.
    #[test]
    fn damage_is_told_and_never_a_panic(
        lz4 in any::<bool>(), message in 0usize..3, in_body in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let options = if lz4 { plain().try_with_compression(Some(CompressionType::LZ4_FRAME)).unwrap() } else { plain() };
        let mut sent = messages(&table(20), &options);
        let part = if in_body { &mut sent[message].body } else { &mut sent[message].header };
        *part = changed(part, changes);
        if let Some(cut) = cut {
            part.truncate(cut.index(part.len() + 1));
        }
        match read(&sent, &NAMES, Limits { rows: 1000, ..Limits::default() }) {
            Ok(batches) => batches.iter().for_each(|batch| {
                assert!(batch.num_rows() <= 1000);
                batch.columns().iter().for_each(|column| column.to_data().validate_full().unwrap());
            }),
            Err(failure) => {
                let codes = [Code::InvalidArgument, Code::ResourceExhausted, Code::Unimplemented];
                prop_assert!(codes.contains(&failure.code), "{:?}", failure);
            }
        }
    }
}
