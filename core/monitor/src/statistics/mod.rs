//! Every statistic of drift, as pure functions over the counts of one column (reference and current) and over sorted raw samples.
//!
//! What this module owes its callers:
//! - a number or a [`Status`] that says why there is none; never NaN, never a panic. Only the PSI without smoothing may be infinite, and a
//!   distance whose range itself overflows;
//! - counts of any size: totals are `u128`, ratios are formed once in `f64`;
//! - the same bits for the same counts or the same multiset of values, whatever came first.
//!
//! Definitions, conventions and sources stand in `docs/statistics.md`.

pub mod compare;
pub mod contingency;
pub mod divergence;
pub mod kolmogorov_smirnov;
pub mod laws;
pub mod missing;
mod pair;
pub mod parity;
pub mod psi;
mod sample;
#[cfg(test)]
mod tests;
pub mod transport;
pub mod unseen;

pub use pair::{Mismatch, Pair, SPECIAL};
pub use sample::Sample;

/// Why a statistic has the value it has, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Computed as defined.
    Ok,
    /// The reference has nothing to compare with.
    EmptyReference,
    /// The current window has nothing to compare.
    EmptyCurrent,
    /// All mass of both sides is in one cell, or the scale to divide by is zero: there is nothing to test.
    Constant,
    /// There are rows, but too few for this test.
    TooFew,
    /// The statistic has no meaning for this column, or what it needs was not given.
    NotApplicable,
}

impl Status {
    /// Its name outside: `ok`, `empty_reference`, `empty_current`, `constant`, `too_few`, `not_applicable`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::EmptyReference => "empty_reference",
            Self::EmptyCurrent => "empty_current",
            Self::Constant => "constant",
            Self::TooFew => "too_few",
            Self::NotApplicable => "not_applicable",
        }
    }
}

/// One statistic: its value, the p-value and the confidence interval where there are such, and how it came about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The value, if there is one.
    pub value: Option<f64>,
    /// P(a value at least as extreme) if nothing has changed.
    pub p_value: Option<f64>,
    /// Lower end of the confidence interval of the value.
    pub low: Option<f64>,
    /// Upper end of the confidence interval of the value.
    pub high: Option<f64>,
    /// Why the value is what it is.
    pub status: Status,
}

impl Measured {
    /// A value that could be computed; `NotApplicable` if it is not a number after all.
    pub fn ok(value: f64) -> Self {
        if value.is_nan() { Self::none(Status::NotApplicable) } else { Self { value: Some(value), ..Self::none(Status::Ok) } }
    }

    /// No value, for a reason.
    pub fn none(status: Status) -> Self {
        Self { value: None, p_value: None, low: None, high: None, status }
    }

    /// A value of something in which nothing varies.
    pub fn constant(value: f64) -> Self {
        Self { value: Some(value), ..Self::none(Status::Constant) }
    }

    /// The same with a p-value, clipped to [0, 1].
    pub fn with_p(self, p_value: f64) -> Self {
        Self { p_value: (!p_value.is_nan()).then(|| p_value.clamp(0.0, 1.0)), ..self }
    }

    /// The same with a confidence interval.
    pub fn with_interval(self, low: f64, high: f64) -> Self {
        Self { low: (!low.is_nan()).then_some(low), high: (!high.is_nan()).then_some(high), ..self }
    }

    /// The same value divided by a scale; `Constant` if the scale is zero.
    pub fn over(self, scale: Option<f64>) -> Self {
        match (self.value, scale) {
            (None, _) => self,
            (Some(_), Some(0.0)) => Self::none(Status::Constant),
            (Some(value), Some(scale)) if scale > 0.0 => Self::ok(value / scale),
            _ => Self::none(Status::NotApplicable),
        }
    }
}
