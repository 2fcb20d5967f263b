//! What the statistics give: dictionaries of plain values.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sternpost_monitor::statistics::Measured;
use sternpost_monitor::statistics::compare::Compared;
use sternpost_monitor::statistics::contingency::ChiSquare;
use sternpost_monitor::statistics::kolmogorov_smirnov::CellKs;
use sternpost_monitor::statistics::missing::{MissingRate, Test};
use sternpost_monitor::statistics::psi::Psi;
use sternpost_monitor::statistics::transport::Wasserstein;
use sternpost_monitor::statistics::unseen::UnseenRate;

/// One statistic.
pub fn of_measured<'py>(py: Python<'py>, measured: &Measured) -> PyResult<Bound<'py, PyDict>> {
    let result = PyDict::new(py);
    result.set_item(intern!(py, "value"), measured.value)?;
    result.set_item(intern!(py, "p_value"), measured.p_value)?;
    result.set_item(intern!(py, "low"), measured.low)?;
    result.set_item(intern!(py, "high"), measured.high)?;
    result.set_item(intern!(py, "status"), measured.status.name())?;
    Ok(result)
}

/// The index with its extras.
pub fn of_psi<'py>(py: Python<'py>, psi: &Psi) -> PyResult<Bound<'py, PyDict>> {
    let result = of_measured(py, &psi.measured)?;
    result.set_item(intern!(py, "debiased"), psi.debiased)?;
    result.set_item(intern!(py, "critical"), psi.critical)?;
    result.set_item(intern!(py, "cells"), psi.cells)?;
    Ok(result)
}

/// D of cells, with its bound.
pub fn of_ks<'py>(py: Python<'py>, ks: &CellKs) -> PyResult<Bound<'py, PyDict>> {
    let result = of_measured(py, &ks.measured)?;
    result.set_item(intern!(py, "upper"), ks.upper)?;
    Ok(result)
}

/// The test with its strengths.
pub fn of_chi_square<'py>(py: Python<'py>, test: &ChiSquare) -> PyResult<Bound<'py, PyDict>> {
    let result = of_measured(py, &test.measured)?;
    result.set_item(intern!(py, "cramer_v"), of_measured(py, &test.cramer_v)?)?;
    result.set_item(intern!(py, "bergsma_v"), of_measured(py, &test.bergsma_v)?)?;
    result.set_item(intern!(py, "groups"), test.groups)?;
    Ok(result)
}

/// The change of the rate.
pub fn of_missing<'py>(py: Python<'py>, rate: &MissingRate) -> PyResult<Bound<'py, PyDict>> {
    let result = of_measured(py, &rate.difference)?;
    result.set_item(intern!(py, "reference"), rate.reference)?;
    result.set_item(intern!(py, "current"), rate.current)?;
    let test = rate.test.map(|test| match test {
        Test::Z => "z",
        Test::Fisher => "fisher",
    });
    result.set_item(intern!(py, "test"), test)?;
    Ok(result)
}

/// The rate with what was allowed.
pub fn of_unseen<'py>(py: Python<'py>, rate: &UnseenRate) -> PyResult<Bound<'py, PyDict>> {
    let result = of_measured(py, &rate.measured)?;
    result.set_item(intern!(py, "allowed"), rate.allowed)?;
    Ok(result)
}

/// The distance three ways, beside others.
pub fn put_wasserstein(into: &Bound<'_, PyDict>, wasserstein: &Wasserstein) -> PyResult<()> {
    let py = into.py();
    into.set_item(intern!(py, "wasserstein"), of_measured(py, &wasserstein.distance)?)?;
    into.set_item(intern!(py, "wasserstein_per_sd"), of_measured(py, &wasserstein.per_sd)?)?;
    into.set_item(intern!(py, "wasserstein_per_iqr"), of_measured(py, &wasserstein.per_iqr)?)
}

/// One column's statistics as a dictionary of them.
pub fn of_compared<'py>(py: Python<'py>, compared: &Compared) -> PyResult<Bound<'py, PyDict>> {
    let result = PyDict::new(py);
    result.set_item(intern!(py, "status"), compared.status.name())?;
    result.set_item(intern!(py, "reference_rows"), compared.reference_rows)?;
    result.set_item(intern!(py, "current_rows"), compared.current_rows)?;
    result.set_item(intern!(py, "psi"), of_psi(py, &compared.psi)?)?;
    for (name, measured) in [
        ("jensen_shannon", &compared.jensen_shannon),
        ("hellinger", &compared.hellinger),
        ("total_variation", &compared.total_variation),
        ("l_infinity", &compared.l_infinity),
    ] {
        result.set_item(name, of_measured(py, measured)?)?;
    }
    result.set_item(intern!(py, "chi_square"), of_chi_square(py, &compared.chi_square)?)?;
    result.set_item(intern!(py, "ks"), of_ks(py, &compared.ks)?)?;
    put_wasserstein(&result, &compared.wasserstein)?;
    result.set_item(intern!(py, "missing"), of_missing(py, &compared.missing)?)?;
    result.set_item(intern!(py, "unseen"), of_unseen(py, &compared.unseen)?)?;
    Ok(result)
}
