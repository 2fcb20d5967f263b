//! Where answers go: each connection has an inbox on its own thread; the lane fills it and wakes the connection once.

use std::cell::RefCell;
use std::task::Waker;

use bytes::Bytes;
use sternpost_wire::failure::Failure;

/// What became of a request.
#[derive(Debug)]
pub enum Answer {
    /// A gRPC frame with the reply.
    Reply(Bytes),
    /// Why there is none.
    Failure(Failure),
}

/// A connection's answers, by ticket.
#[derive(Debug, Default)]
pub struct Inbox {
    answers: RefCell<Vec<(u64, Answer)>>,
    waker: RefCell<Option<Waker>>,
}

impl Inbox {
    /// Puts an answer in and wakes the connection.
    pub fn put(&self, ticket: u64, answer: Answer) {
        self.answers.borrow_mut().push((ticket, answer));
        self.rouse();
    }

    /// Wakes the connection.
    pub fn rouse(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Moves all answers out, in the order they were put.
    pub fn take(&self, into: &mut Vec<(u64, Answer)>) {
        into.append(&mut self.answers.borrow_mut());
    }

    /// Whom to wake for the next answer.
    pub fn wake(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        match known.as_ref() {
            Some(same) if same.will_wake(waker) => {}
            _ => *known = Some(waker.clone()),
        }
    }
}
