//! What a writer counts, for whoever watches it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

/// Shared by the writer and its producers.
#[derive(Debug)]
pub(crate) struct Counters {
    started: Instant,
    pub entries: AtomicU64,
    pub dropped: AtomicU64,
    pub lost: AtomicU64,
    pub appended: AtomicU64,
    pub durable: AtomicU64,
    pub batches: AtomicU64,
    pub bytes: AtomicU64,
    pub fsyncs: AtomicU64,
    pub segments: AtomicU64,
    pub deleted: AtomicU64,
    pub errors: AtomicU64,
    pub alarm: AtomicBool,
    /// When the oldest entry that is not settled was taken, in microseconds after the start, plus one; 0 if there is none.
    oldest: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Default for Counters {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            started: Instant::now(),
            entries: zero(),
            dropped: zero(),
            lost: zero(),
            appended: zero(),
            durable: zero(),
            batches: zero(),
            bytes: zero(),
            fsyncs: zero(),
            segments: zero(),
            deleted: zero(),
            errors: zero(),
            alarm: AtomicBool::new(false),
            oldest: zero(),
            last_error: Mutex::new(None),
        }
    }
}

/// A writer's counts at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Entries that the writer took from its rings.
    pub entries: u64,
    /// Entries that were not taken because a ring was full.
    pub dropped: u64,
    /// Rows that were taken and are not promised to be there, because the disk failed or a row could not be written.
    pub lost: u64,
    /// Rows written.
    pub appended: u64,
    /// Rows settled: written, and flushed where the durability asks for it.
    pub durable: u64,
    /// Batches written.
    pub batches: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Times that the disk was asked to flush.
    pub fsyncs: u64,
    /// Segments begun.
    pub segments: u64,
    /// Segments deleted by retention.
    pub deleted: u64,
    /// Times that the disk failed.
    pub errors: u64,
    /// Whether it fails now.
    pub alarm: bool,
    /// Age of the oldest entry that is not settled, in microseconds.
    pub lag_us: u64,
    /// What was wrong the last time.
    pub last_error: Option<String>,
}

impl Counters {
    pub fn add(counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Ordering::Relaxed);
    }

    pub fn failed(&self, error: String) {
        Self::add(&self.errors, 1);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub fn waits_since(&self, since: Option<Instant>) {
        let micros = since.map_or(0, |since| since.saturating_duration_since(self.started).as_micros() as u64 + 1);
        self.oldest.store(micros, Ordering::Relaxed);
    }

    pub fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let lag = |oldest: u64| (self.started.elapsed().as_micros() as u64 + 1).saturating_sub(oldest);
        Stats {
            entries: read(&self.entries),
            dropped: read(&self.dropped),
            lost: read(&self.lost),
            appended: read(&self.appended),
            durable: read(&self.durable),
            batches: read(&self.batches),
            bytes: read(&self.bytes),
            fsyncs: read(&self.fsyncs),
            segments: read(&self.segments),
            deleted: read(&self.deleted),
            errors: read(&self.errors),
            alarm: self.alarm.load(Ordering::Relaxed),
            lag_us: Some(read(&self.oldest)).filter(|oldest| *oldest > 0).map_or(0, lag),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
