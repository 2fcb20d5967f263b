//! What a client has done so far.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::fallback::Cause;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One more; tells how many there were before.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All that a client counts.
#[derive(Debug, Default)]
pub struct Counters {
    /// Rows asked for.
    pub calls: Counter,
    /// Rows that the server answered.
    pub served: Counter,
    /// Rows that ended as an error.
    pub errors: Counter,
    /// Tries after the first.
    pub retries: Counter,
    /// Second requests sent while the first was on its way.
    pub hedges: Counter,
    /// Hedges that answered first.
    pub hedges_won: Counter,
    /// Calls that were not sent because servers turn most away.
    pub throttled: Counter,
    /// Descriptions asked for.
    pub described: Counter,
    /// Answers of the fallback, by cause.
    pub fallbacks: [Counter; Cause::ALL.len()],
    /// Times the local bundle could not answer because it is another one than the server's.
    pub other_bundle: Counter,
    /// Served rows that were scored here too.
    pub parity_compared: Counter,
    /// Those of them that had other bits.
    pub parity_different: Counter,
}
