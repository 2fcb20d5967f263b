//! Leaves an endpoint alone that fails, and asks it again now and then.
//!
//! Closed, it counts. After [`CONSECUTIVE`] failures in a row, or when half of at least [`FEWEST`] calls of the last ten seconds failed, it
//! opens. When its time is over it lets one call through: if that goes well it closes, else it opens for twice as long.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::window::Window;

/// Failures in a row that open it.
pub const CONSECUTIVE: u32 = 5;
/// Fewest calls of which half may open it.
pub const FEWEST: u32 = 20;
const SPAN: Duration = Duration::from_secs(10);
const FIRST_OPEN: Duration = Duration::from_millis(500);
const LONGEST_OPEN: Duration = Duration::from_secs(30);

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint did its part.
    Good,
    /// It did not.
    Bad,
    /// The call says nothing about the endpoint.
    Neutral,
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Calls go through.
    Closed,
    /// None does.
    Open,
    /// One does.
    HalfOpen,
}

impl State {
    /// As a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half open",
        }
    }
}

/// One endpoint's breaker.
#[derive(Debug)]
pub struct Breaker(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    state: State,
    in_a_row: u32,
    /// Calls, and those of them that failed.
    window: Window,
    until: Option<Instant>,
    open_for: Duration,
    probing: bool,
}

impl Default for Breaker {
    fn default() -> Self {
        let window = Window::new(SPAN);
        Self(Mutex::new(Inner { state: State::Closed, in_a_row: 0, window, until: None, open_for: FIRST_OPEN, probing: false }))
    }
}

impl Breaker {
    /// Whether a call may go through now. A caller that is told so must [`record`](Self::record) what became of it.
    pub fn admits(&self, now: Instant) -> bool {
        let mut inner = self.lock();
        if inner.state == State::Open && inner.until.is_none_or(|until| now >= until) {
            inner.state = State::HalfOpen;
            inner.probing = false;
        }
        match inner.state {
            State::Closed => true,
            State::Open => false,
            State::HalfOpen => !std::mem::replace(&mut inner.probing, true),
        }
    }

    /// Takes note of a call's end.
    pub fn record(&self, now: Instant, outcome: Outcome) {
        let mut inner = self.lock();
        match (outcome, inner.state) {
            (Outcome::Neutral, _) => inner.probing = false,
            (Outcome::Good, State::Closed) => {
                inner.in_a_row = 0;
                inner.window.add(now, 1, 0);
            }
            // Also a call that was on its way when the breaker opened: the endpoint answers.
            (Outcome::Good, State::Open | State::HalfOpen) => inner.close(),
            (Outcome::Bad, State::Closed) => {
                inner.in_a_row += 1;
                inner.window.add(now, 1, 1);
                let (calls, failed) = inner.window.counts(now);
                if inner.in_a_row >= CONSECUTIVE || calls >= FEWEST && 2 * failed >= calls {
                    inner.open(now);
                }
            }
            (Outcome::Bad, State::HalfOpen) => {
                inner.open_for = (2 * inner.open_for).min(LONGEST_OPEN);
                inner.open(now);
            }
            (Outcome::Bad, State::Open) => {}
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.lock().state
    }

    /// Lets the next call through, because somebody else learned that the endpoint is well again.
    pub fn probe_now(&self) {
        let mut inner = self.lock();
        if inner.state == State::Open {
            inner.until = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn open(&mut self, now: Instant) {
        self.state = State::Open;
        self.until = Some(now + self.open_for);
        self.probing = false;
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.in_a_row = 0;
        self.window.clear();
        self.open_for = FIRST_OPEN;
        self.probing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(breaker: &Breaker, now: Instant, times: u32) {
        (0..times).for_each(|_| breaker.record(now, Outcome::Bad));
    }

    #[test]
    fn opens_after_failures_in_a_row_and_lets_one_probe_through() {
        let (breaker, begin) = (Breaker::default(), Instant::now());
        failing(&breaker, begin, CONSECUTIVE - 1);
        assert!(breaker.admits(begin));
        failing(&breaker, begin, 1);
        assert_eq!(breaker.state(), State::Open);
        assert!(!breaker.admits(begin + FIRST_OPEN - Duration::from_nanos(1)));
        let later = begin + FIRST_OPEN;
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later), "one probe at a time");
        breaker.record(later, Outcome::Good);
        assert_eq!(breaker.state(), State::Closed);
        assert!(breaker.admits(later));
    }

    #[test]
    fn a_failed_probe_doubles_the_time() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        failing(&breaker, now, CONSECUTIVE);
        let mut open_for = FIRST_OPEN;
        for _ in 0..10 {
            assert!(!breaker.admits(now + open_for - Duration::from_nanos(1)));
            now += open_for;
            assert!(breaker.admits(now));
            breaker.record(now, Outcome::Bad);
            open_for = (2 * open_for).min(LONGEST_OPEN);
        }
        assert_eq!(open_for, LONGEST_OPEN);
    }

    #[test]
    fn opens_when_half_of_enough_calls_fail() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..FEWEST / 2 - 1 {
            breaker.record(now, Outcome::Bad);
            breaker.record(now, Outcome::Good);
        }
        assert_eq!(breaker.state(), State::Closed);
        breaker.record(now, Outcome::Good);
        breaker.record(now, Outcome::Bad);
        assert_eq!(breaker.state(), State::Open);
    }

    #[test]
    fn a_probe_that_says_nothing_frees_its_place() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        failing(&breaker, now, CONSECUTIVE);
        let later = now + FIRST_OPEN;
        assert!(breaker.admits(later));
        breaker.record(later, Outcome::Neutral);
        assert!(breaker.admits(later));
    }

    #[test]
    fn good_news_shorten_the_wait() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        failing(&breaker, now, CONSECUTIVE);
        breaker.probe_now();
        assert!(breaker.admits(now));
    }
}
