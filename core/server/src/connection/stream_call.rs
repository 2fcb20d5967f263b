//! A streaming call: rows as they come, answers in the order of the rows.
//!
//! Both directions are bounded: no more rows are read while many wait for their answer or for room to be sent.

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use prost::Message as _;
use sternpost_wire::failure::{Failure, Reason};
use sternpost_wire::scoring::{self, ScoreReply};
use tonic::Code;

use super::calls::State;
use super::frames::{Frames, Ledger};
use super::head;
use crate::compression::Encoding;
use crate::lane::{Answer, Arrival, Inbox};
use crate::refusal::draining;
use crate::site::Site;
use crate::traces::{Begun, Parent, Path, Tracer};

/// Rows of one stream that may wait for an answer, or for room to send it.
const OUTSTANDING: usize = 256;

/// Rows of one stream.
pub struct StreamCall {
    body: RecvStream,
    send: SendStream<Bytes>,
    frames: Frames,
    encoding: Encoding,
    deadline: Option<Instant>,
    /// Number of the next row.
    next: u32,
    /// Answers from the oldest row on that is not sent; nothing where there is none yet.
    answers: VecDeque<Option<Bytes>>,
    read_all: bool,
    traces: Option<Traces>,
}

/// Spans of the rows that wait, one for each of the answers.
struct Traces {
    tracer: Rc<Tracer>,
    /// The stream's, and so every row's.
    parent: Option<Parent>,
    begun: VecDeque<Option<Begun>>,
}

impl StreamCall {
    /// A call whose headers have come; nothing if the caller has gone away.
    pub fn new(
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        deadline: Option<Instant>,
        ledger: Rc<Ledger>,
        tracer: Option<&Rc<Tracer>>,
    ) -> Option<Self> {
        let encoding = Encoding::of(request.headers());
        let traces =
            tracer.map(|tracer| Traces { tracer: tracer.clone(), parent: Tracer::parent(request.headers()), begun: VecDeque::new() });
        // At once, since some clients wait for it before they send.
        let send = respond.send_response(head::answer(), false).ok()?;
        let body = request.into_body();
        let (frames, answers) = (Frames::new(ledger), VecDeque::new());
        Some(Self { body, send, frames, encoding, deadline, next: 0, answers, read_all: false, traces })
    }

    /// Sends what is answered, reads what has come, asks the lane.
    pub fn advance(
        &mut self,
        site: &Site,
        inbox: &Rc<Inbox>,
        ticket: &dyn Fn(u32) -> u64,
        leaving: bool,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> State {
        if self.send.poll_reset(cx).is_ready() {
            return State::Done;
        }
        self.pump(cx);
        while !self.read_all && !leaving && self.answers.len() < OUTSTANDING {
            match self
                .frames
                .next(site.config.row_bytes)
                .and_then(|message| message.map(|m| self.encoding.plain(m, site.config.row_bytes)).transpose())
            {
                Err(failure) => return self.end(head::failed(failure)),
                Ok(Some(message)) => {
                    let number = self.next;
                    self.next = self.next.wrapping_add(1);
                    self.answers.push_back(None);
                    if let Some(Traces { tracer, parent, begun }) = &mut self.traces {
                        begun.push_back(tracer.begin(Path::ScoreStream, parent.as_ref()));
                    }
                    let arrival = Arrival { message: &message, arrived: now, deadline: self.deadline, inbox, ticket: ticket(number) };
                    if let Err(failure) = site.ask(&arrival) {
                        self.answer(number, Answer::Failure(failure));
                    }
                }
                Ok(None) => match self.body.poll_data(cx) {
                    Poll::Ready(Some(Ok(data))) => {
                        let _ = self.body.flow_control().release_capacity(data.len());
                        if let Err(failure) = self.frames.push(data) {
                            return self.end(head::failed(failure));
                        }
                    }
                    Poll::Ready(Some(Err(_))) => return State::Done,
                    Poll::Ready(None) => self.read_all = true,
                    Poll::Pending => break,
                },
            }
        }
        self.pump(cx);
        if !self.answers.is_empty() {
            return State::Open;
        }
        if self.read_all {
            let rest = self
                .frames
                .has_rest()
                .then(|| Failure::new(Code::InvalidArgument, Reason::BadRequest, "the stream ended inside of a message"));
            return self.end(rest.map_or_else(head::fine, head::failed));
        }
        if leaving {
            return self.end(head::failed(draining()));
        }
        if self.deadline.is_some_and(|deadline| deadline < now) {
            return self.end(head::failed(Failure::new(Code::DeadlineExceeded, Reason::Deadline, "the stream's deadline has passed")));
        }
        State::Open
    }

    /// Keeps an answer until all before it are there.
    pub fn answer(&mut self, number: u32, answer: Answer) {
        let oldest = self.next.wrapping_sub(self.answers.len() as u32);
        let frame = match answer {
            Answer::Reply(frame) => frame,
            Answer::Failure(failure) => failure_frame(failure),
        };
        let place = number.wrapping_sub(oldest) as usize;
        if let Some(begun) = self.traces.as_mut().and_then(|traces| traces.begun.get_mut(place)).and_then(Option::take) {
            begun.replied(&frame);
        }
        if let Some(place) = self.answers.get_mut(place) {
            *place = Some(frame);
        }
    }

    /// Sends answers in order, as far as they are there and the other side has room.
    fn pump(&mut self, cx: &mut Context<'_>) {
        while let Some(Some(frame)) = self.answers.front() {
            if self.send.capacity() < frame.len() {
                self.send.reserve_capacity(frame.len());
                while self.send.capacity() < frame.len() {
                    if !matches!(self.send.poll_capacity(cx), Poll::Ready(Some(Ok(_)))) {
                        return;
                    }
                }
            }
            if let Some(traces) = &mut self.traces {
                traces.begun.pop_front();
            }
            if let Some(Some(frame)) = self.answers.pop_front() {
                let _ = self.send.send_data(frame, false);
            }
        }
    }

    fn end(&mut self, trailers: HeaderMap) -> State {
        let _ = self.send.send_trailers(trailers);
        State::Done
    }
}

fn failure_frame(failure: Failure) -> Bytes {
    let retry_after_ms = failure.retry_after_ms.unwrap_or(0);
    let failure = scoring::Failure { code: failure.code as u32, message: failure.message, retry_after_ms };
    let reply = ScoreReply { failure: Some(failure), ..ScoreReply::default() };
    let mut frame = BytesMut::with_capacity(5 + reply.encoded_len());
    frame.put_u8(0);
    frame.put_u32(reply.encoded_len() as u32);
    // Fails only for want of room, and there is room without end.
    let _ = reply.encode(&mut frame);
    frame.freeze()
}
