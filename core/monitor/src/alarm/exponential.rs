//! e^x for many values at once: additions and multiplications without a branch, so that a loop over it runs in vectors.
//!
//! x = k ln 2 + r with |r| <= ln(2)/2; the series of e^r to the 13th power leaves less than 1e-17 of it out, and k goes into the exponent's bits.
//! Every step is one IEEE operation in the order written here, so bits are the same wherever it runs. At most 2 units in the last place off.

/// Below, nothing: e^-600 is 1e-261, and products with what is left stay away from numbers that are slow.
const LEAST: f64 = -600.0;
/// Adding it rounds to a whole number that stands in the lowest bits.
const ROUNDING: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts; the first has so few digits that its products with whole numbers are exact.
const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// e^x for x up to 700, 0 below -600.
#[inline]
pub fn exp(x: f64) -> f64 {
    let held = if x < LEAST { LEAST } else { x };
    let shifted = held * std::f64::consts::LOG2_E + ROUNDING;
    let k = shifted - ROUNDING;
    let r = (held - k * LN_2_HIGH) - k * LN_2_LOW;
    let mut sum = 1.0 / 6_227_020_800.0;
    sum = sum * r + 1.0 / 479_001_600.0;
    sum = sum * r + 1.0 / 39_916_800.0;
    sum = sum * r + 1.0 / 3_628_800.0;
    sum = sum * r + 1.0 / 362_880.0;
    sum = sum * r + 1.0 / 40_320.0;
    sum = sum * r + 1.0 / 5_040.0;
    sum = sum * r + 1.0 / 720.0;
    sum = sum * r + 1.0 / 120.0;
    sum = sum * r + 1.0 / 24.0;
    sum = sum * r + 1.0 / 6.0;
    sum = sum * r + 0.5;
    sum = sum * r + 1.0;
    sum = sum * r + 1.0;
    let power = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    if x < LEAST { 0.0 } else { sum * power }
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn it_is_the_exponential() {
        let steps = 200_000;
        for step in 0..=steps {
            let x = -600.0 + 1_300.0 * f64::from(step) / f64::from(steps);
            let (found, expected) = (exp(x), libm::exp(x));
            assert!((found / expected - 1.0).abs() <= 4.5e-16, "{x}: {found} {expected}");
        }
        for x in [0.0, -0.0] {
            assert_eq!(exp(x).to_bits(), 1.0f64.to_bits());
        }
        assert_eq!(exp(-600.000_1), 0.0);
        assert_eq!(exp(f64::NEG_INFINITY), 0.0);
    }
}
