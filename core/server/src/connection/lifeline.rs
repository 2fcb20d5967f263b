//! Whether the other side is still there. A peer that vanishes says nothing, and a connection with open calls is never idle: so who sent nothing
//! for as long as a connection may be idle is asked by a PING, and who then still sends nothing is let go.

use std::time::{Duration, Instant};

use h2::{Ping, PingPong};

/// What is known of the other side.
pub struct Lifeline {
    pings: Option<PingPong>,
    heard: Instant,
    asked: Option<Instant>,
}

impl Lifeline {
    /// The line of a connection that has just begun.
    pub fn new(pings: Option<PingPong>, now: Instant) -> Self {
        Self { pings, heard: now, asked: None }
    }

    /// Something came, whatever it was.
    pub fn hear(&mut self, now: Instant) {
        self.heard = now;
        self.asked = None;
    }

    /// Asks the other side when it was silent for `idle`; false when it is silent for `patience` after that.
    pub fn holds(&mut self, now: Instant, idle: Duration, patience: Duration) -> bool {
        if now.saturating_duration_since(self.heard) <= idle {
            return true;
        }
        match self.asked {
            Some(asked) => now.saturating_duration_since(asked) <= patience,
            None => {
                self.asked = Some(now);
                if let Some(pings) = &mut self.pings {
                    // Refused only while an earlier one is under way, which asks the same.
                    let _ = pings.poll_pong(&mut std::task::Context::from_waker(std::task::Waker::noop()));
                    let _ = pings.send_ping(Ping::opaque());
                }
                true
            }
        }
    }
}
