//! What waits in a lane: by stake first, by arrival within a stake.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use sternpost_wire::scoring::Stake;

use super::answer::{Answer, Inbox};
use crate::engine_failure;

/// One request that waits.
pub struct Waiting {
    pub message: Bytes,
    pub desk: usize,
    pub stake: Stake,
    pub arrived: Instant,
    pub deadline: Option<Instant>,
    pub place: Place,
}

/// Where an answer goes. Whatever happens to the request, its place gets exactly one.
pub struct Place {
    inbox: Rc<Inbox>,
    ticket: u64,
    answered: bool,
}

impl Place {
    /// A place that has no answer yet.
    pub fn new(inbox: Rc<Inbox>, ticket: u64) -> Self {
        Self { inbox, ticket, answered: false }
    }

    /// The answer.
    pub fn answer(mut self, answer: Answer) {
        self.answered = true;
        self.inbox.put(self.ticket, answer);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.answered {
            self.inbox.put(self.ticket, Answer::Failure(engine_failure::internal("a request was dropped without an answer")));
        }
    }
}

const STAKES: usize = 4;

/// Everything that waits.
#[derive(Default)]
pub struct Queue {
    /// Highest stake first.
    by_stake: [VecDeque<Waiting>; STAKES],
    rows: usize,
    bytes: usize,
}

/// 0 for the stake that runs first.
pub fn rank(stake: Stake) -> usize {
    match stake {
        Stake::Decide => 0,
        Stake::Advise | Stake::Unspecified => 1,
        Stake::Batch => 2,
        Stake::Shadow => 3,
    }
}

impl Queue {
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    /// Bytes of all messages that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows that run before a newcomer of a stake.
    pub fn ahead_of(&self, stake: Stake) -> usize {
        self.by_stake.iter().take(rank(stake) + 1).map(VecDeque::len).sum()
    }

    pub fn push(&mut self, waiting: Waiting) {
        self.rows += 1;
        self.bytes += waiting.message.len();
        self.by_stake[rank(waiting.stake)].push_back(waiting);
    }

    /// The next to run.
    pub fn pop(&mut self) -> Option<Waiting> {
        let next = self.by_stake.iter_mut().find_map(VecDeque::pop_front)?;
        self.rows -= 1;
        self.bytes -= next.message.len();
        Some(next)
    }

    /// The desk of the next to run.
    pub fn next_desk(&self) -> Option<usize> {
        self.by_stake.iter().find_map(VecDeque::front).map(|next| next.desk)
    }
}
