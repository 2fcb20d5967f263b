//! Distances between two distributions over the same cells; order plays no part.

use super::{Measured, Pair};

/// Jensen-Shannon divergence in bits, in [0, 1].
///
/// Summed as (p + q)/2 · ((1+d) ln(1+d) + (1-d) ln(1-d)) with d = (p-q)/(p+q), so every cell adds at least 0 and small differences do not
/// cancel.
pub fn jensen_shannon_divergence(pair: &Pair<'_>) -> Measured {
    over(pair, |cells| nats(cells) / std::f64::consts::LN_2)
}

/// Jensen-Shannon distance, the square root of the divergence in bits; in [0, 1]. What NannyML calls Jensen-Shannon.
pub fn jensen_shannon(pair: &Pair<'_>) -> Measured {
    over(pair, |cells| (nats(cells) / std::f64::consts::LN_2).sqrt())
}

/// The same of the divergence in nats; at most sqrt(ln 2) = 0.8326. What Evidently calls Jensen-Shannon.
pub fn jensen_shannon_nats(pair: &Pair<'_>) -> Measured {
    over(pair, |cells| nats(cells).sqrt())
}

/// Hellinger distance, sqrt(1/2 · sum (sqrt p - sqrt q)²); in [0, 1].
pub fn hellinger(pair: &Pair<'_>) -> Measured {
    over(pair, |cells| (0.5 * cells.map(|(p, q)| (p.sqrt() - q.sqrt()).powi(2)).sum::<f64>()).sqrt().min(1.0))
}

/// Total variation, 1/2 · sum |p - q|: the share of rows that would have to move; in [0, 1].
pub fn total_variation(pair: &Pair<'_>) -> Measured {
    over(pair, |cells| (0.5 * cells.map(|(p, q)| (p - q).abs()).sum::<f64>()).min(1.0))
}

/// The largest |p - q| of a cell; in [0, 1].
pub fn l_infinity(pair: &Pair<'_>) -> Measured {
    over(pair, |cells| cells.map(|(p, q)| (p - q).abs()).fold(0.0, f64::max))
}

fn over(pair: &Pair<'_>, distance: impl Fn(&mut dyn Iterator<Item = (f64, f64)>) -> f64) -> Measured {
    if let Some(status) = pair.empty() {
        return Measured::none(status);
    }
    if pair.occupied_cells() <= 1 {
        return Measured::constant(0.0);
    }
    Measured::ok(distance(&mut pair.shares()))
}

fn nats(cells: &mut dyn Iterator<Item = (f64, f64)>) -> f64 {
    let sum: f64 = cells.map(|(p, q)| (p + q) / 2.0 * spread((p - q) / (p + q))).sum();
    (sum / 2.0).min(std::f64::consts::LN_2)
}

/// (1+d) ln(1+d) + (1-d) ln(1-d) for |d| <= 1.
fn spread(d: f64) -> f64 {
    let d = d.abs();
    if d < 1e-2 {
        let square = d * d;
        return square * (1.0 + square * (1.0 / 6.0 + square * (1.0 / 15.0 + square / 28.0)));
    }
    let lower = if d < 1.0 { (1.0 - d) * (-d).ln_1p() } else { 0.0 };
    (1.0 + d) * d.ln_1p() + lower
}
