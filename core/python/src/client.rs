//! The client as a Python object: reads a row under the interpreter lock, waits for its answer without it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use serde::Deserialize;
use sternpost_client::answer::Answer;
use sternpost_client::connection::Patience;
use sternpost_client::describing::Described;
use sternpost_client::description::Description;
use sternpost_client::endpoint::Endpoint;
use sternpost_client::fallback::Fallback;
use sternpost_client::scoring::{Ask, Scored};
use sternpost_client::table::TableAsk;
use sternpost_client::tls::TlsFiles;
use sternpost_client::{Client as Core, Error, Options, Transport};
use sternpost_engine::arrow_rows::Table;
use sternpost_engine::scorer::Scorer;
use sternpost_engine::violation;
use sternpost_wire::packed;
use sternpost_wire::scoring::{ReportRequest, Value};

use crate::decision::{Decision, Violation};
use crate::engine::Engine;
use crate::reading::Reader;
use crate::{arguments, errors, fork, gate, tables};

/// Talks to servers of one bundle.
#[pyclass(frozen, module = "sternpost._core")]
pub struct Client {
    client: Core,
    /// How rows of the description that was used last are read.
    reader: Mutex<Option<(Arc<Description>, Arc<Reader>)>>,
    /// Keeps the fallback's kernel mapped; after the client, so that it goes last.
    _fallback: Option<Py<Engine>>,
}

/// What the constructor is given, beside the fallback's engine.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    endpoints: Vec<String>,
    bundle: String,
    /// A constant answer.
    rule: Option<Rule>,
    transport: Way,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    server_name: Option<String>,
    token: Option<String>,
    allow_other_bundle: bool,
    parity_every: Option<u64>,
    hedge_after_s: Option<f64>,
    busy_poll_us: u64,
    connections: usize,
    watch_health: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    score: Option<f64>,
    action: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    Stream,
    Unary,
}

