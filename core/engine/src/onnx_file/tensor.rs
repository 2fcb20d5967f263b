//! Constants.

use super::wire::{Fields, Flaw, Value, chunks};

/// A constant of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its dimensions; none for a single number.
    pub dims: Vec<usize>,
    /// Its numbers, row by row.
    pub data: Data,
}

/// The numbers of a constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// float32
    F32(Vec<f32>),
    /// float64
    F64(Vec<f64>),
    /// int64, and whatever narrower whole numbers fit into it
    I64(Vec<i64>),
    /// bool
    Bool(Vec<bool>),
    /// Something else, by ONNX's number for the type; its content was not read.
    Other(i64),
}

/// ONNX's numbers of element types.
pub(super) const FLOAT: i64 = 1;
const UINT8: i64 = 2;
const INT8: i64 = 3;
const INT32: i64 = 6;
const INT64: i64 = 7;
const BOOL: i64 = 9;
const DOUBLE: i64 = 11;

impl Tensor {
    /// The name that a tensor has, and the tensor.
    pub(super) fn read(bytes: &[u8]) -> Result<(String, Self), Flaw> {
        let mut raw = Raw::default();
        let mut fields = Fields::of(bytes);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => value.wholes(&mut raw.dims)?,
                2 => raw.kind = value.whole()?,
                4 => value.singles(&mut raw.singles)?,
                5 | 7 => value.wholes(&mut raw.wholes)?,
                8 => raw.name = value.text()?,
                9 => raw.bytes = Some(value.bytes()?),
                10 => value.doubles(&mut raw.doubles)?,
                3 | 13 => raw.elsewhere = true,
                14 => raw.elsewhere |= matches!(value, Value::Number(1..)),
                _ => {}
            }
        }
        let name = std::mem::take(&mut raw.name);
        raw.tensor().map(|tensor| (name.clone(), tensor)).map_err(|flaw| format!("constant {name:?}: {flaw}"))
    }

    /// How many numbers it has.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::F32(values) => values.len(),
            Data::F64(values) => values.len(),
            Data::I64(values) => values.len(),
            Data::Bool(values) => values.len(),
            Data::Other(_) => 0,
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Default)]
struct Raw<'a> {
    name: String,
    dims: Vec<i64>,
    kind: i64,
    singles: Vec<f32>,
    doubles: Vec<f64>,
    wholes: Vec<i64>,
    bytes: Option<&'a [u8]>,
    elsewhere: bool,
}

impl Raw<'_> {
    fn tensor(self) -> Result<Tensor, Flaw> {
        if self.elsewhere {
            return Err("its content lies in another file or in segments; save the model in one file".to_owned());
        }
        let dims: Option<Vec<usize>> = self.dims.iter().map(|dim| usize::try_from(*dim).ok()).collect();
        let count = dims.as_ref().and_then(|dims| dims.iter().try_fold(1_usize, |count, dim| count.checked_mul(*dim)));
        let (Some(dims), Some(count)) = (dims, count) else {
            return Err(format!("dimensions {:?} are no size of anything", self.dims));
        };
        let raw = |width: usize| self.bytes.is_some_and(|bytes| Some(bytes.len()) != count.checked_mul(width));
        let width = match self.kind {
            BOOL | UINT8 | INT8 => 1,
            FLOAT | INT32 => 4,
            INT64 | DOUBLE => 8,
            other => return Ok(Tensor { dims, data: Data::Other(other) }),
        };
        if raw(width) {
            let there = self.bytes.map_or(0, <[u8]>::len);
            return Err(format!("dimensions {dims:?} with {there} bytes of content, {width} for each value"));
        }
        let data = match (self.kind, self.bytes) {
            (FLOAT, None) => Data::F32(self.singles),
            (FLOAT, Some(bytes)) => Data::F32(values(bytes, f32::from_le_bytes)?),
            (DOUBLE, None) => Data::F64(self.doubles),
            (DOUBLE, Some(bytes)) => Data::F64(values(bytes, f64::from_le_bytes)?),
            (BOOL, None) => Data::Bool(self.wholes.iter().map(|value| *value != 0).collect()),
            (BOOL, Some(bytes)) => Data::Bool(bytes.iter().map(|byte| *byte != 0).collect()),
            (_, None) => Data::I64(self.wholes),
            (UINT8, Some(bytes)) => Data::I64(bytes.iter().map(|byte| i64::from(*byte)).collect()),
            (INT8, Some(bytes)) => Data::I64(bytes.iter().map(|byte| i64::from(*byte as i8)).collect()),
            (INT32, Some(bytes)) => Data::I64(values(bytes, |four| i64::from(i32::from_le_bytes(four)))?),
            (_, Some(bytes)) => Data::I64(values(bytes, i64::from_le_bytes)?),
        };
        let tensor = Tensor { dims, data };
        if tensor.len() == count { Ok(tensor) } else { Err(format!("dimensions {:?} with {} values", tensor.dims, tensor.len())) }
    }
}

fn values<T, const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Flaw> {
    let mut into = Vec::new();
    chunks(bytes, read, &mut into)?;
    Ok(into)
}
