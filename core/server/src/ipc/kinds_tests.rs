//! Columns of every type: read as they were written, skipped where nobody asked for them, and damaged.

use arrow_array::builder::{
    GenericListViewBuilder, Int32Builder, LargeListBuilder, ListBuilder, MapBuilder, StringBuilder, StringViewBuilder,
};
use arrow_array::types::{Float16Type, Int8Type, Int32Type};
use arrow_array::{
    ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal32Array, Decimal256Array, DictionaryArray,
    DurationSecondArray, FixedSizeBinaryArray, FixedSizeListArray, Int16Array, Int32Array, IntervalMonthDayNanoArray, LargeBinaryArray,
    LargeStringArray, NullArray, PrimitiveArray, RecordBatch, RunArray, StringArray, StringViewArray, StructArray, Time64NanosecondArray,
    UnionArray,
};
use arrow_buffer::{ArrowNativeType, IntervalMonthDayNano, ScalarBuffer, i256};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{DictionaryHandling, IpcWriteOptions};
use arrow_schema::{DataType, Field, UnionFields};
use proptest::prelude::*;
use sternpost_wire::failure::Reason;

use super::tests::{Sent, changed, messages, read};
use super::*;

const ROWS: usize = 9;

/// Columns that are one array each; every third value is null where a type has nulls.
fn flat() -> Vec<(&'static str, ArrayRef)> {
    let there = |row: &usize| !row.is_multiple_of(3);
    let text = |row: usize| there(&row).then(|| format!("a text of more than twelve bytes {row}"));
    let texts: Vec<_> = (0..ROWS).map(text).collect();
    let bytes: Vec<_> = texts.iter().map(|text| text.as_ref().map(String::as_bytes)).collect();
    let small: Vec<_> = (0..ROWS).map(|row| there(&row).then_some(row as i32)).collect();
    let dictionary: DictionaryArray<Int8Type> = texts.iter().map(Option::as_deref).collect();
    let views: StringViewArray = texts.iter().map(Option::as_deref).collect();
    let keys = Int16Array::from_iter_values((0..ROWS).map(|row| row as i16));
    vec![
        ("bool", Arc::new(BooleanArray::from_iter((0..ROWS).map(|row| there(&row).then_some(row % 2 == 0))))),
        ("half", Arc::new(PrimitiveArray::<Float16Type>::from_iter_values((0..ROWS).map(ArrowNativeType::usize_as)))),
        ("date", Arc::new(Date32Array::from(small.clone()))),
        ("time", Arc::new(Time64NanosecondArray::from_iter_values(0..ROWS as i64))),
        ("duration", Arc::new(DurationSecondArray::from_iter_values(0..ROWS as i64))),
        ("interval", Arc::new(IntervalMonthDayNanoArray::from_iter_values((0..ROWS).map(|_| IntervalMonthDayNano::new(1, 2, 3))))),
        ("decimal32", Arc::new(Decimal32Array::from(small))),
        ("decimal256", Arc::new(Decimal256Array::from_iter_values((0..ROWS).map(|row| i256::from_i128(row as i128))))),
        ("large", Arc::new(LargeStringArray::from(texts.clone()))),
        ("binary", Arc::new(BinaryArray::from(bytes.clone()))),
        ("large binary", Arc::new(LargeBinaryArray::from(bytes.clone()))),
        ("binary view", Arc::new(BinaryViewArray::from_iter(bytes.clone()))),
        ("fixed", Arc::new(FixedSizeBinaryArray::try_from_iter((0..ROWS).map(|row| [row as u8; 3])).unwrap())),
        ("null", Arc::new(NullArray::new(ROWS))),
        ("view", Arc::new(views.clone())),
        ("dictionary", Arc::new(dictionary)),
        ("dictionary of views", Arc::new(DictionaryArray::new(keys, Arc::new(views)))),
        ("text", Arc::new(StringArray::from(texts))),
    ]
}

