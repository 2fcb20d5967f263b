//! The endpoints, each with its connections, breaker and health, and which of them is asked next.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Instant;

use crate::breaker::{Breaker, Outcome, State};
use crate::fallback::Cause;
use crate::pool::Pool;

/// What is known of an endpoint beside its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// Nothing: nobody watches it, or it does not let itself be watched.
    Unknown,
    /// It says that it serves.
    Serving,
    /// It says that it does not: it drains, or is not ready.
    NotServing,
    /// It cannot be reached.
    Unreachable,
}

impl Health {
    /// As a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Serving => "serving",
            Self::NotServing => "not serving",
            Self::Unreachable => "unreachable",
        }
    }
}

/// One endpoint.
#[derive(Debug)]
pub struct Remote {
    /// Its connections.
    pub pool: Pool,
    /// Whether it is left alone.
    pub breaker: Breaker,
    health: AtomicU8,
    in_flight: AtomicUsize,
}

/// A call on its way to an endpoint; it counts there until it is dropped.
#[derive(Debug)]
pub struct Flight<'a> {
    /// The endpoint.
    pub remote: &'a Remote,
    /// Its place among all.
    pub place: usize,
    outcome: Outcome,
}

impl Remote {
    /// Nothing is known yet.
    pub fn new(pool: Pool) -> Self {
        Self { pool, breaker: Breaker::default(), health: AtomicU8::new(Health::Unknown as u8), in_flight: AtomicUsize::new(0) }
    }

    /// What is known.
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            1 => Health::Serving,
            2 => Health::NotServing,
            3 => Health::Unreachable,
            _ => Health::Unknown,
        }
    }

    /// Takes news in. An endpoint that serves again is asked again at once.
    pub fn set_health(&self, health: Health) {
        self.health.store(health as u8, Ordering::Relaxed);
        self.pool.keep_idle(health != Health::NotServing);
        if health == Health::Serving {
            self.breaker.probe_now();
        }
    }

    /// Calls on their way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn is_well(&self) -> bool {
        matches!(self.health(), Health::Unknown | Health::Serving)
    }
}

impl Flight<'_> {
    /// What will be told to the breaker.
    pub fn ends(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.remote.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.remote.breaker.record(Instant::now(), self.outcome);
    }
}

/// All endpoints.
#[derive(Debug)]
pub struct Remotes {
    /// In the order they were given.
    pub all: Vec<Remote>,
    turn: AtomicUsize,
}

impl Remotes {
    /// At least one.
    pub fn new(all: Vec<Remote>) -> Self {
        Self { all, turn: AtomicUsize::new(0) }
    }

    /// The well endpoint with the fewest calls on their way, in turn among equals; one that was just tried comes last. With `last_resort` an
    /// endpoint that should be left alone is better than none.
    ///
    /// # Errors
    /// Why there is none.
    pub fn choose(&self, now: Instant, tried: Option<usize>, last_resort: bool) -> Result<Flight<'_>, Cause> {
        let count = self.all.len();
        if count == 1 {
            // The usual case, without sorting.
            let remote = &self.all[0];
            return match (remote.is_well() && remote.breaker.admits(now)) || last_resort {
                true => Ok(self.flight(0)),
                false => Err(self.why()),
            };
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut order: Vec<usize> = (0..count).map(|step| (turn + step) % count).collect();
        order.sort_by_key(|place| (Some(*place) == tried, self.all[*place].in_flight()));
        let fit = |place: &&usize| self.all[**place].is_well() && self.all[**place].breaker.admits(now);
        if let Some(place) = order.iter().find(fit) {
            return Ok(self.flight(*place));
        }
        if last_resort {
            // Reachable before unreachable, then in the order above.
            let best = order.iter().min_by_key(|place| self.all[**place].health() as u8 + u8::from(Some(**place) == tried));
            if let Some(place) = best {
                return Ok(self.flight(*place));
            }
        }
        Err(self.why())
    }

    /// Whether another endpoint than `place` could be asked now.
    pub fn has_other(&self, place: usize) -> bool {
        self.all.iter().enumerate().any(|(other, remote)| other != place && remote.is_well() && remote.breaker.state() == State::Closed)
    }

    fn flight(&self, place: usize) -> Flight<'_> {
        let remote = &self.all[place];
        remote.in_flight.fetch_add(1, Ordering::Relaxed);
        Flight { remote, place, outcome: Outcome::Neutral }
    }

    fn why(&self) -> Cause {
        let all = |health| self.all.iter().all(|remote| remote.health() == health);
        if self.all.iter().any(|remote| remote.is_well()) {
            Cause::BreakerOpen
        } else if all(Health::Unreachable) {
            Cause::Unreachable
        } else {
            Cause::Draining
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::CONSECUTIVE;
    use crate::connection::Setup;
    use crate::endpoint::Endpoint;

    fn remotes(count: u16) -> Remotes {
        let pool = |port| Pool::new(Endpoint::parse(&format!("localhost:{port}")).unwrap(), Setup::default(), 1);
        Remotes::new((1..=count).map(|port| Remote::new(pool(port))).collect())
    }

    fn broken(remote: &Remote, now: Instant) {
        (0..CONSECUTIVE).for_each(|_| remote.breaker.record(now, Outcome::Bad));
    }

    #[test]
    fn calls_go_round_and_to_the_least_busy() {
        let (remotes, now) = (remotes(3), Instant::now());
        let first = remotes.choose(now, None, false).unwrap();
        let second = remotes.choose(now, None, false).unwrap();
        let third = remotes.choose(now, None, false).unwrap();
        let mut places = [first.place, second.place, third.place];
        places.sort_unstable();
        assert_eq!(places, [0, 1, 2]);
        let freed = second.place;
        drop(second);
        assert_eq!(remotes.choose(now, None, false).unwrap().place, freed);
    }

    #[test]
    fn what_is_not_well_is_left_alone_unless_it_is_the_last_resort() {
        for count in [1, 2] {
            let (remotes, now) = (remotes(count), Instant::now());
            broken(&remotes.all[0], now);
            for remote in &remotes.all[1..] {
                remote.set_health(Health::NotServing);
            }
            assert!(remotes.choose(now, None, false).is_err());
            assert_eq!(remotes.choose(now, None, true).unwrap().place, 0, "reachable before not serving");
        }
    }

    #[test]
    fn the_reason_is_told() {
        let (remotes, now) = (remotes(2), Instant::now());
        remotes.all.iter().for_each(|remote| remote.set_health(Health::Unreachable));
        assert_eq!(remotes.choose(now, None, false).unwrap_err(), Cause::Unreachable);
        remotes.all[0].set_health(Health::NotServing);
        assert_eq!(remotes.choose(now, None, false).unwrap_err(), Cause::Draining);
        remotes.all[0].set_health(Health::Serving);
        broken(&remotes.all[0], now);
        assert_eq!(remotes.choose(now, None, false).unwrap_err(), Cause::BreakerOpen);
    }

    #[test]
    fn who_was_just_tried_comes_last() {
        let (remotes, now) = (remotes(2), Instant::now());
        for _ in 0..4 {
            assert_eq!(remotes.choose(now, Some(0), false).unwrap().place, 1);
        }
        broken(&remotes.all[1], now);
        assert_eq!(remotes.choose(now, Some(0), false).unwrap().place, 0);
    }
}
