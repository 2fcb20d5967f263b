//! References and windows as Python objects, and counting tables.

use std::collections::HashMap;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use sternpost_engine::rule::Rule;
use sternpost_monitor::bundle::{self, Tables};
use sternpost_monitor::cells::Cells;
use sternpost_monitor::reference::{self, Role};
use sternpost_monitor::window::RowCounts;
use sternpost_monitor::{tally as counting, window};

use crate::{errors, gate, tables};

/// What every watched column looked like in the rows that something was built on.
#[pyclass(frozen, module = "sternpost._core")]
pub struct Reference(pub(crate) Arc<reference::Reference>);

/// One watched column of a reference.
#[pyclass(frozen, module = "sternpost._core")]
pub struct ReferenceColumn(Arc<reference::Reference>, usize);

/// What was counted in a stretch of time.
#[pyclass(frozen, module = "sternpost._core", eq)]
#[derive(PartialEq)]
pub struct Window(pub(crate) window::Window);

#[pymethods]
impl Reference {
    /// The reference of every column of a table.
    #[staticmethod]
    #[pyo3(signature = (data, threads=None))]
    fn of_table(py: Python<'_>, data: &Bound<'_, PyAny>, threads: Option<usize>) -> PyResult<Self> {
        gate::contained(py, || {
            let threads = threads_of(py, threads)?;
            let (schema, batches) = tables::batches(py, data)?;
            settled(py, gate::free(py, |go_on| counting::reference_of(&schema, &batches, threads, go_on))?)
        })
    }

    /// The reference of a bundle.
    #[staticmethod]
    #[pyo3(signature = (contract, inputs, features, outputs, labels, threads=None))]
    fn of_bundle(
        py: Python<'_>,
        contract: &str,
        inputs: &Bound<'_, PyAny>,
        features: &Bound<'_, PyAny>,
        outputs: &Bound<'_, PyAny>,
        labels: HashMap<String, Vec<String>>,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        gate::contained(py, || {
            let threads = threads_of(py, threads)?;
            let (inputs, features) = (tables::batches(py, inputs)?, tables::batches(py, features)?);
            let outputs = tables::batches(py, outputs)?;
            let tables =
                Tables { inputs: (&inputs.0, &inputs.1), features: (&features.0, &features.1), outputs: (&outputs.0, &outputs.1), labels };
            settled(py, gate::free(py, |go_on| bundle::reference(contract, &tables, threads, go_on))?)
        })
    }

    /// The reference in a file's bytes.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        gate::contained(py, || settled(py, reference::Reference::from_bytes(data)))
    }

    /// The file's bytes.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.to_bytes())
    }

    #[getter]
    fn digest(&self) -> String {
        self.0.hex()
    }

    #[getter]
    fn rows(&self) -> u64 {
        self.0.rows()
    }

    #[getter]
    fn nan_is_null(&self) -> bool {
        self.0.nan_is_null()
    }

    #[getter]
    fn columns(&self) -> Vec<ReferenceColumn> {
        (0..self.0.columns().len()).map(|place| ReferenceColumn(self.0.clone(), place)).collect()
    }

    /// A column by name.
    #[pyo3(signature = (name, role=None))]
    fn column(&self, py: Python<'_>, name: &str, role: Option<&str>) -> PyResult<ReferenceColumn> {
        Ok(ReferenceColumn(self.0.clone(), position(py, &self.0, name, role)?))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0.digest() == other.0.digest()
    }

    fn __hash__(&self) -> u64 {
        self.0.digest().iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
    }
}

#[pymethods]
impl ReferenceColumn {
    #[getter]
    fn name(&self) -> &str {
        &self.column().name
    }

