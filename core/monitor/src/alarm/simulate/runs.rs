//! Runs of a detector over streams, and when each passed its thresholds.

use std::num::NonZero;

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use super::super::budget::Budget;
use super::super::column::{Column, Kind};
use super::super::detector::Detector;
use super::super::error::{Error, Result};
use super::super::reach;
use crate::cells::Special;

use super::draw::{Source, counts_of};
use super::shift;

/// What happens to one column, from the first window on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Ordered values move up by so many standard deviations of normal scores.
    Location(f64),
    /// So large a part of the rows goes missing in addition.
    Missing(f64),
    /// So large a part of the rows has a label that the reference does not know.
    Unseen(f64),
    /// Values come in a unit a hundred times smaller: all in the last cell.
    Unit,
    /// One value, the commonest cell's, is all there is.
    Stuck,
}

impl Change {
    /// Whether a column of this kind can change so.
    pub fn applies(self, kind: Kind) -> bool {
        match self {
            Self::Location(_) => kind.ordered(),
            Self::Missing(_) => true,
            Self::Unseen(_) => kind == Kind::Category,
            Self::Unit => kind == Kind::Numeric,
            Self::Stuck => matches!(kind, Kind::Numeric | Kind::Category | Kind::Score),
        }
    }

    /// The column's shares after the change.
    pub fn after(self, shares: &[f64], ordinary: usize) -> Vec<f64> {
        match self {
            Self::Location(sd) => shift::located(shares, ordinary, sd),
            Self::Missing(part) => shift::moved(shares, ordinary + Special::Null as usize, part),
            Self::Unseen(part) => shift::moved(shares, ordinary + Special::Unseen as usize, part),
            Self::Unit => shift::gathered(shares, false),
            Self::Stuck => shift::gathered(shares, true),
        }
    }
}

/// What to simulate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// The columns; their counts' shares are the truth.
    pub columns: Vec<Column>,
    /// The detector's settings. Alarms are counted at the thresholds below, not acknowledged.
    pub budget: Budget,
    /// Rows per window.
    pub rows_per_window: u64,
    /// The most windows of a run.
    pub windows: u64,
    /// Thresholds A, each noted when it is first passed. A run ends when all are.
    pub thresholds: Vec<f64>,
    /// The rows of a reference drawn anew for every run, as the detector would have seen it; absent: it is given the columns' counts.
    pub reference_rows: Option<u64>,
    /// The correlation between the normal scores of every two columns.
    pub correlation: f64,
    /// What changes, and in which column; absent: nothing does.
    pub change: Option<(Change, usize)>,
    /// The seed of run 0's seed.
    pub seed: u64,
}

/// One run: per threshold the number of windows it took, nothing if it was not passed, and the windows looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Passage {
    /// In the order of the thresholds.
    pub passed: Vec<Option<u64>>,
    /// Windows of this run.
    pub windows: u64,
}

impl Simulation {
    /// Runs `first` to `first + count - 1`, on as many threads, in order.
    pub fn run(&self, first: u64, count: u64, threads: NonZero<usize>) -> Result<Vec<Passage>> {
        if !(0.0..=1.0).contains(&self.correlation) {
            return Err(Error::Settings(format!("correlation is {}; give a number from 0 to 1", self.correlation)));
        }
        let fresh = Detector::new(self.columns.clone(), self.budget.clone())?;
        let mut truth: Vec<Vec<f64>> = self.columns.iter().map(|column| shift::shares(&column.counts)).collect();
        let before = truth.clone();
        if let Some((change, place)) = self.change {
            let Some((shares, column)) = truth.get_mut(place).zip(self.columns.get(place)) else {
                return Err(Error::Settings(format!("column {place} is to change, of {}", self.columns.len())));
            };
            *shares = change.after(shares, column.ordinary());
        }
        let source = Source::new(truth, self.correlation);
        let runs: Vec<u64> = (first..first.saturating_add(count)).collect();
        let part = runs.len().div_ceil(threads.get()).max(1);
        let work = |runs: &[u64]| -> Result<Vec<Passage>> { runs.iter().map(|run| self.one(*run, &fresh, &before, &source)).collect() };
        let parts: Vec<Result<Vec<Passage>>> = std::thread::scope(|scope| {
            let work = &work;
            let started: Vec<_> = runs.chunks(part).map(|runs| scope.spawn(move || work(runs))).collect();
            let lost = |_| Err(Error::Settings("a simulation's thread ended early".to_owned()));
            started.into_iter().map(|thread| thread.join().unwrap_or_else(lost)).collect()
        });
        let mut passages = Vec::with_capacity(runs.len());
        for part in parts {
            passages.extend(part?);
        }
        Ok(passages)
    }

    /// Whether the change would be seen at all, however long one waits, with the columns' counts as the reference. True without a change.
    pub fn change_is_ever_seen(&self) -> Result<bool> {
        let detector = Detector::new(self.columns.clone(), self.budget.clone())?;
        let Some((change, place)) = self.change else { return Ok(true) };
        let Some(column) = self.columns.get(place) else { return Ok(false) };
        let after = change.after(&shift::shares(&column.counts), column.ordinary());
        Ok(reach::is_ever_seen(&detector, place, &after))
    }

    fn one(&self, run: u64, fresh: &Detector, reference: &[Vec<f64>], source: &Source) -> Result<Passage> {
        // Odd and large, so that neighbouring seeds share no run; the generator spreads it over its state (SplitMix64).
        let mut by = Xoshiro256PlusPlus::seed_from_u64(self.seed ^ run.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut detector = match self.reference_rows {
            None => fresh.clone(),
            Some(rows) => {
                let mut columns = self.columns.clone();
                for (column, shares) in columns.iter_mut().zip(reference) {
                    counts_of(shares, rows, &mut by, &mut column.counts);
                }
                Detector::new(columns, self.budget.clone())?
            }
        };
        let mut counts: Vec<Vec<u64>> = self.columns.iter().map(|column| vec![0; column.counts.len()]).collect();
        let thresholds: Vec<f64> = self.thresholds.iter().map(|threshold| libm::log(*threshold)).collect();
        let mut passed = vec![None; thresholds.len()];
        let mut windows = 0;
        while windows < self.windows && passed.iter().any(Option::is_none) {
            source.window(self.rows_per_window, &mut by, &mut counts);
            let borrowed: Vec<&[u64]> = counts.iter().map(Vec::as_slice).collect();
            detector.absorb(&borrowed, windows);
            windows += 1;
            let mean = detector.log_mean().unwrap_or(f64::NEG_INFINITY);
            for (slot, threshold) in passed.iter_mut().zip(&thresholds) {
                if slot.is_none() && mean >= *threshold {
                    *slot = Some(windows);
                }
            }
        }
        Ok(Passage { passed, windows })
    }
}
