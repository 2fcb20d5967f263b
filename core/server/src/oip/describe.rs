//! What the server and its bundles say of themselves.

use std::collections::HashMap;

use sternpost_engine::contract::{Contract, Kind};
use sternpost_engine::model::Shape;
use sternpost_wire::inference::model_metadata_response::TensorMetadata;
use sternpost_wire::inference::{
    DataType, ModelConfig, ModelInput, ModelMetadataResponse, ModelOutput, ModelParameter, ModelTransactionPolicy, ServerMetadataResponse,
};
use sternpost_wire::scoring::Rung;

use super::datatype::Datatype;
use super::tensors::{ARROW, NULLS};
use super::wanted::Output;
use crate::catalog::Served;

/// What runs a model, in the word that configuration clients know.
const PLATFORM: &str = "onnxruntime_onnx";
const BACKEND: &str = "sternpost";
/// Only what works.
const EXTENSIONS: [&str; 7] =
    ["binary_tensor_data", "classification", "model_configuration", "model_repository", "parameters", "schedule_policy", "statistics"];

/// The server.
pub fn server() -> ServerMetadataResponse {
    ServerMetadataResponse {
        name: "sternpost".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        extensions: EXTENSIONS.map(str::to_owned).to_vec(),
    }
}

/// A rung's word.
pub fn rung(rung: Rung) -> &'static str {
    match rung {
        Rung::Unspecified => "unspecified",
        Rung::Off => "off",
        Rung::Shadow => "shadow",
        Rung::Advise => "advise",
        Rung::Decide => "decide",
    }
}

/// A bundle's inputs, outputs and properties.
pub fn metadata(served: &Served) -> ModelMetadataResponse {
    let (contract, shape) = (served.scorer.contract(), served.scorer.shape());
    ModelMetadataResponse {
        name: served.name.clone(),
        versions: vec![served.version.to_string()],
        platform: PLATFORM.to_owned(),
        inputs: inputs(contract),
        outputs: outputs(shape),
        properties: properties(served),
    }
}

/// The same as a configuration, whose dimensions leave the rows out.
pub fn config(served: &Served, max_rows: usize) -> ModelConfig {
    let (contract, shape) = (served.scorer.contract(), served.scorer.shape());
    let input = contract.columns.iter().map(|column| ModelInput {
        name: column.name.clone(),
        data_type: number(datatype(&column.kind)).into(),
        dims: vec![1],
        ..ModelInput::default()
    });
    let output = Output::of(shape).iter().map(|output| ModelOutput {
        name: output.name().to_owned(),
        data_type: number(output.datatype()).into(),
        dims: vec![width(*output, shape)],
    });
    let parameters = properties(served).into_iter().map(|(key, string_value)| (key, ModelParameter { string_value }));
    ModelConfig {
        name: served.name.clone(),
        platform: PLATFORM.to_owned(),
        max_batch_size: i32::try_from(max_rows).unwrap_or(i32::MAX).max(1),
        input: input.collect(),
        output: output.collect(),
        parameters: parameters.collect(),
        backend: BACKEND.to_owned(),
        model_transaction_policy: Some(ModelTransactionPolicy { decoupled: false }),
    }
}

fn inputs(contract: &Contract) -> Vec<TensorMetadata> {
    let tensor =
        |name: &str, datatype: Datatype| TensorMetadata { name: name.to_owned(), datatype: datatype.word().to_owned(), shape: vec![-1, 1] };
    contract.columns.iter().map(|column| tensor(&column.name, datatype(&column.kind))).collect()
}

fn outputs(shape: Option<&Shape>) -> Vec<TensorMetadata> {
    let tensor = |output: &Output| TensorMetadata {
        name: output.name().to_owned(),
        datatype: output.datatype().word().to_owned(),
        shape: vec![-1, width(*output, shape)],
    };
    Output::of(shape).iter().map(tensor).collect()
}

fn properties(served: &Served) -> HashMap<String, String> {
    // Masks and the Arrow input are not listed as inputs: generic clients take every listed input for a required one.
    let nulls = format!("optional BOOL input <column>{NULLS}, or everything as one BYTES input {ARROW}: an Arrow IPC stream");
    let mut properties: HashMap<String, String> = [
        ("digest", served.digest().to_owned()),
        ("schema", format!("{:016x}", served.schema)),
        ("contract", served.scorer.contract_json().to_owned()),
        ("rung", rung(served.rung).to_owned()),
        ("nulls", nulls),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    if let Some(classes) = served.scorer.shape().and_then(|shape| shape.classes.as_ref()) {
        properties.insert("classes".to_owned(), serde_json::Value::from(classes.clone()).to_string());
    }
    properties
}

fn width(output: Output, shape: Option<&Shape>) -> i64 {
    match (output, shape) {
        (Output::Scores, Some(shape)) => i64::try_from(shape.outputs).unwrap_or(i64::MAX),
        _ => 1,
    }
}

/// The datatype that a column is declared with. Others are taken too.
fn datatype(kind: &Kind) -> Datatype {
    match kind {
        Kind::Float(_) => Datatype::Fp64,
        Kind::Int(_) | Kind::Timestamp(_) | Kind::Money { .. } => Datatype::Int64,
        Kind::Bool => Datatype::Bool,
        Kind::Category { .. } => Datatype::Bytes,
    }
}

/// The number of a datatype in a configuration.
fn number(datatype: Datatype) -> DataType {
    match datatype {
        Datatype::Bool => DataType::TypeBool,
        Datatype::Int8 => DataType::TypeInt8,
        Datatype::Int16 => DataType::TypeInt16,
        Datatype::Int32 => DataType::TypeInt32,
        Datatype::Int64 => DataType::TypeInt64,
        Datatype::Uint8 => DataType::TypeUint8,
        Datatype::Uint16 => DataType::TypeUint16,
        Datatype::Uint32 => DataType::TypeUint32,
        Datatype::Uint64 => DataType::TypeUint64,
        Datatype::Fp16 => DataType::TypeFp16,
        Datatype::Bf16 => DataType::TypeBf16,
        Datatype::Fp32 => DataType::TypeFp32,
        Datatype::Fp64 => DataType::TypeFp64,
        Datatype::Bytes => DataType::TypeString,
    }
}

#[cfg(test)]
#[path = "tests/describe.rs"]
mod tests;
