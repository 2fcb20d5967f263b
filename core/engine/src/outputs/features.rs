//! Features as a typed table, or as exactly the matrix that a model would see. Refused rows leave no gap: they are an error.

use std::sync::Arc;

use arrow_array::builder::BooleanBuilder;
use arrow_array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::{Batches, at_rows, refusal};
use crate::NULL_CODE;
use crate::arrow_rows::Table;
use crate::error::{Error, Result};
use crate::parallel::Run;
use crate::rule::Mark;
use crate::scorer::{Scorer, Stage};
use crate::spec::{Feature, FeatureType};
use crate::workspace::Block;

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
    columns: Vec<Vec<f64>>,
    refused: Vec<Mark>,
}

/// The features of every row, typed: float64, int64, bool, int32 codes for categories; nulls are Arrow nulls. One batch per chunk.
///
/// # Errors
/// `Error::Violations` if any row is refused; otherwise as [`Run::parts`].
pub fn frame(scorer: &Scorer, table: &Table, threads: usize, go_on: &dyn Fn() -> bool) -> Result<Batches> {
    let run = Run { scorer, table, stage: Stage::Features, threads, go_on };
    let width = scorer.features().len();
    let parts = run.parts(
        |range| Part { rows: 0, columns: (0..width).map(|_| Vec::with_capacity(range.len())).collect(), refused: Vec::new() },
        |part, first, block| {
            part.rows += block.len;
            part.refused.extend(refused_marks(block, first));
            for (column, feature) in part.columns.iter_mut().zip(block.features.chunks_exact(block.rows.capacity)) {
                column.extend_from_slice(&feature[..block.kept.len()]);
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
        let columns = scorer.features().iter().zip(part.columns).map(|(feature, values)| typed(feature.kind, values)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(part.rows));
        RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|error| Error::Internal(error.to_string()))
    });
    let batches = batches.collect::<Result<_>>()?;
    Ok((schema, batches))
}

/// The model's input: row-major little-endian f32 `[rows, features]`.
///
/// # Errors
/// `Error::Violations` if any row is refused; otherwise as [`Run::parts`].
pub fn matrix(scorer: &Scorer, table: &Table, threads: usize, go_on: &dyn Fn() -> bool) -> Result<Vec<u8>> {
    let run = Run { scorer, table, stage: Stage::Matrix, threads, go_on };
    let width = scorer.features().len();
    let parts = run.parts(
        |range| (Vec::with_capacity(range.len() * width * size_of::<f32>()), Vec::new()),
        |(bytes, refused): &mut (Vec<u8>, Vec<Mark>), first, block| {
            refused.extend(refused_marks(block, first));
            let start = bytes.len();
            bytes.resize(start + size_of_val(block.matrix), 0);
            for (to, value) in bytes[start..].chunks_exact_mut(size_of::<f32>()).zip(block.matrix) {
                to.copy_from_slice(&value.to_le_bytes());
            }
            Ok(())
        },
    )?;
    let refused: Vec<Mark> = parts.iter().flat_map(|(_, refused)| refused.iter().copied()).collect();
    if !refused.is_empty() {
        return Err(refusal(scorer, table, refused));
    }
    let mut parts = parts.into_iter().map(|(bytes, _)| bytes);
    match (parts.len(), parts.next()) {
        (1, Some(only)) => Ok(only),
        (_, first) => Ok(first.into_iter().chain(parts).collect::<Vec<_>>().concat()),
    }
}

fn refused_marks(block: &Block<'_>, first: usize) -> Vec<Mark> {
    let mut marks = at_rows(block.marks, first);
    marks.retain(|mark| mark.refused);
    marks
}

fn typed(kind: FeatureType, values: Vec<f64>) -> ArrayRef {
    let present = |value: f64| (!value.is_nan()).then_some(value);
    match kind {
        FeatureType::Float if values.iter().any(|value| value.is_nan()) => {
            Arc::new(Float64Array::from_iter(values.into_iter().map(present)))
        }
        FeatureType::Float => Arc::new(Float64Array::from(values)),
        FeatureType::Int => Arc::new(Int64Array::from_iter(values.into_iter().map(|value| present(value).map(|value| value as i64)))),
        FeatureType::Bool => {
            let mut column = BooleanBuilder::with_capacity(values.len());
            values.into_iter().for_each(|value| column.append_option(present(value).map(|value| value != 0.0)));
            Arc::new(column.finish())
        }
        FeatureType::Category => {
            let code = |value: f64| present(value).map(|value| value as i32).filter(|code| *code != NULL_CODE);
            Arc::new(Int32Array::from_iter(values.into_iter().map(code)))
        }
    }
}
