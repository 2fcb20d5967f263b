//! What a detector promises, and what it may take for granted.

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// The settings of a detector. All are fixed before watching begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// A: at most one false alarm per so many windows, over all columns together.
    pub windows_per_alarm: f64,
    /// The change of a share that does not matter, as a part of all rows: of every share up to an edge, and the most for a single cell.
    pub tolerance: f64,
    /// The same for single cells that the reference (nearly) lacks: a new label, a missing value. Between the two, a fifth of the cell's share.
    pub rare_tolerance: f64,
    /// The probability that the reference itself misleads: all bands together are right with probability one less this.
    pub confidence: f64,
    /// Take the reference for the truth, without a band for its own error. Right only when it is not a sample.
    pub known_reference: bool,
    /// The most rows of one entity in a window, where rows of one entity go together; evidence is tempered by it. 1: rows are independent.
    pub repeats: u32,
    /// Windows after an acknowledged alarm in which nothing is counted.
    pub cool_down: u64,
    /// Take every alarm as acknowledged at once: for replays and simulations.
    pub acknowledge_at_once: bool,
    /// The false discovery rate at which columns are named.
    pub discovery_rate: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            windows_per_alarm: 10_000.0,
            tolerance: 0.01,
            rare_tolerance: 0.002,
            confidence: 0.05,
            known_reference: false,
            repeats: 1,
            cool_down: 0,
            acknowledge_at_once: false,
            discovery_rate: 0.1,
        }
    }
}

impl Budget {
    /// Refuses settings that promise nothing or cannot be kept.
    pub fn check(&self) -> Result<()> {
        let told = |name: &str, value: f64, need: &str| Err(Error::Settings(format!("{name} is {value}; give {need}")));
        if !(self.windows_per_alarm.is_finite() && self.windows_per_alarm > 1.0) {
            return told("windows_per_alarm", self.windows_per_alarm, "a number of windows above 1");
        }
        if !(self.tolerance >= 0.0 && self.tolerance < 0.5) {
            return told("tolerance", self.tolerance, "a share from 0 to below 0.5");
        }
        if !(self.rare_tolerance >= 0.0 && self.rare_tolerance <= self.tolerance) {
            return told("rare_tolerance", self.rare_tolerance, "a share from 0 to the tolerance");
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return told("confidence", self.confidence, "a probability between 0 and 1");
        }
        if !(self.discovery_rate > 0.0 && self.discovery_rate < 1.0) {
            return told("discovery_rate", self.discovery_rate, "a rate between 0 and 1");
        }
        if self.repeats == 0 {
            return told("repeats", 0.0, "1 or more");
        }
        Ok(())
    }
}
