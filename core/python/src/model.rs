//! A model on its own, for proving at build time that it agrees with the estimator it came from, and whether this engine runs it itself.

use std::sync::{Mutex, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sternpost_engine::model::{Executor, Model as _, Shape};
use sternpost_engine::native::NativeModel;
use sternpost_engine::onnx::{self, OnnxModel, OnnxSession};
use sternpost_engine::{Error, Result};

use crate::{errors, fork, gate};

/// Loads the ONNX Runtime library at an absolute path, once per process.
///
/// Raises `ModelError` if it cannot be loaded.
#[pyfunction]
pub fn init_onnxruntime(py: Python<'_>, path: &str) -> PyResult<()> {
    gate::contained(py, || gate::away(py, |_| onnx::load_runtime(path)))
}

/// Why this engine does not run an ONNX graph itself: the operator, and what about it; `None` if it does.
///
/// Raises `UsageError` for a description that is not readable.
#[pyfunction]
pub fn native_refusal(py: Python<'_>, onnx: &[u8], spec: &str) -> PyResult<Option<String>> {
    gate::contained(py, || {
        let shape = described(py, spec)?;
        gate::away(py, |_| match NativeModel::new(onnx, &shape) {
            Ok(_) => Ok(None),
            Err(Error::Model(reason)) => Ok(Some(reason)),
            Err(other) => Err(other),
        })
    })
}

/// An ONNX graph with its description, run on one thread by the executor that the description names.
#[pyclass(frozen, module = "sternpost._core")]
pub struct Model {
    graph: Graph,
    shape: Shape,
    session: Mutex<Option<Session>>,
    generation: u64,
}

enum Graph {
    OnnxRuntime(OnnxModel),
    Native(NativeModel),
}

enum Session {
    OnnxRuntime(Box<OnnxSession>),
    Native(Box<dyn sternpost_engine::model::Session>),
}

impl Graph {
    fn new(onnx: &[u8], shape: &Shape) -> Result<Self> {
        Ok(match shape.executor {
            Executor::OnnxRuntime => Self::OnnxRuntime(OnnxModel::new(onnx, shape.clone())?),
            Executor::Native => Self::Native(NativeModel::new(onnx, shape)?),
        })
    }

    fn open(&self) -> Result<Session> {
        Ok(match self {
            Self::OnnxRuntime(model) => Session::OnnxRuntime(Box::new(model.open_session()?)),
            Self::Native(model) => Session::Native(model.open()?),
        })
    }
}

impl Session {
    /// Padding changes nothing in a native model: a row's bits depend on the row alone.
    fn run(&mut self, rows: &[f32], n: usize, rows_per_run: usize, pad_to: usize, out: &mut Vec<f32>) -> Result<()> {
        match self {
            Self::OnnxRuntime(session) => session.run_chunks(rows, n, rows_per_run, pad_to, out),
            Self::Native(session) => {
                let width = rows.len().checked_div(n).unwrap_or(1).max(1);
                rows.chunks(rows_per_run.saturating_mul(width)).try_for_each(|rows| session.run(rows, rows.len() / width, out))
            }
        }
    }
}

fn described(py: Python<'_>, spec: &str) -> PyResult<Shape> {
    serde_json::from_str(spec).map_err(|error| errors::usage(py, format!("the model's description is not readable: {error}")))
}

#[pymethods]
impl Model {
    #[new]
    fn new(py: Python<'_>, onnx: &[u8], spec: &str) -> PyResult<Self> {
        gate::contained(py, || {
            let shape = described(py, spec)?;
            let (graph, session) = gate::away(py, |_| {
                let graph = Graph::new(onnx, &shape)?;
                let session = graph.open()?;
                Ok((graph, session))
            })?;
            Ok(Self { graph, shape, session: Mutex::new(Some(session)), generation: fork::generation() })
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
                    None => self.graph.open()?,
                };
                let mut raw = Vec::with_capacity(n * self.shape.outputs);
                let done = session.run(&rows, n, rows_per_call, pad_to, &mut raw);
                *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
                done.map(|()| raw.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
            })?;
            Ok(PyBytes::new(py, &raw))
        })
    }
}

impl Model {
    fn rows(&self, py: Python<'_>, matrix: &Bound<'_, PyAny>) -> PyResult<(Vec<f32>, usize)> {
        let width = self.shape.features;
        let expected = format!("a C-contiguous float32 matrix [rows, {width}] is needed; use numpy.ascontiguousarray(x, dtype='float32')");
        let buffer: PyBuffer<f32> = PyBuffer::get(matrix).map_err(|error| errors::usage(py, format!("{}; {expected}", error.value(py))))?;
        match buffer.shape() {
            [n, columns] if *columns == width && buffer.is_c_contiguous() => Ok((buffer.to_vec(py)?, *n)),
            other => Err(errors::usage(py, format!("the matrix has shape {other:?}; {expected}"))),
        }
    }
}
