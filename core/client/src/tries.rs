//! One call's tries: whom to ask next, after what wait, and when to stop.
//!
//! At most [`MOST`] tries, and only while the client's budget lasts; a server's word on when to come back is kept.

use std::time::{Duration, Instant};

use crate::backoff;
use crate::breaker::Outcome;
use crate::client::Inner;
use crate::connection::Patience;
use crate::error::{Error, Trouble};
use crate::fallback::Cause;
use crate::remote::Flight;

/// Most tries of one call.
pub const MOST: u32 = 3;
/// A server that has not answered within this time, or within eight times what is usual, is late by its own fault.
const HURRY: Duration = Duration::from_millis(20);

/// The tries of one call so far.
pub(crate) struct Tries<'a> {
    inner: &'a Inner,
    patience: Patience<'a>,
    last_resort: bool,
    made: u32,
    begun: Instant,
    tried: Option<usize>,
    trouble: Option<(Trouble, String)>,
}

/// Why there is no further try.
#[derive(Debug)]
pub(crate) enum End {
    /// Nobody could be asked at all.
    Nobody(Cause),
    /// What went wrong last, and with whom.
    Trouble(Trouble, String),
}

impl<'a> Tries<'a> {
    /// None so far. With `last_resort` an endpoint that should be left alone is asked rather than nobody.
    pub fn new(inner: &'a Inner, patience: Patience<'a>, last_resort: bool) -> Self {
        Self { inner, patience, last_resort, made: 0, begun: Instant::now(), tried: None, trouble: None }
    }

    /// Whom to ask now; a wait between two tries is over when this returns.
    pub fn next(&mut self) -> Result<Flight<'a>, End> {
        let (inner, patience) = (self.inner, self.patience);
        let before = self.trouble.take();
        if let Some((trouble, whom)) = &before {
            let may = trouble.may_be_repeated() && self.made < MOST && inner.retries.spend();
            if !may || !inner.sleep(self.wait(trouble), patience) {
                let stopped = !(patience.go_on)();
                return Err(End::Trouble(if stopped { Trouble::Interrupted } else { trouble.clone() }, whom.clone()));
            }
            inner.counters.retries.add();
        }
        self.made += 1;
        let now = Instant::now();
        self.begun = now;
        // What went wrong says more than that nobody is left.
        inner.remotes.choose(now, self.tried, self.last_resort).map_err(|cause| match before {
            Some((trouble, whom)) => End::Trouble(trouble, whom),
            None => End::Nobody(cause),
        })
    }

    /// Another endpoint is asked at once; the same one after a while.
    fn wait(&self, trouble: &Trouble) -> Duration {
        let elsewhere = self.tried.is_some_and(|tried| self.inner.remotes.has_other(tried));
        let asked = match trouble {
            Trouble::Said(failure) => failure.retry_after_ms,
            _ => None,
        };
        if elsewhere { Duration::ZERO } else { backoff::wait(self.made, asked, self.inner.dice.roll()) }
    }

    /// Takes note of a try that went wrong.
    pub fn failed(&mut self, flight: Flight<'a>, trouble: Trouble) {
        self.tried = Some(flight.place);
        let whom = flight.remote.pool.endpoint().to_string();
        if trouble.is_overload() {
            self.inner.throttle.rejected(Instant::now(), self.made > 1);
        }
        flight.ends(match &trouble {
            // A caller in a hurry says nothing about the endpoint.
            Trouble::Late if self.begun.elapsed() < self.inner.took.get().unwrap_or_default().saturating_mul(8).max(HURRY) => {
                Outcome::Neutral
            }
            trouble if trouble.is_the_endpoints() => Outcome::Bad,
            Trouble::Said(_) => Outcome::Good,
            _ => Outcome::Neutral,
        });
        self.trouble = Some((trouble, whom));
    }

    /// How long this endpoint is waited for: all the time there is, or half of it while there is somebody else to ask.
    pub fn share(&self, flight: &Flight<'_>) -> Patience<'a> {
        let now = Instant::now();
        let left = self.patience.until.saturating_duration_since(now);
        let whole = self.made >= MOST || !self.inner.remotes.has_other(flight.place);
        Patience { until: if whole { self.patience.until } else { now + left / 2 }, ..self.patience }
    }
}

impl End {
    /// The error that a caller gets, and the cause for which a fallback may answer instead.
    pub fn told(self, inner: &Inner, patience: Patience<'_>) -> (Error, Option<Cause>) {
        let all = || inner.remotes.all.iter().map(|remote| remote.pool.endpoint().to_string()).collect::<Vec<_>>().join(", ");
        match self {
            Self::Nobody(cause) => {
                let why = match cause {
                    Cause::Draining => "says that it does not serve now",
                    Cause::BreakerOpen => "failed too often and is left alone for a while",
                    _ => "cannot be reached",
                };
                (Error::Unreachable(format!("{} {why}; try again later, or give the client a fallback", all())), Some(cause))
            }
            Self::Trouble(trouble, whom) => {
                let cause = Cause::of(&trouble);
                let late = patience.until <= Instant::now();
                match trouble {
                    Trouble::Interrupted => (Error::Interrupted, None),
                    Trouble::Late => (deadline(&whom), Some(cause)),
                    Trouble::Broken(_) if late => (deadline(&whom), Some(Cause::Deadline)),
                    Trouble::Broken(what) => {
                        let text = format!("no answer from {whom}: {what}; see that the server runs and that the address is right");
                        (Error::Unreachable(text), Some(cause))
                    }
                    Trouble::Said(failure) => {
                        let text = format!("{whom}: {}", failure.message);
                        match cause {
                            Cause::Deadline => (Error::Deadline(text), Some(cause)),
                            Cause::Overloaded if failure.reason != sternpost_wire::failure::Reason::TooLarge => {
                                (Error::Overloaded(text), Some(cause))
                            }
                            Cause::Draining => (Error::Unreachable(text), Some(cause)),
                            _ => {
                                use sternpost_wire::failure::Reason;
                                let ours = matches!(failure.reason, Reason::BadRequest | Reason::TooLarge | Reason::OtherSchema);
                                // Before a server ever answered, a wrong name or token is a mistake of the caller, who should hear of it.
                                let never = inner.known().by_digest.is_empty();
                                let theirs = failure.reason == Reason::Internal;
                                (Error::Refused(failure), (!ours && (theirs || !never)).then_some(Cause::Failed))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn deadline(whom: &str) -> Error {
    Error::Deadline(format!("no answer from {whom} within the deadline; give it more time, or give the client a fallback"))
}
