//! Statistics of drift for Python: counts and raw values in, plain dictionaries out.
//!
//! A statistic is `{"value", "p_value", "low", "high", "status"}`; what is not known is None.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sternpost_monitor::statistics::compare::{About, compare};
use sternpost_monitor::statistics::contingency::{Pooling, chi_square};
use sternpost_monitor::statistics::kolmogorov_smirnov::{self, Method};
use sternpost_monitor::statistics::laws::{binomial, chi_square as chi_square_law, kolmogorov};
use sternpost_monitor::statistics::psi::{Convention, Psi, psi, psi_by};
use sternpost_monitor::statistics::unseen::unseen_rate as unseen;
use sternpost_monitor::statistics::{Measured, Pair, Status, divergence, missing, parity, transport};

use crate::{errors, gate};

mod answers;
mod arguments;

use answers::{of_chi_square, of_compared, of_ks, of_measured, of_missing, of_psi, of_unseen, put_wasserstein};
use arguments::{Counts, Raw, floats};

/// Every statistic of one column, from its counts.
#[pyfunction]
#[pyo3(signature = (reference, current, *, ordered, reference_at=None, current_at=None, sd=None, iqr=None, singletons=None, tolerance=0.0, level=0.95))]
#[expect(clippy::too_many_arguments, reason = "keywords of one Python call")]
pub fn compare_counts<'py>(
    py: Python<'py>,
    reference: &Bound<'py, PyAny>,
    current: &Bound<'py, PyAny>,
    ordered: bool,
    reference_at: Option<&Bound<'py, PyAny>>,
    current_at: Option<&Bound<'py, PyAny>>,
    sd: Option<f64>,
    iqr: Option<f64>,
    singletons: Option<u64>,
    tolerance: f64,
    level: f64,
) -> PyResult<Bound<'py, PyDict>> {
    gate::contained(py, || {
        let counts = Counts::read(reference, current, false)?;
        let places = |name: &str, given: Option<&Bound<'py, PyAny>>| given.map(|given| floats(name, given)).transpose();
        let (reference_at, current_at) = (places("reference_at", reference_at)?, places("current_at", current_at)?);
        let compared = counts.measure(py, |pair| {
            let (reference_at, current_at) = (reference_at.as_deref(), current_at.as_deref());
            compare(pair, &About { ordered, reference_at, current_at, sd, iqr, singletons, tolerance, level })
        })?;
        of_compared(py, &compared)
    })
}

/// The population stability index.
#[pyfunction]
#[pyo3(signature = (reference, current, *, convention="jeffreys", level=0.95, plain=false))]
pub fn psi_of_counts<'py>(
    py: Python<'py>,
    reference: &Bound<'py, PyAny>,
    current: &Bound<'py, PyAny>,
    convention: &str,
    level: f64,
    plain: bool,
) -> PyResult<Bound<'py, PyDict>> {
    gate::contained(py, || {
        let convention = match convention {
            "jeffreys" => Convention::Jeffreys,
            "raw" => Convention::Raw,
            "clip1e-4" => Convention::Clip,
            "evidently" => Convention::Evidently,
            "scouter" => Convention::Scouter,
            "deepchecks" => Convention::Deepchecks,
            other => {
                let message =
                    format!("{other:?} is no convention of the PSI; take jeffreys, raw, clip1e-4, evidently, scouter or deepchecks");
                return Err(errors::usage(py, message));
            }
        };
        let counts = Counts::read(reference, current, plain)?;
        if convention == Convention::Jeffreys {
            return of_psi(py, &counts.measure(py, |pair| psi(pair, level))?);
        }
        let (measured, cells) = counts.measure(py, |pair| (psi_by(pair, convention), pair.occupied_cells()))?;
        of_psi(py, &Psi { measured, debiased: None, critical: None, cells })
    })
}

