//! Columns of decisions: the answer about a row, who gave it, and the row's inputs as they were received.
//!
//! Inputs are kept as their sender typed them, before the contract judged them: an unlisted label is its text, a value that breaks a bound is
//! the value. What a column cannot hold at all (a whole number beyond 64 bits) is null; the decision's reasons name it.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use sternpost_engine::contract::{Contract, Kind};
use sternpost_engine::value_rows::{Value, WrongType};

use crate::error::{Error, Result};
use crate::outcomes::{batch, instant, instants};

/// What is known of one decision besides its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Decision<'a> {
    /// The prediction's name.
    pub prediction_id: &'a str,
    /// When it was made, microseconds since 1970 in UTC.
    pub at_us: i64,
    /// How far the bundle was trusted: `off`, `shadow`, `advise`, `decide`.
    pub rung: &'a str,
    /// Who gave the answer: `model`, `champion`, `rule`, `constant`, `human`, `none`.
    pub source: &'a str,
    /// What hung on it: `shadow`, `batch`, `advise`, `decide`.
    pub stake: &'a str,
    /// The score, if there is one.
    pub score: Option<f64>,
    /// Raw outputs of a multiclass model.
    pub scores: &'a [f64],
    /// Winning class of a multiclass model.
    pub label: Option<&'a str>,
    /// What to do.
    pub action: Option<&'a str>,
    /// Whether that is a decision.
    pub binding: bool,
    /// Reason codes.
    pub reasons: &'a [&'a str],
    /// Nanoseconds from arrival to answer.
    pub latency_ns: Option<i64>,
    /// The caller's name for the request.
    pub request_id: Option<&'a str>,
    /// Whom it is about.
    pub entity: Option<&'a str>,
}

/// The columns of a contract's decisions as a segment holds them: without the bundle, which its header names.
pub fn schema(contract: &Contract) -> SchemaRef {
    let field = |name: &str, kind: DataType| Field::new(name, kind, true);
    let list = |kind: DataType| DataType::new_list(kind, true);
    Arc::new(Schema::new(vec![
        Field::new("prediction_id", DataType::Utf8, false),
        Field::new("at", instant(), false),
        field("rung", DataType::Utf8),
        field("source", DataType::Utf8),
        field("stake", DataType::Utf8),
        field("score", DataType::Float64),
        field("scores", list(DataType::Float64)),
        field("label", DataType::Utf8),
        field("action", DataType::Utf8),
        field("binding", DataType::Boolean),
        field("reasons", list(DataType::Utf8)),
        field("latency_ns", DataType::Int64),
        field("request_id", DataType::Utf8),
        field("entity", DataType::Utf8),
        field("inputs", DataType::Struct(input_fields(contract))),
    ]))
}

fn input_fields(contract: &Contract) -> Fields {
    contract
        .columns
        .iter()
        .map(|column| {
            let kind = match column.kind {
                Kind::Float(_) => DataType::Float64,
                Kind::Int(_) | Kind::Money { .. } => DataType::Int64,
                Kind::Bool => DataType::Boolean,
                Kind::Category { .. } => DataType::Utf8,
                Kind::Timestamp(_) => instant(),
            };
            Field::new(&column.name, kind, true)
        })
        .collect()
}

#[derive(Debug)]
enum Input {
    Float(Float64Builder),
    Long(Int64Builder),
    Flag(BooleanBuilder),
    /// With the contract's labels, for values that come as codes.
    Label(StringBuilder, Arc<[String]>),
    Instant(TimestampMicrosecondBuilder),
}

/// A batch of one contract's decisions in the making.
#[derive(Debug)]
pub struct Decisions {
    schema: SchemaRef,
    input_fields: Fields,
    prediction_id: StringBuilder,
    at: TimestampMicrosecondBuilder,
    rung: StringBuilder,
    source: StringBuilder,
    stake: StringBuilder,
    score: Float64Builder,
    scores: ListBuilder<Float64Builder>,
    label: StringBuilder,
    action: StringBuilder,
    binding: BooleanBuilder,
    reasons: ListBuilder<StringBuilder>,
    latency_ns: Int64Builder,
    request_id: StringBuilder,
    entity: StringBuilder,
    inputs: Vec<Input>,
    rows: usize,
}

impl Decisions {
    /// Builders for a contract's decisions.
    pub fn new(contract: &Contract) -> Self {
        let inputs = contract.columns.iter().map(|column| match &column.kind {
            Kind::Float(_) => Input::Float(Float64Builder::new()),
            Kind::Int(_) | Kind::Money { .. } => Input::Long(Int64Builder::new()),
            Kind::Bool => Input::Flag(BooleanBuilder::new()),
            Kind::Category { labels, .. } => Input::Label(StringBuilder::new(), labels.labels().iter().map(ToString::to_string).collect()),
            Kind::Timestamp(_) => Input::Instant(instants()),
        });
        Self {
            schema: schema(contract),
            input_fields: input_fields(contract),
            inputs: inputs.collect(),
            prediction_id: StringBuilder::new(),
            at: instants(),
            rung: StringBuilder::new(),
            source: StringBuilder::new(),
            stake: StringBuilder::new(),
            score: Float64Builder::new(),
            scores: ListBuilder::new(Float64Builder::new()),
            label: StringBuilder::new(),
            action: StringBuilder::new(),
            binding: BooleanBuilder::new(),
            reasons: ListBuilder::new(StringBuilder::new()),
            latency_ns: Int64Builder::new(),
            request_id: StringBuilder::new(),
            entity: StringBuilder::new(),
            rows: 0,
        }
    }

