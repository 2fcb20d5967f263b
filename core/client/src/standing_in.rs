//! When the fallback may answer, and what it answers; and whether its answers are the server's.

use std::sync::Arc;

use sternpost_wire::scoring::ScoreReply;

use crate::answer::Answer;
use crate::client::Inner;
use crate::error::Error;
use crate::fallback::{Cause, Local};
use crate::scoring::{Ask, Scored};

impl Inner {
    /// The fallback's answer; `error` is what the caller gets if it has none.
    pub(crate) fn fall_back(&self, ask: &Ask<'_>, cause: Cause, error: Option<Error>) -> Result<Scored, Error> {
        if self.constant.is_some() {
            return self.rule(cause).map(|answer| Scored::Answer(Box::new(answer)));
        }
        let error = error.unwrap_or_else(|| Error::Unreachable("no server answered".to_owned()));
        let Some(local) = &self.local else { return Err(error) };
        self.same_bundle(local, error)?;
        if local.description.schema != ask.description.schema {
            // Other columns: the caller has the values, we have only bytes.
            return match ask.repacked {
                0 | 1 => Ok(Scored::Repack(local.description.clone(), Some(cause))),
                _ => Err(Error::Internal("a row was packed by the local bundle and does not fit it".to_owned())),
            };
        }
        let row = local.score(&ask.row)?;
        self.counters.fallbacks[cause.place()].add();
        Ok(Scored::Answer(Box::new(Answer::from_local(row, &local.scorer, local.description.clone()))))
    }

    /// The constant's answer.
    pub(crate) fn rule(&self, cause: Cause) -> Result<Answer, Error> {
        let Some((score, action)) = &self.constant else {
            return Err(Error::Internal("a rule was asked for and there is none".to_owned()));
        };
        self.counters.fallbacks[cause.place()].add();
        Ok(Answer::rule(*score, action.as_deref()))
    }

    /// An error, counted as a call that has no answer.
    pub(crate) fn failed(&self, error: Error) -> Error {
        self.counters.calls.add();
        self.counters.errors.add();
        error
    }

    /// Refuses a local bundle that is not the one that the server last said it has.
    pub(crate) fn same_bundle(&self, local: &Local, error: Error) -> Result<(), Error> {
        let served = self.known().current.clone();
        match served {
            Some(served) if served.digest != local.description.digest && !self.allow_other_bundle => {
                self.counters.other_bundle.add();
                let why = format!(
                    " The fallback did not answer: it is bundle {} and the server has {}; give the client the server's bundle, or set \
                     allow_other_bundle",
                    head(&local.description.digest),
                    head(&served.digest)
                );
                Err(match error {
                    Error::Unreachable(text) => Error::Unreachable(text + "." + &why),
                    Error::Deadline(text) => Error::Deadline(text + "." + &why),
                    Error::Overloaded(text) => Error::Overloaded(text + "." + &why),
                    other => other,
                })
            }
            _ => Ok(()),
        }
    }

    /// Scores a sampled share of the served rows here too and compares bits.
    pub(crate) fn compare(&self, reply: &ScoreReply, ask: &Ask<'_>) {
        let (Some(every), Some(local)) = (self.parity_every, &self.local) else { return };
        // The count of served rows, this one included.
        if !self.counters.served.get().is_multiple_of(every) {
            return;
        }
        if reply.digest != local.description.digest || ask.description.schema != local.description.schema {
            return;
        }
        let Ok(row) = local.score(&ask.row) else { return };
        self.counters.parity_compared.add();
        let bits = |scores: &[f64]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
        let ours = Answer::from_local(row, &local.scorer, Arc::clone(&local.description));
        let same = ours.score.map(f64::to_bits) == reply.score.map(f64::to_bits)
            && bits(&ours.scores) == bits(&reply.scores)
            && ours.reasons == reply.reasons
            && ours.action.as_deref().unwrap_or_default() == reply.action
            && ours.label.as_deref().unwrap_or_default() == reply.label;
        if !same {
            self.counters.parity_different.add();
        }
    }
}

fn head(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