    #[getter]
    fn role(&self) -> &'static str {
        self.column().role.word()
    }

    #[getter]
    fn kind(&self) -> &'static str {
        self.column().cells.kind()
    }

    #[getter]
    fn edges(&self) -> Vec<f64> {
        self.column().cells.scale().map_or_else(Vec::new, |scale| scale.edges().to_vec())
    }

    #[getter]
    fn points(&self) -> Vec<bool> {
        self.column().cells.scale().map_or_else(Vec::new, |scale| scale.points())
    }

    #[getter]
    fn labels(&self) -> Vec<String> {
        match &self.column().cells {
            Cells::Category(labels) => labels.named().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    #[getter]
    fn cells(&self) -> Vec<String> {
        self.column().words()
    }

    #[getter]
    fn counts(&self) -> Vec<u64> {
        self.column().counts.clone()
    }

    #[getter]
    fn means(&self) -> Vec<Option<f64>> {
        self.column().means.clone()
    }

    #[getter]
    fn min(&self) -> Option<f64> {
        self.column().min
    }

    #[getter]
    fn max(&self) -> Option<f64> {
        self.column().max
    }

    #[getter]
    fn mean(&self) -> Option<f64> {
        self.column().mean_and_deviation().map(|(mean, _)| mean)
    }

    #[getter]
    fn deviation(&self) -> Option<f64> {
        self.column().mean_and_deviation().map(|(_, deviation)| deviation)
    }

    /// For every ordinary cell its cell in a coarser grid.
    fn groups(&self, grid: u8) -> Vec<usize> {
        self.column().cells.groups(grid)
    }
}

impl ReferenceColumn {
    fn column(&self) -> &reference::Column {
        // Made for a place that there is, and a reference does not change.
        &self.0.columns()[self.1]
    }
}

#[pymethods]
impl Window {
    /// A window in which nothing happened.
    #[new]
    fn new(reference: &Reference) -> Self {
        Self(window::Window::empty(reference.0.clone()))
    }

    /// The window in a file's bytes.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &[u8], reference: &Reference) -> PyResult<Self> {
        gate::contained(py, || window::Window::from_bytes(data, &reference.0).map(Self).map_err(|error| errors::from_monitor(py, error)))
    }

    /// All windows together.
    #[staticmethod]
    fn merge(py: Python<'_>, reference: &Reference, windows: Vec<PyRef<'_, Self>>) -> PyResult<Self> {
        let merged = window::Window::merged(reference.0.clone(), windows.iter().map(|window| &window.0));
        merged.map(Self).map_err(|error| errors::from_monitor(py, error))
    }

    /// The file's bytes.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.0.to_bytes().map_err(|error| errors::from_monitor(py, error))?;
        Ok(PyBytes::new(py, &bytes))
    }

    #[getter]
    fn reference(&self) -> Reference {
        Reference(self.0.reference().clone())
    }

    #[getter]
    fn rows(&self) -> HashMap<&'static str, u64> {
        let RowCounts { seen, refused, scored, dropped } = self.0.rows;
        HashMap::from([("seen", seen), ("refused", refused), ("scored", scored), ("dropped", dropped)])
    }

    #[getter]
    fn span(&self) -> Option<(i64, i64)> {
        self.0.span
    }

    #[getter]
    fn replicas(&self) -> Vec<String> {
        self.0.replicas.iter().cloned().collect()
    }

    /// A column's counts, the special cells last; with `grid` in the cells of a coarser grid.
    #[pyo3(signature = (name, role=None, *, grid=None))]
    fn counts(&self, py: Python<'_>, name: &str, role: Option<&str>, grid: Option<u8>) -> PyResult<Vec<u64>> {
        let column = position(py, self.0.reference(), name, role)?;
        Ok(grid.map_or_else(|| self.0.counts(column).to_vec(), |grid| self.0.coarsened(column, grid)))
    }

    /// Mean and standard deviation of a column's numbers.
    #[pyo3(signature = (name, role=None))]
    fn mean_and_deviation(&self, py: Python<'_>, name: &str, role: Option<&str>) -> PyResult<Option<(f64, f64)>> {
        Ok(self.0.mean_and_deviation(position(py, self.0.reference(), name, role)?))
    }

    /// Numbers of a column that its sums hold to their bounds.
    #[pyo3(signature = (name, role=None))]
    fn clipped(&self, py: Python<'_>, name: &str, role: Option<&str>) -> PyResult<u64> {
        Ok(self.0.moments(position(py, self.0.reference(), name, role)?).clipped)
    }

    /// Broken rules: (role, column, rule) to how often.
    #[getter]
    fn broken<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let broken = PyDict::new(py);
        for (place, column) in self.0.reference().columns().iter().enumerate() {
            for (rule, count) in Rule::ALL.iter().zip(self.0.broken(place)).filter(|(_, count)| **count > 0) {
                broken.set_item((column.role.word(), &column.name, rule.name()), count)?;
            }
        }
        Ok(broken)
    }

    fn __add__(&self, py: Python<'_>, other: &Self) -> PyResult<Self> {
        let mut total = self.0.clone();
        total.absorb(&other.0).map_err(|error| errors::from_monitor(py, error))?;
        Ok(Self(total))
    }

    fn __sub__(&self, py: Python<'_>, part: &Self) -> PyResult<Self> {
        self.0.without(&part.0).map(Self).map_err(|error| errors::from_monitor(py, error))
    }

    /// The same counts, told when and by whom they were counted.
    #[pyo3(signature = (*, span=None, replica=None))]
    fn marked(&self, py: Python<'_>, span: Option<(i64, i64)>, replica: Option<String>) -> PyResult<Self> {
        if let Some((start, end)) = span.filter(|(start, end)| start > end) {
            return Err(errors::usage(py, format!("the window begins at {start} and ends at {end}; give (start, end) in this order")));
        }
        let mut marked = self.0.clone();
        marked.span = span.or(marked.span);
        marked.replicas.extend(replica);
        Ok(Self(marked))
    }
}

