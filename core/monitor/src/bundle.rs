//! The reference of a bundle: its inputs as the contract takes them, its features as the kernel gives them, its outputs.

use std::collections::HashMap;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use serde_json::Value;
use sternpost_engine::contract::Contract;

use crate::error::{Error, Result};
use crate::reference::{Reference, Role, columns};
use crate::source::Source;

/// The tables that the same rows gave on their way.
#[derive(Debug)]
pub struct Tables<'a> {
    /// As they came.
    pub inputs: (&'a Schema, &'a [RecordBatch]),
    /// Their features.
    pub features: (&'a Schema, &'a [RecordBatch]),
    /// What the model gave, a float64 column for each output.
    pub outputs: (&'a Schema, &'a [RecordBatch]),
    /// The labels of features that are categories, by code.
    pub labels: HashMap<String, Vec<String>>,
}

/// The reference of rows that all keep the contract (`contract` is its JSON form). A NaN is null, as it is for an engine.
///
/// # Errors
/// `Error::Data` for tables of different lengths, `Error::Engine` for columns that do not fit, or if `go_on` says stop.
pub fn reference(contract: &str, tables: &Tables<'_>, threads: usize, go_on: &dyn Fn() -> bool) -> Result<Reference> {
    let length = |(_, batches): (&Schema, &[RecordBatch])| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    let rows = length(tables.inputs);
    if length(tables.features) != rows || length(tables.outputs) != rows {
        return Err(Error::Data(format!("{rows} rows gave {} features and {} outputs", length(tables.features), length(tables.outputs))));
    }
    let mut sources = Vec::new();
    for contract in one_by_one(contract)? {
        sources.push(Source::of_contract(contract, tables.inputs.0, tables.inputs.1)?);
    }
    for (role, (schema, batches)) in [(Role::Feature, tables.features), (Role::Output, tables.outputs)] {
        for field in schema.fields() {
            let labels = tables.labels.get(field.name()).filter(|_| role == Role::Feature).cloned();
            sources.push(Source::of_table(field.name(), role, None, labels, schema, batches)?);
        }
    }
    Reference::new(columns(&sources, true, threads, go_on)?, rows as u64, true)
}

/// A contract of one column for each column of a contract.
fn one_by_one(contract: &str) -> Result<Vec<Contract>> {
    let unreadable = |error: serde_json::Error| Error::Data(format!("the contract cannot be read: {error}"));
    let mut whole: Value = serde_json::from_str(contract).map_err(unreadable)?;
    let listed = whole.get_mut("columns").map(Value::take);
    let Some(Value::Array(listed)) = listed else { return Err(Error::Data("the contract has no columns".to_owned())) };
    let contracts = listed.into_iter().map(|column| {
        let mut contract = whole.clone();
        contract["columns"] = Value::Array(vec![column]);
        Ok(Contract::from_json(&contract.to_string())?)
    });
    contracts.collect()
}
