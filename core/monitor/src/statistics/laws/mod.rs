//! The probability laws that the tests need and that must hold for counts of any size.

pub mod binomial;
pub mod chi_square;
pub mod kolmogorov;

use statrs::function::erf;
use statrs::function::gamma::ln_gamma;

/// P(Z > z) of the standard normal.
pub fn normal_sf(z: f64) -> f64 {
    0.5 * erf::erfc(z / std::f64::consts::SQRT_2)
}

/// The z with P(Z > z) = tail.
pub fn normal_upper_quantile(tail: f64) -> f64 {
    std::f64::consts::SQRT_2 * erf::erfc_inv(2.0 * tail)
}

/// ln Γ(x+1) less Stirling's main terms x ln x - x + ln(2πx)/2; x >= 0.
fn stirling_rest(x: f64) -> f64 {
    if x < 16.0 {
        if x <= 0.0 {
            return 0.0;
        }
        return ln_gamma(x + 1.0) - (x * x.ln() - x + 0.5 * (std::f64::consts::TAU * x).ln());
    }
    let square = 1.0 / (x * x);
    (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0))) / x
}

/// x ln(x/mean) - (x - mean), given the difference x - mean, without cancellation (Loader 2000).
fn deviance(x: f64, mean: f64, difference: f64) -> f64 {
    if x <= 0.0 {
        return mean;
    }
    if difference.abs() >= 0.1 * (x + mean) {
        return x * (x / mean).ln() - difference;
    }
    let v = difference / (x + mean);
    let square = v * v;
    let mut term = 2.0 * x * v;
    let mut sum = difference * v;
    for odd in 1..200 {
        term *= square;
        let next = sum + term / f64::from(2 * odd + 1);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// e^-mean mean^x / Γ(x+1), for real x >= 0 and mean > 0.
fn poisson(x: f64, mean: f64) -> f64 {
    if x <= 0.0 {
        return (-mean).exp();
    }
    (-stirling_rest(x) - deviance(x, mean, x - mean)).exp() / (std::f64::consts::TAU * x).sqrt()
}
