//! Who is let in: room in rows and bytes, less of it the lower the stake, and an answer that can still be in time.

use std::time::{Duration, Instant};

use sternpost_wire::failure::{Failure, Reason};
use sternpost_wire::scoring::Stake;
use tonic::Code;

use super::queue::Queue;

/// Nanoseconds a row is expected to take before one was seen.
pub const FIRST_ROW_NS: f64 = 20_000.0;
/// Share of what is known in the smoothed time of a row.
const INERTIA: f64 = 0.9;

/// Bounds of what may wait in one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows.
    pub rows: usize,
    /// Bytes of encoded requests.
    pub bytes: usize,
    /// Longest predicted wait of a request that has no deadline.
    pub wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 4096, bytes: 8 << 20, wait: Duration::from_millis(100) }
    }
}

impl Limits {
    /// Lets a request in or says why not. `predicted` is the time until its answer.
    pub fn admit(
        &self,
        queue: &Queue,
        stake: Stake,
        bytes: usize,
        predicted: Duration,
        now: Instant,
        deadline: Option<Instant>,
    ) -> Result<(), Failure> {
        let left = deadline.map_or(self.wait, |deadline| deadline.saturating_duration_since(now));
        if left.is_zero() {
            return Err(expired());
        }
        // The lower the stake, the earlier a full house: what hangs least on an answer goes first.
        let share = |limit: usize| match stake {
            Stake::Shadow => limit / 4,
            Stake::Batch => limit / 2,
            Stake::Advise | Stake::Unspecified => limit / 4 * 3,
            Stake::Decide => limit,
        };
        if predicted > left {
            let message = format!("an answer would take {} us and {} us are left", predicted.as_micros(), left.as_micros());
            return Err(busy(message, predicted, deadline.is_some()));
        }
        if queue.len() >= share(self.rows) || queue.bytes() + bytes > share(self.bytes) {
            let message = format!("{} rows ({} bytes) wait already", queue.len(), queue.bytes());
            return Err(busy(message, predicted, false));
        }
        Ok(())
    }
}

/// The answer to work whose deadline passed before it ran.
pub fn expired() -> Failure {
    Failure::new(Code::DeadlineExceeded, Reason::Deadline, "the deadline passed before the row could be scored")
}

fn busy(message: String, predicted: Duration, hopeless: bool) -> Failure {
    let wait = i64::try_from(predicted.as_millis()).unwrap_or(i64::MAX).max(1);
    Failure::new(Code::ResourceExhausted, Reason::Overloaded, message).retry_after(if hopeless { -1 } else { wait })
}

/// The smoothed time of a row after a block of `rows` took `took`.
pub fn smoothed(row_ns: f64, took: Duration, rows: usize) -> f64 {
    row_ns * INERTIA + took.as_nanos() as f64 / rows.max(1) as f64 * (1.0 - INERTIA)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::super::queue::{Place, Waiting};
    use super::*;

    fn queue(rows: usize, now: Instant) -> Queue {
        let mut queue = Queue::default();
        for _ in 0..rows {
            queue.push(Waiting {
                message: bytes::Bytes::from_static(&[0; 10]),
                desk: 0,
                stake: Stake::Decide,
                arrived: now,
                deadline: None,
                place: Place::new(Rc::default(), 0),
            });
        }
        queue
    }

    #[test]
    fn the_lowest_stake_is_turned_away_first() {
        let limits = Limits { rows: 100, bytes: 1 << 20, wait: Duration::from_secs(1) };
        let now = Instant::now();
        let admitted = |rows: usize| {
            [Stake::Shadow, Stake::Batch, Stake::Advise, Stake::Decide]
                .map(|stake| limits.admit(&queue(rows, now), stake, 10, Duration::from_micros(1), now, None).is_ok())
        };
        assert_eq!(admitted(0), [true; 4]);
        assert_eq!(admitted(25), [false, true, true, true]);
        assert_eq!(admitted(50), [false, false, true, true]);
        assert_eq!(admitted(75), [false, false, false, true]);
        assert_eq!(admitted(100), [false; 4]);
    }

    #[test]
    fn bytes_have_a_bound_of_their_own() {
        let limits = Limits { rows: 100, bytes: 1000, wait: Duration::from_secs(1) };
        let now = Instant::now();
        let admit = |bytes| limits.admit(&queue(1, now), Stake::Decide, bytes, Duration::ZERO, now, None);
        assert_eq!(admit(990), Ok(()));
        assert_eq!(admit(991).unwrap_err().reason, Reason::Overloaded);
    }

    #[test]
    fn an_answer_that_would_come_too_late_is_not_begun() {
        let limits = Limits { wait: Duration::from_millis(10), ..Limits::default() };
        let now = Instant::now();
        let admit = |predicted, deadline: Option<u64>| {
            let deadline = deadline.map(|ms| now + Duration::from_millis(ms));
            limits.admit(&Queue::default(), Stake::Decide, 10, Duration::from_millis(predicted), now, deadline)
        };
        assert_eq!(admit(5, Some(6)), Ok(()));
        assert_eq!(admit(9, None), Ok(()));
        let refused = admit(7, Some(6)).unwrap_err();
        assert_eq!((refused.code, refused.retry_after_ms), (Code::ResourceExhausted, Some(-1)));
        let refused = admit(11, None).unwrap_err();
        assert_eq!((refused.code, refused.retry_after_ms), (Code::ResourceExhausted, Some(11)));
        assert_eq!(admit(0, Some(0)).unwrap_err().code, Code::DeadlineExceeded);
    }
}
