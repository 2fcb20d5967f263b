//! How quickly a lane really answers: scoring, and the reading and writing around it.
//!
//! The time of the scorer alone would promise a quarter of what a busy thread takes for a row, so the pace is taken over whole stretches of
//! work: from the start of one run to the start of the next, while rows wait in between.

use std::time::{Duration, Instant};

/// What a row is expected to take before one was seen.
const FIRST_NS: f64 = 20_000.0;
/// Share of what is known in the smoothed pace.
const INERTIA: f64 = 0.9;

/// A lane's pace.
#[derive(Debug)]
pub struct Pace {
    row_ns: f64,
    rows: usize,
    /// Start of the run before, if rows were left waiting after it.
    since: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { row_ns: FIRST_NS, rows: 0, since: None }
    }
}

impl Pace {
    /// Counts rows of the present run.
    pub fn served(&mut self, rows: usize) {
        self.rows += rows;
    }

    /// A run from `begun` to `ended` is over; `done` if nothing waits any more.
    pub fn ran(&mut self, begun: Instant, ended: Instant, done: bool) {
        // With the time between the runs if the thread was never out of work, else without.
        let start = self.since.unwrap_or(begun);
        if self.rows > 0 {
            let row_ns = (ended - start).as_nanos() as f64 / self.rows as f64;
            self.row_ns = self.row_ns * INERTIA + row_ns * (1.0 - INERTIA);
        }
        self.rows = 0;
        self.since = (!done).then_some(ended);
    }

    /// The time that so many rows will take.
    pub fn of_rows(&self, rows: usize) -> Duration {
        Duration::from_nanos((rows as f64 * self.row_ns) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_between_runs_counts_while_rows_wait() {
        let (start, us) = (Instant::now(), Duration::from_micros);
        let (mut busy, mut idle) = (Pace::default(), Pace::default());
        let mut now = start;
        for _ in 0..200 {
            for (pace, done) in [(&mut busy, false), (&mut idle, true)] {
                pace.served(10);
                pace.ran(now, now + us(100), done);
            }
            now += us(400);
        }
        // 10 rows in 100 us of running and 300 us of reading and writing.
        assert!((390..=400).contains(&busy.of_rows(10).as_micros()), "{:?}", busy.of_rows(10));
        assert!((99..=102).contains(&idle.of_rows(10).as_micros()), "{:?}", idle.of_rows(10));
    }
}
