//! What the tests of the protocol share: a scorer whose model is played, requests, and who scores and operates.

mod service;
mod stream;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::builder::{FixedSizeListBuilder, Float64Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use bytes::Bytes;
use sternpost_engine::arrow_rows::Table;
use sternpost_engine::model::{Model, Session};
use sternpost_engine::outputs;
use sternpost_engine::scorer::Scorer;
use sternpost_engine::spec::Spec;
use sternpost_wire::failure::{Failure, Reason};
use sternpost_wire::inference::infer_parameter::ParameterChoice;
use sternpost_wire::inference::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use sternpost_wire::inference::{InferParameter, ModelInferRequest};
use sternpost_wire::scoring::Rung;
use tonic::Code;

use super::service::{Inference, Options, Parts};
use crate::catalog::{Opened, Registry, Served};
use crate::engine_failure;
use crate::hands::{Effort, Hands};
use crate::operator::Operator;
use crate::scoring::{Batches, BoxFuture, Call, Scored, Scoring, Timing};

/// A column of every type; `fare` and `kind` and `seen` may be null.
pub const COLUMNS: &str = r#"
    {"name": "distance", "type": "float", "ge": 0.0},
    {"name": "fare", "type": "money", "nullable": true},
    {"name": "stops", "type": "int"},
    {"name": "late", "type": "bool"},
    {"name": "kind", "type": "category", "categories": ["red", "blue"], "nullable": true},
    {"name": "at", "type": "timestamp"},
    {"name": "seen", "type": "bool", "nullable": true}"#;

/// The columns as inputs.
pub const DATATYPES: [(&str, &str); 7] =
    [("distance", "FP64"), ("fare", "INT64"), ("stops", "INT64"), ("late", "BOOL"), ("kind", "BYTES"), ("at", "INT64"), ("seen", "BOOL")];

struct Played;

impl Model for Played {
    fn open(&self) -> sternpost_engine::Result<Box<dyn Session>> {
        Ok(Box::new(Self))
    }
}

impl Session for Played {
    fn run(&mut self, _: &[f32], _: usize, _: &mut Vec<f32>) -> sternpost_engine::Result<()> {
        Ok(())
    }
}

/// A scorer under a name; `task` is binary or multiclass.
pub fn scorer(name: &str, task: &str) -> Arc<Scorer> {
    let model = match task {
        "multiclass" => {
            r#"{"kind": "multiclass", "classes": ["low", "mid", "high"], "input": "x", "output": "y", "features": 1, "outputs": 3, "min_rows": 1, "chunk_rows": 1024}"#
        }
        _ => r#"{"kind": "regression", "input": "x", "output": "y", "features": 1, "outputs": 1, "min_rows": 1, "chunk_rows": 1024}"#,
    };
    let json = format!(
        r#"{{"contract": {{"format": 1, "name": "Ride", "columns": [{COLUMNS}]}}, "features": [{{"name": "f", "type": "float"}}],
            "order": [0], "model": {model}, "bundle": {{"name": "{name}", "digest": "d1gest"}}}}"#
    );
    Arc::new(Scorer::new(Spec::from_json(&json).unwrap(), None, Some(Arc::new(Played))).unwrap())
}

pub fn served(name: &str, task: &str) -> Served {
    Served::new(Opened { scorer: scorer(name, task), rung: Rung::Shadow, probe: None }, 3)
}

/// Scores a row by its place, unless the contract refuses it.
#[derive(Default)]
pub struct Counting {
    pub calls: Mutex<Vec<Call>>,
    pub delay: Option<Duration>,
    pub timing: Option<Timing>,
}

impl Scoring for Counting {
    fn score(&self, served: Arc<Served>, table: Batches, call: Call) -> BoxFuture<'static, Result<Scored, Failure>> {
        self.calls.lock().unwrap().push(call);
        let (delay, timing) = (self.delay, self.timing);
        Box::pin(async move {
            if let Some(delay) = delay {
                tokio::time::sleep(delay).await;
            }
            let scorer = &served.scorer;
            let table = Table::bind(scorer.contract(), &table.schema, &table.batches).map_err(|error| engine_failure::failure(&error))?;
            let broken = outputs::check(scorer, &table, usize::MAX, &|| true).map_err(|error| engine_failure::failure(&error))?;
            let reasons: Vec<Vec<String>> = (0..table.rows())
                .map(|row| {
                    broken.iter().filter(|broken| broken.row == row).map(|broken| format!("{}:{}", broken.rule, broken.column)).collect()
                })
                .collect();
            let scores = (0..table.rows()).map(|row| reasons[row].is_empty().then_some(row as f64 + 0.5)).collect::<Vec<_>>();
            let classes = scorer.shape().and_then(|shape| shape.classes.as_deref());
            // In two batches, as a scorer may give them.
            let half = table.rows() / 2;
            let batches = vec![scored(&scores[..half], classes, &reasons[..half]), scored(&scores[half..], classes, &reasons[half..])];
            Ok(Scored { batches, timing: timing.unwrap_or(Timing { rows: table.rows() as u64, ..Timing::default() }) })
        })
    }
}

