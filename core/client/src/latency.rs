//! A running estimate of a median: one number, moved a little towards every observation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The estimate; it follows a change within some dozens of observations.
#[derive(Debug, Default)]
pub struct Median(AtomicU64);

impl Median {
    /// Takes an observation in. Several threads may lose one of theirs to another's; an estimate does not mind.
    pub fn observe(&self, took: Duration) {
        let seen = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        let held = self.0.load(Ordering::Relaxed);
        let step = (held / 16).max(1);
        let next = match held {
            0 => seen,
            held if seen > held => held.saturating_add(step).min(seen),
            held => held.saturating_sub(step).max(seen),
        };
        self.0.store(next, Ordering::Relaxed);
    }

    /// The estimate; nothing before the first observation.
    pub fn get(&self) -> Option<Duration> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_finds_the_middle_and_not_the_mean() {
        let median = Median::default();
        assert_eq!(median.get(), None);
        // Nine of ten take 100 us, one takes a second.
        for call in 0..2000 {
            median.observe(if call % 10 == 0 { Duration::from_secs(1) } else { Duration::from_micros(100) });
        }
        let estimate = median.get().unwrap();
        assert!((90..=125).contains(&estimate.as_micros()), "{estimate:?}");
    }
}
