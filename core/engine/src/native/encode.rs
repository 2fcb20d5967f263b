//! Operators that turn values into other values by a list: one-hot columns, labels.

use std::collections::HashMap;

use super::element::{Buffers, Element, Rows, Step, Value};
use super::plan::Planner;
use crate::error::{Error, Result};
use crate::onnx_file::Node;

/// A column of flags per category.
struct OneHot<T> {
    from: Rows<T>,
    to: Rows<f32>,
    /// Places of the categories, counted from 0.
    places: HashMap<i64, usize>,
    /// Whether an unknown category is a row of zeros; else it is an error, as in ONNX Runtime.
    zeros: bool,
}

/// One value for another.
struct Relabel<T, U> {
    from: Rows<T>,
    to: Rows<U>,
    table: HashMap<u64, U>,
    otherwise: U,
}

/// A value as something to look up: equal values are equal keys, and all NaNs are one.
trait Key: Element {
    fn key(self) -> u64;
    fn category(self) -> i64;
}

impl Key for i64 {
    fn key(self) -> u64 {
        self as u64
    }
    fn category(self) -> i64 {
        self
    }
}

impl Key for f32 {
    fn key(self) -> u64 {
        let value = if self.is_nan() { Self::NAN } else { self + 0.0 };
        u64::from(value.to_bits())
    }
    fn category(self) -> i64 {
        self as i64
    }
}

impl<T: Key> Step for OneHot<T> {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()> {
        self.to.write(buffers, n, |buffers, to| {
            to.fill(0.0);
            let categories = self.to.width / self.from.width;
            for (to, value) in to.chunks_exact_mut(categories).zip(self.from.read(buffers, n)?) {
                match self.places.get(&value.category()) {
                    Some(place) => to[*place] = 1.0,
                    None if self.zeros => {}
                    None => return Err(Error::Model(format!("category {value:?} is not one that the model knows; correct the row"))),
                }
            }
            Ok(())
        })
    }
}

impl<T: Key, U: Element> Step for Relabel<T, U> {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()> {
        self.to.write(buffers, n, |buffers, to| {
            for (to, value) in to.iter_mut().zip(self.from.read(buffers, n)?) {
                *to = self.table.get(&value.key()).copied().unwrap_or(self.otherwise);
            }
            Ok(())
        })
    }
}

pub(super) fn one_hot<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    fn of<T: Key>(planner: &mut Planner<'_>, from: Rows<T>, places: HashMap<i64, usize>, zeros: bool) -> Result<Rows<f32>> {
        // ONNX adds a dimension; with one column we know it as [n, 1, categories].
        let rank = if from.rank == 1 { 2 } else { 3 };
        let to = planner.buffer(from.width * places.len(), rank)?;
        planner.step(OneHot { from, to, places, zeros });
        Ok(to)
    }
    let categories = node.wholes("cats_int64s")?;
    let places: HashMap<i64, usize> = categories.iter().enumerate().map(|(place, category)| (*category, place)).collect();
    let value = planner.rows(node, 0)?;
    if places.is_empty() || places.len() != categories.len() || value.rank() > 2 || (value.rank() == 2 && value.width() != 1) {
        return Err(node.wrong("its categories are texts, none or there twice, or it has several columns; we do not run it so"));
    }
    let zeros = node.whole("zeros")?.unwrap_or(1) != 0;
    let to = match value {
        Value::Whole(from) => of(planner, from, places, zeros)?,
        Value::Single(from) => of(planner, from, places, zeros)?,
        other => return Err(node.wrong(&format!("we do not run it for {}", other.word()))),
    };
    planner.made(node, 0, Value::Single(to))
}

fn relabel<T: Key, U: Element>(planner: &mut Planner<'_>, from: Rows<T>, keys: &[T], values: &[U], otherwise: U) -> Result<Value> {
    let to = planner.buffer(from.width, from.rank)?;
    let table = keys.iter().map(|key| key.key()).zip(values.iter().copied()).collect();
    planner.step(Relabel { from, to, table, otherwise });
    Ok(U::value(to))
}

pub(super) fn labels<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let (keys, values) = (node.wholes("keys_int64s")?, node.wholes("values_int64s")?);
    let (key_singles, value_singles) = (node.singles("keys_floats")?, node.singles("values_floats")?);
    let (count, made) = (keys.len().max(key_singles.len()), values.len().max(value_singles.len()));
    if count == 0 || count != made {
        return Err(node.wrong(&format!("it has {count} keys and {made} values that are numbers")));
    }
    let whole = node.whole("default_int64")?.unwrap_or(-1);
    let single = node.single("default_float")?.unwrap_or(-0.0);
    let made = match (planner.rows(node, 0)?, keys.is_empty(), values.is_empty()) {
        (Value::Whole(from), false, false) => relabel(planner, from, keys, values, whole)?,
        (Value::Whole(from), false, true) => relabel(planner, from, keys, value_singles, single)?,
        (Value::Single(from), true, false) => relabel(planner, from, key_singles, values, whole)?,
        (Value::Single(from), true, true) => relabel(planner, from, key_singles, value_singles, single)?,
        _ => return Err(node.wrong("its keys have another type than what they are compared with")),
    };
    planner.made(node, 0, made)
}
