//! What a stream's table is once its schema is known: which columns are read, kept and answered.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use sternpost_engine::arrow_rows::Table;
use sternpost_engine::outputs;
use sternpost_wire::failure::Failure;

use super::order::Order;
use crate::catalog::Served;
use crate::engine_failure::{failure, internal};
use crate::ipc::{Limits, Reader};
use crate::refusal::bad;

/// A stream whose schema is known.
pub(super) struct Opened {
    /// The name of the bundle that scores it. The bundle itself is held by batches on their way alone, so that a stream keeps none alive
    /// that was replaced.
    pub bundle: String,
    /// The bundle's digest, and so all of its bits.
    pub digest: String,
    /// What was asked.
    pub order: Order,
    /// The columns of an answer.
    pub answers: SchemaRef,
    /// Positions of the kept columns among those read.
    keep: Vec<usize>,
    scored: SchemaRef,
}

/// A scored batch before it is put together.
pub(super) struct Done {
    /// Its stream.
    pub opened: Arc<Opened>,
    /// The kept columns.
    pub kept: RecordBatch,
    /// The scores, in as many pieces as they were made.
    pub scored: Vec<RecordBatch>,
    /// What its sender attached to it.
    pub attached: Bytes,
}

impl Opened {
    /// Fits a table that was announced to what was asked, and makes the reader of its batches.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` that names the column which is absent, of a wrong type, nested, or in the way of another.
    pub(super) fn new(served: &Served, order: Order, sent: SchemaRef, limits: Limits) -> Result<(Self, Reader), Failure> {
        let contract = served.scorer.contract();
        // Asked now, so that a table that does not fit is refused before its rows are sent.
        Table::bind(contract, &sent, &[]).map_err(|error| failure(&error))?;
        let needed = contract.columns.iter().map(|column| column.name.as_str());
        let reader = Reader::new(sent, needed.chain(order.keep.iter().map(String::as_str)), limits)?;
        let scored = outputs::schema(&served.scorer).map_err(|error| failure(&error))?;
        let read = reader.schema();
        let mut keep = Vec::with_capacity(order.keep.len());
        let mut fields: Vec<Arc<Field>> = Vec::new();
        for name in &order.keep {
            let Some((place, field)) = read.fields().find(name) else { return Err(internal("a column that was read vanished")) };
            if fields.iter().chain(scored.fields()).any(|other| other.name() == name) {
                return Err(bad(format!("column {name}: the answer has it already; keep it once, or under another name")));
            }
            keep.push(place);
            fields.push(field.clone());
        }
        fields.extend(scored.fields().iter().cloned());
        let answers = Arc::new(Schema::new(fields));
        let (bundle, digest) = (served.name.clone(), served.digest().to_owned());
        Ok((Self { bundle, digest, order, answers, keep, scored }, reader))
    }

    /// The columns of a batch that go along with its scores.
    pub(super) fn kept(&self, batch: &RecordBatch) -> Result<RecordBatch, Failure> {
        batch.project(&self.keep).map_err(|error| internal(&error.to_string()))
    }
}

impl Done {
    /// The kept columns and the scores as one batch.
    pub(super) fn answer(&self) -> Result<RecordBatch, Failure> {
        let defect = |error: arrow_schema::ArrowError| internal(&error.to_string());
        let scored = concat_batches(&self.opened.scored, &self.scored).map_err(defect)?;
        let columns = self.kept.columns().iter().chain(scored.columns()).cloned().collect();
        RecordBatch::try_new(self.opened.answers.clone(), columns).map_err(defect)
    }
}
