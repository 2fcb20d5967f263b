//! The contract's JSON form, read strictly: an unknown key, a bound of another type or an unlearned category is an error with its column.

use serde::Deserialize;
use serde_json::Number;

use crate::contract::{Bounds, Column, Contract, Kind, Slots};
use crate::dictionary::Dictionary;
use crate::error::{Error, Result};
use crate::rule::Response;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContractJson {
    format: u32,
    name: String,
    columns: Vec<ColumnJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum TypeJson {
    Float,
    Int,
    Bool,
    Category,
    Timestamp,
    Money,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnJson {
    name: String,
    #[serde(rename = "type")]
    kind: TypeJson,
    #[serde(default)]
    nullable: bool,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default, rename = "description")]
    _description: Option<String>,
    #[serde(default)]
    ge: Option<Number>,
    #[serde(default)]
    gt: Option<Number>,
    #[serde(default)]
    le: Option<Number>,
    #[serde(default)]
    lt: Option<Number>,
    #[serde(default)]
    on_violation: Option<Response>,
    #[serde(default)]
    categories: Option<Vec<String>>,
    #[serde(default)]
    on_unseen: Option<Response>,
    #[serde(default)]
    minor_digits: Option<i8>,
    #[serde(default, rename = "currency")]
    _currency: Option<String>,
}

pub(crate) fn parse(json: &str) -> Result<Contract> {
    let read: ContractJson = serde_json::from_str(json)
        .map_err(|error| Error::Contract(format!("the contract is not readable: {error}; write it again with this version")))?;
    build(read)
}

fn build(read: ContractJson) -> Result<Contract> {
    if read.format != 1 {
        return Err(Error::Contract(format!(
            "contract {}: format {} is not one this version reads (1); write it again with this version",
            read.name, read.format
        )));
    }
    let mut slots = Slots::default();
    let mut columns: Vec<Column> = Vec::with_capacity(read.columns.len());
    for json in read.columns {
        if columns.iter().any(|column| column.name == json.name) {
            return Err(Error::Contract(format!("column {}: declared twice; rename one of the two", json.name)));
        }
        columns.push(column(json, &mut slots)?);
    }
    Ok(Contract { name: read.name, columns, slots })
}

fn column(json: ColumnJson, slots: &mut Slots) -> Result<Column> {
    let wrong = |text: String| Error::Contract(format!("column {}: {text}", json.name));
    let on_violation = json.on_violation.unwrap_or(Response::Refuse);
    let on_unseen = json.on_unseen.unwrap_or(Response::Count);
    if on_violation == Response::Null && !json.nullable {
        return Err(wrong("on_violation is null but the column is not nullable; declare it nullable, or refuse".to_owned()));
    }
    let bounded = [&json.ge, &json.gt, &json.le, &json.lt].iter().any(|bound| bound.is_some());
    let (kind, counter) = match json.kind {
        TypeJson::Float => (Kind::Float(bounds(&json, |n| n.as_f64(), "a number")?), &mut slots.floats),
        TypeJson::Int => (Kind::Int(int_bounds(&json)?), &mut slots.longs),
        TypeJson::Timestamp => (Kind::Timestamp(int_bounds(&json)?), &mut slots.longs),
        TypeJson::Money => {
            let minor_digits = json.minor_digits.unwrap_or(2);
            if !(0..=18).contains(&minor_digits) {
                return Err(wrong(format!("minor_digits is {minor_digits}; a value from 0 to 18 is needed")));
            }
            (Kind::Money { bounds: int_bounds(&json)?, minor_digits }, &mut slots.longs)
        }
        TypeJson::Bool | TypeJson::Category if bounded => {
            return Err(wrong("bounds need a number or an instant; remove ge, gt, le and lt".to_owned()));
        }
        TypeJson::Bool => (Kind::Bool, &mut slots.flags),
        TypeJson::Category => {
            if on_unseen == Response::Null && !json.nullable {
                return Err(wrong("on_unseen is null but the column is not nullable; declare it nullable, or count".to_owned()));
            }
            let Some(labels) = &json.categories else {
                return Err(wrong("its categories are not learned yet; learn them from the training data, or list them".to_owned()));
            };
            let labels = Dictionary::new(labels).map_err(|label| wrong(format!("category {label:?} is listed twice; remove one")))?;
            (Kind::Category { labels, on_unseen }, &mut slots.codes)
        }
    };
    let slot = *counter;
    *counter += 1;
    Ok(Column { kind, nullable: json.nullable, unit: json.unit.clone(), on_violation, slot, name: json.name })
}

fn int_bounds(json: &ColumnJson) -> Result<Bounds<i64>> {
    bounds(json, |number| number.as_i64(), "an integer within 64 bits")
}

fn bounds<T>(json: &ColumnJson, read: impl Fn(&Number) -> Option<T>, expected: &str) -> Result<Bounds<T>> {
    let one = |rule: &str, bound: &Option<Number>| match bound {
        None => Ok(None),
        Some(number) => match read(number) {
            Some(value) => Ok(Some(value)),
            None => Err(Error::Contract(format!("column {}: bound {rule} is {number}; expected {expected}", json.name))),
        },
    };
    Ok(Bounds { ge: one("ge", &json.ge)?, gt: one("gt", &json.gt)?, le: one("le", &json.le)?, lt: one("lt", &json.lt)? })
}

impl Contract {
    /// Reads a contract that is already parsed as part of a larger JSON document.
    pub(crate) fn from_value(value: serde_json::Value) -> Result<Self> {
        let read = serde_json::from_value(value)
            .map_err(|error| Error::Contract(format!("the contract is not readable: {error}; write it again with this version")))?;
        build(read)
    }
}
