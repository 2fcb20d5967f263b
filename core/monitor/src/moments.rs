//! Sums of numbers that do not depend on the order of adding.
//!
//! A number x is taken as the integer z = round((x - centre) / unit), halves to even, held to ±2^22; `centre` and `unit`, a power of two,
//! belong to the reference. Sums of z and z² are integers, so they are exact, and the same for any order and any parts. The mean is
//! centre + unit·Σz/n, the variance unit²·(Σz²/n - (Σz/n)²); a unit is at most 1/4096 of the reference's scale, so rounding moves no number,
//! and so neither the mean nor the deviation, by more than 1/8192 of it. Numbers held to the bounds, more than 1000 scales from the centre, are counted: with one of them the sums speak
//! of the held values.

use sternpost_engine::wide::wide;

/// Numbers of which [`Fresh`] sums are at most: 2^19 squares of 2^44 add up to less than 2^64.
pub(crate) const FRESH: usize = 1 << 19;
/// Largest magnitude of z.
const MOST: f64 = 4_194_304.0;
const MOST_SQUARED: u128 = 1 << 44;
/// Values whose squares add up to less than 2^53, in which every integer is a float64.
const STRETCH: usize = 256;
/// Adding and taking it away rounds a number below 2^51 to an integer, halves to even.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// Bits of a unit below the scale.
const FINE: i32 = 12;
/// Exponents of units.
pub(crate) const EXPONENTS: std::ops::RangeInclusive<i32> = -1000..=1000;

/// Where zero is and how large one is, for one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FixedPoint {
    /// What z = 0 stands for.
    pub centre: f64,
    /// One step of z is 2 to this power.
    pub exponent: i32,
}

/// Exact sums over the numbers of a column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moments {
    /// Sum of z.
    pub sum: i128,
    /// Sum of z squared.
    pub squares: u128,
    /// Numbers that were held to the bounds.
    pub clipped: u64,
}

/// Exact sums over at most [`FRESH`] numbers, which 64 bits hold.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fresh {
    sum: i64,
    squares: u64,
    clipped: u64,
}

impl Default for FixedPoint {
    fn default() -> Self {
        Self { centre: 0.0, exponent: 0 }
    }
}

impl FixedPoint {
    /// The fixed point for a centre and a scale, neither of which needs to make sense.
    pub fn of(centre: f64, scale: f64) -> Self {
        let centre = if centre.is_finite() { centre + 0.0 } else { 0.0 };
        let scale = if scale.is_finite() && scale > 0.0 { scale } else { centre.abs().max(1.0) };
        let exponent = ((scale.to_bits() >> 52) & 0x7ff) as i32 - 1023 - FINE;
        Self { centre, exponent: exponent.clamp(*EXPONENTS.start(), *EXPONENTS.end()) }
    }

    /// The size of one step.
    pub fn unit(self) -> f64 {
        2f64.powi(self.exponent)
    }

    /// Steps in one.
    #[inline(always)]
    pub(crate) fn per(self) -> f64 {
        f64::from_bits(((1023 - i64::from(self.exponent)) as u64) << 52)
    }
}

impl Fresh {
    /// Adds a finite number, by its fixed point's centre and steps in one.
    #[inline(always)]
    pub(crate) fn one(&mut self, centre: f64, per: f64, value: f64) {
        let (held, clipped) = held((value - centre) * per);
        // What stands behind the rounding constant in the bits is the integer itself.
        let z = (held + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i64;
        self.sum += z;
        self.squares += (z * z) as u64;
        self.clipped += u64::from(clipped);
    }

    /// Adds the finite ones of these numbers.
    #[inline]
    pub(crate) fn add(&mut self, fixed: FixedPoint, values: &[f64]) {
        let per = fixed.per();
        for values in values.chunks(STRETCH) {
            let (sum, squares, clipped) = sums(values, fixed.centre, per);
            self.sum += sum as i64;
            self.squares += squares as u64;
            self.clipped += clipped;
        }
    }
}

/// A number held to the bounds of z, and whether it was beyond them.
#[inline(always)]
fn held(z: f64) -> (f64, bool) {
    let low = if z > MOST { MOST } else { z };
    (if low < -MOST { -MOST } else { low }, z.abs() > MOST)
}

impl Moments {
    /// Adds fresh sums to these, and empties them.
    pub(crate) fn take(&mut self, fresh: &mut Fresh) {
        let Fresh { sum, squares, clipped } = std::mem::take(fresh);
        self.sum += i128::from(sum);
        self.squares += u128::from(squares);
        self.clipped += clipped;
    }

