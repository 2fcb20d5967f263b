//! One stream on its way: messages in, a bounded number of batches being scored, answers out in order.
//!
//! Nothing is read while as much as may is on its way, and nothing is taken from it while the reader of the answers is slow; from there the
//! protocol's own flow control reaches back to the sender.

use std::collections::VecDeque;
use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_flight::FlightData;
use bytes::Bytes;
use sternpost_wire::failure::{Failure, Reason};
use tokio::time::{sleep, timeout};
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Status};

use super::Limits;
use super::answer::Answer;
use super::order::Order;
use super::table::{Done, Opened};
use crate::catalog::{Registry, Served};
use crate::deadline::earliest;
use crate::hands::{Effort, Hands, LONG, aside};
use crate::ipc::{self, Reader};
use crate::refusal::{bad, draining, too_large};
use crate::scoring::{Batches, BoxFuture, Call, Scored, Scoring};

/// What every stream works with.
pub(super) struct Session {
    pub(super) registry: Arc<Registry>,
    pub(super) scoring: Arc<dyn Scoring>,
    pub(super) hands: Arc<dyn Hands>,
    pub(super) limits: Limits,
    /// When the whole call ceases to be of use.
    pub(super) deadline: Option<Instant>,
}

/// How far a stream is.
#[derive(Default)]
struct State {
    order: Option<Order>,
    opened: Option<Arc<Opened>>,
    /// There unless it is reading.
    reader: Option<Reader>,
    reading: Option<BoxFuture<'static, Result<Read, Failure>>>,
    waiting: VecDeque<Waiting>,
    /// Nothing more is taken in.
    ended: bool,
    /// What is wrong with a message is told after the answers to those before it.
    failed: Option<Failure>,
}

/// A message that was read.
struct Read {
    reader: Reader,
    /// Nothing if it was a dictionary.
    batch: Result<Option<RecordBatch>, Failure>,
    attached: Bytes,
    arrived: Instant,
}

/// A batch that is being scored.
struct Waiting {
    kept: RecordBatch,
    attached: Bytes,
    scored: BoxFuture<'static, Result<Scored, Failure>>,
}

impl Session {
    /// Answers a whole stream.
    ///
    /// # Errors
    /// What ends the stream before its time; batches answered before stay answered.
    pub(super) async fn run<A: Answer>(
        self,
        mut messages: impl Stream<Item = Result<FlightData, Status>> + Send + Unpin,
        mut answer: A,
    ) -> Result<(), Failure> {
        let mut state = State::default();
        while state.goes_on() {
            let (room, idle) = (state.has_room(self.limits.read_ahead), state.is_idle());
            let (reading, front) = (ready_or_never(state.reading.as_mut()), state.waiting.front_mut().map(|front| &mut front.scored));
            tokio::select! {
                biased;
                () = answer.gone() => return Ok(()),
                scored = ready_or_never(front) => {
                    let (opened, waiting) = (state.opened.clone(), state.waiting.pop_front());
                    if let (Some(opened), Some(Waiting { kept, attached, .. })) = (opened, waiting) {
                        self.patiently(answer.batch(Done { opened, kept, scored: scored?.batches, attached })).await?;
                    }
                }
                read = reading => {
                    state.reading = None;
                    let scoring = read.and_then(|read| self.score(&mut state, read));
                    state.note(scoring);
                }
                message = messages.next(), if room => match message {
                    None => state.ended = true,
                    Some(message) => {
                        let begun = self.take(&mut state, message);
                        if let Some(Some(opened)) = state.note(begun) {
                            self.patiently(answer.open(&opened.answers, &opened.digest)).await?;
                        }
                    }
                },
                () = sleep(self.limits.idle), if idle => {
                    state.note::<()>(Err(self.idled("nothing came")));
                }
            }
        }
        match (state.failed, state.opened) {
            (Some(failure), _) => Err(failure),
            (None, None) => Err(bad("the stream ended before a schema came; send the table's schema before its batches")),
            (None, Some(_)) => answer.close().await,
        }
    }

    /// Begins with a message what is to be done with it; gives the stream if this opened it.
    fn take(&self, state: &mut State, message: Result<FlightData, Status>) -> Result<Option<Arc<Opened>>, Failure> {
        let message = message.map_err(|status| self.broken(&status))?;
        let arrived = Instant::now();
        let order = match &mut state.order {
            Some(order) => order,
            None => state.order.insert(Order::read(message.flight_descriptor.as_ref())?),
        };
        // A descriptor may come alone, and so may what a caller attaches.
        if message.data_header.is_empty() {
            return Ok(None);
        }
        if let Some(reader) = state.reader.take() {
            state.reading = Some(self.read(order, reader, message, arrived));
            return Ok(None);
        }
        let served = self.registry.catalog().find(&order.bundle)?.clone();
        let begun = ipc::schema(&message.data_header, &self.limits.tables);
        let begun = begun.and_then(|sent| Opened::new(&served, order.clone(), sent, self.limits.tables));
        let (opened, reader) = begun.inspect_err(|_| {
            served.statistics.failed.fetch_add(1, Ordering::Relaxed);
        })?;
        state.reader = Some(reader);
        Ok(Some(state.opened.insert(Arc::new(opened)).clone()))
    }

