//! The engine as a Python object: one contract, one kernel, one model, any number of calling threads.

use std::sync::Arc;

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use sternpost_engine::kernel::Kernel;
use sternpost_engine::native;
use sternpost_engine::scorer::{RowScore, Scorer};
use sternpost_engine::spec::Spec;
use sternpost_engine::value_rows::put;
use sternpost_engine::{Error, golden, outputs, violation};
use sternpost_monitor::live::Live;

use crate::decision::{Decision, Violation};
use crate::reading::Reader;
use crate::reference::{Reference, Window};
use crate::{errors, fork, gate, tables};

/// Scores rows and tables.
#[pyclass(frozen, module = "sternpost._core")]
pub struct Engine {
    scorer: Arc<Scorer>,
    live: Option<Arc<Live>>,
    reader: Reader,
    bundle: Py<PyString>,
    actions: Vec<Py<PyString>>,
    classes: Vec<Py<PyString>>,
    generation: u64,
    /// Keeps the kernel's object code mapped; after the scorer, so that it goes last.
    _kernel_guard: Option<Py<PyAny>>,
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (spec, *, kernel_address=None, kernel_guard=None, onnx=None))]
    fn new(
        py: Python<'_>,
        spec: &str,
        kernel_address: Option<usize>,
        kernel_guard: Option<Py<PyAny>>,
        onnx: Option<&[u8]>,
    ) -> PyResult<Self> {
        gate::contained(py, || {
            let scorer = gate::away(py, |_| {
                let mut spec = Spec::from_json(spec)?;
                let order = std::mem::take(&mut spec.order);
                // SAFETY: whoever passes an address promises object code of the kernel's form for this very contract and feature list,
                // and that `kernel_guard`, which this engine keeps, keeps it mapped.
                let kernel = kernel_address.map(|address| unsafe { Kernel::from_address(address, spec.features.len(), order) });
                let model = match (onnx, &spec.model) {
                    (Some(graph), Some(shape)) => Some(native::model(graph, shape)?),
                    (Some(_), None) => return Err(Error::Model("a model was given but the description names none".to_owned())),
                    (None, _) => None,
                };
                Scorer::new(spec, kernel.transpose()?, model)
            })?;
            Ok(Self::around(py, Arc::new(scorer), None, kernel_guard))
        })
    }

    /// Scores one row given as a mapping from column name to value.
    fn score_row(&self, py: Python<'_>, row: &Bound<'_, PyAny>) -> PyResult<Decision> {
        gate::contained(py, || {
            self.same_process(py)?;
            let contract = self.scorer.contract();
            let fields = self.reader.fields(contract, row)?;
            let mut workspace = self.scorer.begin_row();
            self.reader.read(contract, &fields, |place, value| put(contract, place, 0, value, &mut workspace.rows))?;
            let scored = py.detach(|| self.scorer.finish_row(workspace)).map_err(|error| errors::from_core(py, error))?;
            Ok(self.decision(py, scored, |place| self.reader.text(&fields, place)))
        })
    }

    /// Scores a table.
    #[pyo3(signature = (data, threads=None))]
    fn score_table<'py>(&self, py: Python<'py>, data: &Bound<'py, PyAny>, threads: Option<usize>) -> PyResult<Bound<'py, PyAny>> {
        gate::contained(py, || {
            let threads = self.threads(py, threads)?;
            let table = tables::read(py, data, &self.scorer)?;
            let (schema, batches) = gate::away(py, |go_on| outputs::score(&self.scorer, &table, threads, go_on))?;
            tables::write(py, batches, schema)
        })
    }

    /// Computes the features of a table, typed.
    #[pyo3(signature = (data, threads=None))]
    fn frame<'py>(&self, py: Python<'py>, data: &Bound<'py, PyAny>, threads: Option<usize>) -> PyResult<Bound<'py, PyAny>> {
        gate::contained(py, || {
            let threads = self.threads(py, threads)?;
            let table = tables::read(py, data, &self.scorer)?;
            let (schema, batches) = gate::away(py, |go_on| outputs::frame(&self.scorer, &table, threads, go_on))?;
            tables::write(py, batches, schema)
        })
    }

    /// Computes the model's input for a table into a writable C-contiguous float32 buffer `[rows, features]`.
    fn matrix(&self, py: Python<'_>, data: &Bound<'_, PyAny>, threads: Option<usize>, out: &Bound<'_, PyAny>) -> PyResult<()> {
        gate::contained(py, || {
            let threads = self.threads(py, threads)?;
            let table = tables::read(py, data, &self.scorer)?;
            let buffer = self.destination(py, out, table.rows())?;
            let (start, len) = (buffer.buf_ptr().expose_provenance(), buffer.item_count());
            gate::away(py, |go_on| {
                // An empty buffer may have no address.
                if len == 0 {
                    return outputs::matrix(&self.scorer, &table, threads, &mut [], go_on);
                }
                // SAFETY: `destination` made sure that `len` writable floats stand there in one piece, and `buffer`, which outlives this
                // block, keeps them in place. The caller gives them away for the time of the call, as to any function that fills an array.
                let out = unsafe { std::slice::from_raw_parts_mut(std::ptr::with_exposed_provenance_mut(start), len) };
                outputs::matrix(&self.scorer, &table, threads, out, go_on)
            })
        })
    }

    /// The first violations of a table, in row order.
    #[pyo3(signature = (data, limit=100))]
    fn check(&self, py: Python<'_>, data: &Bound<'_, PyAny>, limit: usize) -> PyResult<Vec<Violation>> {
        gate::contained(py, || {
            self.same_process(py)?;
            let table = tables::read(py, data, &self.scorer)?;
            let found = gate::away(py, |go_on| outputs::check(&self.scorer, &table, limit, go_on))?;
            Ok(found.into_iter().map(Violation::from).collect())
        })
    }

    /// The same engine, watched: what it scores is counted in the cells of a reference.
    fn watched(&self, py: Python<'_>, reference: &Reference) -> PyResult<Self> {
        gate::contained(py, || {
            self.same_process(py)?;
            let live = Live::new(reference.0.clone(), &self.scorer).map_err(|error| errors::from_monitor(py, error))?;
            let scorer = Arc::new(self.scorer.watched_by(live.clone()));
            Ok(Self::around(py, scorer, Some(live), self._kernel_guard.as_ref().map(|guard| guard.clone_ref(py))))
        })
    }

    /// What a watched engine counted since the last call.
    fn collect(&self, py: Python<'_>) -> PyResult<Window> {
        gate::contained(py, || {
            self.same_process(py)?;
            let not_watched = || errors::usage(py, "the engine is not watched; collect from the one that watched() gives".to_owned());
            let live = self.live.clone().ok_or_else(not_watched)?;
            Ok(Window(py.detach(|| live.collect())))
        })
    }

    /// Feature bits and raw model output bits of a table.
    fn golden<'py>(&self, py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        gate::contained(py, || {
            self.same_process(py)?;
            let table = tables::read(py, data, &self.scorer)?;
            let golden = gate::away(py, |go_on| golden::replay(&self.scorer, &table, go_on))?;
            Ok((PyBytes::new(py, &golden.features), PyBytes::new(py, &golden.scores)))
        })
    }
}

