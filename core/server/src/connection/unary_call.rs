//! A unary call: one message in, one answer out.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use sternpost_wire::failure::{Failure, Reason};
use tonic::Code;

use super::calls::State;
use super::frames::{Frames, Ledger};
use super::head;
use crate::compression::Encoding;
use crate::lane::{Answer, Arrival, Inbox};
use crate::site::Site;
use crate::traces::Begun;

/// One row's call.
pub struct UnaryCall {
    body: RecvStream,
    respond: SendResponse<Bytes>,
    frames: Frames,
    encoding: Encoding,
    deadline: Option<Instant>,
    begun: Option<Instant>,
    /// Boxed, since most calls have none and are moved all the same.
    trace: Option<Box<Begun>>,
}

impl UnaryCall {
    /// A call whose headers have come.
    pub fn new(
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        deadline: Option<Instant>,
        ledger: Rc<Ledger>,
        trace: Option<Box<Begun>>,
    ) -> Self {
        let encoding = Encoding::of(request.headers());
        Self { body: request.into_body(), respond, frames: Frames::new(ledger), encoding, deadline, begun: None, trace }
    }

    /// Reads the message and asks the lane when it is whole.
    pub fn advance(&mut self, site: &Site, inbox: &Rc<Inbox>, ticket: u64, now: Instant, cx: &mut Context<'_>) -> State {
        loop {
            match self.body.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    let _ = self.body.flow_control().release_capacity(data.len());
                    // Far too much: not worth waiting for the end.
                    if let Err(failure) = self.frames.push(data).and_then(|()| self.frames.check(site.config.row_bytes)) {
                        return self.refuse(failure);
                    }
                    // The end often comes with the data; what follows it would be trailers, and nobody asks for them.
                    if self.body.is_end_stream() {
                        break;
                    }
                }
                Poll::Ready(Some(Err(_))) => return State::Done,
                Poll::Ready(None) => break,
                Poll::Pending => {
                    let begun = *self.begun.get_or_insert(now);
                    if now.saturating_duration_since(begun) > site.config.patience || self.deadline.is_some_and(|deadline| deadline < now) {
                        let message = "the request was not complete in time";
                        return self.refuse(Failure::new(Code::DeadlineExceeded, Reason::Deadline, message));
                    }
                    return State::Open;
                }
            }
        }
        match self.message(site.config.row_bytes) {
            Err(failure) => self.refuse(failure),
            Ok(message) => {
                let arrival = Arrival { message: &message, arrived: now, deadline: self.deadline, inbox, ticket };
                match site.ask(&arrival) {
                    Ok(()) => State::Asked,
                    Err(failure) => self.refuse(failure),
                }
            }
        }
    }

    fn message(&mut self, most: usize) -> Result<Bytes, Failure> {
        let bad = |message: &str| Failure::new(Code::InvalidArgument, Reason::BadRequest, message);
        let message = self.frames.next(most)?.ok_or_else(|| bad("the request ended before its message was complete"))?;
        if self.frames.has_rest() {
            return Err(bad("a unary call has one message, and more came"));
        }
        self.encoding.plain(message, most)
    }

    fn refuse(&mut self, failure: Failure) -> State {
        if let Some(trace) = self.trace.take() {
            trace.ended(failure.code);
        }
        let _ = self.respond.send_response(head::refusal(failure), true);
        State::Done
    }

    /// Sends the answer; a caller that has gone away is not told.
    pub fn answer(&mut self, answer: Answer) {
        match answer {
            Answer::Failure(failure) => {
                self.refuse(failure);
            }
            Answer::Reply(frame) => {
                if let Some(trace) = self.trace.take() {
                    trace.replied(&frame);
                }
                if let Ok(mut stream) = self.respond.send_response(head::answer(), false) {
                    let _ = stream.send_data(frame, false);
                    let _ = stream.send_trailers(head::fine());
                }
            }
        }
    }
}
