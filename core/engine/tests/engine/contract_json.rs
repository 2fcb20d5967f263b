//! What a contract's JSON may say, and how each refusal names its column.

use sternpost_engine::contract::{Bounds, Contract, Kind};
use sternpost_engine::rule::{Response, Rule};

use crate::fixture::{COLUMNS, contract_json};

fn error(columns: &str) -> String {
    Contract::from_json(&contract_json(columns)).expect_err("must be refused").to_string()
}

#[test]
fn slots_count_per_class_in_declaration_order() {
    let contract = Contract::from_json(&contract_json(COLUMNS)).expect("right");
    let slots: Vec<_> = contract.columns.iter().map(|column| (column.name.as_str(), column.slot)).collect();
    assert_eq!(slots, [("speed", 0), ("legs", 0), ("night", 0), ("carrier", 0), ("departs", 1), ("fare", 2)]);
    assert_eq!(contract.slots.longs, 3);
}

#[test]
fn floats_are_read_as_the_float_that_was_written() {
    let contract = Contract::from_json(&contract_json(r#"{"name":"x","type":"float","le":0.30000000000000004}"#)).expect("right");
    let Kind::Float(bounds) = &contract.columns[0].kind else { panic!("a float column") };
    assert_eq!(bounds.le, Some(0.1 + 0.2));
}

#[test]
fn refusals_name_the_column_and_the_next_step() {
    for (columns, told) in [
        (r#"{"name":"x","type":"float"},{"name":"x","type":"int"}"#, "column x: declared twice"),
        (r#"{"name":"x","type":"category"}"#, "column x: its categories are not learned yet"),
        (r#"{"name":"x","type":"category","categories":["a","a"]}"#, "column x: category \"a\" is listed twice"),
        (r#"{"name":"x","type":"int","ge":1.5}"#, "column x: bound ge is 1.5; expected an integer"),
        (r#"{"name":"x","type":"bool","ge":1}"#, "column x: bounds need a number"),
        (r#"{"name":"x","type":"float","on_violation":"null"}"#, "column x: on_violation is null but the column is not nullable"),
        (r#"{"name":"x","type":"category","categories":[],"on_unseen":"null"}"#, "column x: on_unseen is null but"),
        (r#"{"name":"x","type":"money","minor_digits":99}"#, "column x: minor_digits is 99"),
        (r#"{"name":"x","type":"text"}"#, "unknown variant `text`"),
        (r#"{"name":"x","type":"int","most":3}"#, "unknown field `most`"),
    ] {
        let error = error(columns);
        assert!(error.contains(told), "{error}");
    }
    let newer = Contract::from_json(r#"{"format":2,"name":"N","columns":[]}"#).expect_err("a newer format").to_string();
    assert!(newer.contains("contract N: format 2"), "{newer}");
}

#[test]
fn responses_need_a_place_for_what_they_do() {
    let json = r#"
      {"name":"kept","type":"float","nullable":true,"on_violation":"count"},
      {"name":"nulled","type":"float","nullable":true,"on_violation":"null"},
      {"name":"label","type":"category","nullable":true,"categories":[],"on_violation":"refuse","on_unseen":"null"}"#;
    let contract = Contract::from_json(&contract_json(json)).expect("right");
    let [kept, nulled, label] = &contract.columns[..] else { panic!("three columns") };
    assert_eq!(kept.response(Rule::Le), Response::Count);
    assert_eq!(kept.response(Rule::Infinite), Response::Count);
    assert_eq!(kept.response(Rule::Range), Response::Refuse, "there is no value to keep");
    assert_eq!(nulled.response(Rule::Range), Response::Null);
    assert_eq!(label.response(Rule::Unseen), Response::Null);
    assert_eq!(label.response(Rule::Utf8), Response::Refuse, "on_unseen does not speak of bytes");
}

#[test]
fn intervals_hold_exactly_what_bounds_allow() {
    let floats = Bounds { gt: Some(0.0), lt: Some(1.0), ..Bounds::default() };
    let (low, high) = floats.interval();
    assert_eq!((low, high), (f64::from_bits(1), 1.0f64.next_down()));
    let longs = Bounds { ge: Some(3), gt: Some(3), le: Some(9), lt: None };
    assert_eq!(longs.interval((i64::MIN + 1, i64::MAX)), (4, 9));
    let (low, high) = Bounds { gt: Some(i64::MAX), ..Bounds::default() }.interval((i64::MIN + 1, i64::MAX));
    assert!(low > high, "nothing is greater than the greatest");
    for value in [-1.0, 0.0, f64::from_bits(1), 0.5, 1.0, 2.0] {
        assert_eq!(floats.broken_by(value).is_none(), value >= floats.interval().0 && value <= floats.interval().1, "{value}");
    }
}
