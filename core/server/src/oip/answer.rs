//! Scored batches as output tensors.
//!
//! What this module owes its callers:
//! - outputs in the order asked for, rows in the order sent, every row there: a row without a score has NaN, an empty label, and reasons;
//! - numbers in typed contents only for who sent typed contents: a published client reads numbers from raw contents alone;
//! - a result that is not what the scorer gives is an internal error and no panic.

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, FixedSizeListArray, Float64Array, RecordBatch, StringArray};
use bytes::Bytes;
use sternpost_engine::NULL_F64;
use sternpost_engine::model::Shape;
use sternpost_wire::failure::Failure;
use sternpost_wire::inference::model_infer_response::InferOutputTensor;
use sternpost_wire::inference::{InferTensorContents, ModelInferResponse};

use super::datatype::Datatype;
use super::wanted::{Output, Wanted};
use crate::engine_failure::internal;

/// Elements of an output, row-major.
enum Elements {
    Numbers(Vec<f64>),
    /// Numbers that stand in memory as they go out.
    Whole(Float64Array),
    Texts(Vec<Bytes>),
}

/// Puts the wanted outputs of `rows` rows into a response; `typed` for typed contents.
///
/// # Errors
/// `INTERNAL` if the batches are not `rows` rows of scored columns.
pub fn fill(
    response: &mut ModelInferResponse,
    wanted: &[Wanted],
    shape: Option<&Shape>,
    batches: &[RecordBatch],
    rows: usize,
    typed: bool,
) -> Result<(), Failure> {
    let found: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if found != rows {
        return Err(internal(&format!("{rows} rows were sent to be scored and {found} came back")));
    }
    for wanted in wanted {
        let (elements, width) = elements(*wanted, shape, batches, rows)?;
        let datatype = if wanted.best.is_some() { Datatype::Bytes } else { wanted.output.datatype() };
        let mut tensor = InferOutputTensor {
            name: wanted.output.name().to_owned(),
            datatype: datatype.word().to_owned(),
            shape: vec![rows as i64, width as i64],
            ..InferOutputTensor::default()
        };
        if typed {
            tensor.contents = Some(contents(elements));
        } else {
            response.raw_output_contents.push(raw(elements)?);
        }
        response.outputs.push(tensor);
    }
    Ok(())
}

/// About how many bytes the wanted outputs take.
pub fn size(wanted: &[Wanted], shape: Option<&Shape>, rows: usize) -> usize {
    let of = |wanted: &Wanted| if wanted.output == Output::Scores { shape.map_or(1, |shape| shape.outputs) } else { 1 };
    wanted.iter().map(of).fold(0, usize::saturating_add).saturating_mul(rows).saturating_mul(8)
}

/// An output's elements, and how many a row has.
fn elements(wanted: Wanted, shape: Option<&Shape>, batches: &[RecordBatch], rows: usize) -> Result<(Elements, usize), Failure> {
    let classes = shape.map_or(1, |shape| shape.outputs);
    let width = if wanted.output == Output::Scores { classes } else { 1 };
    if wanted.output.datatype() == Datatype::Bytes {
        let mut texts = Vec::with_capacity(rows);
        for batch in batches {
            match wanted.output {
                Output::Reasons => reasons(batch, &mut texts)?,
                _ => texts.extend(strings(batch, wanted.output)?.iter().map(|text| Bytes::copy_from_slice(text.unwrap_or("").as_bytes()))),
            }
        }
        return Ok((Elements::Texts(texts), 1));
    }
    if let ([batch], Output::Score, None) = (batches, wanted.output, wanted.best) {
        let scores = numbers(batch)?;
        if scores.null_count() == 0 {
            return Ok((Elements::Whole(scores.clone()), 1));
        }
    }
    let mut values = Vec::with_capacity(rows.saturating_mul(width));
    for batch in batches {
        match wanted.output {
            Output::Scores => rows_of_scores(batch, width, &mut values)?,
            _ => values.extend(numbers(batch)?.iter().map(|score| score.unwrap_or(NULL_F64))),
        }
    }
    let Some(best) = wanted.best else { return Ok((Elements::Numbers(values), width)) };
    let best = best.min(width);
    let labels = if wanted.output == Output::Scores { shape.and_then(|shape| shape.classes.as_deref()).unwrap_or_default() } else { &[] };
    let mut texts = Vec::with_capacity(rows.saturating_mul(best));
    values.chunks_exact(width.max(1)).for_each(|row| classify(row, best, labels, &mut texts));
    Ok((Elements::Texts(texts), best))
}

