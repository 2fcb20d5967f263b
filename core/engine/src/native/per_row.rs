//! Operators that look at all numbers of a row: normalising, softmax, sums, the place of the largest.

use super::element::{Buffers, Element, Rows, Step, Value};
use super::plan::Planner;
use crate::error::Result;
use crate::exponential::exp;
use crate::onnx_file::{Data, Node};

type Rewritten<T, U> = fn(&[T], usize, &mut [U]);

/// Writes for every row of `from` what `run` makes of it.
struct PerRow<T, U> {
    from: Rows<T>,
    to: Rows<U>,
    run: Rewritten<T, U>,
}

impl<T: Element, U: Element> Step for PerRow<T, U> {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()> {
        self.to.write(buffers, n, |buffers, to| {
            (self.run)(self.from.read(buffers, n)?, self.from.width, to);
            Ok(())
        })
    }
}

fn plan<'g, T: Element, U: Element>(
    planner: &mut Planner<'g>,
    node: &'g Node,
    from: Rows<T>,
    (width, rank): (usize, usize),
    run: Rewritten<T, U>,
) -> Result<()> {
    let to = planner.buffer(width, rank)?;
    planner.step(PerRow { from, to, run });
    planner.made(node, 0, U::value(to))
}

/// Shares of `exp(x)` in every row of single numbers, computed in double precision and rounded once.
pub(super) fn softmax_rows(from: &[f32], width: usize, to: &mut [f32]) {
    for (from, to) in from.chunks_exact(width).zip(to.chunks_exact_mut(width)) {
        let largest = from.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let part = |value: f32| exp(f64::from(value) - f64::from(largest));
        let sum: f64 = from.iter().map(|value| part(*value)).sum();
        for (to, value) in to.iter_mut().zip(from) {
            *to = (part(*value) / sum) as f32;
        }
    }
}

fn softmax_doubles(from: &[f64], width: usize, to: &mut [f64]) {
    for (from, to) in from.chunks_exact(width).zip(to.chunks_exact_mut(width)) {
        let largest = from.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        for (to, value) in to.iter_mut().zip(from) {
            *to = exp(value - largest);
            sum += *to;
        }
        to.iter_mut().for_each(|to| *to /= sum);
    }
}

pub(super) fn softmax<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let value = planner.rows(node, 0)?;
    let first = if planner.opset("") < 13 { 1 } else { -1 };
    columns_only(node, value, node.whole("axis")?.unwrap_or(first))?;
    match value {
        Value::Single(rows) => plan(planner, node, rows, (rows.width, 2), softmax_rows),
        Value::Double(rows) => plan(planner, node, rows, (rows.width, 2), softmax_doubles),
        other => Err(node.wrong(&format!("we do not run it for {}", other.word()))),
    }
}

fn largest<T: PartialOrd + Copy>(from: &[T], width: usize, to: &mut [i64]) {
    for (row, to) in from.chunks_exact(width).zip(to) {
        let mut best = 0;
        for (place, value) in row.iter().enumerate() {
            if row.get(best).is_some_and(|largest| value > largest) {
                best = place;
            }
        }
        *to = best as i64;
    }
}

pub(super) fn arg_max<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let value = planner.rows(node, 0)?;
    columns_only(node, value, node.whole("axis")?.unwrap_or(0))?;
    if node.whole("select_last_index")?.unwrap_or(0) != 0 {
        return Err(node.wrong("it takes the last of equals; we take the first"));
    }
    let shape = (1, if node.whole("keepdims")?.unwrap_or(1) == 0 { 1 } else { 2 });
    match value {
        Value::Single(rows) => plan(planner, node, rows, shape, largest::<f32>),
        Value::Double(rows) => plan(planner, node, rows, shape, largest::<f64>),
        Value::Whole(rows) => plan(planner, node, rows, shape, largest::<i64>),
        Value::Flag(_) => Err(node.wrong("we do not run it for bool")),
    }
}

fn sum<T: Copy + Default + std::ops::Add<Output = T>>(from: &[T], width: usize, to: &mut [T]) {
    for (row, to) in from.chunks_exact(width).zip(to) {
        *to = row.iter().fold(T::default(), |sum, value| sum + *value);
    }
}

pub(super) fn reduce_sum<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let value = planner.rows(node, 0)?;
    let axes = if node.inputs.len() > 1 {
        match &planner.constant(node, 1)?.data {
            Data::I64(axes) => axes.clone(),
            _ => Vec::new(),
        }
    } else {
        node.wholes("axes")?.to_vec()
    };
    let [axis] = axes.as_slice() else { return Err(node.wrong("it does not sum over one dimension; we do not run it so")) };
    columns_only(node, value, *axis)?;
    let shape = (1, if node.whole("keepdims")?.unwrap_or(1) == 0 { 1 } else { 2 });
    match value {
        Value::Single(rows) => plan(planner, node, rows, shape, sum::<f32>),
        Value::Double(rows) => plan(planner, node, rows, shape, sum::<f64>),
        Value::Whole(rows) => plan(planner, node, rows, shape, sum::<i64>),
        Value::Flag(_) => Err(node.wrong("we do not run it for bool")),
    }
}

/// Refuses what is not a matrix, or goes along another dimension than its columns.
fn columns_only(node: &Node, value: Value, axis: i64) -> Result<()> {
    if value.rank() == 2 && (axis == 1 || axis == -1) {
        return Ok(());
    }
    Err(node.wrong(&format!("it goes along dimension {axis} of {}; we run it along the columns of a matrix", value.rank())))
}

fn by_sum(from: &[f32], width: usize, to: &mut [f32]) {
    divided(from, width, to, |row| row.iter().fold(0.0, |sum, value| sum + value.abs()));
}

fn by_largest(from: &[f32], width: usize, to: &mut [f32]) {
    divided(from, width, to, |row| row.iter().copied().fold(f32::MIN, |largest, value| if largest < value { value } else { largest }));
}

/// Divides each row by a number of its own; a row whose number is 0 stays.
fn divided(from: &[f32], width: usize, to: &mut [f32], by: impl Fn(&[f32]) -> f32) {
    for (from, to) in from.chunks_exact(width).zip(to.chunks_exact_mut(width)) {
        let by = by(from);
        let by = if by == 0.0 { 1.0 } else { by };
        for (to, value) in to.iter_mut().zip(from) {
            *to = value / by;
        }
    }
}

fn by_length(from: &[f32], width: usize, to: &mut [f32]) {
    for (from, to) in from.chunks_exact(width).zip(to.chunks_exact_mut(width)) {
        let sum = from.iter().fold(0.0, |sum, value| sum + value * value);
        for (to, value) in to.iter_mut().zip(from) {
            let share = (value * value / sum).sqrt();
            *to = match (sum == 0.0, *value < 0.0) {
                (true, _) => *value,
                (false, true) => -share,
                (false, false) => share,
            };
        }
    }
}

pub(super) fn normalizer<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let rows = planner.matrix(node, 0)?;
    let run: Rewritten<f32, f32> = match node.text("norm")?.unwrap_or("MAX") {
        "MAX" => by_largest,
        "L1" => by_sum,
        "L2" => by_length,
        other => return Err(node.wrong(&format!("norm {other:?} is not known"))),
    };
    plan(planner, node, rows, (rows.width, 2), run)
}
