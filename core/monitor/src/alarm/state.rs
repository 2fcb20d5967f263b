//! A detector as bytes, so that a server that starts again goes on where it stopped.
//!
//! An Arrow IPC file with one row per component (levels as [`Level`] holds them); what the detector was made from stands in the schema's metadata as JSON, so the bytes say
//! all about themselves, and a detector with other columns or another budget does not take them up.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt64Type};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt64Array};
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::column::Column;
use super::detector::{Detector, Progress};
use super::error::{Error, Result};
use super::evidence::Evidence;
use super::level::Level;

const KEY: &str = "sternpost.alarm";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Made {
    version: u32,
    columns: Vec<Column>,
    budget: Budget,
    progress: Progress,
}

impl Detector {
    /// Everything it knows.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let made = Made { version: VERSION, columns: self.columns.clone(), budget: self.budget.clone(), progress: self.progress };
        let made = serde_json::to_string(&made).map_err(|error| Error::State(format!("the detector cannot be written: {error}")))?;
        written(&self.evidence, made).map_err(|error| Error::State(format!("the detector cannot be written: {error}")))
    }

    /// The detector that wrote these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = |why: String| Error::State(format!("this is no saved detector: {why}; start a new one"));
        let batch = read(bytes).map_err(|error| damaged(error.to_string()))?;
        let schema = batch.schema();
        let made = schema.metadata().get(KEY).ok_or_else(|| damaged(format!("no metadata {KEY}")))?;
        let made: Made = serde_json::from_str(made).map_err(|error| damaged(error.to_string()))?;
        if made.version != VERSION {
            return Err(damaged(format!("version {}, this release reads {VERSION}", made.version)));
        }
        let mut detector = Self::new(made.columns, made.budget)?;
        let floats = |name: &str| {
            batch.column_by_name(name).and_then(|array| array.as_primitive_opt::<Float64Type>()).filter(|array| array.null_count_is_zero())
        };
        let since = batch.column_by_name("since").and_then(|array| array.as_primitive_opt::<UInt64Type>());
        let (Some(sr), Some(e), Some(best), Some(since)) = (floats("sr"), floats("e"), floats("best"), since) else {
            return Err(damaged("its columns are others".to_owned()));
        };
        if batch.num_rows() != detector.evidence.sr.len() {
            let (has, needs) = (batch.num_rows(), detector.evidence.sr.len());
            return Err(damaged(format!("{has} components where its columns make {needs}")));
        }
        let levels = |values: &Float64Array| values.values().iter().map(|value| Level(*value)).collect::<Vec<_>>();
        let evidence = Evidence { sr: levels(sr), e: levels(e), best: levels(best), since: since.values().to_vec() };
        if [&evidence.sr, &evidence.e, &evidence.best].iter().any(|levels| levels.iter().any(|level| level.0.is_nan())) {
            return Err(damaged("evidence that is not a number".to_owned()));
        }
        detector.evidence = evidence;
        detector.progress = made.progress;
        Ok(detector)
    }
}

trait NoNulls {
    fn null_count_is_zero(&self) -> bool;
}

impl<T: arrow_array::Array> NoNulls for T {
    fn null_count_is_zero(&self) -> bool {
        self.null_count() == 0
    }
}

fn written(evidence: &Evidence, made: String) -> std::result::Result<Vec<u8>, ArrowError> {
    let float = |name: &str| Field::new(name, DataType::Float64, false);
    let fields = vec![float("sr"), float("e"), float("best"), Field::new("since", DataType::UInt64, false)];
    let schema = Arc::new(Schema::new_with_metadata(fields, HashMap::from([(KEY.to_owned(), made)])));
    let floats = |levels: &[Level]| Arc::new(Float64Array::from_iter_values(levels.iter().map(|level| level.0))) as ArrayRef;
    let since = Arc::new(UInt64Array::from(evidence.since.clone())) as ArrayRef;
    let columns = vec![floats(&evidence.sr), floats(&evidence.e), floats(&evidence.best), since];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let mut writer = FileWriter::try_new(Vec::new(), &schema)?;
    writer.write(&batch)?;
    writer.into_inner()
}

fn read(bytes: &[u8]) -> std::result::Result<RecordBatch, ArrowError> {
    let mut reader = FileReader::try_new(Cursor::new(bytes), None)?;
    reader.next().unwrap_or_else(|| Err(ArrowError::IpcError("no batch inside".to_owned())))
}