    /// Adds other sums to these.
    pub fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.squares += other.squares;
        self.clipped += other.clipped;
    }

    /// Takes other sums away, if they can have been part of these.
    pub fn less(&self, other: &Self) -> Option<Self> {
        let squares = self.squares.checked_sub(other.squares)?;
        Some(Self { sum: self.sum.checked_sub(other.sum)?, squares, clipped: self.clipped.checked_sub(other.clipped)? })
    }

    /// Whether they can be those of so many numbers.
    pub fn could_be_of(&self, numbers: u64) -> bool {
        let numbers = u128::from(numbers);
        self.sum.unsigned_abs() <= numbers * (MOST as u128) && self.squares <= numbers * MOST_SQUARED && u128::from(self.clipped) <= numbers
    }

    /// Mean and standard deviation (ddof 0) of so many numbers; nothing for none.
    pub fn mean_and_deviation(&self, fixed: FixedPoint, numbers: u64) -> Option<(f64, f64)> {
        if numbers == 0 {
            return None;
        }
        let n = numbers as f64;
        // n·Σz² - (Σz)² in integers: no cancellation. It is at most n²·2^44, which fits unless n exceeds 2^41.
        let spread = u128::from(numbers).checked_mul(self.squares).zip(self.sum.unsigned_abs().checked_pow(2));
        let spread = spread.map_or_else(
            || (self.squares as f64 / n - (self.sum as f64 / n).powi(2)).max(0.0),
            |(squares, square)| squares.saturating_sub(square) as f64 / n / n,
        );
        Some((fixed.centre + fixed.unit() * (self.sum as f64 / n), fixed.unit() * spread.sqrt()))
    }
}

const LANES: usize = 8;

/// Sums of z, of its square, and of those that were held, each in lanes.
type Lanes = [[f64; LANES]; 3];

#[inline(always)]
fn add_eight(lanes: &mut Lanes, values: &[f64; LANES], centre: f64, per: f64) {
    let [sum, squares, clipped] = lanes;
    for lane in 0..LANES {
        let value = values[lane];
        // Also not so for a NaN, whose difference is none.
        let finite = value.abs() < f64::INFINITY;
        let (held, beyond) = held(if finite { (value - centre) * per } else { 0.0 });
        let whole = (held + ROUND) - ROUND;
        sum[lane] += whole;
        squares[lane] += whole * whole;
        clipped[lane] += if beyond { 1.0 } else { 0.0 };
    }
}

wide! {
    /// Sums of z and z², both integers, and how many were held to the bounds; of at most [`STRETCH`] values.
    fn sums(values: &[f64], centre: f64, per: f64) -> (f64, f64, u64) {
        let mut lanes = [[0.0; LANES]; 3];
        let (eights, rest) = values.as_chunks::<LANES>();
        for eight in eights {
            add_eight(&mut lanes, eight, centre, per);
        }
        if !rest.is_empty() {
            let mut tail = [f64::NAN; LANES];
            tail.iter_mut().zip(rest).for_each(|(tail, value)| *tail = *value);
            add_eight(&mut lanes, &tail, centre, per);
        }
        let [sum, squares, clipped] = lanes.map(|lanes| lanes.iter().sum::<f64>());
        (sum, squares, clipped as u64)
    }
}