impl Engine {
    fn around(py: Python<'_>, scorer: Arc<Scorer>, live: Option<Arc<Live>>, kernel_guard: Option<Py<PyAny>>) -> Self {
        let text = |text: &str| PyString::intern(py, text).unbind();
        let classes = scorer.shape().and_then(|shape| shape.classes.as_deref()).unwrap_or_default();
        Self {
            reader: Reader::new(py, scorer.contract()),
            bundle: text(&scorer.bundle().digest),
            actions: scorer.policy().actions().map(text).collect(),
            classes: classes.iter().map(|class| text(class)).collect(),
            generation: fork::generation(),
            scorer,
            live,
            _kernel_guard: kernel_guard,
        }
    }

    /// The scorer, for others who score beside this object. Object code stays mapped until the process ends, whoever made it.
    pub fn scorer(&self, py: Python<'_>) -> PyResult<Arc<Scorer>> {
        self.same_process(py)?;
        Ok(self.scorer.clone())
    }

    fn same_process(&self, py: Python<'_>) -> PyResult<()> {
        if self.generation == fork::generation() { Ok(()) } else { Err(errors::forked(py)) }
    }

    fn threads(&self, py: Python<'_>, threads: Option<usize>) -> PyResult<usize> {
        self.same_process(py)?;
        match threads {
            Some(0) => Err(errors::usage(py, "threads is 0; give at least 1, or None for all cores".to_owned())),
            Some(threads) => Ok(threads),
            None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        }
    }

    /// `out` as the place for the matrix of `rows` rows: writable, C-contiguous, float32, `[rows, features]`.
    fn destination(&self, py: Python<'_>, out: &Bound<'_, PyAny>, rows: usize) -> PyResult<PyBuffer<f32>> {
        let width = self.scorer.features().len();
        let expected = format!("a writable C-contiguous float32 matrix is needed; use numpy.empty(({rows}, {width}), 'float32')");
        let buffer = PyBuffer::get(out).map_err(|error| errors::usage(py, format!("{}; {expected}", error.value(py))))?;
        if buffer.readonly() || !buffer.is_c_contiguous() || buffer.shape() != [rows, width] {
            let state = if buffer.readonly() { "read-only" } else { "writable" };
            return Err(errors::usage(py, format!("the place for the matrix is {state} and has shape {:?}; {expected}", buffer.shape())));
        }
        Ok(buffer)
    }

    fn decision(&self, py: Python<'_>, scored: RowScore, value: impl Fn(usize) -> String) -> Decision {
        let contract = self.scorer.contract();
        let names = self.scorer.feature_names();
        let from_contract = |place: u32| contract.columns.get(place as usize).is_some();
        let violations = scored.marks.iter().map(|mark| {
            let value = if mark.rule.is_of_contract() && from_contract(mark.place) { value(mark.place as usize) } else { String::new() };
            Violation::from(violation::Violation::new(contract, names, mark, &value))
        });
        let action = self.scorer.policy().action_position(scored.score);
        let source = if scored.score.is_some() { "model" } else { "none" };
        Decision {
            score: scored.score,
            scores: scored.scores,
            label: scored.class.and_then(|class| self.classes.get(class)).map(|class| class.clone_ref(py)),
            action: action.and_then(|action| self.actions.get(action)).map(|action| action.clone_ref(py)),
            binding: false,
            reasons: scored.marks.iter().map(|mark| violation::reason(contract, names, mark)).collect(),
            violations: violations.collect(),
            bundle: self.bundle.clone_ref(py),
            source,
            rung: None,
            prediction_id: None,
        }
    }
}
