//! A watched column, as the detector needs to know it: its kind, its counts in the reference, its importance.

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use crate::cells::{SPECIALS, Special};

/// What kind of values a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers: ordinary cells are intervals in ascending order.
    Numeric,
    /// Labels: ordinary cells have no order.
    Category,
    /// False, then true.
    Flag,
    /// There, or not there.
    Presence,
    /// Scores on a fixed grid, ascending.
    Score,
}

impl Kind {
    /// Whether its ordinary cells are in order, so that shares up to an edge have a meaning.
    pub fn ordered(self) -> bool {
        matches!(self, Self::Numeric | Self::Flag | Self::Score)
    }

    /// The special cells that a column of this kind can fill.
    pub fn specials(self) -> &'static [Special] {
        match self {
            Self::Numeric | Self::Score => &[Special::Nan, Special::Infinite, Special::Null],
            Self::Category => &[Special::Tail, Special::Unseen, Special::Null],
            Self::Flag | Self::Presence => &[Special::Null],
        }
    }
}

/// A watched column and what the reference says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, unique among the watched columns.
    pub name: String,
    /// What kind of values it has.
    pub kind: Kind,
    /// The reference's rows per cell: ordinary cells in order, then tail, unseen, NaN, infinite, null.
    pub counts: Vec<u64>,
    /// Its part of the budget, relative to the other columns; fixed before watching begins. Zero: not watched for alarms.
    #[serde(default = "one")]
    pub importance: f64,
}

fn one() -> f64 {
    1.0
}

impl Column {
    /// How many ordinary cells it has.
    pub fn ordinary(&self) -> usize {
        self.counts.len().saturating_sub(SPECIALS)
    }

    /// The reference's rows.
    pub fn rows(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Refuses what cannot be watched: no ordinary cell, more rows than are exact, an importance that is no weight.
    pub fn check(&self) -> Result<()> {
        let name = &self.name;
        if self.counts.len() <= SPECIALS {
            let has = self.counts.len();
            return Err(Error::Settings(format!(
                "column {name}: {has} counts; give one per ordinary cell and {SPECIALS} for tail, unseen, NaN, infinite and null"
            )));
        }
        let expected = match self.kind {
            Kind::Flag => Some(2),
            Kind::Presence => Some(1),
            _ => None,
        };
        if let Some(expected) = expected.filter(|cells| *cells != self.ordinary()) {
            let has = self.ordinary();
            return Err(Error::Settings(format!("column {name}: {has} ordinary cells; its kind has {expected}")));
        }
        if self.rows() > 1 << 53 {
            return Err(Error::Settings(format!("column {name}: more than 2^53 rows in the reference")));
        }
        if !(self.importance.is_finite() && self.importance >= 0.0) {
            return Err(Error::Settings(format!("column {name}: importance {}; give 0 or a positive number", self.importance)));
        }
        Ok(())
    }
}
