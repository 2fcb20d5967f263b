//! Arrow data in and out, through the PyCapsule interface, without copying.

use arrow_array::ffi_stream::RecordBatchStreamReader;
use arrow_array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow_pyarrow::{FromPyArrow, IntoPyArrow};
use arrow_schema::{ArrowError, SchemaRef};
use pyo3::intern;
use pyo3::prelude::*;
use sternpost_engine::arrow_rows::Table;
use sternpost_engine::scorer::Scorer;

use crate::{errors, gate};

enum Source {
    Stream(RecordBatchStreamReader),
    Batch(RecordBatch),
}

/// Everything that an Arrow object holds.
pub type Batches = (SchemaRef, Vec<RecordBatch>);

/// Reads everything that `data` holds and binds it to the contract.
///
/// Raises `ContractError` for an object without the Arrow interface or columns that do not fit, `DataError` if the sender's stream fails.
pub fn read(py: Python<'_>, data: &Bound<'_, PyAny>, scorer: &Scorer) -> PyResult<Table> {
    let (schema, batches) = batches(py, data)?;
    gate::away(py, |_| Table::bind(scorer.contract(), &schema, &batches))
}

/// The same, not bound to anything yet.
pub fn batches(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Batches> {
    let source = if data.hasattr(intern!(py, "__arrow_c_stream__"))? {
        Source::Stream(RecordBatchStreamReader::from_pyarrow_bound(data).map_err(|error| foreign(py, data, &error))?)
    } else if data.hasattr(intern!(py, "__arrow_c_array__"))? {
        Source::Batch(RecordBatch::from_pyarrow_bound(data).map_err(|error| foreign(py, data, &error))?)
    } else {
        return Err(errors::contract(
            py,
            format!(
                "a {} is not Arrow data (it has neither __arrow_c_stream__ nor __arrow_c_array__); give a pyarrow table, a polars or pandas \
                 data frame, or a mapping for a single row",
                data.get_type().name()?
            ),
        ));
    };
    let read = py.detach(|| match source {
        Source::Stream(stream) => {
            let schema = stream.schema();
            stream.collect::<Result<Vec<_>, ArrowError>>().map(|batches| (schema, batches))
        }
        Source::Batch(batch) => Ok((batch.schema(), vec![batch])),
    });
    read.map_err(|error| errors::data(py, format!("the Arrow stream failed: {error}; read its source again")))
}

/// Batches as one `pyarrow.Table`.
pub fn write(py: Python<'_>, batches: Vec<RecordBatch>, schema: SchemaRef) -> PyResult<Bound<'_, PyAny>> {
    let reader: Box<dyn RecordBatchReader + Send> = Box::new(RecordBatchIterator::new(batches.into_iter().map(Ok), schema));
    reader.into_pyarrow(py)?.call_method0(intern!(py, "read_all"))
}

fn foreign(py: Python<'_>, data: &Bound<'_, PyAny>, error: &PyErr) -> PyErr {
    let name = data.get_type().name().map(|name| name.to_string()).unwrap_or_default();
    errors::contract(py, format!("the Arrow data of a {name} cannot be taken: {}; give a table of columns", error.value(py)))
}