/// Counts the columns of a role that a table has; gives the window, and why some columns were not counted.
#[pyfunction]
#[pyo3(signature = (reference, data, role="input", threads=None))]
pub fn tally(
    py: Python<'_>,
    reference: &Reference,
    data: &Bound<'_, PyAny>,
    role: &str,
    threads: Option<usize>,
) -> PyResult<(Window, HashMap<String, String>)> {
    gate::contained(py, || {
        let threads = threads_of(py, threads)?;
        let role = role_of(py, Some(role))?.unwrap_or(Role::Input);
        let (schema, batches) = tables::batches(py, data)?;
        let counted = gate::free(py, |go_on| counting::tally(&reference.0, role, &schema, &batches, threads, go_on))?;
        let (window, told) = counted.map_err(|error| errors::from_monitor(py, error))?;
        Ok((Window(window), told.into_iter().collect()))
    })
}

fn settled(py: Python<'_>, made: sternpost_monitor::Result<reference::Reference>) -> PyResult<Reference> {
    made.map(|reference| Reference(Arc::new(reference))).map_err(|error| errors::from_monitor(py, error))
}

fn position(py: Python<'_>, reference: &reference::Reference, name: &str, role: Option<&str>) -> PyResult<usize> {
    reference.position(name, role_of(py, role)?).map_err(|error| errors::from_monitor(py, error))
}

fn role_of(py: Python<'_>, role: Option<&str>) -> PyResult<Option<Role>> {
    let wrong = |role: &str| errors::usage(py, format!("role is {role:?}; expected 'input', 'feature' or 'output'"));
    role.map(|role| Role::from_word(role).ok_or_else(|| wrong(role))).transpose()
}

fn threads_of(py: Python<'_>, threads: Option<usize>) -> PyResult<usize> {
    match threads {
        Some(0) => Err(errors::usage(py, "threads is 0; give at least 1, or None for all cores".to_owned())),
        Some(threads) => Ok(threads),
        None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
    }
}