/// Columns that are skipped.
fn nested() -> Vec<(&'static str, ArrayRef)> {
    let numbers = || Arc::new(Int32Array::from_iter_values(0..ROWS as i32)) as ArrayRef;
    let labels: DictionaryArray<Int8Type> = (0..ROWS).map(|row| Some(["x", "y"][row % 2])).collect();
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    let mut large = LargeListBuilder::new(StringBuilder::new());
    let mut views = GenericListViewBuilder::<i32, _>::new(Int32Builder::new());
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for row in 0..ROWS {
        lists.append_value([Some("a text of more than twelve bytes")]);
        large.append_value([Some("x")]);
        views.append_value([Some(row as i32)]);
        maps.keys().append_value("k");
        maps.values().append_value(row as i32);
        maps.append(true).unwrap();
    }
    let field = |name: &str, kind: DataType| Arc::new(Field::new(name, kind, true));
    let records = StructArray::from(vec![
        (field("n", DataType::Int32), numbers()),
        (field("d", DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))), Arc::new(labels) as ArrayRef),
        (field("u", DataType::Null), Arc::new(NullArray::new(ROWS)) as ArrayRef),
    ]);
    let pairs = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>((0..ROWS).map(|_| Some(vec![Some(1), None])), 2);
    let ends = Int32Array::from(vec![4, ROWS as i32]);
    let runs = RunArray::<Int32Type>::try_new(&ends, &StringArray::from(vec!["x", "y"])).unwrap();
    let either = |offsets: Option<ScalarBuffer<i32>>| {
        let fields = UnionFields::try_new([0, 1], [field("n", DataType::Int32), field("m", DataType::Int32)]).unwrap();
        let kinds: ScalarBuffer<i8> = (0..ROWS).map(|row| (row % 2) as i8).collect();
        UnionArray::try_new(fields, kinds, offsets, vec![numbers(), numbers()]).unwrap()
    };
    vec![
        ("lists", Arc::new(lists.finish())),
        ("large lists", Arc::new(large.finish())),
        ("list views", Arc::new(views.finish())),
        ("maps", Arc::new(maps.finish())),
        ("records", Arc::new(records)),
        ("pairs", Arc::new(pairs)),
        ("runs", Arc::new(runs)),
        ("sparse", Arc::new(either(None))),
        ("dense", Arc::new(either(Some((0..ROWS as i32).collect())))),
    ]
}

/// Nested and flat columns in turn, so that a count that is off by one shows in the next column.
fn mixed() -> RecordBatch {
    let (flat, mut nested) = (flat(), nested().into_iter().cycle());
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for (place, (name, column)) in flat.into_iter().enumerate() {
        let (other, skipped) = nested.next().unwrap();
        columns.push((format!("{other} {place}"), skipped));
        columns.push((name.to_owned(), column));
    }
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn names() -> Vec<&'static str> {
    flat().into_iter().map(|(name, _)| name).collect()
}

fn options(lz4: bool) -> IpcWriteOptions {
    let packing = lz4.then_some(CompressionType::LZ4_FRAME);
    IpcWriteOptions::default().try_with_compression(packing).unwrap()
}

#[test]
fn every_flat_type_is_read_beside_every_nested_one() {
    for lz4 in [false, true] {
        let sent = messages(&mixed(), &options(lz4));
        let found = read(&sent, &names(), Limits::default()).unwrap();
        for (name, column) in flat() {
            assert_eq!(found[0].column_by_name(name).unwrap(), &column, "{name}, packed: {lz4}");
        }
        // Each alone, with all others skipped.
        for name in names() {
            assert!(read(&sent, &[name], Limits::default()).is_ok(), "{name}, packed: {lz4}");
        }
    }
}

#[test]
fn views_of_one_long_text_are_refused_however_they_are_packed() {
    let text = "x".repeat(4000);
    let shared = |rows: usize| {
        let mut builder = StringViewBuilder::new().with_deduplicate_strings();
        (0..rows).for_each(|_| builder.append_value(&text));
        let values: ArrayRef = Arc::new(builder.finish());
        let keys = Int16Array::from_iter_values((0..rows).map(|row| row as i16));
        let entries: ArrayRef = Arc::new(DictionaryArray::new(keys, values.clone()));
        [values, entries].map(|column| RecordBatch::try_from_iter([("a", column)]).unwrap())
    };
    for lz4 in [false, true] {
        for (few, many) in shared(8).iter().zip(&shared(900)) {
            assert!(read(&messages(few, &options(lz4)), &["a"], Limits::default()).is_ok());
            let failure = read(&messages(many, &options(lz4)), &["a"], Limits::default()).unwrap_err();
            assert!(failure.message.contains("takes too long"), "{}", failure.message);
        }
    }
}

