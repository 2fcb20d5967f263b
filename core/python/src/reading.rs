//! One row from a Python mapping, value by value: names by their interned strings, values by their exact type first.
//!
//! Whoever asks says where values go: into a block that is scored here, or into bytes that are sent. Type rules are these in both cases.
//! Types are told apart before rules: a `str` in a float column is the caller's mistake and raises `ContractError`; a float that breaks a bound
//! is the row's and goes to the judge. numpy scalars count as what they hold; pandas' NaT and NA count as None.

use std::borrow::Cow;

use pyo3::exceptions::PyOverflowError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyMapping, PyString, PyType};
use sternpost_engine::contract::{Column, Contract, Kind};
use sternpost_engine::nearest;
use sternpost_engine::value_rows::{Value, WrongType};
use sternpost_engine::violation::shortened;

use crate::errors;

/// Reads rows of one contract.
pub struct Reader {
    names: Vec<Py<PyString>>,
}

impl Reader {
    pub fn new(py: Python<'_>, contract: &Contract) -> Self {
        Self { names: contract.columns.iter().map(|column| PyString::intern(py, &column.name).unbind()).collect() }
    }

    /// The row as a dict with the contract's keys and no others.
    pub fn fields<'py>(&self, contract: &Contract, row: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let py = row.py();
        let fields = match row.cast::<PyDict>() {
            Ok(fields) => fields.clone(),
            Err(_) => {
                let Ok(mapping) = row.cast::<PyMapping>() else {
                    let name = row.get_type().name()?;
                    return Err(errors::contract(py, format!("a {name} is not a row; give a mapping from column name to value")));
                };
                let fields = PyDict::new(py);
                fields.update(mapping)?;
                fields
            }
        };
        if fields.len() > self.names.len() {
            return Err(unknown_key(contract, &fields)?);
        }
        Ok(fields)
    }

    /// Hands every value on, by its column's place and in order.
    pub fn read(
        &self,
        contract: &Contract,
        fields: &Bound<'_, PyDict>,
        mut put: impl FnMut(usize, Value<'_>) -> Result<(), WrongType>,
    ) -> PyResult<()> {
        let py = fields.py();
        for (place, (column, name)) in contract.columns.iter().zip(&self.names).enumerate() {
            let Some(value) = fields.get_item(name.bind(py))? else {
                return Err(missing_key(contract, fields)?);
            };
            read_value(column, &value, |read| put(place, read))?;
        }
        // As many keys as columns and every column found: nothing is left over.
        Ok(())
    }

    /// The value behind a mark, as text.
    pub fn text(&self, fields: &Bound<'_, PyDict>, place: usize) -> String {
        let value = self.names.get(place).and_then(|name| fields.get_item(name.bind(fields.py())).ok().flatten());
        let text = value.filter(|value| !value.is_none()).and_then(|value| value.str().ok());
        text.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

fn read_value(column: &Column, value: &Bound<'_, PyAny>, put: impl FnOnce(Value<'_>) -> Result<(), WrongType>) -> PyResult<()> {
    let settle = |read: Value<'_>| put(read).map_err(|WrongType| wrong_type(column, value));
    if value.is_none() {
        return settle(Value::Null);
    }
    if let Ok(float) = value.cast_exact::<PyFloat>() {
        return settle(Value::Float(float.value()));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return settle(Value::Text(&bytes(text)?));
    }
    if value.is_exact_instance_of::<PyBool>() {
        return settle(Value::Bool(value.is_truthy()?));
    }
    if value.is_instance_of::<PyInt>() {
        return settle(integer(value)?.unwrap_or(Value::HugeInt));
    }
    if matches!(column.kind, Kind::Timestamp(_)) && value.is_instance(datetime_class(value.py())?)? && !is_pandas_null(value)? {
        return settle(Value::Instant(micros(column, value)?));
    }
    settle(foreign(column, value)?)
}

/// Values of other types: float subclasses, numpy scalars, pandas nulls.
fn foreign(column: &Column, value: &Bound<'_, PyAny>) -> PyResult<Value<'static>> {
    if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(Value::Float(float.value()));
    }
    if is_pandas_null(value)? {
        return Ok(Value::Null);
    }
    let class = value.get_type();
    let from_numpy = class.module().is_ok_and(|module| module == "numpy");
    let name = class.name()?.to_string();
    if from_numpy && name.starts_with("bool") {
        return Ok(Value::Bool(value.is_truthy()?));
    }
    if from_numpy && name.starts_with("float") {
        return Ok(Value::Float(value.extract()?));
    }
    if let Some(integer) = integer(value)? {
        return Ok(integer);
    }
    Err(wrong_type(column, value))
}

/// The integer behind `value` or its `__index__`; nothing for an object that is none.
fn integer(value: &Bound<'_, PyAny>) -> PyResult<Option<Value<'static>>> {
    match value.extract::<i64>() {
        Ok(integer) => Ok(Some(Value::Int(integer))),
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => Ok(Some(Value::HugeInt)),
        Err(_) => Ok(None),
    }
}

/// UTF-8 of a string; lone surrogates come as the bytes that are not UTF-8, for the judge.
fn bytes<'a>(text: &'a Bound<'_, PyString>) -> PyResult<Cow<'a, [u8]>> {
    match text.to_str() {
        Ok(text) => Ok(Cow::Borrowed(text.as_bytes())),
        Err(_) => {
            let encoded = text.call_method1(intern!(text.py(), "encode"), ("utf-8", "surrogatepass"))?;
            Ok(Cow::Owned(encoded.extract()?))
        }
    }
}

fn is_pandas_null(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let name = value.get_type().name()?;
    Ok(name == "NaTType" || name == "NAType")
}

fn datetime_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "datetime", "datetime")
}

