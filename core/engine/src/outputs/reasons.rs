//! The `reasons` column: for every row the list of its reason codes, nearly always empty.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};

use crate::error::{Error, Result};
use crate::rule::Mark;
use crate::scorer::Scorer;
use crate::violation::reason;

/// A growing column of reasons.
#[derive(Debug)]
pub(super) struct Reasons {
    ends: Vec<i32>,
    codes: StringBuilder,
    written: usize,
}

impl Reasons {
    pub(super) fn with_capacity(rows: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Self { ends, codes: StringBuilder::new(), written: 0 }
    }

    /// Adds a block of `len` rows whose marks are sorted by row.
    pub(super) fn block(&mut self, scorer: &Scorer, len: usize, marks: &[Mark]) -> Result<()> {
        let mut marks = marks.iter().peekable();
        if marks.peek().is_none() {
            self.ends.resize(self.ends.len() + len, self.end()?);
            return Ok(());
        }
        for row in 0..len {
            while let Some(mark) = marks.next_if(|mark| mark.row == row) {
                self.codes.append_value(reason(scorer.contract(), scorer.feature_names(), mark));
                self.written += 1;
            }
            self.ends.push(self.end()?);
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<ArrayRef> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        let list = ListArray::try_new(item(), offsets, Arc::new(self.codes.finish()), None);
        list.map(|list| Arc::new(list) as ArrayRef).map_err(|error| Error::Internal(error.to_string()))
    }

    fn end(&self) -> Result<i32> {
        i32::try_from(self.written).map_err(|_| Error::Internal("more reasons in a chunk than a list column counts".to_owned()))
    }
}

/// The type of the column.
pub(super) fn kind() -> DataType {
    DataType::List(item())
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Utf8, true))
}
