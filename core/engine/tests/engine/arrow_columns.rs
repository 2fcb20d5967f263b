//! Every Arrow type of every column, sliced and cut into batches, against the same values put in one by one.

use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::{Int8Type, UInt16Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array, LargeStringArray, NullArray,
    StringArray, StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
    UInt8Array, UInt64Array,
};
use sternpost_engine::arrow_rows::Table;
use sternpost_engine::contract::Contract;
use sternpost_engine::rows::Rows;
use sternpost_engine::value_rows::{Value, put};

use crate::fixture::contract_json;

/// Decodes `array` in every way it can be cut and compares the block with `values`, put in one by one.
fn same(column: &str, array: ArrayRef, values: &[Value<'_>]) {
    let contract = Contract::from_json(&contract_json(column)).expect("right");
    let mut expected = Rows::new(&contract, values.len());
    expected.reset(values.len());
    for (row, value) in values.iter().enumerate() {
        put(&contract, 0, row, *value, &mut expected).expect("a right type");
    }
    let batch = arrow_array::RecordBatch::try_from_iter([("unused", array.clone()), ("x", array)]).expect("one length");
    let split = values.len() / 2;
    for batches in [vec![batch.clone()], vec![batch.slice(0, split), batch.slice(0, 0), batch.slice(split, values.len() - split)]] {
        let table = Table::bind(&contract, &batch.schema(), &batches).expect("a right type");
        for first in 0..values.len() {
            let mut rows = Rows::new(&contract, values.len());
            rows.reset(values.len() - first);
            table.fill(&contract, first, &mut rows).expect("decodes");
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            let count = rows.len;
            let context = format!("{column} from row {first}");
            if !rows.floats.is_empty() {
                assert_eq!(bits(&rows.floats[..count]), bits(&expected.floats[first..]), "{context}");
            } else if !rows.longs.is_empty() {
                assert_eq!(rows.longs[..count], expected.longs[first..], "{context}");
            } else if !rows.codes.is_empty() {
                assert_eq!(rows.codes[..count], expected.codes[first..], "{context}");
            } else {
                assert_eq!(rows.flags[..count], expected.flags[first..], "{context}");
            }
            let marks: Vec<_> = rows.findings.marks.iter().map(|mark| (mark.row + first, mark.rule, mark.refused)).collect();
            let wanted: Vec<_> =
                (expected.findings.marks.iter().filter(|mark| mark.row >= first)).map(|mark| (mark.row, mark.rule, mark.refused)).collect();
            assert_eq!(marks, wanted, "{context}");
        }
    }
}

/// The same values three times over, so that words of the validity bitmap are crossed.
fn often<T: Copy>(values: &[T]) -> Vec<T> {
    values.iter().copied().cycle().take(values.len() * 25).collect()
}

const FLOATS: [&str; 3] = [
    r#"{"name":"x","type":"float","nullable":true,"ge":0.0,"lt":100.0,"on_violation":"null"}"#,
    r#"{"name":"x","type":"float","ge":0.0,"lt":100.0}"#,
    r#"{"name":"x","type":"float","nullable":true,"on_violation":"count"}"#,
];

#[test]
fn floats() {
    let clean = often(&[Some(1.5), Some(-0.0), None, Some(99.0)]);
    let dirty = often(&[Some(1.5), Some(100.0), None, Some(f64::NAN), Some(-1.0), Some(f64::INFINITY), Some(3.0)]);
    for column in FLOATS {
        for values in [&clean, &dirty] {
            let expected: Vec<_> = values.iter().map(|value| value.map_or(Value::Null, Value::Float)).collect();
            same(column, Arc::new(Float64Array::from(values.clone())), &expected);
            let narrow: Vec<_> = values.iter().map(|value| value.map(|value| value as f32)).collect();
            same(column, Arc::new(Float32Array::from(narrow)), &expected);
        }
    }
}

#[test]
fn integers_in_float_columns() {
    let values = often(&[Some(1i64), Some(1 << 53), Some((1 << 53) + 1), None, Some(-7), Some(i64::MIN)]);
    let expected: Vec<_> = values.iter().map(|value| value.map_or(Value::Null, Value::Int)).collect();
    for column in FLOATS {
        same(column, Arc::new(Int64Array::from(values.clone())), &expected);
        let unsigned: Vec<_> = values.iter().map(|value| value.map(|value| value as u64)).collect();
        let huge = |value: u64| i64::try_from(value).map_or(Value::HugeInt, Value::Int);
        let expected: Vec<_> = unsigned.iter().map(|value| value.map_or(Value::Null, huge)).collect();
        same(column, Arc::new(UInt64Array::from(unsigned)), &expected);
    }
}

#[test]
fn integers() {
    let columns = [
        r#"{"name":"x","type":"int","nullable":true,"gt":-5,"lt":100,"on_violation":"null"}"#,
        r#"{"name":"x","type":"int","nullable":true,"on_violation":"count"}"#,
        r#"{"name":"x","type":"int"}"#,
    ];
    for column in columns {
        for values in [often(&[Some(1), None, Some(99)]), often(&[Some(1), None, Some(100), Some(i64::MIN), Some(-5), Some(i64::MAX)])] {
            let expected: Vec<_> = values.iter().map(|value| value.map_or(Value::Null, Value::Int)).collect();
            same(column, Arc::new(Int64Array::from(values.clone())), &expected);
            let small: Vec<_> = values.iter().map(|value| value.map(|value| value as u8)).collect();
            let expected: Vec<_> = small.iter().map(|value| value.map_or(Value::Null, |value| Value::Int(value.into()))).collect();
            same(column, Arc::new(UInt8Array::from(small)), &expected);
        }
        let wide = often(&[Some(1u64), None, Some(u64::MAX), Some(1 << 63)]);
        let huge = |value: u64| i64::try_from(value).map_or(Value::HugeInt, Value::Int);
        let expected: Vec<_> = wide.iter().map(|value| value.map_or(Value::Null, huge)).collect();
        same(column, Arc::new(UInt64Array::from(wide)), &expected);
    }
}

#[test]
fn money() {
    let column = r#"{"name":"x","type":"money","nullable":true,"ge":0,"minor_digits":2}"#;
    let values = often(&[Some(1999i128), None, Some(-1), Some(i128::from(i64::MAX) + 1)]);
    let huge = |value: i128| i64::try_from(value).map_or(Value::HugeInt, Value::Int);
    let expected: Vec<_> = values.iter().map(|value| value.map_or(Value::Null, huge)).collect();
    let array = Decimal128Array::from(values).with_precision_and_scale(38, 2).expect("fits");
    same(column, Arc::new(array), &expected);
    same(column, Arc::new(Int32Array::from(vec![Some(5), None])), &[Value::Int(5), Value::Null]);
}

#[test]
fn timestamps_of_every_unit() {
    let column = r#"{"name":"x","type":"timestamp","nullable":true,"le":4102444800000000}"#;
    let seconds = often(&[Some(1_357_016_400i64), None, Some(-1), Some(4_102_444_801), Some(i64::MAX), Some(i64::MIN)]);
    let scaled = |factor: i128| -> Vec<Value<'static>> {
        let instant = |value: i64| i64::try_from((i128::from(value) * 1_000_000).div_euclid(factor)).map_or(Value::HugeInt, Value::Instant);
        seconds.iter().map(|value| value.map_or(Value::Null, instant)).collect()
    };
    same(column, Arc::new(TimestampSecondArray::from(seconds.clone()).with_timezone("UTC")), &scaled(1));
    same(column, Arc::new(TimestampMillisecondArray::from(seconds.clone()).with_timezone("+02:00")), &scaled(1_000));
    same(column, Arc::new(TimestampMicrosecondArray::from(seconds.clone()).with_timezone("Europe/Paris")), &scaled(1_000_000));
    same(column, Arc::new(TimestampNanosecondArray::from(seconds.clone()).with_timezone("UTC")), &scaled(1_000_000_000));
}

