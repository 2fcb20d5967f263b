//! A broken rule told to a person: row, column, value, rule, and what to do next.

use crate::contract::{Bounds, Column, Contract, Kind};
use crate::instant;
use crate::rule::{Mark, Response, Rule};

const VALUE_CHARS: usize = 80;

/// One broken rule with everything a person needs to act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Row, from 0.
    pub row: usize,
    /// Column (or, for `raised`, feature) name; empty for `score_not_finite`.
    pub column: String,
    /// The rule's word.
    pub rule: &'static str,
    /// The value, shortened to 80 characters; empty where there is none.
    pub value: String,
    /// The sentence.
    pub message: String,
}

/// The reason code of a mark: `le:wind_speed_mph`, `raised:log_distance`, `score_not_finite`.
pub fn reason(contract: &Contract, features: &[String], mark: &Mark) -> String {
    match mark.rule {
        Rule::ScoreNotFinite => mark.rule.name().to_owned(),
        rule => format!("{}:{}", rule.name(), place(contract, features, mark)),
    }
}

/// The mark that a reason code speaks of, on row 0; nothing for a code of a version that knows more. The counterpart of [`reason`].
pub fn mark(contract: &Contract, features: &[String], reason: &str) -> Option<Mark> {
    let (rule, place) = reason.split_once(':').unwrap_or((reason, ""));
    let rule = Rule::from_name(rule)?;
    let found = match rule {
        Rule::ScoreNotFinite => Some(0),
        Rule::Raised => features.iter().position(|name| name == place),
        _ => contract.position(place),
    };
    let place = found?;
    let refused =
        contract.columns.get(place).filter(|_| rule.is_of_contract()).is_none_or(|column| column.response(rule) == Response::Refuse);
    Some(Mark { row: 0, place: place as u32, rule, refused })
}

/// The name a mark's place stands for.
pub fn place<'a>(contract: &'a Contract, features: &'a [String], mark: &Mark) -> &'a str {
    let place = mark.place as usize;
    match mark.rule {
        Rule::ScoreNotFinite => "",
        Rule::Raised => features.get(place).map_or("", String::as_str),
        _ => contract.columns.get(place).map_or("", |column| &column.name),
    }
}

impl Violation {
    /// Tells a mark; `value` is the offending value as text.
    pub fn new(contract: &Contract, features: &[String], mark: &Mark, value: &str) -> Self {
        let name = place(contract, features, mark);
        let value = shortened(value);
        let row = mark.row;
        let message = match (mark.rule, contract.columns.get(mark.place as usize)) {
            (Rule::ScoreNotFinite, _) => {
                format!("row {row}: the score is not a finite number; look at the features of this row with frame()")
            }
            (Rule::Raised, _) => {
                format!("row {row}, feature {name}: it raised; guard the feature against this row's values, or bound the column it reads")
            }
            (_, Some(column)) => format!("row {row}, column {name}: {}", sentence(column, mark.rule, &value)),
            (_, None) => format!("row {row}: {}", mark.rule.name()),
        };
        Self { row, column: name.to_owned(), rule: mark.rule.name(), value, message }
    }
}

/// A value cut to what fits into a message.
pub fn shortened(value: &str) -> String {
    if value.chars().count() <= VALUE_CHARS {
        return value.to_owned();
    }
    value.chars().take(VALUE_CHARS - 1).chain(['…']).collect()
}

fn sentence(column: &Column, rule: Rule, value: &str) -> String {
    let unit = column.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
    match rule {
        Rule::Null => "null, but the column is not nullable; fill the value, or declare the column nullable".to_owned(),
        Rule::Nan => "NaN, but the column is not nullable; fill the value, or declare the column nullable".to_owned(),
        Rule::Infinite => format!("{value}{unit} is not finite; correct the value"),
        Rule::Range => match &column.kind {
            Kind::Float(_) => format!("{value}{unit} is an integer beyond 2**53, which a float cannot hold; send it as a float"),
            Kind::Timestamp(_) => format!("{value} is outside of the years 1 to 9999; correct the value"),
            _ => format!("{value}{unit} does not fit a 64-bit integer (its least value stands for null); correct the value"),
        },
        Rule::Ge | Rule::Gt | Rule::Le | Rule::Lt => {
            let bound = bound_text(column, rule);
            format!("{value}{unit} breaks {} {bound}{unit}; correct the value, or widen the bound in the contract", rule.name())
        }
        Rule::Unseen => {
            let near = match &column.kind {
                Kind::Category { labels, .. } => crate::nearest::name(value, labels.labels().iter().map(String::as_str)),
                _ => None,
            };
            let meant = near.map(|near| format!(" (did you mean '{near}'?)")).unwrap_or_default();
            format!("'{value}' is not among the categories{meant}; correct the value, or add it to the contract and train again")
        }
        Rule::Utf8 => format!("the bytes of '{value}' are not UTF-8; decode the text with its own encoding before scoring"),
        Rule::Raised | Rule::ScoreNotFinite => rule.name().to_owned(),
    }
}

fn bound_text(column: &Column, rule: Rule) -> String {
    let long = |bounds: &Bounds<i64>| bounds.of(rule);
    match &column.kind {
        Kind::Float(bounds) => bounds.of(rule).map(|bound| format!("{bound:?}")),
        Kind::Int(bounds) | Kind::Money { bounds, .. } => long(bounds).map(|bound| bound.to_string()),
        Kind::Timestamp(bounds) => long(bounds).map(instant::text),
        Kind::Bool | Kind::Category { .. } => None,
    }
    .unwrap_or_default()
}
