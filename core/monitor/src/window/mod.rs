//! A window: what was counted in a stretch of time, in the cells of one reference.
//!
//! Everything in it is an integer, or the end of an interval, so merging is exact, associative and commutative: windows of any replicas,
//! threads, minutes or chunks add up to the same bits in any order. Counts that stay within 64 bits are no question of luck: none exceeds the
//! rows seen, which are checked.

mod file;

use std::collections::BTreeSet;
use std::sync::Arc;

use sternpost_engine::rule::Rule;

use crate::cells::coarsened;
use crate::error::{Error, Result};
use crate::moments::Moments;
use crate::reference::Reference;

/// How many rules a row can break.
pub const RULES: usize = Rule::ALL.len();

/// What became of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Came in and were counted.
    pub seen: u64,
    /// Of these, got no score by the contract, or because a feature raised.
    pub refused: u64,
    /// Of these, got a score.
    pub scored: u64,
    /// Came in and were not counted, so are part of nothing else here.
    pub dropped: u64,
}

/// Counts of one stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    reference: Arc<Reference>,
    counts: Vec<u64>,
    moments: Vec<Moments>,
    /// [`RULES`] counts for each watched column.
    broken: Vec<u64>,
    /// What became of rows.
    pub rows: RowCounts,
    /// First and last moment, microseconds since 1970 in UTC.
    pub span: Option<(i64, i64)>,
    /// Who counted.
    pub replicas: BTreeSet<String>,
}

impl Window {
    /// A window in which nothing happened.
    pub fn empty(reference: Arc<Reference>) -> Self {
        let columns = reference.columns().len();
        Self {
            counts: vec![0; reference.cells()],
            moments: vec![Moments::default(); columns],
            broken: vec![0; columns * RULES],
            rows: RowCounts::default(),
            span: None,
            replicas: BTreeSet::new(),
            reference,
        }
    }

    /// In whose cells it is counted.
    pub fn reference(&self) -> &Arc<Reference> {
        &self.reference
    }

    /// A column's counts, the special cells last.
    pub fn counts(&self, column: usize) -> &[u64] {
        self.counts.get(self.reference.span(column)).unwrap_or_default()
    }

    /// The same in the cells of a coarser grid (10 or 20).
    pub fn coarsened(&self, column: usize, grid: u8) -> Vec<u64> {
        let Some(watched) = self.reference.columns().get(column) else { return Vec::new() };
        coarsened(self.counts(column), &watched.cells.groups(grid))
    }

    /// A column's exact sums.
    pub fn moments(&self, column: usize) -> Moments {
        self.moments.get(column).copied().unwrap_or_default()
    }

    /// Mean and standard deviation (ddof 0) of a column's numbers.
    pub fn mean_and_deviation(&self, column: usize) -> Option<(f64, f64)> {
        let watched = self.reference.columns().get(column)?;
        watched.cells.scale()?;
        let numbers = self.counts(column).iter().take(watched.cells.ordinary()).sum();
        self.moments(column).mean_and_deviation(watched.fixed, numbers)
    }

    /// How often each rule was broken at a column.
    pub fn broken(&self, column: usize) -> &[u64] {
        self.broken.get(column * RULES..(column + 1) * RULES).unwrap_or_default()
    }

    pub(crate) fn counts_mut(&mut self, column: usize) -> &mut [u64] {
        self.counts.get_mut(self.reference.span(column)).unwrap_or_default()
    }

    pub(crate) fn moments_mut(&mut self) -> &mut [Moments] {
        &mut self.moments
    }

    pub(crate) fn all_counts_mut(&mut self) -> &mut [u64] {
        &mut self.counts
    }

    /// Adds one broken rule, or more, at a column.
    pub(crate) fn broke(&mut self, column: usize, rule: Rule, times: u64) {
        if let Some(count) = self.broken.get_mut(column * RULES + rule.position()) {
            *count += times;
        }
    }

    /// Adds what another window of the same reference counted, and empties it.
    pub(crate) fn drain(&mut self, other: &mut Self) {
        let RowCounts { seen, refused, scored, dropped } = std::mem::take(&mut other.rows);
        self.rows.seen += seen;
        self.rows.refused += refused;
        self.rows.scored += scored;
        self.rows.dropped += dropped;
        self.counts.iter_mut().zip(&mut other.counts).for_each(|(total, count)| *total += std::mem::take(count));
        self.broken.iter_mut().zip(&mut other.broken).for_each(|(total, count)| *total += std::mem::take(count));
        self.moments.iter_mut().zip(&mut other.moments).for_each(|(total, moments)| total.merge(&std::mem::take(moments)));
    }

    /// Adds to a column what was counted elsewhere.
    pub(crate) fn add(&mut self, column: usize, counts: &[u64], moments: &Moments) {
        self.counts_mut(column).iter_mut().zip(counts).for_each(|(total, count)| *total += count);
        if let Some(total) = self.moments.get_mut(column) {
            total.merge(moments);
        }
    }

