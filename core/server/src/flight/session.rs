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
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use sternpost_engine::arrow_rows::Table;
use sternpost_engine::outputs;
use sternpost_wire::failure::{Failure, Reason};
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Status};

use super::Limits;
use super::answer::Answer;
use super::ipc::{Reader, read_schema, too_large};
use super::order::{Order, wrong};
use crate::catalog::{Registry, Served};
use crate::deadline::earliest;
use crate::engine_failure::{failure, internal};
use crate::scoring::{BoxFuture, Call, Scoring};

/// What every stream works with.
pub(super) struct Session {
    pub(super) registry: Arc<Registry>,
    pub(super) scoring: Arc<dyn Scoring>,
    pub(super) limits: Limits,
    /// When the whole call ceases to be of use.
    pub(super) deadline: Option<Instant>,
}

/// A stream whose schema is known.
struct Opened {
    served: Arc<Served>,
    order: Order,
    reader: Reader,
    /// Positions of the kept columns among those read.
    keep: Vec<usize>,
    scored: SchemaRef,
    answers: SchemaRef,
}

/// A batch on its way.
struct Waiting {
    kept: RecordBatch,
    attached: Bytes,
    scored: BoxFuture<'static, Result<Vec<RecordBatch>, Failure>>,
}

/// What a message was.
enum Taken {
    Nothing,
    /// The schema of the answers, and the bundle's digest.
    Schema(SchemaRef, String),
    Batch(Waiting),
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
        let mut order = None;
        let mut opened: Option<Opened> = None;
        let mut waiting: VecDeque<Waiting> = VecDeque::new();
        let mut ended = false;
        // What is wrong with a message is told after the answers to those before it.
        let mut failed = None;
        while !(ended && waiting.is_empty()) {
            let room = !ended && waiting.len() < self.limits.read_ahead.max(1);
            let front = async {
                match waiting.front_mut() {
                    Some(front) => front.scored.as_mut().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                () = answer.gone() => return Ok(()),
                scored = front => {
                    if let (Some(opened), Some(done)) = (&opened, waiting.pop_front()) {
                        answer.batch(opened.answer(&done.kept, &scored?)?, done.attached).await?;
                    }
                }
                message = messages.next(), if room => {
                    let Some(message) = message else {
                        ended = true;
                        continue;
                    };
                    match self.take(message, &mut order, &mut opened) {
                        Ok(Taken::Nothing) => {}
                        Ok(Taken::Schema(schema, digest)) => answer.open(&schema, &digest).await?,
                        Ok(Taken::Batch(batch)) => waiting.push_back(batch),
                        Err(failure) => (ended, failed) = (true, Some(failure)),
                    }
                }
            }
        }
        if let Some(failure) = failed {
            return Err(failure);
        }
        if opened.is_none() {
            return Err(wrong("the stream ended before a schema came; send the table's schema before its batches"));
        }
        answer.close().await
    }

    /// Makes of a message what it is.
    fn take(&self, message: Result<FlightData, Status>, order: &mut Option<Order>, opened: &mut Option<Opened>) -> Result<Taken, Failure> {
        let message = message.map_err(|status| self.broken(&status))?;
        let arrived = Instant::now();
        let order = match order {
            Some(order) => order,
            None => order.insert(Order::read(message.flight_descriptor.as_ref())?),
        };
        // A descriptor may come alone, and so may what a caller attaches.
        if message.data_header.is_empty() {
            return Ok(Taken::Nothing);
        }
        if let Some(opened) = opened {
            return Ok(self.next(opened, message, arrived)?.map_or(Taken::Nothing, Taken::Batch));
        }
        let begun = opened.insert(self.open(order, &message)?);
        Ok(Taken::Schema(begun.answers.clone(), begun.served.digest().to_owned()))
    }

    fn open(&self, order: &Order, message: &FlightData) -> Result<Opened, Failure> {
        let served = self.registry.catalog().find(&order.bundle)?.clone();
        let begun = self.columns(&served, order, message);
        if begun.is_err() {
            served.statistics.failed.fetch_add(1, Ordering::Relaxed);
        }
        begun
    }

    fn columns(&self, served: &Arc<Served>, order: &Order, message: &FlightData) -> Result<Opened, Failure> {
        let sent = read_schema(message, &self.limits)?;
        let contract = served.scorer.contract();
        // Asked now, so that a table that does not fit is refused before its rows are sent.
        Table::bind(contract, &sent, &[]).map_err(|error| failure(&error))?;
        let needed = contract.columns.iter().map(|column| column.name.as_str());
        let reader = Reader::new(sent, needed.chain(order.keep.iter().map(String::as_str)), self.limits)?;
        let scored = outputs::schema(&served.scorer).map_err(|error| failure(&error))?;
        let read = reader.schema();
        let mut keep = Vec::with_capacity(order.keep.len());
        let mut fields: Vec<Arc<Field>> = Vec::new();
        for name in &order.keep {
            let Some((place, field)) = read.fields().find(name) else { return Err(internal("a column that was read vanished")) };
            if fields.iter().chain(scored.fields()).any(|other| other.name() == name) {
                return Err(wrong(format!("column {name}: the answer has it already; keep it once, or under another name")));
            }
            keep.push(place);
            fields.push(field.clone());
        }
        fields.extend(scored.fields().iter().cloned());
        let answers = Arc::new(Schema::new(fields));
        Ok(Opened { served: served.clone(), order: order.clone(), reader, keep, scored, answers })
    }

    /// Sets a message's batch on its way; nothing if it was a dictionary.
    fn next(&self, opened: &mut Opened, message: FlightData, arrived: Instant) -> Result<Option<Waiting>, Failure> {
        let read = opened.reader.read(&message).and_then(|batch| {
            let Some(batch) = batch else { return Ok(None) };
            let kept = batch.project(&opened.keep).map_err(|error| internal(&error.to_string()))?;
            Ok(Some((batch, kept)))
        });
        let Some((batch, kept)) = read.inspect_err(|_| {
            opened.served.statistics.failed.fetch_add(1, Ordering::Relaxed);
        })?
        else {
            return Ok(None);
        };
        let scored = if batch.num_rows() == 0 {
            Box::pin(ready(Ok(Vec::new())))
        } else {
            let left = |end: Instant| end.saturating_duration_since(arrived);
            let limits: [Option<Duration>; 2] = [self.deadline.map(left), opened.order.timeout];
            let call = Call { deadline: earliest(arrived, limits), stake: opened.order.stake, arrived };
            self.scoring.score(opened.served.clone(), batch.schema(), vec![batch], call)
        };
        Ok(Some(Waiting { kept, attached: message.app_metadata, scored }))
    }

    fn broken(&self, status: &Status) -> Failure {
        // tonic's word for a message above its limit.
        if status.code() == Code::OutOfRange {
            return too_large(format!("a message of more than {} bytes; send smaller batches", self.limits.message_bytes));
        }
        Failure::new(status.code(), Reason::BadRequest, status.message())
    }
}

impl Opened {
    /// The kept columns and the scores as one batch.
    fn answer(&self, kept: &RecordBatch, scored: &[RecordBatch]) -> Result<RecordBatch, Failure> {
        let scored = concat_batches(&self.scored, scored).map_err(|error| internal(&error.to_string()))?;
        let columns = kept.columns().iter().chain(scored.columns()).cloned().collect();
        RecordBatch::try_new(self.answers.clone(), columns).map_err(|error| internal(&error.to_string()))
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