/// Distances that know no order: Jensen-Shannon three ways, Hellinger, total variation, L-infinity.
#[pyfunction]
#[pyo3(signature = (reference, current, *, plain=false))]
pub fn distances_of_counts<'py>(
    py: Python<'py>,
    reference: &Bound<'py, PyAny>,
    current: &Bound<'py, PyAny>,
    plain: bool,
) -> PyResult<Bound<'py, PyDict>> {
    gate::contained(py, || {
        let measured = Counts::read(reference, current, plain)?.measure(py, |pair| {
            [
                ("jensen_shannon", divergence::jensen_shannon(pair)),
                ("jensen_shannon_divergence", divergence::jensen_shannon_divergence(pair)),
                ("jensen_shannon_nats", divergence::jensen_shannon_nats(pair)),
                ("hellinger", divergence::hellinger(pair)),
                ("total_variation", divergence::total_variation(pair)),
                ("l_infinity", divergence::l_infinity(pair)),
            ]
        })?;
        let result = PyDict::new(py);
        for (name, measured) in measured {
            result.set_item(name, of_measured(py, &measured)?)?;
        }
        Ok(result)
    })
}

/// Kolmogorov-Smirnov from ordered cells.
#[pyfunction]
#[pyo3(signature = (reference, current, *, plain=false))]
pub fn ks_of_counts<'py>(
    py: Python<'py>,
    reference: &Bound<'py, PyAny>,
    current: &Bound<'py, PyAny>,
    plain: bool,
) -> PyResult<Bound<'py, PyDict>> {
    gate::contained(py, || of_ks(py, &Counts::read(reference, current, plain)?.measure(py, kolmogorov_smirnov::of_cells)?))
}

/// Wasserstein-1 from ordered cells and the mean of the values in each.
#[pyfunction]
#[pyo3(signature = (reference, current, reference_at, current_at, *, sd=None, iqr=None, plain=false))]
#[expect(clippy::too_many_arguments, reason = "keywords of one Python call")]
pub fn wasserstein_of_counts<'py>(
    py: Python<'py>,
    reference: &Bound<'py, PyAny>,
    current: &Bound<'py, PyAny>,
    reference_at: &Bound<'py, PyAny>,
    current_at: &Bound<'py, PyAny>,
    sd: Option<f64>,
    iqr: Option<f64>,
    plain: bool,
) -> PyResult<Bound<'py, PyDict>> {
    gate::contained(py, || {
        let counts = Counts::read(reference, current, plain)?;
        let (reference_at, current_at) = (floats("reference_at", reference_at)?, floats("current_at", current_at)?);
        let wasserstein = counts.measure(py, |pair| transport::wasserstein_of_cells(pair, &reference_at, &current_at, sd, iqr))?;
        let result = PyDict::new(py);
        put_wasserstein(&result, &wasserstein)?;
        Ok(result)
    })
}

/// The two-sample chi-square with Cramer's V.
#[pyfunction]
#[pyo3(signature = (reference, current, *, pooling="small", plain=false))]
pub fn chi_square_of_counts<'py>(
    py: Python<'py>,
    reference: &Bound<'py, PyAny>,
    current: &Bound<'py, PyAny>,
    pooling: &str,
    plain: bool,
) -> PyResult<Bound<'py, PyDict>> {
    gate::contained(py, || {
        let pooling = match pooling {
            "none" => Pooling::None,
            "neighbours" => Pooling::Neighbours,
            "small" => Pooling::Small,
            other => return Err(errors::usage(py, format!("{other:?} is no way to pool cells; take none, neighbours or small"))),
        };
        of_chi_square(py, &Counts::read(reference, current, plain)?.measure(py, |pair| chi_square(pair, pooling))?)
    })
}

/// Has the rate of missing values changed?
#[pyfunction]
#[pyo3(signature = (reference_missing, reference_rows, current_missing, current_rows, *, level=0.95))]
pub fn missing_rate(
    py: Python<'_>,
    reference_missing: u128,
    reference_rows: u128,
    current_missing: u128,
    current_rows: u128,
    level: f64,
) -> PyResult<Bound<'_, PyDict>> {
    gate::contained(py, || {
        let rate = missing::missing_rate(reference_missing, reference_rows, current_missing, current_rows, level);
        of_missing(py, &rate)
    })
}

/// Fisher's exact test of two rates, two-sided.
#[pyfunction]
pub fn fisher_exact(py: Python<'_>, reference_hits: u128, reference_rows: u128, current_hits: u128, current_rows: u128) -> PyResult<f64> {
    gate::contained(py, || Ok(missing::fisher(reference_hits, reference_rows, current_hits, current_rows)))
}

