//! The Python face of the core: converts, translates errors, and holds the interpreter lock only while it touches Python objects.
//!
//! Nothing is decided here. Reading objects lives in [`reading`] and [`tables`], the way back in [`decision`], and every call goes through
//! [`gate`], which lets interrupts in and panics out as errors.

use pyo3::prelude::*;
use pyo3::types::PyDict;

mod alarms;
mod arguments;
mod client;
mod decision;
mod engine;
mod errors;
mod fork;
mod gate;
mod journal;
mod model;
mod reading;
mod reference;
mod server;
mod statistics;
mod tables;

/// The compiled core of sternpost.
#[pymodule]
mod _core {
    use super::*;

    #[pymodule_export]
    use super::alarms::{
        AlarmDetector, adjusted_p_values, alarm_ever_sees, contract_breaches, level_per_test, reference_rows_needed, simulate_alarms,
    };
    #[pymodule_export]
    use super::client::Client;
    #[pymodule_export]
    use super::decision::{Decision, Violation};
    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::journal::{Journal, JournalWriter};
    #[pymodule_export]
    use super::model::{Model, init_onnxruntime, native_refusal};
    #[pymodule_export]
    use super::reference::{Reference, ReferenceColumn, Window, tally};
    #[pymodule_export]
    use super::server::{Server, log_line, log_to_stderr};
    #[pymodule_export]
    use super::statistics::{
        binomial_sf, chi_square_of_counts, compare_counts, compare_samples, distances_of_counts, fisher_exact, kolmogorov_sf, ks_of_counts,
        missing_rate, noncentral_chi_square_cdf, parity_of_samples, psi_of_counts, unseen_rate, wasserstein_of_counts,
    };

    /// Name and address of every C function that compiled features may call.
    #[pyfunction]
    fn math_symbols(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let symbols = PyDict::new(py);
        for (name, address) in sternpost_engine::math::symbols() {
            symbols.set_item(name, address)?;
        }
        Ok(symbols)
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        fork::watch();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
