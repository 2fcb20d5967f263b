//! Where scored batches go: back as batches, or into a summary.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_flight::{FlightData, PutResult};
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_schema::Schema;
use serde::Serialize;
use sternpost_wire::failure::Failure;
use sternpost_wire::scoring::Stake;
use tokio::sync::mpsc::Sender;
use tonic::Status;

use super::table::Done;
use crate::engine_failure::internal;
use crate::hands::{Effort, Hands, aside};
use crate::refusal::gone_away;

/// From so many rows on, an answer is put together by another thread; below, it is a matter of tens of microseconds.
const LONG: usize = 4096;
/// Bytes of an answer's row, roughly.
const ROW: u64 = 64;

/// What becomes of scored batches.
pub(super) trait Answer: Send {
    /// Tells the columns before there are any.
    fn open(&mut self, schema: &Schema, digest: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Takes the next scored batch.
    fn batch(&mut self, done: Done) -> impl Future<Output = Result<(), Failure>> + Send;
    /// There are no more.
    fn close(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Ends when nobody listens any more.
    fn gone(&self) -> impl Future<Output = ()> + Send;
}

/// Every scored batch as a batch.
pub(super) struct Written {
    out: Sender<Result<FlightData, Status>>,
    hands: Arc<dyn Hands>,
    /// There unless it is writing.
    writer: Option<Writer>,
}

/// Written into messages.
struct Writer {
    generator: IpcDataGenerator,
    options: IpcWriteOptions,
    dictionaries: DictionaryTracker,
    context: IpcWriteContext,
}

impl Writer {
    fn schema(&mut self, schema: &Schema) -> FlightData {
        self.generator.schema_to_bytes_with_dictionary_tracker(schema, &mut self.dictionaries, &self.options).into()
    }

    /// The dictionaries that are new, then the batch.
    fn batch(&mut self, done: &Done) -> Result<Vec<FlightData>, Failure> {
        let encoded = self.generator.encode(&done.answer()?, &mut self.dictionaries, &self.options, &mut self.context);
        let (dictionaries, batch) = encoded.map_err(|error| internal(&error.to_string()))?;
        let batch = FlightData { app_metadata: done.attached.clone(), ..FlightData::from(batch) };
        Ok(dictionaries.into_iter().map(FlightData::from).chain([batch]).collect())
    }
}

impl Written {
    pub(super) fn new(out: Sender<Result<FlightData, Status>>, hands: Arc<dyn Hands>) -> Self {
        // A kept column may bring another dictionary with every batch; it is then sent again.
        let dictionaries = DictionaryTracker::new(false);
        let (generator, options, context) = (IpcDataGenerator::default(), IpcWriteOptions::default(), IpcWriteContext::default());
        Self { out, hands, writer: Some(Writer { generator, options, dictionaries, context }) }
    }

    fn writer(&mut self) -> Result<Writer, Failure> {
        self.writer.take().ok_or_else(|| internal("a stream's writer vanished"))
    }

    async fn send(&self, data: FlightData) -> Result<(), Failure> {
        self.out.send(Ok(data)).await.map_err(|_| gone_away())
    }
}

impl Answer for Written {
    async fn open(&mut self, schema: &Schema, digest: &str) -> Result<(), Failure> {
        let mut writer = self.writer()?;
        let data = writer.schema(schema);
        self.writer = Some(writer);
        self.send(FlightData { app_metadata: digest.to_owned().into(), ..data }).await
    }

    async fn batch(&mut self, done: Done) -> Result<(), Failure> {
        let mut writer = self.writer()?;
        let rows = done.kept.num_rows();
        let write = move || {
            let messages = writer.batch(&done);
            (writer, messages)
        };
        let (writer, messages) = if rows < LONG {
            write()
        } else {
            // All of the work is in it by now: it goes before what has not begun, and is late for nothing.
            let effort = Effort { stake: Stake::Decide, deadline: None, bytes: rows as u64 * ROW };
            aside(self.hands.as_ref(), effort, write).await?
        };
        self.writer = Some(writer);
        for message in messages? {
            self.send(message).await?;
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn gone(&self) {
        self.out.closed().await;
    }
}

/// Only counts.
pub(super) struct Summary {
    out: Sender<Result<PutResult, Status>>,
    counts: Counts,
}

#[derive(Debug, Default, Serialize)]
struct Counts {
    rows: u64,
    scored: u64,
    refused: u64,
    /// Rows by reason code; a row may have several. There are as many codes as columns and features have rules.
    reasons: BTreeMap<String, u64>,
}

impl Summary {
    pub(super) fn new(out: Sender<Result<PutResult, Status>>) -> Self {
        Self { out, counts: Counts::default() }
    }
}

impl Counts {
    fn add(&mut self, batch: &RecordBatch) {
        let rows = batch.num_rows() as u64;
        let refused = batch.column_by_name("score").map_or(0, |score| score.null_count() as u64);
        self.rows += rows;
        self.refused += refused;
        self.scored += rows.saturating_sub(refused);
        let lists = batch.column_by_name("reasons").and_then(|reasons| reasons.as_list_opt::<i32>());
        // The lists' entries lie one after the other, so whose they are need not be asked.
        let codes = lists.and_then(|lists| {
            let (first, last) = (*lists.value_offsets().first()?, *lists.value_offsets().last()?);
            Some(lists.values().slice(usize::try_from(first).ok()?, usize::try_from(last.checked_sub(first)?).ok()?))
        });
        for code in codes.iter().filter_map(|codes| codes.as_string_opt::<i32>()).flatten().flatten() {
            match self.reasons.get_mut(code) {
                Some(count) => *count += 1,
                None => drop(self.reasons.insert(code.to_owned(), 1)),
            }
        }
    }
}

impl Answer for Summary {
    async fn open(&mut self, _: &Schema, _: &str) -> Result<(), Failure> {
        Ok(())
    }

    async fn batch(&mut self, done: Done) -> Result<(), Failure> {
        done.scored.iter().for_each(|batch| self.counts.add(batch));
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Failure> {
        let summary = serde_json::to_vec(&self.counts).map_err(|error| internal(&error.to_string()))?;
        self.out.send(Ok(PutResult { app_metadata: summary.into() })).await.map_err(|_| gone_away())
    }

    async fn gone(&self) {
        self.out.closed().await;
    }
}