/// Do unseen labels come more often than the reference's own rare labels say?
#[pyfunction]
#[pyo3(signature = (unseen_labels, labels, singletons, reference_labels, *, tolerance=0.0))]
pub fn unseen_rate(
    py: Python<'_>,
    unseen_labels: u128,
    labels: u128,
    singletons: u64,
    reference_labels: u128,
    tolerance: f64,
) -> PyResult<Bound<'_, PyDict>> {
    gate::contained(py, || of_unseen(py, &unseen(unseen_labels, labels, singletons, reference_labels, tolerance)))
}

/// Every statistic of two raw samples.
#[pyfunction]
#[pyo3(signature = (reference, current, *, method="auto"))]
pub fn compare_samples<'py>(
    py: Python<'py>,
    reference: &Bound<'py, PyAny>,
    current: &Bound<'py, PyAny>,
    method: &str,
) -> PyResult<Bound<'py, PyDict>> {
    gate::contained(py, || {
        let method = match method {
            "auto" => Method::Auto,
            "exact" => Method::Exact,
            "asymptotic" => Method::Asymptotic,
            other => return Err(errors::usage(py, format!("{other:?} is no method; take auto, exact or asymptotic"))),
        };
        let (reference, current) = (Raw::read("reference", reference)?, Raw::read("current", current)?);
        let (ks, wasserstein, energy) = gate::away(py, |_| {
            let (a, b) = (reference.sample()?, current.sample()?);
            Ok((kolmogorov_smirnov::of_samples(&a, &b, method), transport::wasserstein(&a, &b), transport::energy(&a, &b)))
        })?;
        let result = PyDict::new(py);
        result.set_item("ks", of_measured(py, &ks)?)?;
        put_wasserstein(&result, &wasserstein)?;
        result.set_item("energy", of_measured(py, &energy)?)?;
        Ok(result)
    })
}

/// The numbers that Evidently and NannyML give for two raw samples.
#[pyfunction]
pub fn parity_of_samples<'py>(py: Python<'py>, reference: &Bound<'py, PyAny>, current: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    gate::contained(py, || {
        let (reference, current) = (Raw::read("reference", reference)?, Raw::read("current", current)?);
        let measured = gate::away(py, |_| {
            let (a, b) = (reference.sample()?, current.sample()?);
            let over =
                |counted: &parity::Counted, of: &dyn Fn(&Pair<'_>) -> Measured| match Pair::plain(&counted.reference, &counted.current) {
                    Ok(pair) => of(&pair),
                    Err(_) => Measured::none(Status::NotApplicable),
                };
            let evidently = parity::evidently(&a, &b);
            let (bins, values) = (parity::nannyml(&a, &b, false), parity::nannyml(&a, &b, true));
            let distance = transport::wasserstein(&a, &b).distance;
            Ok([
                ("evidently_psi", over(&evidently, &|pair| psi_by(pair, Convention::Evidently))),
                ("evidently_jensen_shannon", over(&evidently, &divergence::jensen_shannon_nats)),
                ("evidently_wasserstein", distance.over(a.sd().map(|sd| sd.max(0.001)))),
                ("nannyml_jensen_shannon", over(&values, &divergence::jensen_shannon)),
                ("nannyml_hellinger", over(&bins, &divergence::hellinger)),
            ])
        })?;
        let result = PyDict::new(py);
        for (name, measured) in measured {
            result.set_item(name, of_measured(py, &measured)?)?;
        }
        Ok(result)
    })
}

/// P(D > d) of Kolmogorov's statistic for `n` rows.
#[pyfunction]
pub fn kolmogorov_sf(d: f64, n: u64) -> f64 {
    kolmogorov::sf(d, n as f64)
}

/// P(X >= k) of the binomial law.
#[pyfunction]
pub fn binomial_sf(k: u128, n: u128, p: f64) -> f64 {
    binomial::upper_tail(k, n, p)
}

/// P(X <= x) of the noncentral chi-square.
#[pyfunction]
pub fn noncentral_chi_square_cdf(x: f64, freedom: f64, noncentrality: f64) -> f64 {
    chi_square_law::noncentral_cdf(x, freedom, noncentrality)
}
