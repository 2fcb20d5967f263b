//! Where scored batches go: back as batches, or into a summary.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_flight::{FlightData, PutResult};
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_schema::Schema;
use bytes::Bytes;
use serde::Serialize;
use sternpost_wire::failure::{Failure, Reason};
use tokio::sync::mpsc::Sender;
use tonic::{Code, Status};

use crate::engine_failure::internal;

/// What becomes of scored batches.
pub(super) trait Answer: Send {
    /// Tells the columns before there are any.
    fn open(&mut self, schema: &Schema, digest: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Takes the next scored batch, with what its sender attached to it.
    fn batch(&mut self, batch: RecordBatch, attached: Bytes) -> impl Future<Output = Result<(), Failure>> + Send;
    /// There are no more.
    fn close(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Ends when nobody listens any more.
    fn gone(&self) -> impl Future<Output = ()> + Send;
}

/// Every scored batch as a batch.
pub(super) struct Batches {
    out: Sender<Result<FlightData, Status>>,
    generator: IpcDataGenerator,
    options: IpcWriteOptions,
    dictionaries: DictionaryTracker,
    context: IpcWriteContext,
}

impl Batches {
    pub(super) fn new(out: Sender<Result<FlightData, Status>>) -> Self {
        // A kept column may bring another dictionary with every batch; it is then sent again.
        let dictionaries = DictionaryTracker::new(false);
        let (generator, options, context) = (IpcDataGenerator::default(), IpcWriteOptions::default(), IpcWriteContext::default());
        Self { out, generator, options, dictionaries, context }
    }

    async fn send(&self, data: FlightData) -> Result<(), Failure> {
        self.out.send(Ok(data)).await.map_err(|_| went_away())
    }
}

impl Answer for Batches {
    async fn open(&mut self, schema: &Schema, digest: &str) -> Result<(), Failure> {
        let encoded = self.generator.schema_to_bytes_with_dictionary_tracker(schema, &mut self.dictionaries, &self.options);
        self.send(FlightData { app_metadata: digest.to_owned().into(), ..FlightData::from(encoded) }).await
    }

    async fn batch(&mut self, batch: RecordBatch, attached: Bytes) -> Result<(), Failure> {
        let encoded = self.generator.encode(&batch, &mut self.dictionaries, &self.options, &mut self.context);
        let (dictionaries, batch) = encoded.map_err(|error| internal(&error.to_string()))?;
        for dictionary in dictionaries {
            self.send(dictionary.into()).await?;
        }
        self.send(FlightData { app_metadata: attached, ..FlightData::from(batch) }).await
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
        for codes in lists.into_iter().flat_map(|lists| lists.iter().flatten()) {
            for code in codes.as_string_opt::<i32>().into_iter().flatten().flatten() {
                match self.reasons.get_mut(code) {
                    Some(count) => *count += 1,
                    None => drop(self.reasons.insert(code.to_owned(), 1)),
                }
            }
        }
    }
}

impl Answer for Summary {
    async fn open(&mut self, _: &Schema, _: &str) -> Result<(), Failure> {
        Ok(())
    }

    async fn batch(&mut self, batch: RecordBatch, _: Bytes) -> Result<(), Failure> {
        self.counts.add(&batch);
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Failure> {
        let summary = serde_json::to_vec(&self.counts).map_err(|error| internal(&error.to_string()))?;
        self.out.send(Ok(PutResult { app_metadata: summary.into() })).await.map_err(|_| went_away())
    }

    async fn gone(&self) {
        self.out.closed().await;
    }
}

fn went_away() -> Failure {
    Failure::new(Code::Cancelled, Reason::Deadline, "the caller went away")
}
