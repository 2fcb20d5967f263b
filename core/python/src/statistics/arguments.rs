//! What the statistics take: buffers of counts, buffers or Arrow columns of raw values.

use arrow_array::{ArrayRef, make_array};
use arrow_pyarrow::FromPyArrow;
use pyo3::buffer::PyBuffer;
use pyo3::intern;
use pyo3::prelude::*;
use sternpost_engine::Error;
use sternpost_monitor::statistics::{Pair, Sample};

use crate::{errors, gate};

/// Two vectors of counts, copied out of their buffers.
pub struct Counts {
    reference: Vec<u64>,
    current: Vec<u64>,
    plain: bool,
}

impl Counts {
    /// `UsageError` if they are no counts, or not of the same cells.
    pub fn read(reference: &Bound<'_, PyAny>, current: &Bound<'_, PyAny>, plain: bool) -> PyResult<Self> {
        let counts = Self { reference: counts("reference", reference)?, current: counts("current", current)?, plain };
        counts.pair().map(|_| ()).map_err(|error| errors::usage(reference.py(), error))?;
        Ok(counts)
    }

    fn pair(&self) -> Result<Pair<'_>, String> {
        if self.plain { Pair::plain(&self.reference, &self.current) } else { Pair::of_column(&self.reference, &self.current) }
            .map_err(|error| error.to_string())
    }

    /// Works on them without the interpreter lock.
    pub fn measure<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&Pair<'_>) -> T + Send) -> PyResult<T> {
        gate::away(py, |_| self.pair().map(|pair| work(&pair)).map_err(Error::Internal))
    }
}

/// Raw values as they arrived.
pub enum Raw {
    Values(Vec<f64>),
    Chunks(Vec<ArrayRef>),
}

impl Raw {
    /// `UsageError` for neither Arrow nor a buffer of float64.
    pub fn read(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = given.py();
        let array = |given: &Bound<'_, PyAny>| FromPyArrow::from_pyarrow_bound(given).map(make_array);
        if given.hasattr(intern!(py, "__arrow_c_array__"))? {
            return Ok(Self::Chunks(vec![array(given)?]));
        }
        if given.hasattr(intern!(py, "iterchunks"))? {
            let chunks = given.call_method0(intern!(py, "iterchunks"))?.try_iter()?;
            return Ok(Self::Chunks(chunks.map(|chunk| array(&chunk?)).collect::<PyResult<_>>()?));
        }
        Ok(Self::Values(floats(name, given)?))
    }

    /// Sorted; `ContractError` for a column that has no order.
    pub fn sample(self) -> sternpost_engine::Result<Sample> {
        match self {
            Self::Values(values) => Ok(Sample::new(values)),
            Self::Chunks(chunks) => Sample::from_arrow(&chunks).ok_or_else(|| {
                let kind = chunks.first().map(|chunk| chunk.data_type().to_string()).unwrap_or_default();
                Error::Contract(format!("a column of {kind} has no order to measure in; cast it to float64"))
            }),
        }
    }
}

fn counts(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<u64>> {
    let py = given.py();
    PyBuffer::<u64>::get(given).and_then(|buffer| buffer.to_vec(py)).map_err(|error| {
        errors::usage(py, format!("{name} is not a buffer of uint64 ({}); give numpy.asarray(counts, dtype='uint64')", error.value(py)))
    })
}

/// A buffer of float64, of any number of dimensions, flat.
pub fn floats(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    let py = given.py();
    PyBuffer::<f64>::get(given).and_then(|buffer| buffer.to_vec(py)).map_err(|error| {
        errors::usage(py, format!("{name} is not a buffer of float64 ({}); give numpy.asarray(values, dtype='float64')", error.value(py)))
    })
}