fn epoch(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static EPOCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let epoch = EPOCH.get_or_try_init(py, || {
        let utc = py.import("datetime")?.getattr("timezone")?.getattr("utc")?;
        datetime_class(py)?.call1((1970, 1, 1, 0, 0, 0, 0, utc)).map(Bound::unbind)
    })?;
    Ok(epoch.bind(py))
}

/// Microseconds since 1970 in UTC of an aware datetime; its own zone rules are used, fold included.
fn micros(column: &Column, value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let py = value.py();
    if value.call_method0(intern!(py, "utcoffset"))?.is_none() {
        return Err(errors::contract(
            py,
            format!(
                "column {}: {} has no time zone; if it is UTC, write value.replace(tzinfo=datetime.timezone.utc)",
                column.name,
                shortened(&value.str()?.to_string_lossy())
            ),
        ));
    }
    let since = value.sub(epoch(py)?)?;
    let part = |name| since.getattr(name)?.extract::<i64>();
    Ok((part(intern!(py, "days"))? * 86_400 + part(intern!(py, "seconds"))?) * 1_000_000 + part(intern!(py, "microseconds"))?)
}

fn wrong_type(column: &Column, value: &Bound<'_, PyAny>) -> PyErr {
    let expected = match &column.kind {
        Kind::Float(_) => "float (a float or an int)",
        Kind::Int(_) => "int",
        Kind::Bool => "bool (True or False)",
        Kind::Category { .. } => "category (a str)",
        Kind::Timestamp(_) => "timestamp (an aware datetime, or an int of microseconds since 1970 in UTC)",
        Kind::Money { .. } => "money (an int of minor units)",
    };
    let class = value.get_type().name().map(|name| name.to_string()).unwrap_or_default();
    let text = value.repr().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
    let message = format!("column {}: {} is of type {class}; expected {expected}", column.name, shortened(&text));
    errors::contract(value.py(), message)
}

fn missing_key(contract: &Contract, fields: &Bound<'_, PyDict>) -> PyResult<PyErr> {
    let mut missing = Vec::new();
    for column in &contract.columns {
        if !fields.contains(&column.name)? {
            missing.push(column.name.as_str());
        }
    }
    let keys: Vec<String> = fields.keys().iter().map(|key| key.to_string()).collect();
    let near = missing.first().and_then(|name| {
        let free = keys.iter().map(String::as_str).filter(|key| contract.position(key).is_none());
        nearest::name(name, free)
    });
    let near = near.map(|near| format!(" (it has {near})")).unwrap_or_default();
    let noun = if missing.len() == 1 { "column" } else { "columns" };
    let message = format!("{noun} missing from the row: {}{near}; give every column of contract {}", missing.join(", "), contract.name);
    Ok(errors::contract(fields.py(), message))
}

fn unknown_key(contract: &Contract, fields: &Bound<'_, PyDict>) -> PyResult<PyErr> {
    for key in fields.keys() {
        let name = key.str()?.to_string_lossy().into_owned();
        if contract.position(&name).is_none() {
            let near = nearest::name(&name, contract.columns.iter().map(|column| column.name.as_str()));
            let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_else(|| "; leave it out".to_owned());
            return Ok(errors::contract(fields.py(), format!("key {name} is not a column of contract {}{near}", contract.name)));
        }
    }
    Ok(errors::contract(fields.py(), format!("the row has more keys than contract {} has columns", contract.name)))
}