#[test]
fn labels_in_every_layout() {
    let columns = [
        r#"{"name":"x","type":"category","nullable":true,"categories":["AA","","a label longer than sixteen bytes","fourteen bytes"]}"#,
        r#"{"name":"x","type":"category","categories":["AA"],"on_unseen":"refuse"}"#,
    ];
    let values = often(&[
        Some("AA"),
        None,
        Some("ZZ"),
        Some(""),
        Some("a label longer than sixteen bytes"),
        Some("fourteen bytes"),
        Some("fourteen bytez"),
    ]);
    let expected: Vec<_> = values.iter().map(|value| value.map_or(Value::Null, |label| Value::Text(label.as_bytes()))).collect();
    for column in columns {
        same(column, Arc::new(StringArray::from(values.clone())), &expected);
        same(column, Arc::new(LargeStringArray::from(values.clone())), &expected);
        same(column, Arc::new(StringViewArray::from(values.clone())), &expected);
        let mut dictionary = StringDictionaryBuilder::<Int8Type>::new();
        dictionary.extend(values.iter().copied());
        same(column, Arc::new(dictionary.finish()), &expected);
        let mut dictionary = StringDictionaryBuilder::<UInt16Type>::new();
        dictionary.extend(values.iter().copied());
        same(column, Arc::new(dictionary.finish()), &expected);
    }
}

