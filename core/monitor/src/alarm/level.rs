//! Evidence as a number that may grow beyond what a float holds.

/// Beyond this difference of logarithms the smaller term changes no bit that matters (e^-40 is 4e-18).
const NEGLIGIBLE: f64 = 40.0;
/// Logarithms from here on are kept as logarithms; products of values below with a ratio below stay finite.
const LARGE: f64 = 300.0;
/// Sums that run beside each other.
const LANES: usize = 8;

/// A value of zero or more. A non-negative float is the value itself, a negative one the negated logarithm of a value of e^300 or more:
/// almost all values are small, and a multiplication is much quicker than a logarithm of a sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level(pub f64);

impl Level {
    /// No evidence.
    pub const ZERO: Self = Self(0.0);

    /// The value with this logarithm.
    pub fn from_log(log: f64) -> Self {
        if log < LARGE { Self(libm::exp(log)) } else { Self(-log) }
    }

    /// Its logarithm.
    pub fn log(self) -> f64 {
        if self.0 < 0.0 { -self.0 } else { libm::log(self.0) }
    }

    /// (self + plus) * e^log_ratio; `ratio` is e^log_ratio where that is finite. `plus` is positive.
    #[inline]
    pub fn grown(self, plus: f64, ratio: f64, log_ratio: f64) -> Self {
        if self.0 >= 0.0 && log_ratio < LARGE {
            let value = (self.0 + plus) * ratio;
            // Where the ratio was below e^300 and the value below e^300 too, this is finite.
            if value < 1e130 { Self(value) } else { Self::from_log(libm::log(value)) }
        } else {
            let log = if self.0 >= 0.0 { libm::log(self.0 + plus) } else { log_sum(-self.0, libm::log(plus)) };
            Self::from_log(log + log_ratio)
        }
    }

    /// max(self, 1) * e^log_ratio, and whether the product starts anew.
    #[inline]
    pub fn best(self, ratio: f64, log_ratio: f64) -> (Self, bool) {
        let anew = self.0 >= 0.0 && self.0 <= 1.0;
        let from = if anew { 1.0 } else { self.0 };
        if from > 0.0 && log_ratio < LARGE {
            let value = from * ratio;
            (if value < 1e130 { Self(value) } else { Self::from_log(libm::log(value)) }, anew)
        } else {
            (Self::from_log(Self(from).log() + log_ratio), anew)
        }
    }

    /// What to compare levels by.
    #[inline]
    pub fn rank(self) -> f64 {
        // Values are below 1e131, and logarithms from 300 on.
        if self.0 < 0.0 { -self.0 * 1e200 } else { self.0 }
    }
}

/// Whether all are kept as values of at most `most`.
pub fn all_plain(levels: &[Level], most: f64) -> bool {
    levels.iter().fold(true, |plain, level| plain & (level.0 >= 0.0) & (level.0 <= most))
}

/// ln of a sum of levels. Values are summed in [`LANES`] lanes, the k-th of every group in lane k, the last group filled up with zeros;
/// then lane after lane.
pub fn log_total(levels: &[Level]) -> f64 {
    if !all_plain(levels, f64::MAX) {
        let logs: Vec<f64> = levels.iter().map(|level| level.log()).collect();
        return log_sum_of(&logs);
    }
    let mut lanes = [0.0; LANES];
    let groups = levels.chunks_exact(LANES);
    let rest = groups.remainder();
    for group in groups {
        add(&mut lanes, group);
    }
    add(&mut lanes, rest);
    libm::log(lanes.iter().sum())
}

#[inline]
fn add(lanes: &mut [f64; LANES], group: &[Level]) {
    for (lane, level) in lanes.iter_mut().zip(group) {
        *lane += level.0;
    }
}

/// ln of a sum of e^x, in the order given.
pub fn log_sum_of(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    let sum: f64 = logs.iter().map(|x| x - most).filter(|x| *x > -NEGLIGIBLE).map(libm::exp).sum();
    most + libm::log(sum)
}

/// ln(e^a + e^b).
pub fn log_sum(a: f64, b: f64) -> f64 {
    let (most, least) = if a >= b { (a, b) } else { (b, a) };
    let less = least - most;
    // Also where both are -inf and the difference is NaN.
    if less > -NEGLIGIBLE { most + libm::log1p(libm::exp(less)) } else { most }
}
