//! What callers of a client give beside a row, checked before anything is sent.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBool;
use sternpost_engine::violation;
use sternpost_wire::scoring::Stake;
use sternpost_wire::scoring::value::Kind;

use crate::errors;

/// Longest deadline, in seconds: a year.
const LONGEST_S: f64 = 31_536_000.0;

pub fn seconds(py: Python<'_>, name: &str, value: f64) -> PyResult<Duration> {
    if value > 0.0 && value <= LONGEST_S {
        return Ok(Duration::from_secs_f64(value));
    }
    Err(errors::usage(py, format!("{name} is {value}; give a number of seconds above 0 and up to a year")))
}

pub fn stake(py: Python<'_>, word: &str) -> PyResult<Stake> {
    match word {
        "shadow" => Ok(Stake::Shadow),
        "batch" => Ok(Stake::Batch),
        "advise" => Ok(Stake::Advise),
        "decide" => Ok(Stake::Decide),
        _ => Err(errors::usage(py, format!("stake is '{word}'; give 'shadow', 'batch', 'advise' or 'decide'"))),
    }
}

pub fn outcome(value: &Bound<'_, PyAny>) -> PyResult<Kind> {
    if value.is_none() {
        Ok(Kind::Null(true))
    } else if value.is_instance_of::<PyBool>() {
        Ok(Kind::Flag(value.is_truthy()?))
    } else if let Ok(integer) = value.extract::<i64>() {
        Ok(Kind::Integer(integer))
    } else if let Ok(number) = value.extract::<f64>() {
        Ok(Kind::Number(number))
    } else if let Ok(text) = value.extract::<String>() {
        Ok(Kind::Text(text))
    } else {
        let name = value.get_type().name()?;
        Err(errors::usage(value.py(), format!("an outcome is a bool, a number, a text or None, and not a {name}")))
    }
}

/// Longest name of whom a row is about, in bytes; the server's limit.
const ENTITY_BYTES: usize = 256;

pub fn checked_entity(py: Python<'_>, entity: &str) -> PyResult<()> {
    if entity.len() <= ENTITY_BYTES {
        return Ok(());
    }
    let told = violation::shortened(entity);
    Err(errors::usage(py, format!("entity is '{told}', of {} bytes; give at most {ENTITY_BYTES}", entity.len())))
}

/// A name that is wrong is the caller's mistake, and told before anything is sent.
pub fn checked_id(py: Python<'_>, id: &str) -> PyResult<()> {
    if id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Ok(());
    }
    Err(errors::usage(py, format!("id is '{}'; give 1 to 64 printable ASCII characters", violation::shortened(id))))
}
