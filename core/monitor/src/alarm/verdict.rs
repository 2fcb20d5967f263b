//! What a window gave: whether it alarms, who is to blame, since when.

use serde::{Deserialize, Serialize};

/// Where the detector stands after a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It counts.
    Watching,
    /// It raised an alarm that nobody acknowledged; evidence goes on, a second alarm is not raised.
    Alarmed,
    /// An alarm was acknowledged a little while ago; nothing is counted.
    Cooling,
}

/// One column's part in the evidence, led by its strongest component.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Culprit {
    /// The column.
    pub column: String,
    /// Its part of the whole evidence, from 0 to 1.
    pub share: f64,
    /// The cell of the strongest component; for a cumulative share the last cell that belongs to it.
    pub cell: usize,
    /// Whether it is the share of all cells up to this one.
    pub cumulative: bool,
    /// Whether the share grew.
    pub up: bool,
    /// How far beyond the band the strongest alternative lies.
    pub alternative: f64,
    /// The reference's share.
    pub reference: f64,
    /// The edge of the band.
    pub edge: f64,
    /// The share in this window; nothing if the window has no rows of the column.
    pub observed: Option<f64>,
    /// The window, counted from 0, at which the change most likely began.
    pub since: u64,
    /// The logarithm of its evidence since then: a likelihood ratio of alternative to edge.
    pub log_evidence: f64,
}

/// The e-process of one column: how far its own null has been spoken against, at whatever time one looks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnEvidence {
    /// The column.
    pub column: String,
    /// The logarithm of its e-value.
    pub log_e: f64,
    /// Whether it is named a changed column at the discovery rate asked for (e-BH over all watched columns).
    pub named: bool,
}

/// The answer to one window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The window's number, from 0.
    pub window: u64,
    /// Whether this window raises an alarm.
    pub alarm: bool,
    /// Where the detector stands now.
    pub status: Status,
    /// The logarithm of the weighted mean of all components; nothing where there is no evidence at all.
    pub log_mean: Option<f64>,
    /// What it is compared with: ln A.
    pub log_threshold: f64,
    /// Columns with at least a hundredth of the evidence, the largest part first.
    pub culprits: Vec<Culprit>,
    /// Every watched column, in order.
    pub columns: Vec<ColumnEvidence>,
}