impl Settings {
    fn options(self, scorer: Option<Arc<Scorer>>) -> Result<Options, Error> {
        let endpoints = Endpoint::parse_all(self.endpoints.iter().map(String::as_str));
        let hedge_after = match self.hedge_after_s.map(Duration::try_from_secs_f64).transpose() {
            Ok(after) => after,
            Err(error) => return Err(Error::Usage(format!("hedge_after_s is not a time: {error}"))),
        };
        Ok(Options {
            endpoints: endpoints.map_err(|error| Error::Usage(error.to_string()))?,
            bundle: self.bundle,
            fallback: match (scorer, self.rule) {
                (Some(scorer), _) => Fallback::Bundle(scorer),
                (None, Some(Rule { score, action })) => Fallback::Constant { score, action },
                (None, None) => Fallback::None,
            },
            transport: match self.transport {
                Way::Stream => Transport::Stream,
                Way::Unary => Transport::Unary,
            },
            tls: TlsFiles { ca: self.ca, cert: self.cert, key: self.key, server_name: self.server_name },
            token: self.token,
            allow_other_bundle: self.allow_other_bundle,
            parity_every: self.parity_every,
            hedge_after,
            busy_poll: Duration::from_micros(self.busy_poll_us),
            connections: self.connections,
            watch_health: self.watch_health,
            generation: fork::generation,
        })
    }
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (settings, fallback=None))]
    fn new(py: Python<'_>, settings: &str, fallback: Option<Py<Engine>>) -> PyResult<Self> {
        gate::contained(py, || {
            let settings: Settings = serde_json::from_str(settings)
                .map_err(|error| errors::usage(py, format!("the client's settings are not readable: {error}")))?;
            let scorer = fallback.as_ref().map(|engine| engine.get().scorer(py)).transpose()?;
            let client = settings.options(scorer).and_then(Core::new).map_err(|error| errors::from_client(py, error))?;
            Ok(Self { client, reader: Mutex::new(None), _fallback: fallback })
        })
    }

    /// Scores one row given as a mapping from column name to value.
    #[pyo3(signature = (row, deadline_s, stake="advise", id="", entity=""))]
    fn score_row(
        &self,
        py: Python<'_>,
        row: &Bound<'_, PyAny>,
        deadline_s: f64,
        stake: &str,
        id: &str,
        entity: &str,
    ) -> PyResult<Decision> {
        self.score_told(py, row, deadline_s, stake, id, entity).map(|(decision, _)| decision)
    }

    /// The same, and whether the answer was given here: by the fallback, not by a server.
    #[pyo3(signature = (row, deadline_s, stake, id, entity))]
    fn score_told(
        &self,
        py: Python<'_>,
        row: &Bound<'_, PyAny>,
        deadline_s: f64,
        stake: &str,
        id: &str,
        entity: &str,
    ) -> PyResult<(Decision, bool)> {
        gate::contained(py, || {
            let until = Instant::now() + arguments::seconds(py, "deadline_s", deadline_s)?;
            let stake = arguments::stake(py, stake)?;
            arguments::checked_id(py, id)?;
            arguments::checked_entity(py, entity)?;
            let (mut description, mut cause) = match self.wait(py, until, |client, patience| client.described(patience))? {
                Described::Served(description) => (description, None),
                Described::Local(description, cause) => (description, Some(cause)),
                Described::Rule(mut answer) => {
                    name_by(&mut answer, id);
                    return Ok((decision(py, *answer, |_| String::new()), true));
                }
            };
            let (mut repacked, mut renewed) = (0, false);
            loop {
                let reader = self.reader(py, &description);
                let packed = reader.fields(&description.contract, row).and_then(|fields| {
                    let packed = pack(&reader, &description, &fields)?;
                    Ok((fields, packed))
                });
                let (fields, packed) = match packed {
                    Ok(packed) => packed,
                    // The server may have got another contract since it was asked.
                    Err(error) => match self.renewed(py, &description, until)? {
                        Some(other) if !renewed => {
                            (description, renewed) = (other, true);
                            continue;
                        }
                        _ => return Err(error),
                    },
                };
                let asked = description.clone();
                let scored = self.wait(py, until, |client, patience| {
                    client.score(&Ask { description: asked, row: packed, id, entity, stake, patience, cause, repacked })
                })?;
                match scored {
                    Scored::Answer(mut answer) => {
                        let is_local = name_by(&mut answer, id);
                        return Ok((decision(py, *answer, |place| reader.text(&fields, place)), is_local));
                    }
                    Scored::Repack(other, why) => (description, cause, repacked) = (other, why, repacked + 1),
                }
            }
        })
    }

    /// Scores a table.
    #[pyo3(signature = (data, deadline_s, stake="advise", threads=None))]
    fn score_table<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        deadline_s: f64,
        stake: &str,
        threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        gate::contained(py, || {
            let until = Instant::now() + arguments::seconds(py, "deadline_s", deadline_s)?;
            let stake = arguments::stake(py, stake)?;
            let threads = threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), |threads| threads.max(1));
            let (schema, batches) = tables::batches(py, data)?;
            let (description, cause) = match self.wait(py, until, |client, patience| client.described(patience))? {
                Described::Served(description) => (description, None),
                Described::Local(description, cause) => (description, Some(cause)),
                Described::Rule(_) => {
                    let message = "no server can be reached, and a constant does not stand in for a table; give the client a bundle";
                    return Err(errors::from_client(py, Error::Unreachable(message.to_owned())));
                }
            };
            // Columns that do not fit are the caller's mistake, told in the same words as by a bundle.
            gate::away(py, |_| Table::bind(&description.contract, &schema, &batches).map(|_| ()))?;
            let scored = self.wait(py, until, |client, patience| {
                client.score_table(&TableAsk { description, schema, batches, stake, patience, cause, threads })
            })?;
            let said = [("sternpost.source", scored.source.name().to_owned()), ("sternpost.bundle", scored.digest)];
            let said: HashMap<_, _> = said.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            let schema = Arc::new(scored.schema.as_ref().clone().with_metadata(said));
            let batches = scored.batches.into_iter().map(|batch| batch.with_schema(schema.clone())).collect::<Result<_, _>>();
            tables::write(py, batches.map_err(|error| errors::data(py, error.to_string()))?, schema)
        })
    }

    /// Tells what happened after a prediction.
    #[pyo3(signature = (prediction_id, outcome, known_at_us, happened_at_us, entity, source, revision, deadline_s))]
    #[allow(clippy::too_many_arguments)] // the fields of the message
    fn report(
        &self,
        py: Python<'_>,
        prediction_id: String,
        outcome: &Bound<'_, PyAny>,
        known_at_us: i64,
        happened_at_us: Option<i64>,
        entity: String,
        source: String,
        revision: i64,
        deadline_s: f64,
    ) -> PyResult<()> {
        gate::contained(py, || {
            let until = Instant::now() + arguments::seconds(py, "deadline_s", deadline_s)?;
            let outcome = Some(Value { kind: Some(arguments::outcome(outcome)?) });
            let request = ReportRequest { prediction_id, outcome, known_at_us, happened_at_us, source, revision, entity };
            self.wait(py, until, |client, patience| client.report(&request, patience))
        })
    }

    /// What the server serves, as JSON.
    fn describe(&self, py: Python<'_>, deadline_s: f64) -> PyResult<String> {
        gate::contained(py, || {
            let until = Instant::now() + arguments::seconds(py, "deadline_s", deadline_s)?;
            let description = self.wait(py, until, |client, patience| client.describe(patience))?;
            Ok(description.to_json())
        })
    }

    /// What was counted so far, as JSON.
    fn stats(&self, py: Python<'_>) -> PyResult<String> {
        gate::contained(py, || self.client.stats().map_err(|error| errors::from_client(py, error)))
    }

    /// Closes idle connections and ends the background watch.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        gate::contained(py, || py.detach(|| self.client.close()).map_err(|error| errors::from_client(py, error)))
    }
}

