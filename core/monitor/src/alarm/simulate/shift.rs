//! Changes of a column, as moved shares of its cells.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::cells::SPECIALS;

/// Counts as shares; of nothing, zeros.
pub fn shares(counts: &[u64]) -> Vec<f64> {
    let rows: f64 = counts.iter().map(|count| *count as f64).sum();
    counts.iter().map(|count| if rows > 0.0 { *count as f64 / rows } else { 0.0 }).collect()
}

/// A part of the ordinary cells' mass moved to one cell, the same part of each. `part` is of all rows, at most all of the ordinary ones.
pub fn moved(shares: &[f64], to: usize, part: f64) -> Vec<f64> {
    let ordinary = shares.len().saturating_sub(SPECIALS);
    let there: f64 = shares.iter().take(ordinary).sum();
    let keep = if there > 0.0 { (1.0 - part / there).max(0.0) } else { 1.0 };
    let mut after: Vec<f64> = shares.iter().enumerate().map(|(cell, share)| if cell < ordinary { share * keep } else { *share }).collect();
    if let Some(cell) = after.get_mut(to) {
        *cell += there * (1.0 - keep);
    }
    after
}

/// The ordinary cells shifted upwards by so many standard deviations of normal scores: F' = Phi(Phi^-1(F) - sd) at every edge.
pub fn located(shares: &[f64], ordinary: usize, sd: f64) -> Vec<f64> {
    let normal = Normal::standard();
    let there: f64 = shares.iter().take(ordinary).sum();
    let mut after = shares.to_vec();
    if there <= 0.0 {
        return after;
    }
    let (mut below, mut below_after) = (0.0, 0.0);
    for (cell, share) in after.iter_mut().take(ordinary).enumerate() {
        below += *share;
        let level = (below / there).clamp(0.0, 1.0);
        let up_to = match level {
            _ if cell + 1 == ordinary => 1.0,
            0.0 => 0.0,
            1.0 => 1.0,
            level => normal.cdf(normal.inverse_cdf(level) - sd),
        };
        *share = there * (up_to - below_after).max(0.0);
        below_after = up_to;
    }
    after
}

/// All ordinary mass in one cell: the last for values in a unit a hundred times smaller, the commonest for a value that is stuck.
pub fn gathered(shares: &[f64], commonest: bool) -> Vec<f64> {
    let ordinary = shares.len().saturating_sub(SPECIALS);
    let top = shares.iter().take(ordinary).enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    let to = if commonest { top.map_or(0, |(cell, _)| cell) } else { ordinary.saturating_sub(1) };
    moved(shares, to, 1.0)
}
