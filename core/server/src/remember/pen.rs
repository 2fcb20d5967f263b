//! A lane's end of the journal: pushes what was answered, and holds answers until the disk has them where that was asked for.

use std::collections::VecDeque;
use std::sync::Arc;

use sternpost_journal::ring::{Fate, NotTaken, Producer};
use tokio::sync::Notify;

use super::entry::{Answered, Entry};
use super::journal::{Backlog, full, lost};
use crate::lane::{Answer, Place};

/// What a pen is made of, on its way to the lane's thread.
pub struct Ink {
    pub(super) producer: Producer<Entry>,
    pub(super) backlog: Arc<Backlog>,
    /// Whether answers wait for the disk.
    pub(super) holds: bool,
    /// Whether a row that is not kept is turned away.
    pub(super) refuses: bool,
}

/// Belongs to one lane.
pub struct Pen {
    ink: Ink,
    held: VecDeque<Held>,
    settled: Arc<Notify>,
}

struct Held {
    number: u64,
    place: Place,
    answer: Answer,
}

impl Pen {
    /// A lane's own.
    pub fn new(ink: Ink) -> Self {
        let settled = Arc::new(Notify::new());
        if ink.holds {
            let waker = settled.clone();
            ink.producer.wake_by(Arc::new(move || waker.notify_one()));
        }
        Self { ink, held: VecDeque::new(), settled }
    }

    /// Tells when [`Self::settle`] has something to do; nothing where answers never wait.
    pub fn settled(&self) -> Option<Arc<Notify>> {
        self.ink.holds.then(|| self.settled.clone())
    }

    /// Remembers a row and sends its answer, at once or when the disk has the row.
    pub fn answer(&mut self, row: Answered, place: Place) {
        let answer = Answer::Reply(row.reply.clone());
        let entry = Entry::Row(row);
        let weight = entry.weight();
        if !self.ink.backlog.admit(weight) {
            return place.answer(if self.ink.refuses { Answer::Failure(full()) } else { answer });
        }
        match self.ink.producer.push(entry) {
            Ok(number) if self.ink.holds => self.held.push_back(Held { number, place, answer }),
            Ok(_) => place.answer(answer),
            Err(NotTaken::Dropped) => {
                self.ink.backlog.release(weight);
                place.answer(answer);
            }
            Err(NotTaken::Refused(_) | NotTaken::Closed(_)) => {
                self.ink.backlog.release(weight);
                place.answer(if self.ink.refuses { Answer::Failure(full()) } else { answer });
            }
        }
    }

    /// Sends the answers whose rows have a fate by now.
    pub fn settle(&mut self) {
        let settled = self.ink.producer.settled();
        while self.held.front().is_some_and(|held| held.number <= settled) {
            let Some(Held { number, place, answer }) = self.held.pop_front() else { return };
            let is_lost = self.ink.refuses && self.ink.producer.fate(number) == Fate::Lost;
            place.answer(if is_lost { Answer::Failure(lost()) } else { answer });
        }
    }
}
