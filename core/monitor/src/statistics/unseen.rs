//! Do labels that the reference never had come more often than its own rare labels say?
//!
//! Good and Turing: the next row's label is new with a probability near N1/N, where N1 of the reference's N labels stood in one row alone.

use super::laws::binomial;
use super::{Measured, Status};

/// The rate of unseen labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnseenRate {
    /// unseen / labels, with the one-sided binomial p-value.
    pub measured: Measured,
    /// The rate that was allowed: N1/N + tolerance.
    pub allowed: Option<f64>,
}

/// Compares `unseen` of `labels` current labels with what `singletons` of `reference_labels` allow, plus a tolerance in [0, 1].
pub fn unseen_rate(unseen: u128, labels: u128, singletons: u64, reference_labels: u128, tolerance: f64) -> UnseenRate {
    if reference_labels == 0 || labels == 0 {
        let status = if reference_labels == 0 { Status::EmptyReference } else { Status::EmptyCurrent };
        return UnseenRate { measured: Measured::none(status), allowed: None };
    }
    let unseen = unseen.min(labels);
    let allowed = (tolerance.max(0.0) + singletons as f64 / reference_labels as f64).min(1.0);
    let measured = Measured::ok(unseen as f64 / labels as f64).with_p(binomial::upper_tail(unseen, labels, allowed));
    UnseenRate { measured, allowed: Some(allowed) }
}
