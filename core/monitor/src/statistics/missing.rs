//! Has the rate of missing values changed?

use super::laws::{normal_sf, normal_upper_quantile};
use super::{Measured, Status};

/// Fisher's exact test takes over where an expected count of the 2 × 2 table is smaller.
pub const EXPECTED_MIN: f64 = 10.0;

/// Which test gave the p-value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// Pooled two-proportion z, two-sided.
    Z,
    /// Fisher's exact test, two-sided.
    Fisher,
}

/// The change of the rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MissingRate {
    /// Current rate less the reference's, with p-value and Newcombe's interval.
    pub difference: Measured,
    /// The reference's rate.
    pub reference: Option<f64>,
    /// The current rate.
    pub current: Option<f64>,
    /// Which test was right for these counts.
    pub test: Option<Test>,
}

/// Compares `a` missing of `n` rows with `b` of `m`. Counts above their rows are cut to them.
pub fn missing_rate(a: u128, n: u128, b: u128, m: u128, level: f64) -> MissingRate {
    let (a, b) = (a.min(n), b.min(m));
    let rate = |x: u128, rows: u128| (rows > 0).then(|| x as f64 / rows as f64);
    let (reference, current) = (rate(a, n), rate(b, m));
    let (Some(p), Some(q)) = (reference, current) else {
        let status = if n == 0 { Status::EmptyReference } else { Status::EmptyCurrent };
        return MissingRate { difference: Measured::none(status), reference, current, test: None };
    };
    let difference = newcombe(p, n as f64, q, m as f64, level);
    let (nf, mf) = (n as f64, m as f64);
    let (missing, there) = ((a + b) as f64, (n - a + m - b) as f64);
    if a + b == 0 || (a == n && b == m) {
        let difference = Measured { status: Status::Constant, ..difference.with_p(1.0) };
        return MissingRate { difference, reference, current, test: None };
    }
    let least = nf.min(mf) * missing.min(there) / (nf + mf);
    let (test, p_value) = if least < EXPECTED_MIN {
        (Test::Fisher, fisher(a, n, b, m))
    } else {
        let pooled = missing / (nf + mf);
        let z = (q - p) / (pooled * (there / (nf + mf)) * (1.0 / nf + 1.0 / mf)).sqrt();
        (Test::Z, 2.0 * normal_sf(z.abs()))
    };
    MissingRate { difference: difference.with_p(p_value), reference, current, test: Some(test) }
}

/// The two-sided p-value: all tables with the same margins that are no more probable than this one, to a relative 1e-7.
///
/// Walked from the mode over the entry with the smallest expectation, which ends after a few hundred steps wherever that is small.
pub fn fisher(a: u128, n: u128, b: u128, m: u128) -> f64 {
    let (a, b) = (a.min(n), b.min(m));
    let (missing, there) = (a + b, n - a + m - b);
    // The entry in the smaller row and the smaller column.
    let row = n.min(m);
    let column = missing.min(there);
    let (missing_in_row, rows) = if n <= m { (a, n) } else { (b, m) };
    let observed = (if missing <= there { missing_in_row } else { rows - missing_in_row }) as f64;
    let total = (n + m) as f64;
    let (row, column) = (row as f64, column as f64);
    let last = row.min(column);
    let first = (row + column - total).max(0.0);
    let rest = total - row - column;
    let up = |x: f64| (row - x) * (column - x) / ((x + 1.0) * (rest + x + 1.0));
    let mode = (((row + 1.0) * (column + 1.0)) / (total + 2.0)).floor().clamp(first, last);
    // Weight of the observed table, relative to the mode's.
    let mut of_observed = 1.0;
    let mut x = mode;
    while x < observed && of_observed > 0.0 {
        of_observed *= up(x);
        x += 1.0;
    }
    while x > observed && of_observed > 0.0 {
        x -= 1.0;
        of_observed /= up(x);
    }
    let limit = of_observed * (1.0 + 1e-7);
    let (mut all, mut extreme) = (0.0, 0.0);
    let mut count = |weight: f64| {
        all += weight;
        if weight <= limit {
            extreme += weight;
        }
    };
    count(1.0);
    let (mut x, mut weight) = (mode, 1.0);
    while x < last && weight > 0.0 {
        weight *= up(x);
        x += 1.0;
        count(weight);
    }
    let (mut x, mut weight) = (mode, 1.0);
    while x > first && weight > 0.0 {
        x -= 1.0;
        weight /= up(x);
        count(weight);
    }
    (extreme / all).min(1.0)
}

/// Newcombe's hybrid of two Wilson intervals (1998, method 10) around q - p.
fn newcombe(p: f64, n: f64, q: f64, m: f64, level: f64) -> Measured {
    let tail = (1.0 - level) / 2.0;
    let difference = Measured::ok(q - p);
    if !(tail > 0.0 && tail < 0.5) {
        return difference;
    }
    let z = normal_upper_quantile(tail);
    let (p_low, p_high) = wilson(p, n, z);
    let (q_low, q_high) = wilson(q, m, z);
    let low = (q - p) - ((q - q_low).powi(2) + (p_high - p).powi(2)).sqrt();
    let high = (q - p) + ((q_high - q).powi(2) + (p - p_low).powi(2)).sqrt();
    difference.with_interval(low, high)
}

/// Wilson's score interval of a proportion.
pub fn wilson(p: f64, n: f64, z: f64) -> (f64, f64) {
    let square = z * z / n;
    let centre = (p + square / 2.0) / (1.0 + square);
    let half = z * (p * (1.0 - p) / n + square / (4.0 * n)).sqrt() / (1.0 + square);
    ((centre - half).max(0.0), (centre + half).min(1.0))
}
