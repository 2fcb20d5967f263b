//! How far a share may lie from the reference without being a change: the reference's own error, and the tolerance.
//!
//! The reference is a sample of N rows, so its shares are not the truth. With probability 1 - `confidence`, over all F columns and all their
//! cells and edges at once, the truth lies inside of [`error`]'s interval. Each column has `confidence`/F. Half of it pays for the inequality
//! of Dvoretzky, Kiefer and Wolfowitz with Massart's constant, |F_N - F| <= sqrt(ln(2 / share) / 2N) at every edge. The other half pays for
//! Chernoff's bound, N KL(p_N, p) <= ln(1 / share), at each of the at most 2N order statistics and at the single cells: it is what makes
//! rare cells and tails sharp. Both hold for edges that were themselves chosen by the reference. The tighter of the two counts.

/// A single cell may change by this part of its share, within the two tolerances.
const RELATIVE: f64 = 0.2;
/// Each halves the interval; what is left is below 2^-50.
const HALVINGS: usize = 50;

/// Whose share it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Of all rows in the cells up to an edge.
    Cumulative,
    /// Of one cell.
    Single,
}

/// Between what the true share lies, given `count` of `rows` in the reference; `confidence` is this column's part.
pub fn error(count: u64, rows: u64, cells: usize, confidence: f64, share: Share) -> (f64, f64) {
    if rows == 0 {
        return (0.0, 1.0);
    }
    let n = rows as f64;
    let seen = count as f64 / n;
    // 2 (max(N, K) + 5) events at most, for half of the confidence.
    let events = rows.max(cells as u64).saturating_add(5) as f64;
    let allowed = libm::log(4.0 * events / confidence) / n;
    let chernoff = (inverted(seen, 0.0, allowed), inverted(seen, 1.0, allowed));
    match share {
        Share::Single => chernoff,
        Share::Cumulative => {
            let even = dkw(rows, confidence / 2.0);
            (chernoff.0.max(seen - even).max(0.0), chernoff.1.min(seen + even).min(1.0))
        }
    }
}

/// The half-width of a band around a whole distribution function that holds with probability 1 - `confidence`.
pub fn dkw(rows: u64, confidence: f64) -> f64 {
    if rows == 0 { 1.0 } else { (libm::log(2.0 / confidence) / (2.0 * rows as f64)).sqrt() }
}

/// The rows that a reference needs for a [`dkw`] band of this half-width, over so many columns, at half of the confidence.
pub fn rows_needed(width: f64, columns: usize, confidence: f64) -> f64 {
    libm::log(4.0 * columns.max(1) as f64 / confidence) / (2.0 * width * width)
}

/// How far a share may move without mattering.
pub fn tolerated(seen: f64, share: Share, tolerance: f64, rare: f64) -> f64 {
    match share {
        Share::Cumulative => tolerance,
        Share::Single => (RELATIVE * seen).max(rare).min(tolerance),
    }
}

/// The share farthest from `seen` towards `end` whose Kullback-Leibler divergence from it is allowed.
fn inverted(seen: f64, end: f64, allowed: f64) -> f64 {
    if seen == end || divergence(seen, end) <= allowed {
        return end;
    }
    let (mut inside, mut outside) = (seen, end);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (inside + outside);
        if divergence(seen, middle) <= allowed { inside = middle } else { outside = middle }
    }
    // The outer end: rounding must not make the band tighter.
    outside
}

/// KL(Bernoulli(p) || Bernoulli(q)).
fn divergence(p: f64, q: f64) -> f64 {
    let term = |p: f64, q: f64| match (p, q) {
        (0.0, _) => 0.0,
        (_, 0.0) => f64::INFINITY,
        _ => p * libm::log(p / q),
    };
    term(p, q) + term(1.0 - p, 1.0 - q)
}