    /// Adds another window to this one; on an error this one stays what it was.
    ///
    /// # Errors
    /// `Error::Mismatch` for a window of another reference, or more rows than 64 bits count.
    pub fn absorb(&mut self, other: &Self) -> Result<()> {
        self.same_reference(other)?;
        let RowCounts { seen, refused, scored, dropped } = other.rows;
        let (Some(seen), Some(dropped)) = (self.rows.seen.checked_add(seen), self.rows.dropped.checked_add(dropped)) else {
            return Err(Error::Mismatch("the windows hold more rows than 64 bits count".to_owned()));
        };
        // No count exceeds the rows seen.
        self.rows = RowCounts { seen, refused: self.rows.refused + refused, scored: self.rows.scored + scored, dropped };
        self.counts.iter_mut().zip(&other.counts).for_each(|(total, count)| *total += count);
        self.broken.iter_mut().zip(&other.broken).for_each(|(total, count)| *total += count);
        self.moments.iter_mut().zip(&other.moments).for_each(|(total, moments)| total.merge(moments));
        self.span = match (self.span, other.span) {
            (Some(own), Some(other)) => Some((own.0.min(other.0), own.1.max(other.1))),
            (own, other) => own.or(other),
        };
        if !other.replicas.is_subset(&self.replicas) {
            self.replicas.extend(other.replicas.iter().cloned());
        }
        Ok(())
    }

    /// All windows together.
    ///
    /// # Errors
    /// As [`Self::absorb`].
    pub fn merged<'a>(reference: Arc<Reference>, windows: impl IntoIterator<Item = &'a Self>) -> Result<Self> {
        let mut total = Self::empty(reference);
        windows.into_iter().try_for_each(|window| total.absorb(window))?;
        Ok(total)
    }

    /// What is left without a part. Times and replicas stay those of the whole.
    ///
    /// # Errors
    /// `Error::Mismatch` that names the first count which the part has more of than the whole, so that it was no part.
    pub fn without(&self, part: &Self) -> Result<Self> {
        self.same_reference(part)?;
        let no_part = |what: &str| Error::Mismatch(format!("the window was not a part of the other: it has more {what}"));
        let rows = |own: u64, part: u64, what: &str| own.checked_sub(part).ok_or_else(|| no_part(what));
        let rows = RowCounts {
            seen: rows(self.rows.seen, part.rows.seen, "rows")?,
            refused: rows(self.rows.refused, part.rows.refused, "refused rows")?,
            scored: rows(self.rows.scored, part.rows.scored, "scored rows")?,
            dropped: rows(self.rows.dropped, part.rows.dropped, "dropped rows")?,
        };
        let mut left = Self { rows, ..self.clone() };
        for (place, column) in self.reference.columns().iter().enumerate() {
            let more = || no_part(&format!("in column {}", column.name));
            for (left, part) in left.counts_mut(place).iter_mut().zip(part.counts(place)) {
                *left = left.checked_sub(*part).ok_or_else(more)?;
            }
            let broken = left.broken.iter_mut().zip(&part.broken).skip(place * RULES).take(RULES);
            for (left, part) in broken {
                *left = left.checked_sub(*part).ok_or_else(more)?;
            }
            if let (Some(left), Some(part)) = (left.moments.get_mut(place), part.moments.get(place)) {
                *left = left.less(part).ok_or_else(more)?;
            }
        }
        left.check().map_err(|_| no_part("of something"))?;
        Ok(left)
    }

    fn same_reference(&self, other: &Self) -> Result<()> {
        if Arc::ptr_eq(&self.reference, &other.reference) || self.reference.digest() == other.reference.digest() {
            return Ok(());
        }
        let (own, other) = (self.reference.hex(), other.reference.hex());
        let message = format!("the windows belong to the references {own:.12} and {other:.12}; windows of two bundles cannot be added");
        Err(Error::Mismatch(message))
    }

    /// Whether the numbers can belong together: none is larger than the rows that it is about.
    fn check(&self) -> std::result::Result<(), String> {
        let RowCounts { seen, refused, scored, .. } = self.rows;
        if refused.checked_add(scored).is_none_or(|known| known > seen) {
            return Err(format!("{refused} refused and {scored} scored rows of {seen}"));
        }
        for (place, column) in self.reference.columns().iter().enumerate() {
            let wrong = |what: &str| Err(format!("column {}: {what} than the {seen} rows seen can give", column.name));
            let total = self.counts(place).iter().try_fold(0u64, |total, count| total.checked_add(*count));
            if total.is_none_or(|total| total > seen) || self.broken(place).iter().any(|count| *count > seen) {
                return wrong("larger counts");
            }
            let numbers = self.counts(place).iter().take(column.cells.ordinary()).sum();
            let numbers = if column.cells.scale().is_some() { numbers } else { 0 };
            if !self.moments(place).could_be_of(numbers) {
                return wrong("larger sums");
            }
        }
        Ok(())
    }
}
