//! A request's inputs as one Arrow batch of the contract's columns.
//!
//! What this module owes its callers:
//! - one input a column, named like it, `[n]` or `[n, 1]`; for a nullable column a mask of nulls may come as `<column>.null`; or one input
//!   `arrow` alone, an Arrow IPC stream (a contract that has columns of such names means them by these names);
//! - every error names the input at fault, and the name that was probably meant;
//! - nothing is allocated that the bytes received do not warrant.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};
use bytes::Bytes;
use sternpost_engine::contract::Contract;
use sternpost_wire::failure::Failure;
use sternpost_wire::inference::model_infer_request::InferInputTensor;

use super::datatype::Datatype;
use super::tensor::{Content, Tensor};
use crate::engine_failure;
use crate::ipc;
use crate::refusal::{bad, hint, quoted, unsupported};
use crate::scoring::Batches;

/// The input that stands for all others.
pub const ARROW: &str = "arrow";
/// What follows a column's name in the name of its mask of nulls.
pub const NULLS: &str = ".null";
/// The tensor parameter of a client that wants its memory mapped.
pub const SHARED_MEMORY: &str = "shared_memory_region";

/// What an input's name means: a column's place, and whether it is its mask.
type Place = (usize, bool);

/// What was sent for a column.
#[derive(Default)]
struct Sent {
    values: Option<Tensor>,
    nulls: Option<Tensor>,
}

/// Reads the inputs of a request and the raw contents beside them.
///
/// # Errors
/// `INVALID_ARGUMENT` with the input at fault, `UNIMPLEMENTED` for shared memory, `RESOURCE_EXHAUSTED` for more than `max_rows` rows.
pub fn read(contract: &Contract, inputs: Vec<InferInputTensor>, raw: Vec<Bytes>, max_rows: usize) -> Result<Batches, Failure> {
    if !raw.is_empty() && raw.len() != inputs.len() {
        let message = format!("{} inputs and {} entries of raw_input_contents; one entry an input is expected", inputs.len(), raw.len());
        return Err(bad(message));
    }
    let is_raw = !raw.is_empty();
    let mut raw = raw.into_iter();
    let is_stream = inputs.iter().any(|input| input.name == ARROW) && contract.position(ARROW).is_none();
    if is_stream && inputs.len() != 1 {
        return Err(bad("input 'arrow' stands for all columns; send nothing beside it"));
    }
    let mut sent: Vec<Sent> = contract.columns.iter().map(|_| Sent::default()).collect();
    let mut rows: Option<usize> = None;
    let mut after = 0;
    for input in inputs {
        let raw = if is_raw { raw.next() } else { None };
        if is_stream {
            let stream = tensor(input, raw)?.1.blob().map_err(|text| bad(format!("input 'arrow' {text}")))?;
            return ipc::read(&stream, contract, max_rows);
        }
        let (column, is_mask) = place(contract, &input.name, after)?;
        after = column + 1;
        let (name, tensor) = tensor(input, raw)?;
        match rows {
            None if tensor.count > max_rows => return Err(ipc::too_many(tensor.count, max_rows)),
            None => rows = Some(tensor.count),
            Some(rows) if rows != tensor.count => {
                return Err(bad(format!("input {} has {} rows and those before it have {rows}", quoted(&name), tensor.count)));
            }
            Some(_) => {}
        }
        let Some(sent) = sent.get_mut(column) else { return Err(engine_failure::internal("a column beyond the contract")) };
        let seat = if is_mask { &mut sent.nulls } else { &mut sent.values };
        if seat.replace(tensor).is_some() {
            return Err(bad(format!("input {} is there twice", quoted(&name))));
        }
    }
    batch(contract, sent, rows.unwrap_or(0))
}

