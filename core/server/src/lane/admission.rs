//! Who is let in: room in rows and bytes, less of it the lower the stake, and an answer that can still be in time.

use std::time::{Duration, Instant};

use sternpost_wire::failure::{Failure, Reason};
use sternpost_wire::scoring::Stake;
use tonic::Code;

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

/// Why a request was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// Nobody waits for the answer any more.
    Expired,
    /// Its answer could not be there in time.
    TooLate(Pushback),
    /// As much waits as may.
    Full(Pushback),
}

/// Milliseconds that a refused caller is asked to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pushback(pub u32);

impl Limits {
    /// Lets a request in or says why not. `rows` and `held` wait already, rows and bytes; `predicted` is the time until its answer.
    #[expect(clippy::too_many_arguments, reason = "each is a number that the caller has at hand")]
    pub fn admit(
        &self,
        (rows, held): (usize, usize),
        stake: Stake,
        bytes: usize,
        predicted: Duration,
        now: Instant,
        deadline: Option<Instant>,
        chance: u32,
    ) -> Result<(), Refused> {
        let left = deadline.map_or(self.wait, |deadline| deadline.saturating_duration_since(now));
        if left.is_zero() {
            return Err(Refused::Expired);
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
            return Err(Refused::TooLate(Pushback::after(predicted, chance)));
        }
        if rows >= share(self.rows) || held + bytes > share(self.bytes) {
            return Err(Refused::Full(Pushback::after(predicted, chance)));
        }
        Ok(())
    }
}

impl Pushback {
    /// Between a quarter and three quarters of what waits is done by then: a lane never runs out of work because all were sent away, and
    /// those who come back do not come together. Few different values, so that each refusal is made once and sent often.
    fn after(predicted: Duration, chance: u32) -> Self {
        let wait = u32::try_from(predicted.as_millis()).unwrap_or(u32::MAX).clamp(1, 1 << 20);
        let eighth = (wait / 8).max(1).next_power_of_two();
        let jittered = u64::from(wait) * (16 + u64::from(chance % 32)) / 64;
        Self((jittered as u32 / eighth * eighth).max(1))
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let busy = |message: &str, Pushback(wait): Pushback| {
            Self::new(Code::ResourceExhausted, Reason::Overloaded, message).retry_after(i64::from(wait))
        };
        match refused {
            Refused::Expired => Self::new(Code::DeadlineExceeded, Reason::Deadline, "the deadline passed before the row could be scored"),
            Refused::TooLate(wait) => busy("more waits than can be answered in time", wait),
            Refused::Full(wait) => busy("as much waits as may wait for this stake", wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: (usize, usize) = (0, 0);

    #[test]
    fn the_lowest_stake_is_turned_away_first() {
        let limits = Limits { rows: 100, bytes: 1 << 20, wait: Duration::from_secs(1) };
        let now = Instant::now();
        let admitted = |rows: usize| {
            [Stake::Shadow, Stake::Batch, Stake::Advise, Stake::Decide]
                .map(|stake| limits.admit((rows, 10 * rows), stake, 10, Duration::from_micros(1), now, None, 0).is_ok())
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
        let admit = |bytes| limits.admit((1, 10), Stake::Decide, bytes, Duration::ZERO, now, None, 0);
        assert_eq!(admit(990), Ok(()));
        assert!(matches!(admit(991), Err(Refused::Full(_))));
    }

    #[test]
    fn an_answer_that_would_come_too_late_is_not_begun() {
        let limits = Limits { wait: Duration::from_millis(10), ..Limits::default() };
        let now = Instant::now();
        let admit = |predicted, deadline: Option<u64>| {
            let deadline = deadline.map(|ms| now + Duration::from_millis(ms));
            limits.admit(NONE, Stake::Decide, 10, Duration::from_millis(predicted), now, deadline, 0)
        };
        assert_eq!(admit(5, Some(21)), Ok(()));
        assert_eq!(admit(9, None), Ok(()));
        assert!(matches!(admit(7, Some(21)), Err(Refused::TooLate(_))));
        assert!(matches!(admit(11, None), Err(Refused::TooLate(_))));
        assert_eq!(admit(0, Some(0)), Err(Refused::Expired));
        assert_eq!(Failure::from(Refused::TooLate(Pushback(3))).retry_after_ms, Some(3));
    }

    #[test]
    fn who_comes_back_finds_room_and_not_everybody_else() {
        for predicted in [1, 5, 40, 1000, 70_000] {
            let waits: std::collections::BTreeSet<_> =
                (0..1000).map(|chance| Pushback::after(Duration::from_millis(predicted), chance).0).collect();
            let (least, most) = (u64::from(*waits.first().unwrap()), u64::from(*waits.last().unwrap()));
            assert!(least >= 1 && 4 * most <= (3 * predicted).max(4), "{predicted}: {least} to {most}");
            assert!(predicted < 4 || (most > least && waits.len() <= 16), "{predicted}: {waits:?}");
        }
    }
}
