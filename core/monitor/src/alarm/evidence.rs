//! What has been seen, per component, and how a window multiplies into it.
//!
//! A column whose levels are all far from what a float holds, as of a quiet stream, is gone through in plain loops without a branch; any
//! other one component at a time. Which of the two depends on the levels and the counts alone, and so do the bits.

use super::band::Share;
use super::component::{Alternative, Components, Watch};
use super::exponential::exp;
use super::level::{Level, all_plain};

/// Levels up to this many times a ratio of up to e^[`CALM_RATIO`] are below what [`Level`] keeps as logarithms.
const CALM: f64 = 1e90;
const CALM_RATIO: f64 = 80.0;
/// From here on a ratio is a logarithm only.
const GREATEST_RATIO: f64 = 690.0;

/// What has been seen, per component.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Evidence {
    /// SR.
    pub sr: Vec<Level>,
    /// The e-process's part that has begun.
    pub e: Vec<Level>,
    /// The largest product over starts.
    pub best: Vec<Level>,
    /// The window of that start.
    pub since: Vec<u64>,
}

/// One window, as evidence takes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Its number.
    pub window: u64,
    /// The weight of a start with it.
    pub begins: f64,
    /// The part of a logarithm that counts.
    pub tempered: f64,
}

impl Evidence {
    pub fn none(components: usize) -> Self {
        let nothing = vec![Level::ZERO; components];
        Self { sr: nothing.clone(), e: nothing.clone(), best: nothing, since: vec![0; components] }
    }

    /// Multiplies the likelihood ratios of a window in; a column without rows stays as it is.
    pub fn absorb(&mut self, components: &Components, counts: &[&[u64]], step: Step) {
        let mut ratios: Vec<f64> = Vec::new();
        for (counts, (watches, range)) in counts.iter().zip(&components.of_column) {
            let rows: u128 = counts.iter().map(|count| u128::from(*count)).sum();
            let (Some(watches), Some(alternatives), Some(part)) =
                (components.watches.get(watches.clone()), components.alternatives.get(range.clone()), self.part(range))
            else {
                continue;
            };
            if rows > 0 {
                log_ratios(watches, alternatives, counts, rows as f64, step.tempered, &mut ratios);
                part.grow(&mut ratios, step);
            }
        }
    }

    fn part(&mut self, range: &std::ops::Range<usize>) -> Option<Part<'_>> {
        Some(Part {
            sr: self.sr.get_mut(range.clone())?,
            e: self.e.get_mut(range.clone())?,
            best: self.best.get_mut(range.clone())?,
            since: self.since.get_mut(range.clone())?,
        })
    }
}

/// ln L of every alternative of a column.
fn log_ratios(watches: &[Watch], alternatives: &[Alternative], counts: &[u64], rows: f64, tempered: f64, into: &mut Vec<f64>) {
    into.clear();
    let mut sums = Running::new(counts);
    let mut rest = alternatives;
    for watch in watches {
        let hits = sums.share(watch.cell, watch.share);
        let misses = rows - hits;
        let (own, others) = rest.split_at_checked(watch.last - watch.first).unwrap_or_default();
        rest = others;
        into.extend(own.iter().map(|alternative| tempered * (hits * alternative.hit + misses * alternative.miss)));
    }
}

/// One column's evidence.
struct Part<'a> {
    sr: &'a mut [Level],
    e: &'a mut [Level],
    best: &'a mut [Level],
    since: &'a mut [u64],
}

impl Part<'_> {
    /// Takes logarithms of ratios; leaves ratios or logarithms behind.
    fn grow(self, ratios: &mut [f64], step: Step) {
        let calm = ratios.iter().fold(true, |calm, log| calm & (*log <= CALM_RATIO));
        if calm && all_plain(self.sr, CALM) && all_plain(self.e, CALM) && all_plain(self.best, CALM) {
            self.grow_plain(ratios, step);
        } else {
            self.grow_any(ratios, step);
        }
    }

    fn grow_plain(self, ratios: &mut [f64], step: Step) {
        for ratio in ratios.iter_mut() {
            *ratio = exp(*ratio);
        }
        for (sr, ratio) in self.sr.iter_mut().zip(&*ratios) {
            sr.0 = (sr.0 + 1.0) * ratio;
        }
        for (e, ratio) in self.e.iter_mut().zip(&*ratios) {
            e.0 = (e.0 + step.begins) * ratio;
        }
        for ((best, since), ratio) in self.best.iter_mut().zip(self.since).zip(&*ratios) {
            let anew = best.0 <= 1.0;
            best.0 = if anew { 1.0 } else { best.0 } * ratio;
            *since = if anew { step.window } else { *since };
        }
    }

    fn grow_any(self, log_ratios: &[f64], step: Step) {
        let states = self.sr.iter_mut().zip(self.e).zip(self.best.iter_mut().zip(self.since));
        for (log_ratio, ((sr, e), (best, since))) in log_ratios.iter().zip(states) {
            let ratio = exp(if *log_ratio < GREATEST_RATIO { *log_ratio } else { GREATEST_RATIO });
            *sr = sr.grown(1.0, ratio, *log_ratio);
            *e = e.grown(step.begins, ratio, *log_ratio);
            let (product, anew) = best.best(ratio, *log_ratio);
            *best = product;
            if anew {
                *since = step.window;
            }
        }
    }
}

/// Counts of shares, asked for in the order of cells.
pub(super) struct Running<'a> {
    counts: &'a [u64],
    summed: usize,
    below: u128,
}

impl<'a> Running<'a> {
    pub fn new(counts: &'a [u64]) -> Self {
        Self { counts, summed: 0, below: 0 }
    }

    pub fn share(&mut self, cell: usize, share: Share) -> f64 {
        match share {
            Share::Single => self.counts.get(cell).copied().unwrap_or_default() as f64,
            Share::Cumulative => {
                while self.summed <= cell {
                    self.below += u128::from(self.counts.get(self.summed).copied().unwrap_or_default());
                    self.summed += 1;
                }
                self.below as f64
            }
        }
    }
}
