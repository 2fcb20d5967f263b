//! The Shiryaev-Roberts e-detector over all columns and cells at once (Shin, Ramdas and Rinaldo, arXiv 2203.03532).
//!
//! **Null.** Given everything before it, each row of a window falls into every watched share (all cells up to an edge; one label; missing;
//! ...) with a probability inside of that share's band [m-, m+]: the reference's share, give or take its own error and the tolerance.
//!
//! **Evidence.** For one share, one direction and one alternative q beyond the edge m, c of the n rows of window t give
//! `L_t = (q/m)^c ((1-q)/(1-m))^(n-c)`, and `SR_t = (SR_{t-1} + 1) L_t` from `SR_0 = 0`. The weighted mean `M_t` over all of them
//! (weights fixed in advance, summing to 1) is compared with A.
//!
//! **Proof of the promise.** A row with probability p of falling into the share multiplies L by `p q/m + (1-p)(1-q)/(1-m)` in expectation, which is 1 at
//! p = m and, as q lies beyond m, less on the null's side. So `E[L_t | past] <= 1`, and `E[SR_t | past] <= SR_{t-1} + 1`: each
//! `SR_t - t` is a supermartingale. So is their weighted mean `M_t - t`, whatever the dependence between columns, because
//! expectations add up without any. After an alarm M falls from at least A to 0; so `D_t = M_t + A N_t - t`, where `N_t` counts alarms, is one too,
//! and `A E[N_t] <= t`: **at most t/A alarms are expected in any t windows**. For the time T of the first alarm and any t,
//! `A P(T <= t) <= E[M_{min(T,t)}] <= E[min(T,t)]`; t to infinity gives **E[T] >= A**. A window without rows of a column, an
//! acknowledgement that takes long and a cool-down only lower M or leave it as it is while t grows.
//!
//! **Clusters.** Where up to r rows of an entity go together, `L^(1/r)` has mean at most 1 by Hoelder's inequality, whatever they share:
//! `repeats` is that r.
//!
//! **Naming.** SR values are not e-values. Beside them each component has the e-process `sum over starts j of L_j ... L_t / (j(j+1))`, whose
//! mean at any stopping time is at most 1; its mean over a column's components is the column's e-value, and e-BH names columns.
//!
//! Sums run in the order that [`super::level`] states, logarithms are those of the `libm` crate, exponentials its own or those of
//! [`super::exponential`]: bits depend on nothing else.

use super::budget::Budget;
use super::column::Column;
use super::component::Components;
use super::error::{Error, Result};
use super::evidence::{Evidence, Running, Step};
use super::level::{Level, log_sum, log_sum_of, log_total};
use super::multiplicity;
use super::verdict::{ColumnEvidence, Culprit, Status, Verdict};

/// A column with less of the evidence is no culprit.
const LEAST_SHARE: f64 = 0.01;

/// How many windows there were, and what came of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Progress {
    /// Windows given.
    pub windows: u64,
    /// Windows counted since the last start.
    pub counted: u64,
    /// Alarms raised.
    pub alarms: u64,
    /// Whether the last alarm waits for somebody.
    pub waiting: bool,
    /// Windows of cool-down left.
    pub cooling: u64,
}

/// One detector over all watched columns.
#[derive(Debug, Clone)]
pub struct Detector {
    pub(super) columns: Vec<Column>,
    pub(super) budget: Budget,
    pub(super) components: Components,
    pub(super) evidence: Evidence,
    pub(super) progress: Progress,
}

impl Detector {
    /// A detector that has seen nothing yet.
    pub fn new(columns: Vec<Column>, budget: Budget) -> Result<Self> {
        let components = Components::of(&columns, &budget)?;
        let evidence = Evidence::none(components.alternatives.len());
        Ok(Self { columns, budget, components, evidence, progress: Progress::default() })
    }

    /// The columns it was made for.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Its settings.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What it watches.
    pub fn components(&self) -> &Components {
        &self.components
    }

    /// Alarms raised so far.
    pub fn alarms(&self) -> u64 {
        self.progress.alarms
    }

    /// Takes one window: the counts of every column, in the order of [`Detector::columns`] and with the cells of its reference.
    ///
    /// A column without rows adds nothing; a window without rows in any column is counted as a window and changes no evidence.
    pub fn update(&mut self, counts: &[&[u64]]) -> Result<Verdict> {
        self.check(counts)?;
        let window = self.progress.windows;
        self.progress.windows += 1;
        if self.progress.cooling > 0 {
            self.progress.cooling -= 1;
            return Ok(self.verdict(window, Status::Cooling, false, counts, &self.weighted()));
        }
        self.absorb(counts, window);
        let weighted = self.weighted();
        let log_mean = mean_of(&weighted);
        let alarm = !self.progress.waiting && log_mean.is_some_and(|mean| mean >= self.log_threshold());
        if alarm {
            self.progress.alarms += 1;
            self.progress.waiting = true;
        }
        let status = if self.progress.waiting { Status::Alarmed } else { Status::Watching };
        let verdict = self.verdict(window, status, alarm, counts, &weighted);
        if alarm && self.budget.acknowledge_at_once {
            self.acknowledge();
        }
        Ok(verdict)
    }

