//! Columns of outcomes: what really happened, when, and when it was known.

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::error::{Error, Result};

/// The type of every instant in a journal.
pub(crate) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The columns of outcomes.
pub fn schema() -> SchemaRef {
    let field = |name: &str, kind: DataType| Field::new(name, kind, true);
    Arc::new(Schema::new(vec![
        field("prediction_id", DataType::Utf8),
        field("entity", DataType::Utf8),
        field("happened_at", instant()),
        field("observed_at", instant()),
        field("recorded_at", instant()),
        field("value", DataType::Float64),
        field("label", DataType::Utf8),
        field("source", DataType::Utf8),
        field("revision", DataType::Int64),
    ]))
}

/// One outcome. Instants are microseconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outcome<'a> {
    /// The prediction that it belongs to, if known by name.
    pub prediction_id: Option<&'a str>,
    /// Whom it is about.
    pub entity: Option<&'a str>,
    /// When it happened.
    pub happened_at: Option<i64>,
    /// When it could be known.
    pub observed_at: Option<i64>,
    /// When we were told.
    pub recorded_at: Option<i64>,
    /// A number.
    pub value: Option<f64>,
    /// Or a label.
    pub label: Option<&'a str>,
    /// Who told.
    pub source: &'a str,
    /// Which telling of the same fact this is.
    pub revision: i64,
}

/// A batch of outcomes in the making.
#[derive(Debug)]
pub struct Outcomes {
    prediction_id: StringBuilder,
    entity: StringBuilder,
    happened_at: TimestampMicrosecondBuilder,
    observed_at: TimestampMicrosecondBuilder,
    recorded_at: TimestampMicrosecondBuilder,
    value: Float64Builder,
    label: StringBuilder,
    source: StringBuilder,
    revision: Int64Builder,
    rows: usize,
}

pub(crate) fn instants() -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::new().with_data_type(instant())
}

impl Default for Outcomes {
    fn default() -> Self {
        Self {
            prediction_id: StringBuilder::new(),
            entity: StringBuilder::new(),
            happened_at: instants(),
            observed_at: instants(),
            recorded_at: instants(),
            value: Float64Builder::new(),
            label: StringBuilder::new(),
            source: StringBuilder::new(),
            revision: Int64Builder::new(),
            rows: 0,
        }
    }
}

impl Outcomes {
    /// Appends one.
    pub fn push(&mut self, outcome: &Outcome<'_>) {
        self.prediction_id.append_option(outcome.prediction_id);
        self.entity.append_option(outcome.entity);
        self.happened_at.append_option(outcome.happened_at);
        self.observed_at.append_option(outcome.observed_at);
        self.recorded_at.append_option(outcome.recorded_at);
        self.value.append_option(outcome.value);
        self.label.append_option(outcome.label);
        self.source.append_value(outcome.source);
        self.revision.append_value(outcome.revision);
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
        self.rows = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.prediction_id.finish()),
            Arc::new(self.entity.finish()),
            Arc::new(self.happened_at.finish()),
            Arc::new(self.observed_at.finish()),
            Arc::new(self.recorded_at.finish()),
            Arc::new(self.value.finish()),
            Arc::new(self.label.finish()),
            Arc::new(self.source.finish()),
            Arc::new(self.revision.finish()),
        ];
        batch(schema(), columns)
    }
}

pub(crate) fn batch(schema: SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(schema, columns).map_err(|error| Error::Usage(format!("the rows do not fit their columns: {error}")))
}
