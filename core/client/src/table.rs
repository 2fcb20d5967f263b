//! A table's way: batches out and scored batches in on one Arrow Flight call, or all of it by the fallback.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_flight::utils::flight_data_to_arrow_batch;
use arrow_flight::{FlightData, FlightDescriptor};
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_schema::{Schema, SchemaRef};
use sternpost_engine::arrow_rows::Table;
use sternpost_engine::outputs;
use sternpost_wire::scoring::Stake;

use crate::answer::Source;
use crate::breaker::Outcome;
use crate::client::{Client, Inner};
use crate::connection::Patience;
use crate::description::Description;
use crate::duplex::Duplex;
use crate::error::{Error, Trouble};
use crate::fallback::Cause;
use crate::frame::framed;
use crate::remote::Flight;
use crate::tries::Tries;

const DO_EXCHANGE: &str = "/arrow.flight.protocol.FlightService/DoExchange";
/// Rows of a batch on the wire: enough that a call's costs vanish, few enough that a message stays far below its limit.
const BATCH_ROWS: usize = 8192;
/// Batches on their way at once: the server scores one while the next one travels.
const AHEAD: usize = 2;
const MESSAGE_MOST: usize = 256 << 20;

/// A table to be scored.
pub struct TableAsk<'a> {
    /// What its columns were held against.
    pub description: Arc<Description>,
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
    /// What hangs on the answer.
    pub stake: Stake,
    /// When and while to wait.
    pub patience: Patience<'a>,
    /// Set when no server is to be asked any more.
    pub cause: Option<Cause>,
    /// Threads of the fallback.
    pub threads: usize,
}

/// A scored table, and who scored it.
#[derive(Debug)]
pub struct ScoredTable {
    /// Columns as [`outputs::score`] gives them.
    pub schema: SchemaRef,
    /// Rows in order.
    pub batches: Vec<RecordBatch>,
    /// Who.
    pub source: Source,
    /// By which bundle.
    pub digest: String,
}

impl Client {
    /// Scores a table.
    ///
    /// # Errors
    /// Why there is no answer from anybody.
    pub fn score_table(&self, ask: &TableAsk<'_>) -> Result<ScoredTable, Error> {
        let inner = self.inner()?;
        inner.counters.calls.add();
        inner.retries.earn();
        let scored = inner.score_table(ask);
        if scored.is_err() {
            inner.counters.errors.add();
        }
        scored
    }
}

impl Inner {
    fn score_table(&self, ask: &TableAsk<'_>) -> Result<ScoredTable, Error> {
        if let Some(cause) = ask.cause {
            return self.table_here(ask, cause, None);
        }
        self.watch();
        let outgoing = outgoing(ask).map_err(|error| Error::Contract(error.to_string()))?;
        // The fallback needs time for the whole table, so the server gets half of it.
        let now = Instant::now();
        let half = now + ask.patience.until.saturating_duration_since(now) / 2;
        let patience = Patience { until: if self.local.is_some() { half } else { ask.patience.until }, ..ask.patience };
        let mut tries = Tries::new(self, patience, !self.has_fallback());
        loop {
            let flight = match tries.next() {
                Ok(flight) => flight,
                Err(end) => {
                    let (error, cause) = end.told(self, patience);
                    return match cause {
                        Some(cause) => self.table_here(ask, cause, Some(error)),
                        None => Err(error),
                    };
                }
            };
            match self.table_at(&flight, ask, &outgoing, tries.share(&flight)) {
                Ok(scored) => {
                    self.counters.served.add();
                    flight.ends(Outcome::Good);
                    return Ok(scored);
                }
                Err(trouble) => tries.failed(flight, trouble),
            }
        }
    }

    fn table_at(
        &self,
        flight: &Flight<'_>,
        ask: &TableAsk<'_>,
        outgoing: &[RecordBatch],
        patience: Patience<'_>,
    ) -> Result<ScoredTable, Trouble> {
        let mut held = flight.remote.pool.take(patience)?;
        let talk = async |call: &mut Duplex| exchange(call, &self.bundle, ask.stake, outgoing).await;
        let scored = held.get()?.converse(DO_EXCHANGE, true, patience, talk);
        if matches!(scored, Ok(_) | Err(Trouble::Said(_))) {
            held.keep();
        }
        scored
    }

    /// The whole table by the fallback.
    fn table_here(&self, ask: &TableAsk<'_>, cause: Cause, error: Option<Error>) -> Result<ScoredTable, Error> {
        let error = error.unwrap_or_else(|| Error::Unreachable("no server answered".to_owned()));
        let Some(local) = &self.local else { return Err(error) };
        self.same_bundle(local, error)?;
        let table = Table::bind(local.scorer.contract(), &ask.schema, &ask.batches).map_err(Error::Local)?;
        let go_on = || (ask.patience.go_on)() && Instant::now() < ask.patience.until;
        let scored = outputs::score(&local.scorer, &table, ask.threads, &go_on);
        let (schema, batches) = scored.map_err(|error| match error {
            sternpost_engine::Error::Interrupted if Instant::now() >= ask.patience.until => {
                Error::Deadline("neither a server nor the fallback scored the table within the deadline; give it more time".to_owned())
            }
            sternpost_engine::Error::Interrupted => Error::Interrupted,
            error => Error::Local(error),
        })?;
        self.counters.fallbacks[cause.place()].add();
        Ok(ScoredTable { schema, batches, source: Source::Fallback, digest: local.description.digest.clone() })
    }
}

