//! The one gate that calls pass.
//!
//! Inside [`contained`] a panic becomes a `SternpostError`. [`away`] releases the interpreter lock for work that takes long, asks the
//! interpreter for signals every tenth of a second from the calling thread (Ctrl-C works; worker threads never touch the lock, so nobody can
//! wait for anybody), and translates errors.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use sternpost_engine::{Error, Result};

use crate::errors;

/// A little less than whoever waits asks at, so that every question of theirs reaches the interpreter.
const ASK_EVERY: Duration = Duration::from_millis(95);

/// Runs a call's body; a panic in it is an error of ours.
pub fn contained<T>(py: Python<'_>, body: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(errors::from_core(py, Error::from_panic(panic.as_ref()))))
}

/// Runs long work without the interpreter lock. The work is given a question to ask now and then: false means to stop.
pub fn away<T: Send>(py: Python<'_>, work: impl FnOnce(&dyn Fn() -> bool) -> Result<T> + Send) -> PyResult<T> {
    free(py, work)?.map_err(|error| errors::from_core(py, error))
}

/// The same for work whose result the caller translates; an exception from a signal stands before any result.
pub fn free<T: Send>(py: Python<'_>, work: impl FnOnce(&dyn Fn() -> bool) -> T + Send) -> PyResult<T> {
    let (done, raised) = py.detach(|| {
        let raised = RefCell::new(None);
        let asked = Cell::new(Instant::now());
        let go_on = || {
            if asked.get().elapsed() < ASK_EVERY {
                return raised.borrow().is_none();
            }
            asked.set(Instant::now());
            if let Err(error) = Python::attach(|py| py.check_signals()) {
                raised.replace(Some(error));
            }
            raised.borrow().is_none()
        };
        let done = work(&go_on);
        (done, raised.into_inner())
    });
    raised.map_or(Ok(done), Err)
}
