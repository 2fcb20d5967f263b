//! Each rule for each type, for values that come one by one.

use sternpost_engine::contract::Contract;
use sternpost_engine::rows::Rows;
use sternpost_engine::rule::Rule;
use sternpost_engine::value_rows::{Value, put};
use sternpost_engine::{NULL_CODE, NULL_F64, NULL_FLAG, NULL_I64, UNSEEN_CODE};

use crate::fixture::contract_json;

/// What became of one value in a contract of one column: the kernel's bits, the rule, whether the row is refused.
fn one(column: &str, value: Value<'_>) -> Result<(u64, Option<Rule>, bool), &'static str> {
    let contract = Contract::from_json(&contract_json(column)).expect("right");
    let mut rows = Rows::new(&contract, 1);
    rows.reset(1);
    put(&contract, 0, 0, value, &mut rows).map_err(|_| "wrong type")?;
    let bits = (rows.floats.first().map(|value| value.to_bits()))
        .or(rows.longs.first().map(|value| *value as u64))
        .or(rows.codes.first().map(|value| *value as u64))
        .or(rows.flags.first().map(|value| *value as u64));
    let mark = rows.findings.marks.first();
    Ok((bits.expect("one column"), mark.map(|mark| mark.rule), rows.findings.is_refused(0)))
}

const NULL: u64 = NULL_F64.to_bits();

#[test]
fn float() {
    let nullable = r#"{"name":"x","type":"float","nullable":true,"gt":0.0,"lt":10.0,"on_violation":"refuse"}"#;
    let strict = r#"{"name":"x","type":"float","ge":0.0,"le":10.0}"#;
    let counted = r#"{"name":"x","type":"float","nullable":true,"ge":0.0,"le":10.0,"on_violation":"count"}"#;
    let nulled = r#"{"name":"x","type":"float","nullable":true,"ge":0.0,"le":10.0,"on_violation":"null"}"#;
    let odd_nan = f64::from_bits(0xfff8_0000_0000_0001);
    for (column, value, expected) in [
        (nullable, Value::Null, (NULL, None, false)),
        (nullable, Value::Float(odd_nan), (NULL, None, false)),
        (nullable, Value::Float(5.0), (5.0f64.to_bits(), None, false)),
        (nullable, Value::Int(5), (5.0f64.to_bits(), None, false)),
        (nullable, Value::Float(0.0), (NULL, Some(Rule::Gt), true)),
        (nullable, Value::Float(10.0), (NULL, Some(Rule::Lt), true)),
        (nullable, Value::Int(1 << 53), (NULL, Some(Rule::Lt), true)),
        (nullable, Value::Int((1 << 53) + 1), (NULL, Some(Rule::Range), true)),
        (nullable, Value::HugeInt, (NULL, Some(Rule::Range), true)),
        (strict, Value::Null, (NULL, Some(Rule::Null), true)),
        (strict, Value::Float(odd_nan), (NULL, Some(Rule::Nan), true)),
        (strict, Value::Float(-1.0), (NULL, Some(Rule::Ge), true)),
        (strict, Value::Float(11.0), (NULL, Some(Rule::Le), true)),
        (strict, Value::Float(f64::INFINITY), (NULL, Some(Rule::Infinite), true)),
        (counted, Value::Float(f64::NEG_INFINITY), (f64::NEG_INFINITY.to_bits(), Some(Rule::Infinite), false)),
        (counted, Value::Float(11.0), (11.0f64.to_bits(), Some(Rule::Le), false)),
        (counted, Value::HugeInt, (NULL, Some(Rule::Range), true)),
        (nulled, Value::Float(11.0), (NULL, Some(Rule::Le), false)),
        (nulled, Value::Float(f64::INFINITY), (NULL, Some(Rule::Infinite), false)),
        (nulled, Value::HugeInt, (NULL, Some(Rule::Range), false)),
    ] {
        assert_eq!(one(column, value), Ok(expected), "{column} {value:?}");
    }
    for value in [Value::Bool(true), Value::Text(b"1"), Value::Instant(1)] {
        assert_eq!(one(nullable, value), Err("wrong type"));
    }
}

#[test]
fn int() {
    let column = r#"{"name":"x","type":"int","nullable":true,"ge":0,"le":10,"on_violation":"null"}"#;
    let strict = r#"{"name":"x","type":"int"}"#;
    let null = NULL_I64 as u64;
    for (column, value, expected) in [
        (column, Value::Null, (null, None, false)),
        (column, Value::Int(10), (10, None, false)),
        (column, Value::Int(11), (null, Some(Rule::Le), false)),
        (column, Value::Int(i64::MIN), (null, Some(Rule::Range), false)),
        (strict, Value::Int(i64::MIN), (null, Some(Rule::Range), true)),
        (strict, Value::HugeInt, (null, Some(Rule::Range), true)),
        (strict, Value::Null, (null, Some(Rule::Null), true)),
        (strict, Value::Int(i64::MAX), (i64::MAX as u64, None, false)),
    ] {
        assert_eq!(one(column, value), Ok(expected), "{column} {value:?}");
    }
    for value in [Value::Bool(true), Value::Float(1.0), Value::Text(b"1"), Value::Instant(1)] {
        assert_eq!(one(column, value), Err("wrong type"));
    }
}

#[test]
fn bool_and_category() {
    let flag = r#"{"name":"x","type":"bool","nullable":true}"#;
    assert_eq!(one(flag, Value::Null), Ok((NULL_FLAG as u64, None, false)));
    assert_eq!(one(flag, Value::Bool(true)), Ok((1, None, false)));
    assert_eq!(one(flag, Value::Int(1)), Err("wrong type"));
    assert_eq!(one(r#"{"name":"x","type":"bool"}"#, Value::Null), Ok((NULL_FLAG as u64, Some(Rule::Null), true)));

    let counted = r#"{"name":"x","type":"category","nullable":true,"categories":["AA"]}"#;
    let refused = r#"{"name":"x","type":"category","categories":["AA"],"on_unseen":"refuse"}"#;
    let nulled = r#"{"name":"x","type":"category","nullable":true,"categories":["AA"],"on_unseen":"null","on_violation":"null"}"#;
    for (column, value, expected) in [
        (counted, Value::Text(b"AA"), (0, None, false)),
        (counted, Value::Text(b"aa"), (UNSEEN_CODE as u64, Some(Rule::Unseen), false)),
        (counted, Value::Text(b"\xff"), (NULL_CODE as u64, Some(Rule::Utf8), true)),
        (counted, Value::Null, (NULL_CODE as u64, None, false)),
        (refused, Value::Text(b"aa"), (NULL_CODE as u64, Some(Rule::Unseen), true)),
        (refused, Value::Null, (NULL_CODE as u64, Some(Rule::Null), true)),
        (nulled, Value::Text(b"aa"), (NULL_CODE as u64, Some(Rule::Unseen), false)),
        (nulled, Value::Text(b"\xff"), (NULL_CODE as u64, Some(Rule::Utf8), false)),
    ] {
        assert_eq!(one(column, value), Ok(expected), "{column} {value:?}");
    }
    assert_eq!(one(counted, Value::Int(0)), Err("wrong type"));
}

#[test]
fn timestamp_and_money() {
    let (first, last) = sternpost_engine::contract::INSTANTS;
    let column = r#"{"name":"x","type":"timestamp","le":1000}"#;
    for (value, expected) in [
        (Value::Instant(1000), (1000, None, false)),
        (Value::Int(999), (999, None, false)),
        (Value::Instant(first), (first as u64, None, false)),
        (Value::Instant(first - 1), (NULL_I64 as u64, Some(Rule::Range), true)),
        (Value::Instant(last + 1), (NULL_I64 as u64, Some(Rule::Range), true)),
        (Value::Instant(1001), (NULL_I64 as u64, Some(Rule::Le), true)),
    ] {
        assert_eq!(one(column, value), Ok(expected), "{value:?}");
    }
    assert_eq!(one(column, Value::Float(1.0)), Err("wrong type"));
    let money = r#"{"name":"x","type":"money","ge":0}"#;
    assert_eq!(one(money, Value::Int(1999)), Ok((1999, None, false)));
    assert_eq!(one(money, Value::Int(-1)), Ok((NULL_I64 as u64, Some(Rule::Ge), true)));
    assert_eq!(one(money, Value::Float(19.99)), Err("wrong type"));
}
