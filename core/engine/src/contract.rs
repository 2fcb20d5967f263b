//! What a row must be: columns in order, each with its type, nullability, bounds and response to violations.
//!
//! A [`Contract`] that exists is usable: names are unique, categories are listed, bounds are of the column's type, and a response that
//! needs a null has a nullable column. [`Column::response`] is the only place that decides what a broken rule does to a row.

use crate::dictionary::Dictionary;
use crate::error::Result;
use crate::rule::{Response, Rule};

/// First microsecond of year 1 and last of year 9999, since 1970 in UTC.
pub const INSTANTS: (i64, i64) = (-62_135_596_800_000_000, 253_402_300_799_999_999);
/// Largest magnitude up to which every integer is a float64.
pub const EXACT_INT: u64 = 1 << 53;

/// One row's declaration.
#[derive(Debug)]
pub struct Contract {
    /// The contract's name, for messages.
    pub name: String,
    /// Columns in declaration order.
    pub columns: Vec<Column>,
    /// How many columns each kernel class has.
    pub slots: Slots,
}

/// Number of columns per kernel class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slots {
    /// float
    pub floats: usize,
    /// int, timestamp, money
    pub longs: usize,
    /// category
    pub codes: usize,
    /// bool
    pub flags: usize,
}

/// One column's declaration.
#[derive(Debug)]
pub struct Column {
    /// Column name.
    pub name: String,
    /// Type and bounds.
    pub kind: Kind,
    /// Whether null is a value here.
    pub nullable: bool,
    /// Unit, for messages.
    pub unit: Option<String>,
    /// What a broken rule does.
    pub on_violation: Response,
    /// Position among the columns of the same kernel class.
    pub slot: usize,
}

/// A column's type with what belongs to it.
#[derive(Debug)]
pub enum Kind {
    /// f64 in a kernel.
    Float(Bounds<f64>),
    /// i64 in a kernel.
    Int(Bounds<i64>),
    /// i8 in a kernel.
    Bool,
    /// i32 code in a kernel.
    Category {
        /// Labels and their codes.
        labels: Dictionary,
        /// What an unlisted label does.
        on_unseen: Response,
    },
    /// i64 microseconds UTC in a kernel.
    Timestamp(Bounds<i64>),
    /// i64 minor units in a kernel.
    Money {
        /// Bounds in minor units.
        bounds: Bounds<i64>,
        /// Digits after the point that a minor unit stands for; the scale of accepted decimals.
        minor_digits: i8,
    },
}

impl Kind {
    /// The contract's word for the type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Float(_) => "float",
            Self::Int(_) => "int",
            Self::Bool => "bool",
            Self::Category { .. } => "category",
            Self::Timestamp(_) => "timestamp",
            Self::Money { .. } => "money",
        }
    }
}

/// Bounds as declared; any may be absent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds<T> {
    /// value >= ge
    pub ge: Option<T>,
    /// value > gt
    pub gt: Option<T>,
    /// value <= le
    pub le: Option<T>,
    /// value < lt
    pub lt: Option<T>,
}

impl<T> Default for Bounds<T> {
    fn default() -> Self {
        Self { ge: None, gt: None, le: None, lt: None }
    }
}

impl<T: PartialOrd + Copy> Bounds<T> {
    /// The first bound that `value` breaks, in the order ge, gt, le, lt.
    pub fn broken_by(&self, value: T) -> Option<Rule> {
        let breaks = |bound: Option<T>, bad: fn(&T, &T) -> bool| bound.is_some_and(|bound| bad(&value, &bound));
        if breaks(self.ge, T::lt) {
            Some(Rule::Ge)
        } else if breaks(self.gt, T::le) {
            Some(Rule::Gt)
        } else if breaks(self.le, T::gt) {
            Some(Rule::Le)
        } else if breaks(self.lt, T::ge) {
            Some(Rule::Lt)
        } else {
            None
        }
    }

    /// The declared bound behind a bound rule.
    pub fn of(&self, rule: Rule) -> Option<T> {
        match rule {
            Rule::Ge => self.ge,
            Rule::Gt => self.gt,
            Rule::Le => self.le,
            Rule::Lt => self.lt,
            _ => None,
        }
    }
}

impl Bounds<f64> {
    /// The same finite values as one closed interval, so that a whole block is checked by two comparisons per value.
    pub fn interval(&self) -> (f64, f64) {
        let low = self.ge.into_iter().chain(self.gt.map(f64::next_up)).fold(f64::MIN, f64::max);
        let high = self.le.into_iter().chain(self.lt.map(f64::next_down)).fold(f64::MAX, f64::min);
        (low, high)
    }
}

impl Bounds<i64> {
    /// The same values within `limits` as one closed interval; empty (low > high) when no value can hold.
    pub fn interval(&self, limits: (i64, i64)) -> (i64, i64) {
        let none = (i64::MAX, i64::MIN);
        let (mut low, mut high) = limits;
        low = low.max(self.ge.unwrap_or(i64::MIN));
        high = high.min(self.le.unwrap_or(i64::MAX));
        if let Some(gt) = self.gt {
            let Some(next) = gt.checked_add(1) else { return none };
            low = low.max(next);
        }
        if let Some(lt) = self.lt {
            let Some(next) = lt.checked_sub(1) else { return none };
            high = high.min(next);
        }
        (low, high)
    }
}

/// What a 64-bit integer column can hold at all: everything but the null.
pub const LONGS: (i64, i64) = (i64::MIN + 1, i64::MAX);

impl Contract {
    /// Reads the canonical JSON form (format 1).
    ///
    /// # Errors
    /// `Error::Contract` that names the column and what is wrong with it.
    pub fn from_json(json: &str) -> Result<Self> {
        crate::contract_json::parse(json)
    }

    /// The position of a column by name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

impl Column {
    /// What a broken rule does to the value and its row: `Null` only where a null has a place, `Count` only where the value can be kept.
    pub fn response(&self, rule: Rule) -> Response {
        let declared = match (&self.kind, rule) {
            (Kind::Category { on_unseen, .. }, Rule::Unseen) => *on_unseen,
            _ => self.on_violation,
        };
        let value_exists = !matches!(rule, Rule::Null | Rule::Nan | Rule::Range | Rule::Utf8);
        match declared {
            Response::Null if self.nullable => Response::Null,
            Response::Count if value_exists => Response::Count,
            _ => Response::Refuse,
        }
    }
}
