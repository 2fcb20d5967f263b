//! A bundle as Flight tells it: its contract as an Arrow schema.

use std::collections::HashMap;

use arrow_flight::{FlightDescriptor, FlightInfo, IpcMessage, SchemaAsIpc};
use arrow_ipc::writer::IpcWriteOptions;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use sternpost_engine::contract::{Column, Contract, Kind};
use sternpost_wire::failure::Failure;

use crate::catalog::Served;
use crate::engine_failure::internal;

/// The simplest Arrow type of every column; what else is taken, a refusal says. The contract's own words stand in the fields' metadata.
fn schema(contract: &Contract) -> Schema {
    let metadata = HashMap::from([("sternpost.contract".to_owned(), contract.name.clone())]);
    Schema::new_with_metadata(contract.columns.iter().map(field).collect::<Vec<_>>(), metadata)
}

fn field(column: &Column) -> Field {
    let mut metadata = HashMap::from([("sternpost.type".to_owned(), column.kind.name().to_owned())]);
    if let Some(unit) = &column.unit {
        metadata.insert("sternpost.unit".to_owned(), unit.clone());
    }
    let kind = match &column.kind {
        Kind::Float(_) => DataType::Float64,
        Kind::Int(_) => DataType::Int64,
        Kind::Bool => DataType::Boolean,
        Kind::Category { .. } => DataType::Utf8,
        Kind::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Money { minor_digits, .. } => {
            metadata.insert("sternpost.minor_digits".to_owned(), minor_digits.to_string());
            DataType::Int64
        }
    };
    Field::new(&column.name, kind, column.nullable).with_metadata(metadata)
}

/// The schema as `GetSchema` and `GetFlightInfo` send it.
pub(super) fn schema_message(served: &Served) -> Result<IpcMessage, Failure> {
    let schema = schema(served.scorer.contract());
    IpcMessage::try_from(SchemaAsIpc::new(&schema, &IpcWriteOptions::default())).map_err(|error| internal(&error.to_string()))
}

/// A bundle as an entry of the list. There is nothing to fetch, so it has no endpoints and no size.
pub(super) fn info(served: &Served) -> Result<FlightInfo, Failure> {
    Ok(FlightInfo {
        schema: schema_message(served)?.0,
        flight_descriptor: Some(FlightDescriptor::new_path(vec![served.name.clone()])),
        total_records: -1,
        total_bytes: -1,
        app_metadata: served.digest().to_owned().into(),
        ..FlightInfo::default()
    })
}
