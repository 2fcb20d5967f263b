//! Who is let in: room in rows and bytes, less of it the lower the stake, and an answer that can still be in time.

use std::time::{Duration, Instant};

use sternpost_wire::failure::{Failure, Reason};
use sternpost_wire::scoring::Stake;
use tonic::Code;

use super::queue::Queue;

/// How much longer than predicted an answer may take and still has to be in time.
const MARGIN: u32 = 4;

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
        let hurried = deadline.is_some();
        if predicted * if hurried { MARGIN } else { 1 } > left {
            return Err(busy("more waits than can be answered in time", predicted));
        }
        if queue.len() >= share(self.rows) || queue.bytes() + bytes > share(self.bytes) {
            return Err(busy("as much waits as may wait for this stake", predicted));
        }
        Ok(())
    }
}

/// The answer to work whose deadline passed before it ran.
pub fn expired() -> Failure {
    Failure::new(Code::DeadlineExceeded, Reason::Deadline, "the deadline passed before the row could be scored")
}

/// Milliseconds that a refused caller is asked to wait at least. What waits is gone sooner, but a caller that comes back at once is refused again,
/// and a refusal costs a third of an answer: overload ends only when few are refused and each of them holds back many.
const PUSHBACK_MS: u64 = 32;

/// Texts do not vary and times only by doubling: a header that was sent
/// before costs next to nothing, and refusals must be cheap above all.
fn busy(message: &str, predicted: Duration) -> Failure {
    let wait = u64::try_from(predicted.as_millis()).unwrap_or(u64::MAX).clamp(PUSHBACK_MS, 1 << 20).next_power_of_two();
    Failure::new(Code::ResourceExhausted, Reason::Overloaded, message).retry_after(wait as i64)
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
        assert_eq!(admit(5, Some(21)), Ok(()));
        assert_eq!(admit(9, None), Ok(()));
        let refused = admit(7, Some(21)).unwrap_err();
        assert_eq!((refused.code, refused.retry_after_ms), (Code::ResourceExhausted, Some(32)));
        let refused = admit(11, None).unwrap_err();
        assert_eq!((refused.code, refused.retry_after_ms), (Code::ResourceExhausted, Some(32)));
        assert_eq!(admit(0, Some(0)).unwrap_err().code, Code::DeadlineExceeded);
    }
}