#[test]
fn flags_and_null_columns() {
    let flags = often(&[Some(true), None, Some(false)]);
    let expected: Vec<_> = flags.iter().map(|value| value.map_or(Value::Null, Value::Bool)).collect();
    for nullable in ["true", "false"] {
        same(&format!(r#"{{"name":"x","type":"bool","nullable":{nullable}}}"#), Arc::new(BooleanArray::from(flags.clone())), &expected);
        for kind in ["float", "int", "bool", "timestamp", "money", r#"category","categories":["a"],"unit":"-"#] {
            let column = format!(r#"{{"name":"x","type":"{kind}","nullable":{nullable}}}"#);
            same(&column, Arc::new(NullArray::new(70)), &[Value::Null; 70]);
        }
    }
}

#[test]
fn schemas_that_do_not_fit_are_told_with_the_cast_to_write() {
    let contract =
        Contract::from_json(&contract_json(r#"{"name":"t","type":"timestamp"},{"name":"m","type":"money"},{"name":"f","type":"float"}"#))
            .expect("right");
    let good: [(&str, ArrayRef); 3] = [
        ("m", Arc::new(Int64Array::from(vec![1]))),
        ("f", Arc::new(Float64Array::from(vec![1.0]))),
        ("t", Arc::new(TimestampSecondArray::from(vec![1]).with_timezone("UTC"))),
    ];
    let told = |name: &str, array: Option<ArrayRef>| {
        let columns = good.iter().filter_map(|(column, old)| {
            if *column == name { array.clone().map(|array| (*column, array)) } else { Some((*column, old.clone())) }
        });
        let batch = arrow_array::RecordBatch::try_from_iter(columns).expect("one length");
        Table::bind(&contract, &batch.schema(), &[batch]).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(told("-", None), Ok(()), "column order does not matter");
    for (name, array, parts) in [
        ("t", Arc::new(TimestampSecondArray::from(vec![1])) as ArrayRef, ["column t", "without a time zone", "assume_timezone"]),
        ("t", Arc::new(StringArray::from(vec!["2013"])), ["column t", "found string", "assume_timezone"]),
        ("m", Arc::new(Float64Array::from(vec![1.0])), ["column m", "found double", "decimal128(38, 2)"]),
        ("m", Arc::new(Decimal128Array::from(vec![1])), ["column m", "its scale is", "minor_digits 2"]),
        ("f", Arc::new(BooleanArray::from(vec![true])), ["column f", "found bool", "cast(\"float64\")"]),
    ] {
        let error = told(name, Some(array)).expect_err("must be refused");
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    let error = told("f", None).expect_err("must be refused");
    assert!(error.contains("column missing from the table: f"), "{error}");
}

#[test]
fn values_are_described_for_people() {
    let contract = Contract::from_json(&contract_json(r#"{"name":"x","type":"timestamp"}"#)).expect("right");
    let array: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![Some(1_357_016_400_000_000_001), None]).with_timezone("UTC"));
    assert_eq!(array.len(), 2);
    let batch = arrow_array::RecordBatch::try_from_iter([("x", array)]).expect("one column");
    let table = Table::bind(&contract, &batch.schema(), &[batch]).expect("right");
    assert_eq!(table.describe(0, 0), "2013-01-01T05:00:00Z");
    assert_eq!(table.describe(1, 0), "");
    assert_eq!(table.describe(9, 0), "");
}