fn batch(contract: &Contract, sent: Vec<Sent>, rows: usize) -> Result<Batches, Failure> {
    let missing: Vec<_> =
        contract.columns.iter().zip(&sent).filter(|(_, sent)| sent.values.is_none()).map(|(column, _)| &*column.name).collect();
    if !missing.is_empty() {
        let noun = if missing.len() == 1 { "input" } else { "inputs" };
        return Err(bad(format!("{noun} missing: {}; contract {} declares them", missing.join(", "), contract.name)));
    }
    let mut fields = Vec::with_capacity(sent.len());
    let mut arrays = Vec::with_capacity(sent.len());
    for (column, sent) in contract.columns.iter().zip(sent) {
        let nulls = sent.nulls.map(Tensor::validity).transpose();
        let nulls = nulls.map_err(|text| bad(format!("input '{}{NULLS}' {text}", column.name)))?.flatten();
        let Some(values) = sent.values else { continue };
        let array = values.array(&column.kind, nulls).map_err(|text| bad(format!("input '{}' {text}", column.name)))?;
        fields.push(Field::new(&column.name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let schema = Arc::new(Schema::new(fields));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(schema.clone(), arrays, &options);
    let batch = batch.map_err(|error| engine_failure::internal(&error.to_string()))?;
    Ok(Batches { schema, batches: vec![batch], rows })
}

/// What a name means. Inputs mostly come in the contract's order, so the column after the last one is looked at first.
fn place(contract: &Contract, name: &str, after: usize) -> Result<Place, Failure> {
    if contract.columns.get(after).is_some_and(|column| column.name == name) {
        return Ok((after, false));
    }
    if let Some(column) = contract.position(name) {
        return Ok((column, false));
    }
    if let Some(column) = name.strip_suffix(NULLS).and_then(|name| contract.position(name)) {
        if contract.columns.get(column).is_some_and(|column| column.nullable) {
            return Ok((column, true));
        }
        return Err(bad(format!("input {} marks nulls of a column that is not nullable", quoted(name))));
    }
    let near = hint(name, contract.columns.iter().map(|column| column.name.as_str()));
    Err(bad(format!("input {} is no column of contract {}{near}", quoted(name), contract.name)))
}

/// The tensor of an input, its shape and type understood.
fn tensor(input: InferInputTensor, raw: Option<Bytes>) -> Result<(String, Tensor), Failure> {
    let InferInputTensor { name, datatype, shape, parameters, contents } = input;
    let wrong = |text: String| bad(format!("input {} {text}", quoted(&name)));
    if parameters.contains_key(SHARED_MEMORY) {
        return Err(unsupported(format!("input {} is in shared memory, which this server does not map; send it", quoted(&name))));
    }
    let datatype = match Datatype::of(&datatype) {
        Some(Datatype::Fp16 | Datatype::Bf16) => {
            return Err(wrong(format!("is {datatype}, which loses what features are computed from; send FP64 or FP32")));
        }
        Some(datatype) => datatype,
        None => return Err(wrong(format!("is of datatype {}, which is none of the protocol's", quoted(&datatype)))),
    };
    let count = count(&shape).map_err(wrong)?;
    let content = match (raw, contents) {
        (Some(_), Some(_)) => return Err(wrong("has contents beside raw_input_contents; send one of the two".to_owned())),
        (Some(raw), None) => Content::Raw(raw),
        (None, contents) => Content::Typed(contents.unwrap_or_default()),
    };
    Ok((name, Tensor { datatype, count, content }))
}

/// Elements of `[n]` or `[n, 1]`.
fn count(shape: &[i64]) -> Result<usize, String> {
    let rows = match shape {
        [rows] | [rows, 1] => *rows,
        _ => {
            let told: Vec<_> = shape.iter().take(8).map(i64::to_string).collect();
            let more = if shape.len() > told.len() { ", ..." } else { "" };
            return Err(format!("has shape [{}{more}]; [n] or [n, 1] is expected", told.join(", ")));
        }
    };
    usize::try_from(rows).map_err(|_| format!("has {rows} rows"))
}

#[cfg(test)]
#[path = "tests/tensors.rs"]
mod tests;