/// The contract's columns and no others, in batches of a size that travels well.
fn outgoing(ask: &TableAsk<'_>) -> Result<Vec<RecordBatch>, arrow_schema::ArrowError> {
    let columns: Vec<usize> = ask.description.contract.columns.iter().filter_map(|column| ask.schema.index_of(&column.name).ok()).collect();
    let mut out = Vec::new();
    for batch in &ask.batches {
        let batch = batch.project(&columns)?;
        let mut first = 0;
        while first < batch.num_rows() {
            let rows = BATCH_ROWS.min(batch.num_rows() - first);
            out.push(batch.slice(first, rows));
            first += rows;
        }
    }
    if out.is_empty() {
        out.push(RecordBatch::new_empty(Arc::new(ask.schema.project(&columns)?)));
    }
    Ok(out)
}

/// One conversation: a batch is sent for every one that came back, [`AHEAD`] of them at the start.
async fn exchange(call: &mut Duplex, bundle: &str, stake: Stake, outgoing: &[RecordBatch]) -> Result<ScoredTable, Trouble> {
    let mut sender = Sender::new();
    let Some(first) = outgoing.first() else { return Err(Trouble::broken("there is nothing to send")) };
    sender.schema(call, first.schema_ref(), descriptor(bundle, stake))?;
    let mut rest = outgoing.iter();
    let mut waiting: usize = 0;
    let (mut schema, mut digest, mut batches): (Option<SchemaRef>, _, Vec<RecordBatch>) = (None, String::new(), Vec::new());
    let mut finished = false;
    loop {
        while waiting < AHEAD && !finished {
            match rest.next() {
                Some(batch) => {
                    sender.batch(call, batch)?;
                    waiting += batch.num_rows().min(1);
                }
                None => {
                    call.finish()?;
                    finished = true;
                }
            }
        }
        let Some(message) = call.next(MESSAGE_MOST).await? else { break };
        let data: FlightData = prost::Message::decode(message).map_err(Trouble::broken)?;
        match &schema {
            None => {
                schema = Some(Arc::new(Schema::try_from(&data).map_err(Trouble::broken)?));
                digest = String::from_utf8_lossy(&data.app_metadata).into_owned();
            }
            Some(schema) => {
                batches.push(flight_data_to_arrow_batch(&data, schema.clone(), &HashMap::new()).map_err(Trouble::broken)?);
                waiting = waiting.saturating_sub(1);
            }
        }
    }
    let (sent, came) = (rows(outgoing), rows(&batches));
    if sent != came {
        return Err(Trouble::broken(format!("{sent} rows were sent and {came} came back")));
    }
    let schema = schema.ok_or_else(|| Trouble::broken("the server did not say what its answer's columns are"))?;
    Ok(ScoredTable { schema, batches, source: Source::Model, digest })
}

fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

fn descriptor(bundle: &str, stake: Stake) -> FlightDescriptor {
    let stake = match stake {
        Stake::Shadow => "shadow",
        Stake::Batch => "batch",
        Stake::Advise | Stake::Unspecified => "advise",
        Stake::Decide => "decide",
    };
    FlightDescriptor::new_cmd(serde_json::json!({"bundle": bundle, "stake": stake}).to_string())
}

/// Writes batches as Flight messages; a dictionary is sent when it is new.
struct Sender {
    generator: IpcDataGenerator,
    options: IpcWriteOptions,
    dictionaries: DictionaryTracker,
    context: IpcWriteContext,
}

impl Sender {
    fn new() -> Self {
        let dictionaries = DictionaryTracker::new(false);
        Self {
            generator: IpcDataGenerator::default(),
            options: IpcWriteOptions::default(),
            dictionaries,
            context: IpcWriteContext::default(),
        }
    }

    fn schema(&mut self, call: &mut Duplex, schema: &Schema, descriptor: FlightDescriptor) -> Result<(), Trouble> {
        let encoded = self.generator.schema_to_bytes_with_dictionary_tracker(schema, &mut self.dictionaries, &self.options);
        call.send(framed(&FlightData { flight_descriptor: Some(descriptor), ..FlightData::from(encoded) })?, false)
    }

    fn batch(&mut self, call: &mut Duplex, batch: &RecordBatch) -> Result<(), Trouble> {
        let encoded = self.generator.encode(batch, &mut self.dictionaries, &self.options, &mut self.context);
        let (dictionaries, batch) = encoded.map_err(Trouble::broken)?;
        for part in dictionaries.into_iter().chain([batch]) {
            call.send(framed(&FlightData::from(part))?, false)?;
        }
        Ok(())
    }
}
