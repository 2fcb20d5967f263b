//! One watched column.

use crate::cells::{Cells, Special};
use crate::moments::{EXPONENTS, FixedPoint, Moments};

/// Where a column stands on a row's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A column of the contract.
    Input,
    /// What a kernel computes.
    Feature,
    /// What a model gives.
    Output,
}

impl Role {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Feature => "feature",
            Self::Output => "output",
        }
    }

    /// The counterpart of [`Self::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Input, Self::Feature, Self::Output].into_iter().find(|role| role.word() == word)
    }
}

/// What the reference knows of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Its cells.
    pub cells: Cells,
    /// Rows in each cell, the special ones last.
    pub counts: Vec<u64>,
    /// The mean of the values in each ordinary cell of numbers, null for an empty one; none for other kinds.
    pub means: Vec<Option<f64>>,
    /// The smallest finite number.
    pub min: Option<f64>,
    /// The largest finite number.
    pub max: Option<f64>,
    /// Where zero is and how large one is for the sums.
    pub fixed: FixedPoint,
    /// Sums over the finite numbers.
    pub moments: Moments,
}

impl Column {
    /// Rows in ordinary cells: for numbers, how many there are.
    pub fn present(&self) -> u64 {
        self.counts.iter().take(self.cells.ordinary()).sum()
    }

    /// Mean and standard deviation (ddof 0) of the numbers.
    pub fn mean_and_deviation(&self) -> Option<(f64, f64)> {
        self.cells.scale()?;
        self.moments.mean_and_deviation(self.fixed, self.present())
    }

    /// The words for the cells, for people: intervals, points, labels, and the special ones.
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = match &self.cells {
            Cells::Numeric(scale) | Cells::Score(scale) => intervals(scale.edges(), &scale.points()),
            Cells::Category(labels) => labels.named().map(str::to_owned).collect(),
            Cells::Flag => vec!["false".to_owned(), "true".to_owned()],
            Cells::Presence => vec!["present".to_owned()],
        };
        words.extend(Special::ALL.map(|special| special.word().to_uppercase()));
        words
    }

    /// What a column of so many rows cannot be.
    pub(super) fn check(&self, rows: u64) -> Result<(), String> {
        let wrong = |text: &str| Err(text.to_owned());
        if self.counts.len() != self.cells.len() {
            return Err(format!("{} counts for {} cells", self.counts.len(), self.cells.len()));
        }
        let total = self.counts.iter().try_fold(0u64, |total, count| total.checked_add(*count));
        if total != Some(rows) {
            return Err(format!("its counts do not add up to {rows} rows"));
        }
        let numbers = self.cells.scale().is_some();
        if self.means.len() != if numbers { self.cells.ordinary() } else { 0 } {
            return wrong("its means are not one for each cell");
        }
        let ends = self.min.into_iter().chain(self.max).chain(self.means.iter().flatten().copied()).chain([self.fixed.centre]);
        if !ends.into_iter().all(f64::is_finite) || self.min.zip(self.max).is_some_and(|(min, max)| min > max) {
            return wrong("its means, ends or centre are not finite numbers in order");
        }
        let of_numbers = if numbers { self.present() } else { 0 };
        if !EXPONENTS.contains(&self.fixed.exponent) || !self.moments.could_be_of(of_numbers) {
            return wrong("its sums are larger than its values can be");
        }
        Ok(())
    }
}

fn intervals(edges: &[f64], points: &[bool]) -> Vec<String> {
    let side = |edge: Option<&f64>, open: &str| edge.map_or_else(|| open.to_owned(), |edge| format!("{edge}"));
    let cell = |(cell, point): (usize, &bool)| {
        let (low, high) = (cell.checked_sub(1).and_then(|below| edges.get(below)), edges.get(cell));
        match (point, high) {
            (true, Some(high)) => format!("= {high}"),
            _ if high.is_none() => format!("> {}", side(low, "-inf")),
            _ => format!("({}, {}]", side(low, "-inf"), side(high, "inf")),
        }
    };
    points.iter().enumerate().map(cell).collect()
}