    /// Reads a message, here if that is quick.
    fn read(&self, order: &Order, mut reader: Reader, message: FlightData, arrived: Instant) -> BoxFuture<'static, Result<Read, Failure>> {
        let effort = Effort { stake: order.stake, deadline: self.deadline_of(order, arrived), bytes: message.data_body.len() as u64 };
        let long = is_long(&message);
        let work = move || {
            let batch = reader.read(&message.data_header, message.data_body);
            Read { reader, batch, attached: message.app_metadata, arrived }
        };
        if !long {
            return Box::pin(ready(Ok(work())));
        }
        let hands = self.hands.clone();
        Box::pin(async move { aside(hands.as_ref(), effort, work).await })
    }

    /// Sets a batch on its way.
    fn score(&self, state: &mut State, read: Read) -> Result<(), Failure> {
        state.reader = Some(read.reader);
        let Some(opened) = &state.opened else { return Ok(()) };
        let served = self.current(opened)?;
        let read_batch = read.batch.inspect_err(|_| {
            served.statistics.failed.fetch_add(1, Ordering::Relaxed);
        });
        let Some(batch) = read_batch? else { return Ok(()) };
        let kept = opened.kept(&batch)?;
        let scored = if batch.num_rows() == 0 {
            Box::pin(ready(Ok(Scored::default())))
        } else {
            let deadline = self.deadline_of(&opened.order, read.arrived);
            let call = Call { deadline, stake: opened.order.stake, arrived: read.arrived };
            self.scoring.score(served, Batches { schema: batch.schema(), rows: batch.num_rows(), batches: vec![batch] }, call)
        };
        state.waiting.push_back(Waiting { kept, attached: read.attached, scored });
        Ok(())
    }

    /// The bundle as it is served now, unless it is another one than the stream began with.
    fn current(&self, opened: &Opened) -> Result<Arc<Served>, Failure> {
        let catalog = self.registry.catalog();
        let served = catalog.find(&opened.bundle)?;
        if served.digest() == opened.digest {
            return Ok(served.clone());
        }
        Err(Failure::new(Code::Unavailable, Reason::NotReady, "the bundle was replaced; open the stream again"))
    }

    /// Waits for whoever takes the answers, but not for ever.
    async fn patiently(&self, taken: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
        timeout(self.limits.idle, taken).await.unwrap_or_else(|_| Err(self.idled("no answer was taken")))
    }

    fn idled(&self, what: &str) -> Failure {
        let message = format!("{what} for {} s; open the stream again", self.limits.idle.as_secs_f64());
        Failure::new(Code::DeadlineExceeded, Reason::Deadline, message)
    }

    fn deadline_of(&self, order: &Order, arrived: Instant) -> Option<Instant> {
        let left: Option<Duration> = self.deadline.map(|end| end.saturating_duration_since(arrived));
        earliest(arrived, [left, order.timeout])
    }

    fn broken(&self, status: &Status) -> Failure {
        // Our word for a message above the limit, and tonic's.
        if matches!(status.code(), Code::ResourceExhausted | Code::OutOfRange) {
            return too_large(format!("a message of more than {} bytes; send smaller batches", self.limits.message_bytes));
        }
        if status.code() == Code::Unavailable {
            return draining();
        }
        Failure::new(status.code(), Reason::BadRequest, status.message())
    }
}

impl State {
    fn goes_on(&self) -> bool {
        !self.ended || self.reading.is_some() || !self.waiting.is_empty()
    }

    fn has_room(&self, read_ahead: usize) -> bool {
        !self.ended && self.reading.is_none() && self.waiting.len() < read_ahead.max(1)
    }

    /// Whether it is only waiting for its sender.
    fn is_idle(&self) -> bool {
        !self.ended && self.reading.is_none() && self.waiting.is_empty()
    }

    /// Ends the taking in at the first failure.
    fn note<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        let failure = match result {
            Ok(value) => return Some(value),
            Err(failure) => failure,
        };
        self.ended = true;
        self.failed.get_or_insert(failure);
        None
    }
}

/// Whether reading a message takes long enough to be done by another thread.
fn is_long(message: &FlightData) -> bool {
    // Packed, a byte may become 255.
    message.data_body.len() > LONG || message.data_body.len() > LONG / 255 && ipc::is_packed(&message.data_header)
}

/// What a future gives; without one, never anything.
async fn ready_or_never<T>(future: Option<&mut BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "session_end_tests.rs"]
mod end_tests;
