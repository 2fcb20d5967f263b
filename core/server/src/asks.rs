//! Wishes to change what is served, on their way from a protocol to whoever holds the bundles' files.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sternpost_wire::failure::Failure;
use tokio::sync::oneshot;

use crate::operator::Operator;
use crate::refusal::draining;
use crate::scoring::BoxFuture;

/// What is wished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Serve the newest form of a bundle.
    Load,
    /// Serve it no longer.
    Unload,
}

/// A wish that waits for its answer.
#[derive(Debug)]
pub struct Ask {
    /// What is wished.
    pub wish: Wish,
    /// The bundle's name.
    pub name: String,
    answer: oneshot::Sender<Result<(), Failure>>,
}

impl Ask {
    /// Answers it.
    pub fn answer(self, answer: Result<(), Failure>) {
        // Whoever asked may have gone.
        let _ = self.answer.send(answer);
    }
}

/// The protocols' end.
#[derive(Debug, Clone)]
pub struct Line {
    asks: Sender<Ask>,
}

/// The end of whoever holds the files.
#[derive(Debug)]
pub struct Asks {
    received: Mutex<Receiver<Ask>>,
}

/// Both ends.
pub fn line() -> (Line, Asks) {
    let (asks, received) = channel();
    (Line { asks }, Asks { received: Mutex::new(received) })
}

impl Asks {
    /// The next wish, or nothing within the time; an error when nobody is left to wish.
    ///
    /// # Errors
    /// [`RecvTimeoutError::Disconnected`].
    pub fn next(&self, within: Duration) -> Result<Option<Ask>, RecvTimeoutError> {
        match self.received.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(within) {
            Ok(ask) => Ok(Some(ask)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(gone) => Err(gone),
        }
    }
}

impl Line {
    fn ask(&self, wish: Wish, name: &str) -> BoxFuture<'_, Result<(), Failure>> {
        let (answer, answered) = oneshot::channel();
        let sent = self.asks.send(Ask { wish, name: name.to_owned(), answer });
        Box::pin(async move {
            sent.map_err(|_| draining())?;
            answered.await.unwrap_or_else(|_| Err(draining()))
        })
    }
}

impl Operator for Line {
    fn load(&self, name: &str) -> BoxFuture<'_, Result<(), Failure>> {
        self.ask(Wish::Load, name)
    }

    fn unload(&self, name: &str) -> BoxFuture<'_, Result<(), Failure>> {
        self.ask(Wish::Unload, name)
    }
}