    /// Somebody knows of the alarm: evidence starts again from nothing, after the cool-down. False if no alarm was waiting.
    pub fn acknowledge(&mut self) -> bool {
        if !self.progress.waiting {
            return false;
        }
        self.evidence = Evidence::none(self.components.alternatives.len());
        self.progress.waiting = false;
        self.progress.counted = 0;
        self.progress.cooling = self.budget.cool_down;
        true
    }

    /// ln A.
    pub fn log_threshold(&self) -> f64 {
        libm::log(self.budget.windows_per_alarm)
    }

    fn check(&self, counts: &[&[u64]]) -> Result<()> {
        if counts.len() != self.columns.len() {
            let (given, made) = (counts.len(), self.columns.len());
            return Err(Error::Counts(format!("counts of {given} columns; the detector watches {made}")));
        }
        for (column, counts) in self.columns.iter().zip(counts) {
            if column.counts.len() != counts.len() {
                let (given, has) = (counts.len(), column.counts.len());
                return Err(Error::Counts(format!(
                    "column {}: {given} counts; its reference has {has} cells. Count with the reference's own cells",
                    column.name
                )));
            }
        }
        Ok(())
    }

    /// Multiplies the window's likelihood ratios into the evidence.
    pub(super) fn absorb(&mut self, counts: &[&[u64]], window: u64) {
        if counts.iter().all(|column| column.iter().all(|count| *count == 0)) {
            return;
        }
        self.progress.counted += 1;
        let start = self.progress.counted as f64;
        let begins = 1.0 / (start * (start + 1.0));
        let tempered = 1.0 / f64::from(self.budget.repeats);
        self.evidence.absorb(&self.components, counts, Step { window, begins, tempered });
    }

    /// ln of the weighted mean of all components; nothing where there is no evidence at all.
    pub(super) fn log_mean(&self) -> Option<f64> {
        mean_of(&self.weighted())
    }

    /// Per column ln of its part of the weighted mean.
    fn weighted(&self) -> Vec<f64> {
        let per_column = self.components.of_column.iter().zip(&self.components.log_weights);
        per_column.map(|((_, range), weight)| weight + log_total(part(&self.evidence.sr, range))).collect()
    }

    fn verdict(&self, window: u64, status: Status, alarm: bool, counts: &[&[u64]], weighted: &[f64]) -> Verdict {
        let log_mean = mean_of(weighted);
        let mut culprits = Vec::new();
        if let Some(mean) = log_mean {
            for (place, (counts, weighted)) in counts.iter().zip(weighted).enumerate() {
                let share = libm::exp(weighted - mean);
                if share >= LEAST_SHARE {
                    culprits.extend(self.culprit(place, counts, share));
                }
            }
            culprits.sort_by(|a, b| b.share.total_cmp(&a.share));
        }
        let log_threshold = self.log_threshold();
        Verdict { window, alarm, status, log_mean, log_threshold, culprits, columns: self.named() }
    }

    fn culprit(&self, place: usize, counts: &[u64], share: f64) -> Option<Culprit> {
        let (watches, range) = self.components.of_column.get(place)?;
        let levels = part(&self.evidence.sr, range);
        let most = levels.iter().fold(0.0, |most, level| if level.rank() > most { level.rank() } else { most });
        let best = range.start + levels.iter().position(|level| level.rank() >= most)?;
        let watch = self.components.watches.get(watches.clone())?.iter().find(|watch| (watch.first..watch.last).contains(&best))?;
        let rows: u128 = counts.iter().map(|count| u128::from(*count)).sum();
        let observed = (rows > 0).then(|| Running::new(counts).share(watch.cell, watch.share) / rows as f64);
        Some(Culprit {
            column: self.columns.get(place)?.name.clone(),
            share,
            cell: watch.cell,
            cumulative: watch.share == super::band::Share::Cumulative,
            up: watch.up,
            alternative: self.components.alternatives.get(best)?.distance,
            reference: watch.reference,
            edge: watch.edge,
            observed,
            since: *self.evidence.since.get(best)?,
            log_evidence: Some(self.evidence.best.get(best)?.log()).filter(|log| log.is_finite())?,
        })
    }

    fn named(&self) -> Vec<ColumnEvidence> {
        let ahead = -libm::log(self.progress.counted as f64 + 1.0);
        let watched: Vec<(&Column, f64)> = self
            .columns
            .iter()
            .zip(&self.components.of_column)
            .filter(|(_, (_, range))| !range.is_empty())
            .map(|(column, (_, range))| {
                let mean = log_total(part(&self.evidence.e, range)) - libm::log(range.len() as f64);
                (column, log_sum(mean, ahead))
            })
            .collect();
        let log_e: Vec<f64> = watched.iter().map(|(_, log_e)| *log_e).collect();
        let named = multiplicity::e_benjamini_hochberg(&log_e, self.budget.discovery_rate);
        let told = watched.into_iter().zip(named);
        told.map(|((column, log_e), named)| ColumnEvidence { column: column.name.clone(), log_e, named }).collect()
    }
}

fn mean_of(weighted: &[f64]) -> Option<f64> {
    Some(log_sum_of(weighted)).filter(|mean| *mean > f64::NEG_INFINITY)
}

fn part<'a>(all: &'a [Level], range: &std::ops::Range<usize>) -> &'a [Level] {
    all.get(range.clone()).unwrap_or_default()
}