impl Client {
    /// Runs a call without the interpreter lock.
    fn wait<T: Send>(
        &self,
        py: Python<'_>,
        until: Instant,
        call: impl FnOnce(&Core, Patience<'_>) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        gate::free(py, |go_on| call(&self.client, Patience { until, go_on }))?.map_err(|error| errors::from_client(py, error))
    }

    fn renewed(&self, py: Python<'_>, old: &Description, until: Instant) -> PyResult<Option<Arc<Description>>> {
        gate::free(py, |go_on| self.client.renewed(old, Patience { until, go_on }))
    }

    fn reader(&self, py: Python<'_>, description: &Arc<Description>) -> Arc<Reader> {
        let mut held = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some((known, reader)) if Arc::ptr_eq(known, description) => reader.clone(),
            _ => {
                let reader = Arc::new(Reader::new(py, &description.contract));
                *held = Some((description.clone(), reader.clone()));
                reader
            }
        }
    }
}

/// Whether an answer was given here, in which case it has no name yet: the caller's, if there is one, holds for it as well.
fn name_by(answer: &mut Answer, id: &str) -> bool {
    let is_local = answer.prediction_id.is_none();
    if is_local && !id.is_empty() {
        answer.prediction_id = Some(id.to_owned());
    }
    is_local
}

fn pack(reader: &Reader, description: &Description, fields: &Bound<'_, PyDict>) -> PyResult<Bytes> {
    let contract = &description.contract;
    let mut row = Vec::with_capacity(9 * contract.columns.len());
    reader.read(contract, fields, |place, value| packed::pack(contract, place, value, &mut row))?;
    Ok(row.into())
}

/// The decision that a local bundle would give, from what travelled: violations are told from reasons and the row's own values.
fn decision(py: Python<'_>, answer: Answer, value: impl Fn(usize) -> String) -> Decision {
    let violations = answer.description.as_ref().map(|description| {
        let contract = &description.contract;
        let marks = answer.reasons.iter().filter_map(|reason| violation::mark(contract, &description.features, reason));
        let violations = marks.map(|mark| {
            let value = if mark.rule.is_of_contract() { value(mark.place as usize) } else { String::new() };
            Violation::from(violation::Violation::new(contract, &description.features, &mark, &value))
        });
        violations.collect()
    });
    let text = |text: String| PyString::new(py, &text).unbind();
    Decision {
        score: answer.score,
        scores: answer.scores,
        label: answer.label.map(text),
        action: answer.action.map(text),
        binding: answer.binding,
        reasons: answer.reasons,
        violations: violations.unwrap_or_default(),
        bundle: text(answer.digest),
        source: answer.source.name(),
        rung: answer.rung,
        prediction_id: answer.prediction_id,
    }
}