/// The best of a row as `score:index[:label]`; NaN stands behind all numbers.
fn classify(row: &[f64], best: usize, labels: &[String], texts: &mut Vec<Bytes>) {
    let mut order: Vec<(usize, f64)> = row.iter().copied().enumerate().collect();
    // Stable, so equal scores stay in the order of their classes.
    order.sort_by(|(_, one), (_, other)| one.is_nan().cmp(&other.is_nan()).then(other.total_cmp(one)));
    texts.extend(order.into_iter().take(best).map(|(index, score)| match labels.get(index) {
        Some(label) => Bytes::from(format!("{score}:{index}:{label}")),
        None => Bytes::from(format!("{score}:{index}")),
    }));
}

fn column(batch: &RecordBatch, output: Output) -> Result<&dyn Array, Failure> {
    let column = batch.column_by_name(output.name());
    column.map(AsRef::as_ref).ok_or_else(|| internal(&format!("a scored batch without column {}", output.name())))
}

fn mistyped(output: Output) -> Failure {
    internal(&format!("column {} of a scored batch has another type", output.name()))
}

fn numbers(batch: &RecordBatch) -> Result<&Float64Array, Failure> {
    column(batch, Output::Score)?.as_primitive_opt::<Float64Type>().ok_or_else(|| mistyped(Output::Score))
}

fn strings(batch: &RecordBatch, output: Output) -> Result<&StringArray, Failure> {
    column(batch, output)?.as_string_opt::<i32>().ok_or_else(|| mistyped(output))
}

fn rows_of_scores(batch: &RecordBatch, width: usize, values: &mut Vec<f64>) -> Result<(), Failure> {
    let wrong = || mistyped(Output::Scores);
    let lists: &FixedSizeListArray = column(batch, Output::Scores)?.as_fixed_size_list_opt().ok_or_else(wrong)?;
    let scores = lists.values().as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
    if usize::try_from(lists.value_length()) != Ok(width) {
        return Err(wrong());
    }
    for row in 0..lists.len() {
        if lists.is_null(row) {
            values.extend(std::iter::repeat_n(NULL_F64, width));
            continue;
        }
        let start = lists.value_offset_at(row);
        values.extend_from_slice(scores.values().get(start..start.saturating_add(width)).ok_or_else(wrong)?);
    }
    Ok(())
}

fn reasons(batch: &RecordBatch, texts: &mut Vec<Bytes>) -> Result<(), Failure> {
    let wrong = || mistyped(Output::Reasons);
    let lists = column(batch, Output::Reasons)?.as_list_opt::<i32>().ok_or_else(wrong)?;
    for list in lists.iter() {
        let Some(list) = list.filter(|list| !list.is_empty()) else {
            texts.push(Bytes::new());
            continue;
        };
        let codes: Vec<_> = list.as_string_opt::<i32>().ok_or_else(wrong)?.iter().flatten().collect();
        texts.push(Bytes::from(codes.join(";")));
    }
    Ok(())
}

fn contents(elements: Elements) -> InferTensorContents {
    match elements {
        Elements::Numbers(fp64_contents) => InferTensorContents { fp64_contents, ..InferTensorContents::default() },
        Elements::Whole(array) => InferTensorContents { fp64_contents: array.values().to_vec(), ..InferTensorContents::default() },
        Elements::Texts(bytes_contents) => InferTensorContents { bytes_contents, ..InferTensorContents::default() },
    }
}

fn raw(elements: Elements) -> Result<Bytes, Failure> {
    Ok(match elements {
        Elements::Numbers(numbers) => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        Elements::Whole(array) => Bytes::from(array.values().inner().clone()),
        Elements::Texts(texts) => {
            let mut bytes = Vec::with_capacity(texts.iter().map(|text| 4 + text.len()).sum());
            for text in texts {
                let len = u32::try_from(text.len()).map_err(|_| internal("a text of more than 4 GiB"))?;
                bytes.extend_from_slice(&len.to_le_bytes());
                bytes.extend_from_slice(&text);
            }
            bytes.into()
        }
    })
}

#[cfg(test)]
#[path = "tests/answer.rs"]
mod tests;
