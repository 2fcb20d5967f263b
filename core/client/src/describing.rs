//! Asking servers what they serve, and remembering it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sternpost_wire::scoring::{DescribeReply, DescribeRequest};

use crate::answer::Answer;
use crate::breaker::Outcome;
use crate::client::{Client, Inner, Known};
use crate::connection::{Connection, Patience};
use crate::description::Description;
use crate::error::{Error, Trouble};
use crate::fallback::Cause;
use crate::remote::Flight;
use crate::tries::Tries;

const DESCRIBE: &str = "/sternpost.v1.Scoring/Describe";
/// Bundles that are remembered; a client rarely meets more than two, during a reload.
const REMEMBERED: usize = 8;
/// How often a row that does not fit may lead to a question.
const RENEWED: Duration = Duration::from_millis(250);

/// By what a row is to be packed.
#[derive(Debug, Clone)]
pub enum Described {
    /// The server's words.
    Served(Arc<Description>),
    /// No server could be asked; the local bundle's, which will then answer.
    Local(Arc<Description>, Cause),
    /// No server could be asked and a constant answers: nothing is to be packed.
    Rule(Box<Answer>),
}

impl Client {
    /// What rows are packed by; asked for once, and again when a server says that it changed.
    ///
    /// # Errors
    /// Why no server said it, if nothing can stand in.
    pub fn described(&self, patience: Patience<'_>) -> Result<Described, Error> {
        let inner = self.inner()?;
        if let Some(known) = &inner.known().current {
            return Ok(Described::Served(known.clone()));
        }
        match inner.describe(patience, !inner.has_fallback()) {
            Ok(description) => Ok(Described::Served(description)),
            Err((error, Some(cause))) => match (&inner.local, &inner.constant) {
                (Some(local), _) => Ok(Described::Local(local.description.clone(), cause)),
                (None, Some(_)) => {
                    inner.counters.calls.add();
                    Ok(Described::Rule(Box::new(inner.rule(cause)?)))
                }
                (None, None) => Err(inner.failed(error)),
            },
            Err((error, None)) => Err(inner.failed(error)),
        }
    }

    /// Another description than this one, if a server has one: for a row that cannot be packed by it. Not asked for more often than every
    /// [`RENEWED`], so that rows that fit nothing make no load.
    pub fn renewed(&self, old: &Description, patience: Patience<'_>) -> Option<Arc<Description>> {
        let inner = self.inner().ok()?;
        let fresh = |known: &Known| known.asked.is_some_and(|asked| asked.elapsed() < RENEWED);
        if fresh(&inner.known()) {
            return None;
        }
        inner.describe(patience, false).ok().filter(|new| new.schema != old.schema)
    }

    /// What a server says now.
    ///
    /// # Errors
    /// Why none said it.
    pub fn describe(&self, patience: Patience<'_>) -> Result<Arc<Description>, Error> {
        self.inner()?.describe(patience, true).map_err(|(error, _)| error)
    }
}

impl Inner {
    /// Asks the endpoints in turn. The error comes with the cause for which a fallback may stand in.
    pub(crate) fn describe(&self, patience: Patience<'_>, last_resort: bool) -> Result<Arc<Description>, (Error, Option<Cause>)> {
        self.watch();
        let until = self.until(Instant::now(), patience.until);
        let patience = Patience { until, ..patience };
        let mut tries = Tries::new(self, patience, last_resort);
        loop {
            let flight = tries.next().map_err(|end| end.told(self, patience))?;
            match self.describe_at(&flight, tries.share(&flight)) {
                Ok(description) => {
                    flight.ends(Outcome::Good);
                    return Ok(description);
                }
                Err(trouble) => tries.failed(flight, trouble),
            }
        }
    }

    /// Asks one endpoint.
    pub(crate) fn describe_at(&self, flight: &Flight<'_>, patience: Patience<'_>) -> Result<Arc<Description>, Trouble> {
        let mut held = flight.remote.pool.take(patience)?;
        let described = self.describe_on(held.get()?, patience);
        if matches!(described, Ok(_) | Err(Trouble::Said(_))) {
            held.keep();
        }
        described
    }

    /// Asks on one connection, and remembers.
    pub(crate) fn describe_on(&self, connection: &mut Connection, patience: Patience<'_>) -> Result<Arc<Description>, Trouble> {
        self.counters.described.add();
        let request = DescribeRequest { bundle: self.bundle.clone() };
        let reply: DescribeReply = connection.unary(DESCRIBE, &request, patience)?;
        let description = Arc::new(Description::from_reply(reply)?);
        let mut known = self.known();
        if known.by_digest.len() >= REMEMBERED {
            known.by_digest.clear();
        }
        known.by_digest.insert(description.digest.clone(), description.clone());
        known.current = Some(description.clone());
        known.asked = Some(Instant::now());
        Ok(description)
    }
}
