//! The binomial law for any number of trials.

use super::{deviance, normal_sf, stirling_rest};

/// Above this variance the tail is taken from the saddlepoint, with a relative error of the order of its inverse.
const SUM_VARIANCE_MAX: f64 = 1e6;

/// P(X = j) of `n` trials with probability `p`; j and n whole, as floats. `over` is j - n p, for callers that know it exactly.
pub(super) fn pmf(j: f64, n: f64, p: f64, over: f64) -> f64 {
    let q = 1.0 - p;
    if p <= 0.0 || q <= 0.0 {
        return if (p <= 0.0 && j == 0.0) || (q <= 0.0 && j == n) { 1.0 } else { 0.0 };
    }
    if j == 0.0 {
        return (n * (-p).ln_1p()).exp();
    }
    if j == n {
        return (n * p.ln()).exp();
    }
    let rest = stirling_rest(n) - stirling_rest(j) - stirling_rest(n - j);
    let away = deviance(j, j - over, over) + deviance(n - j, n - j + over, -over);
    (rest - away).exp() * (n / (std::f64::consts::TAU * j * (n - j))).sqrt()
}

/// P(X >= k) of `n` trials with probability `p`.
pub fn upper_tail(k: u128, n: u128, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if k > n || p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return 1.0;
    }
    let (k, n) = (k as f64, n as f64);
    let variance = n * p * (1.0 - p);
    if variance > SUM_VARIANCE_MAX {
        return saddlepoint(k, n, p);
    }
    let odds = p / (1.0 - p);
    if k > n * p {
        let mut term = pmf(k, n, p, k - n * p);
        let (mut sum, mut j) = (term, k);
        while j < n && term > sum * 1e-17 {
            term *= (n - j) / (j + 1.0) * odds;
            j += 1.0;
            sum += term;
        }
        return sum.min(1.0);
    }
    let mut j = k - 1.0;
    let mut term = pmf(j, n, p, j - n * p);
    let mut sum = term;
    while j > 0.0 && term > sum * 1e-17 {
        term *= j / ((n - j + 1.0) * odds);
        j -= 1.0;
        sum += term;
    }
    (1.0 - sum).max(0.0)
}

/// Lugannani and Rice's formula in Barndorff-Nielsen's form, with Daniels' correction for lattices: k is moved down by one half.
fn saddlepoint(k: f64, n: f64, p: f64) -> f64 {
    let x = (k - 0.5).min(n - 0.5);
    let over = x - n * p;
    let root = (2.0 * (deviance(x, n * p, over) + deviance(n - x, n * (1.0 - p), -over))).sqrt();
    let w = if over < 0.0 { -root } else { root };
    if w.abs() < 1e-4 {
        let skew = (1.0 - 2.0 * p) / (n * p * (1.0 - p)).sqrt();
        return normal_sf(w + skew / 6.0);
    }
    let odds = (over / (p * (n - x))).ln_1p();
    let u = 2.0 * (odds / 2.0).sinh() * (x * (n - x) / n).sqrt();
    normal_sf(w + (u / w).ln() / w)
}
