//! From the core's kinds of failure to the exception classes of `sternpost.errors`.
//!
//! Classes are looked up by name when one is needed, so the core can be imported before that module and never keeps a copy of its tree.

use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use sternpost_client::Error as ClientError;
use sternpost_engine::Error;
use sternpost_monitor::Error as MonitorError;

use crate::decision::Violation;

/// An exception class of `sternpost.errors`, with its arguments.
fn raise<'py>(py: Python<'py>, class: &str, arguments: impl PyCallArgs<'py>) -> PyErr {
    let made = py.import("sternpost.errors").and_then(|module| module.getattr(class)).and_then(|class| class.call1(arguments));
    match made {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// A contract error that only this side can see: a value's Python type, a key too much.
pub fn contract(py: Python<'_>, message: String) -> PyErr {
    raise(py, "ContractError", (message,))
}

/// The call itself is wrong.
pub fn usage(py: Python<'_>, message: String) -> PyErr {
    raise(py, "UsageError", (message,))
}

/// An engine was used in a child of the process that made it.
pub fn forked(py: Python<'_>) -> PyErr {
    let message = "this engine was opened before the process forked; open the bundle in the child, after the fork".to_owned();
    raise(py, "ForkError", (message,))
}

/// Something else than an engine was.
pub fn forked_as(py: Python<'_>, message: String) -> PyErr {
    raise(py, "ForkError", (message,))
}

/// A journal's error as its exception.
pub fn from_journal(py: Python<'_>, error: sternpost_journal::Error) -> PyErr {
    use sternpost_journal::Error as E;
    let message = error.to_string();
    match error {
        E::Io { .. } => raise(py, "DataError", (message,)),
        E::Locked { .. } => raise(py, "JournalLocked", (message,)),
        E::Damaged { .. } => raise(py, "JournalCorrupt", (message,)),
        E::Version { .. } => raise(py, "JournalVersion", (message,)),
        E::Usage(_) | E::Closed(_) => raise(py, "UsageError", (message,)),
    }
}

/// Reading from the caller's Arrow stream failed.
pub fn data(py: Python<'_>, message: String) -> PyErr {
    raise(py, "DataError", (message,))
}

/// A client's error as its exception.
pub fn from_client(py: Python<'_>, error: ClientError) -> PyErr {
    let message = error.to_string();
    match error {
        ClientError::Unreachable(_) => raise(py, "Unreachable", (message,)),
        ClientError::Deadline(_) => raise(py, "DeadlineExceeded", (message,)),
        ClientError::Overloaded(_) => raise(py, "Overloaded", (message,)),
        ClientError::Refused(failure) => raise(py, "Refused", (message, failure.reason.word())),
        ClientError::Usage(_) => raise(py, "UsageError", (message,)),
        ClientError::Contract(_) => raise(py, "ContractError", (message,)),
        ClientError::Forked => raise(py, "ForkError", (message,)),
        ClientError::Local(error) => from_core(py, error),
        ClientError::Interrupted | ClientError::Internal(_) => raise(py, "SternpostError", (message,)),
    }
}

/// A monitor's error as its exception.
pub fn from_monitor(py: Python<'_>, error: MonitorError) -> PyErr {
    let message = error.to_string();
    match error {
        MonitorError::Damaged(_) | MonitorError::Data(_) => raise(py, "DataError", (message,)),
        MonitorError::Mismatch(_) => raise(py, "UsageError", (message,)),
        MonitorError::Engine(error) => from_core(py, error),
    }
}

/// A core error as its exception.
pub fn from_core(py: Python<'_>, error: Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::Contract(_) => raise(py, "ContractError", (message,)),
        Error::Violations { violations, .. } => {
            let violations: Vec<Violation> = violations.into_iter().map(Violation::from).collect();
            raise(py, "ContractViolation", (message, violations))
        }
        Error::Kernel(_) => raise(py, "KernelError", (message,)),
        Error::Model(_) => raise(py, "ModelError", (message,)),
        Error::Interrupted | Error::Internal(_) => raise(py, "SternpostError", (message,)),
    }
}
