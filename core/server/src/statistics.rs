//! What was done with a bundle, counted without locks: rows, runs, times, and how requests ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::histogram::Histogram;

/// Counts of one served bundle.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Requests answered.
    pub answered: AtomicU64,
    /// Requests refused or failed, for whatever reason.
    pub failed: AtomicU64,
    /// Rows that went through the scorer.
    pub rows: AtomicU64,
    /// Rows without a score.
    pub rows_refused: AtomicU64,
    /// Runs of the scorer.
    pub runs: AtomicU64,
    /// Milliseconds since 1970 of the last run.
    pub last_run_ms: AtomicU64,
    /// From a request's arrival to the start of its run.
    pub queue: Histogram,
    /// Runs.
    pub score: Histogram,
    /// From a request's arrival to its reply.
    pub total: Histogram,
}

impl Statistics {
    /// Counts one run.
    pub fn run(&self, rows: u64, refused: u64, took: Duration, now_ms: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.rows_refused.fetch_add(refused, Ordering::Relaxed);
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.last_run_ms.store(now_ms, Ordering::Relaxed);
        self.score.record(took);
    }

    /// Counts one answered request.
    pub fn answer(&self, queued: Duration, total: Duration) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.queue.record(queued);
        self.total.record(total);
    }
}
