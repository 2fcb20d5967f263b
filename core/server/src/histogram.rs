//! A histogram of durations: fine enough for microseconds, mergeable because every one has the same buckets, recorded without locks.
//!
//! Log-linear buckets: eight to every doubling from 1 us to 16 s, so a quantile read from it is at most 12.5 % too high.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const STEPS: usize = 8;
const DOUBLINGS: usize = 24;
/// Buckets, the one for everything longer included.
pub const BUCKETS: usize = STEPS * DOUBLINGS + 1;

/// Counts by duration.
#[derive(Debug)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; BUCKETS], sum_ns: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counts[place(ns)].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Their sum in nanoseconds.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns.load(Ordering::Relaxed)
    }

    /// Upper bound in nanoseconds (none for the last) and count of every bucket, ascending.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        self.counts.iter().enumerate().map(|(place, count)| (bound(place), count.load(Ordering::Relaxed)))
    }

    /// An upper bound in nanoseconds of the quantile, if anything was counted.
    pub fn quantile(&self, quantile: f64) -> Option<u64> {
        let counts: Vec<_> = self.buckets().collect();
        let all: u64 = counts.iter().map(|(_, count)| count).sum();
        let rank = ((all as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        counts.into_iter().find_map(|(bound, count)| {
            seen += count;
            (all > 0 && seen >= rank).then_some(bound.unwrap_or(u64::MAX))
        })
    }
}

/// Nanoseconds of the first bound. Bounds are `FIRST << d` plus eighths of it.
const FIRST: u64 = 1000;

fn bound(place: usize) -> Option<u64> {
    if place + 1 == BUCKETS {
        return None;
    }
    let (doubling, step) = (place / STEPS, place % STEPS);
    let base = FIRST << doubling;
    Some(base / STEPS as u64 * (STEPS + step) as u64)
}

/// The first bucket whose bound is not below `ns`.
fn place(ns: u64) -> usize {
    if ns <= FIRST {
        return 0;
    }
    let doubling = ((ns - 1) / FIRST).max(1).ilog2() as usize;
    if doubling >= DOUBLINGS {
        return BUCKETS - 1;
    }
    let eighth = (FIRST << doubling) / STEPS as u64;
    // At least STEPS eighths, because ns is above FIRST << doubling.
    doubling * STEPS + (ns.div_ceil(eighth) as usize - STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_stands_in_the_first_bucket_that_holds_it() {
        let mut seed = 1u64;
        for round in 0..200_000u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let ns = if round < 20_000 { round } else { seed >> (seed % 60) };
            let place = place(ns);
            assert!(bound(place).is_none_or(|bound| ns <= bound), "{ns} in {place}");
            assert!(place == 0 || bound(place - 1).is_some_and(|below| ns > below), "{ns} in {place}");
        }
    }

    #[test]
    fn bounds_ascend_and_quantiles_are_close() {
        let bounds: Vec<_> = (0..BUCKETS - 1).map(|place| bound(place).unwrap()).collect();
        assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]));
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        (1..=1000).for_each(|us| histogram.record(Duration::from_micros(us)));
        assert_eq!(histogram.count(), 1000);
        assert_eq!(histogram.sum_ns(), 500_500_000);
        for (quantile, exact) in [(0.5, 500_000.0), (0.99, 990_000.0), (1.0, 1_000_000.0)] {
            let found = histogram.quantile(quantile).unwrap() as f64;
            assert!(found >= exact && found <= exact * 1.125, "{quantile}: {found}");
        }
    }
}