#[test]
fn a_dictionary_counts_as_what_it_unpacks_to_and_does_not_grow() {
    let dictionary = |labels: &[&str]| {
        let column: DictionaryArray<Int32Type> = labels.iter().copied().collect();
        RecordBatch::try_from_iter([("a", Arc::new(column) as ArrayRef)]).unwrap()
    };
    let label = "x".repeat(100_000);
    let sent = messages(&dictionary(&[&label]), &options(true));
    assert!(sent[1].body.len() < 10_000);
    let limits = Limits { dictionary_bytes: 50_000, ..Limits::default() };
    assert_eq!(read(&sent, &["a"], limits).unwrap_err().reason, Reason::TooLarge);
    assert!(read(&sent, &["a"], Limits::default()).is_ok());

    let mut bytes = Vec::new();
    let options = IpcWriteOptions::default().with_dictionary_handling(DictionaryHandling::Delta);
    let (one, other) = (dictionary(&["red"]), dictionary(&["red", "blue"]));
    let mut writer = arrow_ipc::writer::StreamWriter::try_new_with_options(&mut bytes, &one.schema(), options).unwrap();
    writer.write(&one).unwrap();
    writer.write(&other).unwrap();
    writer.finish().unwrap();
    drop(writer);
    let failure = read(&split(&bytes), &["a"], Limits::default()).unwrap_err();
    assert!(failure.message.contains("a dictionary grows"), "{}", failure.message);
}

/// The messages of a whole stream.
fn split(mut bytes: &[u8]) -> Vec<Sent> {
    let mut sent = Vec::new();
    while bytes.len() > 8 {
        let (header, rest) = bytes[8..].split_at(u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize);
        let (body, rest) = rest.split_at(body_length(header).unwrap() as usize);
        sent.push(Sent { header: header.to_vec().into(), body: body.to_vec().into() });
        bytes = rest;
    }
    sent
}

#[test]
fn numbers_of_the_other_endianness_are_not_read_as_ours() {
    let column: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let sent = messages(&RecordBatch::try_from_iter([("a", column)]).unwrap(), &options(false));
    let header = sent[0].header.to_vec();
    // Left out where it is little-endian, so that only some other byte can say it: every one of every place is tried.
    let mut seen = 0;
    for (at, byte) in (0..header.len()).flat_map(|at| (1..=u8::MAX).map(move |byte| (at, byte))) {
        let mut header = header.clone();
        header[at] = byte;
        let told = parse(&header).ok().and_then(|message| Some(message.header_as_schema()?.endianness()));
        if told == Some(Endianness::Big) {
            seen += 1;
            assert!(schema(&header, &Limits::default()).unwrap_err().message.contains("big-endian"), "{at}");
        }
    }
    assert!(seen > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Without a net: the checks leave the library nothing to assert, whatever the type.
    #[test]
    fn damage_to_any_type_is_told(
        lz4 in any::<bool>(), message in any::<prop::sample::Index>(), in_body in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0), Just(0x7f), Just(0xff), Just(0x80)]), 1..6),
    ) {
        let mut sent = messages(&mixed(), &options(lz4));
        let message = message.index(sent.len());
        let part = if in_body { &mut sent[message].body } else { &mut sent[message].header };
        *part = changed(part, changes);
        if let Ok(schema) = schema(&sent[0].header, &Limits::default()) {
            // A changed name is no damage.
            let names = flat().into_iter().map(|(name, _)| name).filter(|name| schema.fields().find(name).is_some_and(|(_, field)| is_flat(field.data_type())));
            let mut reader = Reader::new(schema.clone(), names, Limits { rows: 1000, ..Limits::default() }).unwrap();
            for message in &sent[1..] {
                if let Ok(Some(batch)) = reader.message(&message.header, message.body.clone()) {
                    prop_assert!(batch.num_rows() <= 1000);
                    batch.columns().iter().for_each(|column| column.to_data().validate_full().unwrap());
                }
            }
        }
    }
}
