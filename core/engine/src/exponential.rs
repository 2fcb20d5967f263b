//! The exponential and what is made of it, for many values at once: bits that depend on the value alone, whatever the CPU.
//!
//! Computed in double precision by a polynomial of plain multiplications and additions, which the compiler can pack; the relative error is
//! below 1e-15. What is rounded to single precision afterwards is therefore the nearest float but in about one of 10^7 cases.

use crate::wide::wide;

/// ln 2 in two parts; the first has few enough digits that a product with a small whole number is exact.
const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Added and subtracted again, it rounds to a whole number.
const ROUNDING: f64 = 6_755_399_441_055_744.0;
/// 1 / k!, from the highest power down.
const TAYLOR: [f64; 13] = [
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];

/// `exp(x)`; 0 below -746, infinite above 710, NaN for NaN.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    // Comparisons, not `clamp`: a NaN stays.
    let x = if x > 710.0 { 710.0 } else { x };
    let x = if x < -746.0 { -746.0 } else { x };
    let whole = x * std::f64::consts::LOG2_E + ROUNDING;
    let power = whole.to_bits().wrapping_sub(ROUNDING.to_bits()) as i64;
    let turns = whole - ROUNDING;
    let rest = (x - turns * LN_2_HIGH) - turns * LN_2_LOW;
    let mut sum = 0.0;
    for term in TAYLOR {
        sum = sum * rest + term;
    }
    // In two steps, because 2^power may be too large or too small for a factor of its own.
    let half = power >> 1;
    sum * two_to(half) * two_to(power - half)
}

/// `2^power` for powers from -1022 to 1023.
#[inline(always)]
fn two_to(power: i64) -> f64 {
    f64::from_bits(((power + 1023) as u64) << 52)
}

#[inline(always)]
fn logistic_of(x: f64) -> f64 {
    1.0 / (1.0 + exp(-x))
}

wide! {
    /// `exp(x)` of each, rounded once.
    pub(crate) fn exp_singles(values: &[f32], to: &mut [f32]) {
        for (to, value) in to.iter_mut().zip(values) {
            *to = exp(f64::from(*value)) as f32;
        }
    }
}

wide! {
    /// `exp(x)` of each.
    pub(crate) fn exp_doubles(values: &[f64], to: &mut [f64]) {
        for (to, value) in to.iter_mut().zip(values) {
            *to = exp(*value);
        }
    }
}

wide! {
    /// `1 / (1 + exp(-x))` of each, rounded once.
    pub(crate) fn logistic_singles(values: &[f32], to: &mut [f32]) {
        for (to, value) in to.iter_mut().zip(values) {
            *to = logistic_of(f64::from(*value)) as f32;
        }
    }
}

wide! {
    /// `1 / (1 + exp(-x))` of each.
    pub(crate) fn logistic_doubles(values: &[f64], to: &mut [f64]) {
        for (to, value) in to.iter_mut().zip(values) {
            *to = logistic_of(*value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_exponential() {
        for step in -75_000..=71_500 {
            let x = f64::from(step) / 100.0 + f64::from(step % 97) * 1e-5;
            let (found, expected) = (exp(x), libm::exp(x));
            // Among the smallest numbers of all, one step is not a small part of the whole.
            let near = (found - expected).abs() <= expected * 2e-15 + 1e-323 || found == expected;
            assert!(near, "exp({x}) is {expected:e}, found {found:e}");
        }
        assert_eq!([exp(0.0), exp(-0.0), exp(f64::NEG_INFINITY), exp(f64::INFINITY)], [1.0, 1.0, 0.0, f64::INFINITY]);
        assert!(exp(f64::NAN).is_nan());
    }

    #[test]
    fn ends_are_where_they_belong() {
        let values = [f32::NEG_INFINITY, -1e30, -1.0, 0.0, 1.0, 1e30, f32::INFINITY, f32::NAN];
        let mut to = [0.0; 8];
        logistic_singles(&values, &mut to);
        let expected = [0.0, 0.0, 0.268_941_43, 0.5, 0.731_058_6, 1.0, 1.0];
        assert_eq!(to[..7], expected);
        assert!(to[7].is_nan());
    }
}
