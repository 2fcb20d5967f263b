//! The population stability index: sum of (q - p) ln(q / p) over the cells.
//!
//! If nothing has changed, PSI / (1/N + 1/M) is close to chi-square with K - 1 degrees of freedom (Yurdakul 2018), K being the cells that
//! hold anything on either side: a cell that stayed empty on both carries no evidence. From that come the p-value, the critical value and
//! the debiased value; the interval inverts the noncentral chi-square.

use super::laws::chi_square;
use super::{Measured, Pair, Status};

/// How empty cells are kept from making the index infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// Ours: p = (a + 1/2) / (N + K/2) on both sides (Jeffreys). The only one with a p-value.
    Jeffreys,
    /// Nothing: infinite if a cell is empty on one side.
    Raw,
    /// Shares below 1e-4 are 1e-4.
    Clip,
    /// Evidently 0.7: an empty cell has the share 1e-4, or a millionth of the side's smallest share if that is at most 1e-4.
    Evidently,
    /// scouter: 1e-10 is added to every share.
    Scouter,
    /// deepchecks: shares below 0.01 are 0.01.
    Deepchecks,
}

/// The index with what can be said about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Psi {
    /// Value (Jeffreys), p-value, confidence interval of the population's index, status.
    pub measured: Measured,
    /// The value less its expectation under no change, (K-1)(1/N + 1/M); may be negative.
    pub debiased: Option<f64>,
    /// What the value exceeds with probability 1 - level if nothing has changed.
    pub critical: Option<f64>,
    /// K: cells that hold anything on either side.
    pub cells: usize,
}

/// The index, Jeffreys-smoothed, judged at a level of confidence, e.g. 0.95.
pub fn psi(pair: &Pair<'_>, level: f64) -> Psi {
    let cells = pair.occupied_cells();
    let measured = psi_by(pair, Convention::Jeffreys);
    let nothing = Psi { measured, debiased: None, critical: None, cells };
    let Some(value) = measured.value.filter(|_| measured.status == Status::Ok) else { return nothing };
    let freedom = cells.saturating_sub(1) as f64;
    let unit = 1.0 / pair.reference_rows() as f64 + 1.0 / pair.current_rows() as f64;
    let scaled = value / unit;
    let measured = measured.with_p(chi_square::sf(scaled, freedom));
    let tail = (1.0 - level.clamp(0.0, 1.0)) / 2.0;
    let measured = match chi_square::noncentrality_interval(scaled, freedom, tail) {
        Some((low, high)) => measured.with_interval(low * unit, high * unit),
        None => measured,
    };
    Psi {
        measured,
        debiased: Some(value - freedom * unit),
        critical: chi_square::upper_quantile(2.0 * tail, freedom).map(|critical| critical * unit),
        cells,
    }
}

/// The index by a convention; no p-value.
pub fn psi_by(pair: &Pair<'_>, convention: Convention) -> Measured {
    if let Some(status) = pair.empty() {
        return Measured::none(status);
    }
    let (n, m) = (pair.reference_rows() as f64, pair.current_rows() as f64);
    let cells = pair.occupied_cells();
    if cells <= 1 && convention != Convention::Evidently {
        return Measured::constant(0.0);
    }
    let half = cells as f64 / 2.0;
    let shares = |term: &dyn Fn(f64, f64) -> (f64, f64)| pair.shares().map(|(p, q)| index(term(p, q))).sum::<f64>();
    let value = match convention {
        Convention::Jeffreys => {
            pair.occupied().map(|(a, b)| index(((a as f64 + 0.5) / (n + half), (b as f64 + 0.5) / (m + half)))).sum::<f64>()
        }
        Convention::Raw => shares(&|p, q| (p, q)),
        Convention::Clip => shares(&|p, q| (p.max(1e-4), q.max(1e-4))),
        Convention::Scouter => shares(&|p, q| (p + 1e-10, q + 1e-10)),
        Convention::Deepchecks => shares(&|p, q| (p.max(0.01), q.max(0.01))),
        Convention::Evidently => {
            let fill = pair.shares().fold((f64::INFINITY, f64::INFINITY), |(p_min, q_min), (p, q)| {
                (if p > 0.0 { p_min.min(p) } else { p_min }, if q > 0.0 { q_min.min(q) } else { q_min })
            });
            let fill = (evidently_fill(fill.0), evidently_fill(fill.1));
            let filled = |p: f64, q: f64| (if p > 0.0 { p } else { fill.0 }, if q > 0.0 { q } else { fill.1 });
            // Its equal-width bins may be empty on both sides and are filled differently: every ordinary cell counts.
            let empty = pair.ordinary().cells().filter(|&cell| cell == (0, 0)).count();
            shares(&filled) + empty as f64 * index(fill)
        }
    };
    Measured::ok(value)
}

fn index((p, q): (f64, f64)) -> f64 {
    if p == q { 0.0 } else { (q - p) * (q / p).ln() }
}

fn evidently_fill(smallest: f64) -> f64 {
    if smallest <= 1e-4 { smallest / 1e6 } else { 1e-4 }
}
