//! One row's way through the client: the server while there is time, the fallback when there is no answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sternpost_wire::scoring::score_request::Row;
use sternpost_wire::scoring::{PackedRow, ScoreReply, ScoreRequest, Stake};
use tokio::sync::oneshot;

use crate::answer::Answer;
use crate::breaker::Outcome;
use crate::client::{Client, Inner, Transport};
use crate::connection::{Connection, Patience};
use crate::description::Description;
use crate::error::{Error, Trouble};
use crate::fallback::Cause;
use crate::race::{Raced, Rival};
use crate::remote::Flight;
use crate::tries::Tries;

/// Of the calls whose time is too short for a server, one in so many asks it all the same, to learn whether it became quicker.
const EXPLORED: f64 = 1.0 / 16.0;

/// A row to be scored.
#[derive(Clone)]
pub struct Ask<'a> {
    /// What the row was packed by.
    pub description: Arc<Description>,
    /// The packed row.
    pub row: Bytes,
    /// The caller's name for the prediction; empty to have one made.
    pub id: &'a str,
    /// Whom the row is about; empty if nobody says.
    pub entity: &'a str,
    /// What hangs on the answer.
    pub stake: Stake,
    /// When and while to wait.
    pub patience: Patience<'a>,
    /// Set when no server is to be asked any more: why the fallback answers.
    pub cause: Option<Cause>,
    /// How often this row was packed anew.
    pub repacked: u32,
}

/// A reply, and what it speaks of.
type Told = (ScoreReply, Arc<Description>);

/// What came of a row.
#[derive(Debug)]
pub enum Scored {
    /// An answer.
    Answer(Box<Answer>),
    /// The row has to be packed by another description, and asked again with this cause.
    Repack(Arc<Description>, Option<Cause>),
}

impl Client {
    /// Scores a row.
    ///
    /// # Errors
    /// Why there is no answer from anybody.
    pub fn score(&self, ask: &Ask<'_>) -> Result<Scored, Error> {
        let inner = self.inner()?;
        let scored = inner.score(ask);
        if scored.is_err() {
            inner.counters.errors.add();
        }
        scored
    }
}

impl Inner {
    fn score(self: &Arc<Self>, ask: &Ask<'_>) -> Result<Scored, Error> {
        if ask.repacked == 0 {
            self.counters.calls.add();
            self.retries.earn();
            self.hedges.earn();
        }
        if let Some(cause) = ask.cause {
            return self.fall_back(ask, cause, None);
        }
        self.watch();
        let now = Instant::now();
        let until = self.until(now, ask.patience.until);
        if self.is_too_short(until.saturating_duration_since(now)) {
            return self.fall_back(ask, Cause::Deadline, None);
        }
        if self.throttle.turns_away(now, self.dice.roll()) {
            self.counters.throttled.add();
            let error = Error::Overloaded("most recent calls were turned away, so this one was not sent; try again later".to_owned());
            return self.fall_back(ask, Cause::Overloaded, Some(error));
        }
        let patience = Patience { until, ..ask.patience };
        let mut request = ScoreRequest {
            bundle: self.bundle.clone(),
            id: if ask.id.is_empty() { self.name() } else { ask.id.to_owned() },
            stake: ask.stake.into(),
            row: Some(Row::Packed(PackedRow { schema: ask.description.schema, values: ask.row.clone() })),
            timeout_us: 0,
            entity: ask.entity.to_owned(),
        };
        let mut tries = Tries::new(self, patience, !self.has_fallback());
        loop {
            let flight = match tries.next() {
                Ok(flight) => flight,
                Err(end) => {
                    let (error, cause) = end.told(self, patience);
                    return match cause {
                        Some(cause) => self.fall_back(ask, cause, Some(error)),
                        None => Err(error),
                    };
                }
            };
            let share = tries.share(&flight);
            let begun = Instant::now();
            match self.ask(&flight, &mut request, share) {
                Ok((reply, description)) => {
                    self.took.observe(begun.elapsed());
                    self.counters.served.add();
                    flight.ends(Outcome::Good);
                    self.compare(&reply, ask);
                    return Ok(Scored::Answer(Box::new(Answer::from_reply(reply, description))));
                }
                Err(trouble) if trouble.is_other_schema() && ask.repacked == 0 => {
                    if let Ok(description) = self.describe_at(&flight, share)
                        && description.schema != ask.description.schema
                    {
                        flight.ends(Outcome::Good);
                        return Ok(Scored::Repack(description, None));
                    }
                    tries.failed(flight, trouble);
                }
                Err(trouble) => tries.failed(flight, trouble),
            }
        }
    }

