//! Columns of events: rungs and bundles that changed.

use std::sync::Arc;

use arrow_array::builder::{StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::Result;
use crate::outcomes::{batch, instant, instants};

/// The columns of events.
pub fn schema() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        Field::new("at", instant(), false),
        text("kind", false),
        text("bundle", true),
        text("digest", true),
        text("detail", true),
    ]))
}

/// One event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event<'a> {
    /// When, microseconds since 1970 in UTC.
    pub at_us: i64,
    /// What happened, in one word: `rung`, `loaded`, `withdrawn`.
    pub kind: &'a str,
    /// To which bundle.
    pub bundle: Option<&'a str>,
    /// Its digest.
    pub digest: Option<&'a str>,
    /// The rest, as JSON.
    pub detail: Option<&'a str>,
}

/// A batch of events in the making.
#[derive(Debug)]
pub struct Events {
    at: TimestampMicrosecondBuilder,
    texts: [StringBuilder; 4],
    rows: usize,
}

impl Default for Events {
    fn default() -> Self {
        Self { at: instants(), texts: std::array::from_fn(|_| StringBuilder::new()), rows: 0 }
    }
}

impl Events {
    /// Appends one.
    pub fn push(&mut self, event: &Event<'_>) {
        self.at.append_value(event.at_us);
        let texts = [Some(event.kind), event.bundle, event.digest, event.detail];
        self.texts.iter_mut().zip(texts).for_each(|(column, text)| column.append_option(text));
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
        let at: ArrayRef = Arc::new(self.at.finish());
        let texts = self.texts.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        batch(schema(), std::iter::once(at).chain(texts).collect())
    }
}
