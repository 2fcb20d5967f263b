//! Turns calls away before they are sent when the servers turn most of them away: "Handling Overload" in the SRE book, with K = 2.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::window::Window;

const SPAN: Duration = Duration::from_secs(10);

/// Requests of the last seconds, and those that were turned away. Whatever else goes wrong with a request, it was accepted.
#[derive(Debug)]
pub struct Throttle(Mutex<Window>);

impl Default for Throttle {
    fn default() -> Self {
        Self(Mutex::new(Window::new(SPAN)))
    }
}

impl Throttle {
    /// Whether a request should not be sent; `chance` is a number from 0 to 1, drawn anew for every call. It counts as a request either way.
    pub fn turns_away(&self, now: Instant, chance: f64) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (requests, rejected) = window.counts(now);
        let (requests, accepted) = (f64::from(requests), f64::from(requests.saturating_sub(rejected)));
        let away = chance < (requests - 2.0 * accepted) / (requests + 1.0);
        window.add(now, 1, u32::from(away));
        away
    }

    /// A server turned a request away for want of room; `again` if it was not the call's first request.
    pub fn rejected(&self, now: Instant, again: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(now, u32::from(again), 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_with_room_is_never_throttled() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..1000 {
            assert!(!throttle.turns_away(now, 0.0));
        }
    }

    #[test]
    fn a_server_without_room_gets_twice_what_it_accepts() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let (mut sent, mut accepted) = (0, 0);
        for call in 0..10_000_u32 {
            // Evenly spread, as a generator would draw them. The server has room for every tenth call.
            if !throttle.turns_away(now, f64::from(call.wrapping_mul(7919) % 1000) / 1000.0) {
                sent += 1;
                if accepted < call / 10 {
                    accepted += 1;
                } else {
                    throttle.rejected(now, false);
                }
            }
        }
        assert!((1_500..2_500).contains(&sent), "{sent} sent, {accepted} accepted");
        assert!(!throttle.turns_away(now + 2 * SPAN, 0.0), "after a quiet time it begins anew");
    }
}
