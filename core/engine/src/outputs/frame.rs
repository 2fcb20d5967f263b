//! Features as a typed table. Refused rows leave no gap: they are an error.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::typed::TypedColumn;
use super::{Batches, refusal, refused_marks};
use crate::arrow_rows::Table;
use crate::error::{Error, Result};
use crate::parallel::Run;
use crate::rule::Mark;
use crate::scorer::{Scorer, Stage};
use crate::spec::{Feature, FeatureType};

/// The columns that [`frame`] gives.
fn frame_schema(features: &[Feature]) -> SchemaRef {
    let fields = features.iter().map(|feature| {
        let kind = match feature.kind {
            FeatureType::Float => DataType::Float64,
            FeatureType::Int => DataType::Int64,
            FeatureType::Bool => DataType::Boolean,
            FeatureType::Category => DataType::Int32,
        };
        Field::new(&feature.name, kind, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

struct Part {
    rows: usize,
    columns: Vec<TypedColumn>,
    refused: Vec<Mark>,
}

/// The features of every row, typed: float64, int64, bool, int32 codes for categories; nulls are Arrow nulls. One batch per chunk.
///
/// # Errors
/// `Error::Violations` if any row is refused; otherwise as [`Run::parts`].
pub fn frame(scorer: &Scorer, table: &Table, threads: usize, go_on: &dyn Fn() -> bool) -> Result<Batches> {
    let run = Run { scorer, table, stage: Stage::Features, seen: true, threads, go_on };
    let parts = run.parts(
        |range| {
            let columns = scorer.features().iter().map(|feature| TypedColumn::with_capacity(feature.kind, range.len()));
            Part { rows: 0, columns: columns.collect(), refused: Vec::new() }
        },
        |part, first, block| {
            part.rows += block.len;
            part.refused.extend(refused_marks(block, first));
            // Columns with a gap are part of no frame.
            if part.refused.is_empty() {
                for (column, feature) in part.columns.iter_mut().zip(block.features.chunks_exact(block.rows.capacity)) {
                    column.append(&feature[..block.len]);
                }
            }
            Ok(())
        },
    )?;
    let refused: Vec<Mark> = parts.iter().flat_map(|part| part.refused.iter().copied()).collect();
    if !refused.is_empty() {
        return Err(refusal(scorer, table, refused));
    }
    let schema = frame_schema(scorer.features());
    let batches = parts.into_iter().map(|part| {
        let columns = part.columns.into_iter().map(TypedColumn::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(part.rows));
        RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|error| Error::Internal(error.to_string()))
    });
    let batches = batches.collect::<Result<_>>()?;
    Ok((schema, batches))
}
