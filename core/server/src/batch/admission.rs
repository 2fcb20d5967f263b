//! Whether work can be done in time: arithmetic only, no locks and no clock.
//!
//! A refusal at the door costs the caller microseconds and leaves time for another answer; work that is begun and comes too late costs both
//! sides all of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// From so many rows on, a run's time is mostly that of its rows.
const BY_ROW: u64 = 256;
/// How much of a new measurement goes into the average: one of the last five or so decides, and one that was disturbed does not.
const NEW: f64 = 0.2;
/// What a refusal leaves of the average. Without it a measurement from a bad moment would refuse everything that could correct it.
const AFTER_REFUSAL: f64 = 0.95;

const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What stands before some work, and how long it will take itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// What one thread would need for everything that runs first.
    pub ahead: Duration,
    /// What one thread will need for the work itself.
    pub own: Duration,
    /// Threads that share what is ahead; the work itself has one.
    pub threads: usize,
}

/// What becomes of work at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It will be done in time, as far as anybody can tell.
    Admit,
    /// It would come too late now; after so many milliseconds it might not.
    Later(i64),
    /// It takes longer than its caller has, however empty the queue.
    Never,
}

impl Load {
    /// How long the work waits before it runs.
    pub fn wait(&self) -> Duration {
        self.ahead / u32::try_from(self.threads.max(1)).unwrap_or(u32::MAX)
    }

    /// Judges work whose caller has so much time left.
    pub fn judge(&self, left: Option<Duration>) -> Verdict {
        match left {
            Some(left) if self.own > left => Verdict::Never,
            Some(left) if self.wait().saturating_add(self.own) > left => Verdict::Later(pushback(self.wait())),
            _ => Verdict::Admit,
        }
    }
}

/// A wait as whole milliseconds, at least one: a caller told zero would come back at once.
pub fn pushback(wait: Duration) -> i64 {
    i64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX).max(1)
}

/// What one bundle's rows cost, as moving averages: small calls by the call, since most of their time is what a call costs, others by the row.
#[derive(Debug, Default)]
pub struct Rate {
    call: Average,
    row: Average,
}

/// Nanoseconds; zero until something was measured.
#[derive(Debug, Default)]
struct Average(AtomicU64);

impl Rate {
    /// Learns from a run.
    pub fn learn(&self, rows: u64, took: Duration) {
        if rows < BY_ROW {
            self.call.learn(took.as_nanos() as f64);
        } else {
            self.row.learn(took.as_nanos() as f64 / rows as f64);
        }
    }

    /// Forgets a little, because so many rows were turned away for their own length.
    pub fn doubt(&self, rows: u64) {
        let average = if rows < BY_ROW { &self.call } else { &self.row };
        average.set(average.get() * AFTER_REFUSAL);
    }

    /// What so many rows will take one thread; zero while nothing is known, so that the first work is let in and teaches.
    pub fn predict(&self, rows: u64) -> Duration {
        let ns = if rows < BY_ROW { self.call.get() } else { self.row.get() * rows as f64 };
        // Bounded, so that sums of predictions stay far from overflow.
        Duration::from_nanos(ns as u64).min(LONGEST)
    }
}

impl Average {
    fn learn(&self, measured: f64) {
        let known = self.get();
        // Two threads that learn at once lose one of two measurements, which is as good as none of them.
        self.set(if known > 0.0 { known + NEW * (measured - known) } else { measured });
    }

    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, ns: f64) {
        self.0.store(ns.to_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_ends_in_time_is_admitted_and_nothing_else() {
        // 30 ms of work over 2 threads, then 10 ms of one's own: the end is at 25 ms.
        let load = Load { ahead: ms(30), own: ms(10), threads: 2 };
        assert_eq!(load.judge(None), Verdict::Admit);
        assert_eq!(load.judge(Some(ms(25))), Verdict::Admit);
        assert_eq!(load.judge(Some(ms(24))), Verdict::Later(15));
        assert_eq!(load.judge(Some(ms(10))), Verdict::Later(15));
        assert_eq!(load.judge(Some(ms(9))), Verdict::Never);
        assert_eq!(load.judge(Some(Duration::ZERO)), Verdict::Never);
    }

    #[test]
    fn nothing_overflows() {
        let load = Load { ahead: Duration::MAX, own: Duration::MAX, threads: 0 };
        assert_eq!(load.judge(Some(Duration::MAX)), Verdict::Admit);
        assert_eq!(load.judge(Some(Duration::MAX - ms(1))), Verdict::Never);
        let load = Load { own: ms(1), ..load };
        assert_eq!(load.judge(Some(Duration::MAX - ms(1))), Verdict::Later(i64::MAX));
        assert_eq!((pushback(Duration::ZERO), pushback(Duration::from_micros(1001))), (1, 2));
    }

    #[test]
    fn large_runs_are_measured_by_the_row_and_small_ones_by_the_call() {
        let rate = Rate::default();
        assert_eq!(rate.predict(1_000_000), Duration::ZERO);
        rate.learn(16, ms(10));
        assert_eq!((rate.predict(1), rate.predict(255), rate.predict(1000)), (ms(10), ms(10), Duration::ZERO));
        rate.learn(1000, ms(1));
        assert_eq!(rate.predict(1000), ms(1));
        rate.learn(1000, ms(6));
        assert_eq!(rate.predict(1000), ms(2));
        (0..50).for_each(|_| rate.learn(1000, ms(6)));
        assert!(rate.predict(1000) > Duration::from_micros(5990));
    }

    #[test]
    fn a_guess_that_refuses_everything_is_forgotten() {
        let rate = Rate::default();
        rate.learn(1000, ms(1000));
        let refused = (0..1000).take_while(|_| rate.predict(1000) > ms(10)).map(|_| rate.doubt(1000)).count();
        assert!(refused < 100, "{refused}");
    }
}