/// Columns as the engine gives them; class `i` of a row scores `score + i`, the label is that of the last class.
pub fn scored(scores: &[Option<f64>], classes: Option<&[String]>, reasons: &[Vec<String>]) -> RecordBatch {
    let mut columns: Vec<(&str, ArrayRef)> = vec![("score", Arc::new(scores.iter().copied().collect::<arrow_array::Float64Array>()))];
    if let Some(classes) = classes {
        let mut labels = StringBuilder::new();
        let mut lists = FixedSizeListBuilder::new(Float64Builder::new(), classes.len() as i32);
        for score in scores {
            labels.append_option(score.and(classes.last()));
            (0..classes.len()).for_each(|class| lists.values().append_option(score.map(|score| score + class as f64)));
            lists.append(score.is_some());
        }
        columns.push(("label", Arc::new(labels.finish())));
        columns.push(("scores", Arc::new(lists.finish())));
    }
    let actions = scores.iter().map(|score| Some(if score.is_some() { "go" } else { "review" }));
    columns.push(("action", Arc::new(actions.collect::<arrow_array::StringArray>())));
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in reasons {
        row.iter().for_each(|reason| lists.values().append_value(reason));
        lists.append(true);
    }
    columns.push(("reasons", Arc::new(lists.finish())));
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Does long work at once, and counts it.
#[derive(Default)]
pub struct Willing(pub Mutex<Vec<u64>>);

impl Hands for Willing {
    fn take(&self, effort: Effort, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, Result<(), Failure>> {
        self.0.lock().unwrap().push(effort.bytes);
        Box::pin(async move {
            work();
            Ok(())
        })
    }
}

/// Notes what it was told; knows one bundle.
#[derive(Default)]
pub struct Noting(pub Mutex<Vec<String>>);

impl Operator for Noting {
    fn load(&self, name: &str) -> BoxFuture<'_, Result<(), Failure>> {
        let known = name == "ride";
        self.0.lock().unwrap().push(format!("load {name}"));
        Box::pin(async move { if known { Ok(()) } else { Err(Failure::new(Code::NotFound, Reason::UnknownBundle, "no such bundle")) } })
    }

    fn unload(&self, name: &str) -> BoxFuture<'_, Result<(), Failure>> {
        self.0.lock().unwrap().push(format!("unload {name}"));
        Box::pin(async { Ok(()) })
    }
}

/// A service that serves `ride`, and who it works with.
pub struct World {
    pub inference: Inference,
    pub registry: Arc<Registry>,
    pub scoring: Arc<Counting>,
    pub operator: Arc<Noting>,
    pub hands: Arc<Willing>,
}

pub fn world(task: &str, scoring: Counting, options: Options) -> World {
    let (registry, scoring, operator) = (Arc::new(Registry::default()), Arc::new(scoring), Arc::new(Noting::default()));
    let hands = Arc::new(Willing::default());
    registry.serve(Served::new(Opened { scorer: scorer("ride", task), rung: Rung::Advise, probe: None }, 1));
    let parts = Parts {
        registry: registry.clone(),
        scoring: scoring.clone(),
        hands: hands.clone(),
        operator: operator.clone(),
        ready: Box::new(|| true),
        options,
    };
    World { inference: Inference::new(parts), registry, scoring, operator, hands }
}

pub fn parameter(choice: ParameterChoice) -> InferParameter {
    InferParameter { parameter_choice: Some(choice) }
}

pub fn input(name: &str, datatype: &str, shape: &[i64]) -> InferInputTensor {
    InferInputTensor { name: name.to_owned(), datatype: datatype.to_owned(), shape: shape.to_vec(), ..Default::default() }
}

pub fn asked(name: &str) -> InferRequestedOutputTensor {
    InferRequestedOutputTensor { name: name.to_owned(), ..Default::default() }
}

pub fn framed(labels: &[&str]) -> Bytes {
    labels.iter().flat_map(|label| [&(label.len() as u32).to_le_bytes(), label.as_bytes()].concat()).collect::<Vec<_>>().into()
}

/// Raw inputs of `rows` good rows, in the contract's order.
pub fn raw(rows: usize) -> (Vec<InferInputTensor>, Vec<Bytes>) {
    let shape = [rows as i64, 1];
    let longs = |start: i64| -> Bytes { (0..rows as i64).flat_map(|row| (start + row).to_le_bytes()).collect::<Vec<_>>().into() };
    let floats: Vec<u8> = (0..rows).flat_map(|row| (row as f64).to_le_bytes()).collect();
    let kinds: Vec<&str> = (0..rows).map(|row| if row % 2 == 0 { "red" } else { "blue" }).collect();
    let inputs = DATATYPES.iter().map(|(name, datatype)| input(name, datatype, &shape)).collect();
    let flags = || Bytes::from(vec![1; rows]);
    (inputs, vec![floats.into(), longs(100), longs(1), flags(), framed(&kinds), longs(1_700_000_000_000_000), flags()])
}

/// The same with typed contents.
pub fn typed(rows: usize) -> Vec<InferInputTensor> {
    let (mut inputs, raw) = raw(rows);
    for (input, raw) in inputs.iter_mut().zip(raw) {
        let mut contents = sternpost_wire::inference::InferTensorContents::default();
        match input.datatype.as_str() {
            "FP64" => contents.fp64_contents = raw.chunks(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect(),
            "INT64" => contents.int64_contents = raw.chunks(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap())).collect(),
            "BOOL" => contents.bool_contents = raw.iter().map(|byte| *byte == 1).collect(),
            _ => contents.bytes_contents = (0..rows).map(|row| if row % 2 == 0 { "red".into() } else { "blue".into() }).collect(),
        }
        input.contents = Some(contents);
    }
    inputs
}

pub fn request(rows: usize) -> ModelInferRequest {
    let (inputs, raw_input_contents) = raw(rows);
    ModelInferRequest { model_name: "ride".to_owned(), id: "r1".to_owned(), inputs, raw_input_contents, ..Default::default() }
}