    /// Puts a value of the row to come, by its column's place and in any order; [`Self::push`] makes a null of what is not put. Of a column
    /// that is put twice the first counts.
    ///
    /// # Errors
    /// [`WrongType`] for a place or value that the contract does not have; the value is then null.
    pub fn input(&mut self, place: usize, value: Value<'_>) -> std::result::Result<(), WrongType> {
        let rows = self.rows;
        let Some(column) = self.inputs.get_mut(place) else { return Err(WrongType) };
        if column.len() > rows {
            return Ok(());
        }
        column.put(value)
    }

    /// Appends a decision about the inputs that were put.
    pub fn push(&mut self, decision: &Decision<'_>) {
        self.prediction_id.append_value(decision.prediction_id);
        self.at.append_value(decision.at_us);
        self.rung.append_value(decision.rung);
        self.source.append_value(decision.source);
        self.stake.append_value(decision.stake);
        self.score.append_option(decision.score);
        self.scores.values().append_slice(decision.scores);
        self.scores.append(!decision.scores.is_empty());
        self.label.append_option(decision.label);
        self.action.append_option(decision.action);
        self.binding.append_value(decision.binding);
        decision.reasons.iter().for_each(|reason| self.reasons.values().append_value(reason));
        self.reasons.append(true);
        self.latency_ns.append_option(decision.latency_ns);
        self.request_id.append_option(decision.request_id);
        self.entity.append_option(decision.entity);
        let rows = self.rows;
        self.inputs.iter_mut().filter(|column| column.len() == rows).for_each(Input::null);
        self.rows += 1;
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let rows = self.rows;
        // Inputs of a row that was never pushed do not belong to the next one.
        let inputs: Vec<ArrayRef> = self.inputs.iter_mut().map(|column| column.finish().slice(0, rows)).collect();
        self.rows = 0;
        let inputs = StructArray::try_new_with_length(self.input_fields.clone(), inputs, None, rows);
        let inputs = inputs.map_err(|error| Error::Usage(format!("the inputs do not fit their columns: {error}")))?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.prediction_id.finish()),
            Arc::new(self.at.finish()),
            Arc::new(self.rung.finish()),
            Arc::new(self.source.finish()),
            Arc::new(self.stake.finish()),
            Arc::new(self.score.finish()),
            Arc::new(self.scores.finish()),
            Arc::new(self.label.finish()),
            Arc::new(self.action.finish()),
            Arc::new(self.binding.finish()),
            Arc::new(self.reasons.finish()),
            Arc::new(self.latency_ns.finish()),
            Arc::new(self.request_id.finish()),
            Arc::new(self.entity.finish()),
            Arc::new(inputs),
        ];
        batch(self.schema.clone(), columns)
    }
}

impl Input {
    fn put(&mut self, value: Value<'_>) -> std::result::Result<(), WrongType> {
        match (&mut *self, value) {
            (_, Value::Null) => self.null(),
            (Self::Float(column), Value::Float(value)) => column.append_value(value),
            (Self::Float(column), Value::Int(value)) => column.append_value(value as f64),
            (Self::Long(column), Value::Int(value)) => column.append_value(value),
            (Self::Float(_) | Self::Long(_) | Self::Instant(_), Value::HugeInt) => self.null(),
            (Self::Flag(column), Value::Bool(value)) => column.append_value(value),
            (Self::Instant(column), Value::Instant(value) | Value::Int(value)) => column.append_value(value),
            (Self::Label(column, _), Value::Text(text)) => column.append_value(String::from_utf8_lossy(text)),
            (Self::Label(column, labels), Value::Label(place)) => match labels.get(place as usize) {
                Some(label) => column.append_value(label),
                None => return Err(WrongType),
            },
            _ => return Err(WrongType),
        }
        Ok(())
    }

    fn null(&mut self) {
        match self {
            Self::Float(column) => column.append_null(),
            Self::Long(column) => column.append_null(),
            Self::Flag(column) => column.append_null(),
            Self::Label(column, _) => column.append_null(),
            Self::Instant(column) => column.append_null(),
        }
    }

    fn len(&self) -> usize {
        use arrow_array::builder::ArrayBuilder;
        match self {
            Self::Float(column) => column.len(),
            Self::Long(column) => column.len(),
            Self::Flag(column) => column.len(),
            Self::Label(column, _) => column.len(),
            Self::Instant(column) => column.len(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Float(column) => Arc::new(column.finish()),
            Self::Long(column) => Arc::new(column.finish()),
            Self::Flag(column) => Arc::new(column.finish()),
            Self::Label(column, _) => Arc::new(column.finish()),
            Self::Instant(column) => Arc::new(column.finish()),
        }
    }
}
