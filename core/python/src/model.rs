//! An ONNX model on its own, for proving at build time that it agrees with the estimator it came from.

use std::sync::{Mutex, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sternpost_engine::model::Shape;
use sternpost_engine::onnx::{self, OnnxModel, OnnxSession};

use crate::{errors, fork, gate};

/// Loads the ONNX Runtime library at an absolute path, once per process.
///
/// Raises `ModelError` if it cannot be loaded.
#[pyfunction]
pub fn init_onnxruntime(py: Python<'_>, path: &str) -> PyResult<()> {
    gate::contained(py, || gate::away(py, |_| onnx::load_runtime(path)))
}

/// An ONNX graph with its description, run on one thread.
#[pyclass(frozen, module = "sternpost._core")]
pub struct Model {
    model: OnnxModel,
    session: Mutex<Option<OnnxSession>>,
    generation: u64,
}

#[pymethods]
impl Model {
    #[new]
    fn new(py: Python<'_>, onnx: &[u8], spec: &str) -> PyResult<Self> {
        gate::contained(py, || {
            let shape: Shape = serde_json::from_str(spec)
                .map_err(|error| errors::usage(py, format!("the model's description is not readable: {error}")))?;
            let (model, session) = gate::away(py, |_| {
                let model = OnnxModel::new(onnx, shape)?;
                let session = model.open_session()?;
                Ok((model, session))
            })?;
            Ok(Self { model, session: Mutex::new(Some(session)), generation: fork::generation() })
        })
    }

    /// Raw outputs of a float32 matrix `[n, features]`, as little-endian float32 `[n, outputs]`: at most `rows_per_call` rows a run, a run of
    /// fewer than `pad_to` rows repeats its last one.
    fn run<'py>(&self, py: Python<'py>, matrix: &Bound<'py, PyAny>, rows_per_call: usize, pad_to: usize) -> PyResult<Bound<'py, PyBytes>> {
        gate::contained(py, || {
            if self.generation != fork::generation() {
                return Err(errors::forked(py));
            }
            if rows_per_call == 0 {
                return Err(errors::usage(py, "rows_per_call is 0; at least 1 is needed".to_owned()));
            }
            let (rows, n) = self.rows(py, matrix)?;
            let raw = gate::away(py, |_| {
                let taken = self.session.lock().unwrap_or_else(PoisonError::into_inner).take();
                let mut session = match taken {
                    Some(session) => session,
                    None => self.model.open_session()?,
                };
                let mut raw = Vec::with_capacity(n * self.model.shape().outputs);
                let done = session.run_chunks(&rows, n, rows_per_call, pad_to, &mut raw);
                *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
                done.map(|()| raw.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
            })?;
            Ok(PyBytes::new(py, &raw))
        })
    }
}

impl Model {
    fn rows(&self, py: Python<'_>, matrix: &Bound<'_, PyAny>) -> PyResult<(Vec<f32>, usize)> {
        let width = self.model.shape().features;
        let expected = format!("a C-contiguous float32 matrix [rows, {width}] is needed; use numpy.ascontiguousarray(x, dtype='float32')");
        let buffer: PyBuffer<f32> = PyBuffer::get(matrix).map_err(|error| errors::usage(py, format!("{}; {expected}", error.value(py))))?;
        match buffer.shape() {
            [n, columns] if *columns == width && buffer.is_c_contiguous() => Ok((buffer.to_vec(py)?, *n)),
            other => Err(errors::usage(py, format!("the matrix has shape {other:?}; {expected}"))),
        }
    }
}
