//! The detector and its simulation for Python: counts as lists of whole numbers, descriptions and answers as JSON.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use serde::Serialize;
use sternpost_monitor::alarm::simulate::Simulation;
use sternpost_monitor::alarm::{Budget, Column, Detector, Error, multiplicity, reach, rows_needed, violations};

use crate::{errors, gate};

/// Shares far inside of these stand for what a table can hold; a caller's mistake is told before memory is asked for.
const MOST_THREADS: usize = 256;

/// The Shiryaev-Roberts e-detector.
#[pyclass(frozen, module = "sternpost._core")]
pub struct AlarmDetector {
    inner: Mutex<Detector>,
}

#[pymethods]
impl AlarmDetector {
    #[new]
    fn new(py: Python<'_>, columns: &str, budget: &str) -> PyResult<Self> {
        gate::contained(py, || {
            let detector = Detector::new(parsed::<Vec<Column>>(py, columns)?, parsed::<Budget>(py, budget)?);
            Ok(Self { inner: Mutex::new(detector.map_err(|error| raised(py, error))?) })
        })
    }

    #[staticmethod]
    fn from_bytes(py: Python<'_>, state: &[u8]) -> PyResult<Self> {
        gate::contained(py, || {
            let detector = Detector::from_bytes(state).map_err(|error| raised(py, error))?;
            Ok(Self { inner: Mutex::new(detector) })
        })
    }

    fn to_bytes(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        gate::contained(py, || self.with(|detector| detector.to_bytes()).map_err(|error| raised(py, error)))
    }

    fn update(&self, py: Python<'_>, counts: Vec<Vec<u64>>) -> PyResult<String> {
        gate::contained(py, || {
            let borrowed: Vec<&[u64]> = counts.iter().map(Vec::as_slice).collect();
            let verdict = self.with(|detector| detector.update(&borrowed)).map_err(|error| raised(py, error))?;
            told(py, &verdict)
        })
    }

    fn acknowledge(&self) -> bool {
        self.with(Detector::acknowledge)
    }

    fn reach(&self, py: Python<'_>, rows_per_window: f64, windows: f64) -> PyResult<String> {
        gate::contained(py, || told(py, &self.with(|detector| reach::reach(detector, rows_per_window, windows))))
    }

    #[getter]
    fn columns(&self, py: Python<'_>) -> PyResult<String> {
        told(py, &self.with(|detector| detector.columns().to_vec()))
    }

    #[getter]
    fn budget(&self, py: Python<'_>) -> PyResult<String> {
        told(py, &self.with(|detector| detector.budget().clone()))
    }

    #[getter]
    fn alarms(&self) -> u64 {
        self.with(|detector| detector.alarms())
    }
}

impl AlarmDetector {
    fn with<T>(&self, work: impl FnOnce(&mut Detector) -> T) -> T {
        // An update leaves a detector whole at every point where it could panic, so a poisoned lock says nothing.
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Runs `first` to `first + count - 1` of a simulation.
#[pyfunction]
pub fn simulate_alarms(py: Python<'_>, simulation: &str, first: u64, count: u64, threads: usize) -> PyResult<String> {
    gate::contained(py, || {
        let simulation: Simulation = parsed(py, simulation)?;
        let threads = NonZero::new(threads.clamp(1, MOST_THREADS)).unwrap_or(NonZero::<usize>::MIN);
        let passages = gate::free(py, |_| simulation.run(first, count, threads))?;
        told(py, &passages.map_err(|error| raised(py, error))?)
    })
}

/// Whether a change of one column is ever seen by a simulation's detector, were its reference the columns' counts.
#[pyfunction]
pub fn alarm_ever_sees(py: Python<'_>, simulation: &str) -> PyResult<bool> {
    gate::contained(py, || {
        let simulation: Simulation = parsed(py, simulation)?;
        simulation.change_is_ever_seen().map_err(|error| raised(py, error))
    })
}

/// Breaches of limits by one window's broken rules.
#[pyfunction]
pub fn contract_breaches(py: Python<'_>, limits: &str, rows: u64, refused: u64, broken: Vec<(String, String, u64)>) -> PyResult<String> {
    gate::contained(py, || {
        let limits: Vec<violations::Limit> = parsed(py, limits)?;
        told(py, &violations::breaches(&limits, rows, refused, &broken))
    })
}

/// Adjusted p-values; NaN stays NaN and counts nowhere.
#[pyfunction]
pub fn adjusted_p_values(py: Python<'_>, p: Vec<f64>, dependent: bool) -> PyResult<Vec<f64>> {
    if let Some(wrong) = p.iter().find(|p| !(p.is_nan() || (0.0..=1.0).contains(*p))) {
        return Err(errors::usage(py, format!("{wrong} is not a p-value; give numbers from 0 to 1, or NaN where there is no test")));
    }
    Ok(if dependent { multiplicity::benjamini_yekutieli(&p) } else { multiplicity::benjamini_hochberg(&p) })
}

/// The level at which each column of each window is tested.
#[pyfunction]
pub fn level_per_test(alarms: f64, windows: u64, columns: usize) -> f64 {
    multiplicity::level_per_test(alarms, windows, columns)
}

/// The rows of a reference whose own error in the middle of a distribution is `width`.
#[pyfunction]
pub fn reference_rows_needed(width: f64, columns: usize, confidence: f64) -> f64 {
    rows_needed(width, columns, confidence)
}

fn parsed<T: serde::de::DeserializeOwned>(py: Python<'_>, json: &str) -> PyResult<T> {
    serde_json::from_str(json).map_err(|error| errors::usage(py, format!("the description of an alarm cannot be read: {error}")))
}

fn told(py: Python<'_>, value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| errors::usage(py, format!("an answer cannot be written: {error}")))
}

fn raised(py: Python<'_>, error: Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::Settings(_) | Error::Counts(_) => errors::usage(py, message),
        Error::State(_) => errors::data(py, message),
    }
}