    /// Asks one endpoint. A connection that turns out to have been closed while it was idle is replaced once, which costs no try.
    fn ask(self: &Arc<Self>, flight: &Flight<'_>, request: &mut ScoreRequest, patience: Patience<'_>) -> Result<Told, Trouble> {
        let mut held = flight.remote.pool.take(patience)?;
        let mut reply = self.ask_on(held.get()?, request, patience, Some(flight.place));
        if matches!(reply, Err(Trouble::Broken(_))) && held.get()?.has_answered() {
            held.renew(patience)?;
            reply = self.ask_on(held.get()?, request, patience, Some(flight.place));
        }
        match reply {
            Ok(Raced::Own(reply)) => {
                let description = self.description_of(&reply, held.get()?, patience)?;
                held.keep();
                Ok((*reply, description))
            }
            Ok(Raced::Other(told)) => {
                self.counters.hedges_won.add();
                Ok(told)
            }
            Err(trouble) => {
                if matches!(trouble, Trouble::Said(_)) {
                    held.keep();
                }
                Err(trouble)
            }
        }
    }

    /// Asks on one connection; with `place` another endpoint may be asked too when that one is slow.
    fn ask_on(
        self: &Arc<Self>,
        connection: &mut Connection,
        request: &mut ScoreRequest,
        patience: Patience<'_>,
        place: Option<usize>,
    ) -> Result<Raced<Told>, Trouble> {
        let now = Instant::now();
        let streamed = self.transport == Transport::Stream;
        // A call of its own has a header for this. 0 would mean that there is no limit.
        let left = u64::try_from(patience.until.saturating_duration_since(now).as_micros()).unwrap_or(u64::MAX);
        request.timeout_us = if streamed { left.max(1) } else { 0 };
        let Some((after, place)) = self.hedge_after.zip(place) else {
            return connection.score_raced(request, streamed, patience, None);
        };
        let (sent, until) = (request.clone(), patience.until);
        let mut start = || self.hedge(place, sent.clone(), until);
        connection.score_raced(request, streamed, patience, Some(Rival { at: now + after, start: &mut start }))
    }

    /// Asks another endpoint than `place` from a thread of its own. The request has the same name, so it counts once.
    fn hedge(self: &Arc<Self>, place: usize, mut request: ScoreRequest, until: Instant) -> Option<oneshot::Receiver<Told>> {
        if !self.remotes.has_other(place) || !self.hedges.spend() {
            return None;
        }
        self.counters.hedges.add();
        let (answer, answered) = oneshot::channel();
        let inner = self.clone();
        let run = move || {
            let Ok(flight) = inner.remotes.choose(Instant::now(), Some(place), false) else { return };
            if flight.place == place {
                return;
            }
            let patience = Patience { until, go_on: &|| true };
            let told = flight.remote.pool.take(patience).and_then(|mut held| {
                let Raced::Own(reply) = inner.ask_on(held.get()?, &mut request, patience, None)? else {
                    return Err(Trouble::broken("a hedge has no rival"));
                };
                let description = inner.description_of(&reply, held.get()?, patience)?;
                held.keep();
                Ok((*reply, description))
            });
            match told {
                Ok(told) => {
                    flight.ends(Outcome::Good);
                    // Nobody may be waiting any more.
                    let _ = answer.send(told);
                }
                Err(trouble) => flight.ends(if trouble.is_the_endpoints() { Outcome::Bad } else { Outcome::Neutral }),
            }
        };
        std::thread::Builder::new().name("sternpost-hedge".to_owned()).spawn(run).ok().map(|_| answered)
    }

    /// The description of the bundle that answered: after a reload another one than the row was packed by.
    fn description_of(&self, reply: &ScoreReply, connection: &mut Connection, patience: Patience<'_>) -> Result<Arc<Description>, Trouble> {
        {
            let mut known = self.known();
            if let Some(current) = known.current.as_ref().filter(|current| current.digest == reply.digest) {
                return Ok(current.clone());
            }
            if let Some(description) = known.by_digest.get(&reply.digest).cloned() {
                known.current = Some(description.clone());
                return Ok(description);
            }
        }
        self.describe_on(connection, patience)
    }

    /// Whether a server could only answer too late while the local bundle has time.
    fn is_too_short(&self, left: Duration) -> bool {
        self.has_fallback() && self.took.get().is_some_and(|took| took > left) && self.dice.roll() > EXPLORED
    }
}
