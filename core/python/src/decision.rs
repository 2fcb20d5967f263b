//! What a score looks like from Python: the decision about a row, and each broken rule behind it.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use sternpost_engine::violation;

/// One broken rule: row, column, value and what to do about it.
#[pyclass(frozen, get_all, eq, hash, skip_from_py_object, module = "sternpost._core")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Violation {
    /// Row, from 0.
    row: usize,
    /// Column name; the feature's name for the rule `raised`.
    column: String,
    /// The rule's word.
    rule: String,
    /// The value as text, at most 80 characters; empty for null.
    value: String,
    /// The sentence.
    message: String,
}

impl From<violation::Violation> for Violation {
    fn from(from: violation::Violation) -> Self {
        Self { row: from.row, column: from.column, rule: from.rule.to_owned(), value: from.value, message: from.message }
    }
}

#[pymethods]
impl Violation {
    fn __repr__(&self) -> String {
        format!("Violation(row={}, column={}, rule={}, value={})", self.row, quoted(&self.column), quoted(&self.rule), quoted(&self.value))
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fields = PyDict::new(py);
        fields.set_item("row", self.row)?;
        fields.set_item("column", &self.column)?;
        fields.set_item("rule", &self.rule)?;
        fields.set_item("value", &self.value)?;
        fields.set_item("message", &self.message)?;
        Ok(fields)
    }
}

/// The answer about one row, and who gave it.
#[pyclass(frozen, module = "sternpost._core")]
pub struct Decision {
    #[pyo3(get)]
    pub score: Option<f64>,
    pub scores: Vec<f64>,
    #[pyo3(get)]
    pub label: Option<Py<PyString>>,
    #[pyo3(get)]
    pub action: Option<Py<PyString>>,
    #[pyo3(get)]
    pub binding: bool,
    pub reasons: Vec<String>,
    pub violations: Vec<Violation>,
    #[pyo3(get)]
    pub bundle: Py<PyString>,
    /// Who answered.
    #[pyo3(get)]
    pub source: &'static str,
    #[pyo3(get)]
    pub rung: Option<&'static str>,
    #[pyo3(get)]
    pub prediction_id: Option<String>,
}

#[pymethods]
impl Decision {
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.scores)
    }

    #[getter]
    fn reasons<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.reasons)
    }

    #[getter]
    fn violations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.violations.iter().cloned())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let or_none = |text: &Option<Py<PyString>>| match text {
            Some(text) => text.bind(py).repr().map(|text| text.to_string()),
            None => Ok("None".to_owned()),
        };
        let score = self.score.map_or("None".to_owned(), |score| format!("{score:?}"));
        let label = or_none(&self.label)?;
        let action = or_none(&self.action)?;
        let reasons = self.reasons(py)?.repr()?;
        Ok(format!("Decision(score={score}, label={label}, action={action}, source='{}', reasons={reasons})", self.source))
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fields = PyDict::new(py);
        fields.set_item("score", self.score)?;
        fields.set_item("scores", PyList::new(py, &self.scores)?)?;
        fields.set_item("label", self.label.as_ref())?;
        fields.set_item("action", self.action.as_ref())?;
        fields.set_item("binding", self.binding)?;
        fields.set_item("source", self.source)?;
        fields.set_item("reasons", PyList::new(py, &self.reasons)?)?;
        let violations = self.violations.iter().map(|violation| violation.to_dict(py)).collect::<PyResult<Vec<_>>>()?;
        fields.set_item("violations", PyList::new(py, violations)?)?;
        fields.set_item("bundle", &self.bundle)?;
        fields.set_item("rung", self.rung)?;
        fields.set_item("prediction_id", self.prediction_id.as_deref())?;
        Ok(fields)
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
