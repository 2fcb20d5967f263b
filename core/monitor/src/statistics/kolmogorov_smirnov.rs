//! The Kolmogorov-Smirnov statistic: the largest distance between two cumulative distributions.

use super::laws::kolmogorov;
use super::{Measured, Pair, Sample, Status};

/// Up to this many rows on the larger side the p-value of raw samples is exact.
const EXACT_ROWS_MAX: usize = 10_000;

/// How the p-value of raw samples is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Exact up to 10 000 rows on the larger side, else asymptotic.
    Auto,
    /// By counting lattice paths, as if there were no ties; O(n · m · D).
    Exact,
    /// By the one-sample law for round(n m / (n + m)).
    Asymptotic,
}

/// The statistic of cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellKs {
    /// D at the edges of the cells, with its p-value; the raw D is at least this, so the p-value errs towards 1.
    pub measured: Measured,
    /// The raw D is at most this.
    pub upper: Option<f64>,
}

/// D of two raw samples, infinities in their places; missing values play no part.
pub fn of_samples(reference: &Sample, current: &Sample, method: Method) -> Measured {
    let (a, b) = (reference.sorted(), current.sorted());
    let (n, m) = (a.len(), b.len());
    if n == 0 || m == 0 {
        return Measured::none(if n == 0 { Status::EmptyReference } else { Status::EmptyCurrent });
    }
    let gcd = kolmogorov::gcd(n as u64, m as u64);
    let (across, down) = (m as i128 / i128::from(gcd), n as i128 / i128::from(gcd));
    let mut largest: i128 = 0;
    let (mut i, mut j) = (0, 0);
    while let (Some(&x), Some(&y)) = (a.get(i), b.get(j)) {
        let value = x.min(y);
        while a.get(i).is_some_and(|&x| x == value) {
            i += 1;
        }
        while b.get(j).is_some_and(|&y| y == value) {
            j += 1;
        }
        largest = largest.max((i as i128 * across - j as i128 * down).abs());
    }
    let d = largest as f64 / (down * m as i128) as f64;
    let exact = method == Method::Exact || (method == Method::Auto && n.max(m) <= EXACT_ROWS_MAX);
    let p_value = match u64::try_from(largest) {
        Ok(height) if exact => kolmogorov::two_sample_exact(height, n as u64, m as u64),
        _ => kolmogorov::sf(d, effective(n as f64, m as f64)),
    };
    if n == 1 && m == 1 {
        return Measured { status: Status::TooFew, ..Measured::ok(d).with_p(1.0) };
    }
    if a.first() == a.last() && b.first() == b.last() && a.first() == b.first() {
        return Measured::constant(d).with_p(1.0);
    }
    Measured::ok(d).with_p(p_value)
}

/// D from the ordinary cells of an ordered column, given that a value is among them.
pub fn of_cells(pair: &Pair<'_>) -> CellKs {
    let pair = pair.ordinary();
    let none = |measured| CellKs { measured, upper: None };
    if let Some(status) = pair.empty() {
        return none(Measured::none(status));
    }
    if pair.occupied_cells() <= 1 {
        // The values inside of the one cell may still differ in any way.
        return CellKs { measured: Measured::constant(0.0), upper: Some(1.0) };
    }
    let (n, m) = (pair.reference_rows() as f64, pair.current_rows() as f64);
    let (mut i, mut j) = (0_u128, 0_u128);
    let (mut d, mut upper) = (0.0_f64, 0.0_f64);
    for (a, b) in pair.occupied() {
        let before = (i as f64 / n, j as f64 / m);
        i += u128::from(a);
        j += u128::from(b);
        let after = (i as f64 / n, j as f64 / m);
        d = d.max((after.0 - after.1).abs());
        upper = upper.max(after.0 - before.1).max(after.1 - before.0);
    }
    CellKs { measured: Measured::ok(d).with_p(kolmogorov::sf(d, effective(n, m))), upper: Some(upper.min(1.0)) }
}

/// The size of one sample that two stand for.
fn effective(n: f64, m: f64) -> f64 {
    let (large, small) = (n.max(m), n.min(m));
    (large * (small / (large + small))).round_ties_even().max(1.0)
}
