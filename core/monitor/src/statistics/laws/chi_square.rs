//! Chi-square, central and noncentral.

use statrs::function::gamma::{checked_gamma_lr, checked_gamma_ur, ln_gamma};

use super::{normal_sf, normal_upper_quantile, poisson};

/// Above this noncentrality Sankaran's transformation is closer than 1e-6 and costs nothing.
const MIXTURE_MAX: f64 = 1e4;

/// P(X > x) with `freedom` degrees of freedom; not a number for none.
pub fn sf(x: f64, freedom: f64) -> f64 {
    match x {
        _ if x.is_nan() || freedom.is_nan() || freedom <= 0.0 => f64::NAN,
        _ if x <= 0.0 => 1.0,
        f64::INFINITY => 0.0,
        _ => checked_gamma_ur(freedom / 2.0, x / 2.0).unwrap_or(f64::NAN),
    }
}

/// The x that is exceeded with probability `tail`; none outside of 0 < tail < 1.
pub fn upper_quantile(tail: f64, freedom: f64) -> Option<f64> {
    if !(tail > 0.0 && tail < 1.0 && freedom > 0.0) {
        return None;
    }
    // Wilson and Hilferty's cube, then Newton's method kept inside a bracket.
    let ninth = 2.0 / (9.0 * freedom);
    let mut x = (freedom * (1.0 - ninth + normal_upper_quantile(tail) * ninth.sqrt()).powi(3)).max(1e-8);
    let (mut low, mut high) = (0.0, f64::INFINITY);
    for _ in 0..100 {
        let over = sf(x, freedom) - tail;
        if over > 0.0 {
            low = x
        } else {
            high = x
        }
        let half = freedom / 2.0;
        let density = ((half - 1.0) * (x / 2.0).ln() - x / 2.0 - ln_gamma(half)).exp() / 2.0;
        let step = x + over / density;
        let next = if step > low && step < high {
            step
        } else if high.is_finite() {
            (low + high) / 2.0
        } else {
            2.0 * x
        };
        if (next - x).abs() <= 1e-13 * x {
            return Some(next);
        }
        x = next;
    }
    Some(x)
}

/// P(X <= x) of the noncentral chi-square: a Poisson mixture of central ones, from the mode outwards (Sankaran 1963 for large
/// noncentrality).
pub fn noncentral_cdf(x: f64, freedom: f64, noncentrality: f64) -> f64 {
    if x.is_nan() || freedom.is_nan() || noncentrality.is_nan() || freedom <= 0.0 || noncentrality < 0.0 {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 0.0;
    }
    if noncentrality == 0.0 {
        return 1.0 - sf(x, freedom);
    }
    if noncentrality > MIXTURE_MAX {
        return sankaran(x, freedom, noncentrality);
    }
    let half = noncentrality / 2.0;
    let y = x / 2.0;
    let mode = half.floor();
    let shape = freedom / 2.0 + mode;
    let at_mode = (poisson(mode, half), checked_gamma_lr(shape, y).unwrap_or(f64::NAN), poisson(shape, y));
    let mut sum = at_mode.0 * at_mode.1;
    // Upwards: the central law of two more degrees has less by its term.
    let (mut weight, mut central, mut term) = at_mode;
    let (mut j, mut a) = (mode, shape);
    while weight * central > 1e-18 {
        central = (central - term).max(0.0);
        a += 1.0;
        term *= y / a;
        j += 1.0;
        weight *= half / j;
        sum += weight * central;
    }
    let (mut weight, mut central, mut term) = at_mode;
    let (mut j, mut a) = (mode, shape);
    while j > 0.0 && weight > 1e-18 {
        term *= a / y;
        a -= 1.0;
        central = (central + term).min(1.0);
        weight *= j / half;
        j -= 1.0;
        sum += weight * central;
    }
    sum.clamp(0.0, 1.0)
}

fn sankaran(x: f64, k: f64, l: f64) -> f64 {
    let h = 1.0 - 2.0 * (k + l) * (k + 3.0 * l) / (3.0 * (k + 2.0 * l).powi(2));
    let p = (k + 2.0 * l) / (k + l).powi(2);
    let m = (h - 1.0) * (1.0 - 3.0 * h);
    let mean = 1.0 + h * p * (h - 1.0 - 0.5 * (2.0 - h) * m * p);
    let sd = h * (2.0 * p).sqrt() * (1.0 + 0.5 * m * p);
    normal_sf(-((x / (k + l)).powf(h) - mean) / sd)
}

/// The noncentralities for which an observed `x` is at the upper and at the lower `tail`: an interval of confidence 1 - 2 tail. A bound that
/// even no noncentrality cannot reach is 0.
pub fn noncentrality_interval(x: f64, freedom: f64, tail: f64) -> Option<(f64, f64)> {
    if !(x.is_finite() && x >= 0.0 && freedom > 0.0 && tail > 0.0 && tail < 0.5) {
        return None;
    }
    Some((noncentrality_at(x, freedom, 1.0 - tail), noncentrality_at(x, freedom, tail)))
}

/// The noncentrality at which P(X <= x) = probability, which falls as it grows.
fn noncentrality_at(x: f64, freedom: f64, probability: f64) -> f64 {
    let excess = |l: f64| noncentral_cdf(x, freedom, l) - probability;
    let mut low = (0.0, excess(0.0));
    if low.1.is_nan() || low.1 <= 0.0 {
        return 0.0;
    }
    let mut step = 2.0 * (x.max(1.0)).sqrt();
    let mut high = ((x - freedom).max(0.0) + step, f64::NAN);
    for _ in 0..200 {
        high.1 = excess(high.0);
        if high.1.is_nan() || high.1 <= 0.0 {
            break;
        }
        low = high;
        step *= 2.0;
        high.0 += step;
    }
    // False position, with the kept end's weight halved whenever it is kept twice (Illinois).
    let mut kept = 0;
    for _ in 0..200 {
        let mut middle = (low.0 * high.1 - high.0 * low.1) / (high.1 - low.1);
        if !(middle > low.0 && middle < high.0) {
            middle = (low.0 + high.0) / 2.0;
        }
        if (high.0 - low.0) <= 1e-12 * high.0 {
            break;
        }
        let value = excess(middle);
        if value.abs() <= 1e-15 {
            return middle;
        }
        if value > 0.0 {
            low = (middle, value);
            if kept == 1 {
                high.1 /= 2.0;
            }
            kept = 1;
        } else {
            high = (middle, value);
            if kept == -1 {
                low.1 /= 2.0;
            }
            kept = -1;
        }
    }
    (low.0 + high.0) / 2.0
}
