//! Scored rows as columns: score, for multiclass models label and scores, action, reasons.

use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::Batches;
use super::reasons::{self, Reasons};
use crate::arrow_rows::Table;
use crate::error::{Error, Result};
use crate::model::{Shape, Task};
use crate::parallel::Run;
use crate::rule::{Mark, Rule};
use crate::scorer::{Scorer, Stage};
use crate::workspace::Block;

struct Columns {
    score: Float64Builder,
    /// A block's scores on their way into the builder.
    block: Vec<f64>,
    classes: Option<(StringBuilder, FixedSizeListBuilder<Float64Builder>)>,
    action: StringBuilder,
    reasons: Reasons,
}

/// The columns that [`score`] gives.
fn score_schema(shape: &Shape) -> SchemaRef {
    let mut fields = vec![Field::new("score", DataType::Float64, true)];
    if shape.task == Task::Multiclass {
        fields.push(Field::new("label", DataType::Utf8, true));
        let item = Arc::new(Field::new("item", DataType::Float64, true));
        fields.push(Field::new("scores", DataType::FixedSizeList(item, shape.outputs as i32), true));
    }
    fields.push(Field::new("action", DataType::Utf8, true));
    fields.push(Field::new("reasons", reasons::kind(), false));
    Arc::new(Schema::new(fields))
}

/// The columns that [`score`] gives, for whoever has to announce them before there are any.
///
/// # Errors
/// `Error::Model` if there is no model.
pub fn schema(scorer: &Scorer) -> Result<SchemaRef> {
    match scorer.shape() {
        Some(shape) => Ok(score_schema(shape)),
        None => Err(Error::Model("this engine was made without a model; it has no scores".to_owned())),
    }
}

/// Scores a table: one batch per chunk, rows in order, every row there. A row without a score has a null score and at least one reason.
///
/// # Errors
/// As [`Run::parts`].
pub fn score(scorer: &Scorer, table: &Table, threads: usize, go_on: &dyn Fn() -> bool) -> Result<Batches> {
    scorer.can_reach(Stage::Model)?;
    let Some(shape) = scorer.shape() else { return Err(Error::Internal("a model vanished".to_owned())) };
    let schema = score_schema(shape);
    let run = Run { scorer, table, stage: Stage::Model, seen: true, threads, go_on };
    let parts = run.parts(|range| Columns::with_capacity(shape, range.len()), |columns, _, block| columns.block(scorer, shape, block))?;
    let batches = parts.into_iter().map(|columns| columns.finish(&schema)).collect::<Result<_>>()?;
    Ok((schema, batches))
}

impl Columns {
    fn with_capacity(shape: &Shape, rows: usize) -> Self {
        let classes = (shape.task == Task::Multiclass).then(|| {
            let values = Float64Builder::with_capacity(rows * shape.outputs);
            (StringBuilder::new(), FixedSizeListBuilder::with_capacity(values, shape.outputs as i32, rows))
        });
        let action = StringBuilder::with_capacity(rows, rows * 8);
        Self { score: Float64Builder::with_capacity(rows), block: Vec::new(), classes, action, reasons: Reasons::with_capacity(rows) }
    }

    /// Adds a block: at once if every row has a plain score, else row by row.
    fn block(&mut self, scorer: &Scorer, shape: &Shape, block: &Block<'_>) -> Result<()> {
        if !block.marks.is_empty() || !shape.plain_scores(block.raw, &mut self.block) {
            return self.rows(scorer, shape, block);
        }
        self.score.append_slice(&self.block);
        for score in &self.block {
            self.action.append_option(scorer.policy().action(Some(*score)));
        }
        self.reasons.block(scorer, block.len, &[])
    }

    fn rows(&mut self, scorer: &Scorer, shape: &Shape, block: &Block<'_>) -> Result<()> {
        let mut not_finite = Vec::new();
        let mut kept = block.kept.iter().copied().zip(block.raw.chunks_exact(shape.outputs)).peekable();
        for row in 0..block.len {
            let outputs = kept.next_if(|(kept, _)| *kept == row).map(|(_, outputs)| outputs);
            let scored = outputs.and_then(|outputs| shape.score(outputs).map(|(score, class)| (score, class, outputs)));
            if outputs.is_some() && scored.is_none() {
                not_finite.push(Mark { row, place: 0, rule: Rule::ScoreNotFinite, refused: true });
            }
            self.score.append_option(scored.map(|(score, _, _)| score));
            self.action.append_option(scorer.policy().action(scored.map(|(score, _, _)| score)));
            if let Some((labels, scores)) = &mut self.classes {
                let classes = shape.classes.as_deref().unwrap_or_default();
                labels.append_option(scored.and_then(|(_, class, _)| classes.get(class)));
                match scored {
                    Some((_, _, outputs)) => outputs.iter().for_each(|output| scores.values().append_value(f64::from(*output))),
                    None => scores.values().append_nulls(shape.outputs),
                }
                scores.append(scored.is_some());
            }
        }
        if block.marks.is_empty() && not_finite.is_empty() {
            return self.reasons.block(scorer, block.len, &[]);
        }
        let mut marks = [block.marks, &not_finite].concat();
        marks.sort_by_key(|mark| mark.row);
        self.reasons.block(scorer, block.len, &marks)
    }

    fn finish(mut self, schema: &SchemaRef) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.score.finish())];
        if let Some((labels, scores)) = &mut self.classes {
            columns.push(Arc::new(labels.finish()));
            columns.push(Arc::new(scores.finish()));
        }
        columns.push(Arc::new(self.action.finish()));
        columns.push(self.reasons.finish()?);
        RecordBatch::try_new(schema.clone(), columns).map_err(|error| Error::Internal(error.to_string()))
    }
}
