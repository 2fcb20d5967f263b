//! Operators that work number by number: arithmetic, comparisons, casts, choices.
//!
//! What does not depend on the rows is laid out beforehand as often as makes a loop a whole number of instructions long, so that 46 columns
//! cost no more than 48.

use super::element::{Buffers, Element, Rows, Step, Value};
use super::plan::{Operand, Planner};
use crate::error::Result;
use crate::exponential::{exp_doubles, exp_singles, logistic_doubles, logistic_singles};
use crate::native::loops::*;
use crate::onnx_file::{Node, Tensor};

/// Numbers that a loop takes at a time, at most; tiles are a multiple of it.
const LANES: usize = 16;

type Zipped<T, U> = fn(&[T], &[T], &mut [U]);
type Mapped<T, U> = fn(&[T], &mut [U]);
type Chosen<T> = fn(&[bool], &[T], &[T], &mut [T]);

/// One input of an operator: numbers of rows, or the same numbers for every row, repeated.
enum Side<T> {
    Rows(Rows<T>),
    Tile(Vec<T>),
}

struct Zip<T, U> {
    sides: [Side<T>; 2],
    to: Rows<U>,
    run: Zipped<T, U>,
}

struct Map<T, U> {
    from: Rows<T>,
    to: Rows<U>,
    run: Mapped<T, U>,
}

struct Choose<T> {
    asked: Side<bool>,
    sides: [Side<T>; 2],
    to: Rows<T>,
    run: Chosen<T>,
}

/// One number per row, repeated to fill a row.
struct Spread<T> {
    from: Rows<T>,
    to: Rows<T>,
}

impl<T: Element> Side<T> {
    /// The numbers for rows in steps: all at once, or as many at a time as a tile has.
    fn part<'a>(&'a self, buffers: &'a Buffers, n: usize, first: usize, len: usize) -> Result<&'a [T]> {
        let (numbers, first) = match self {
            Self::Rows(rows) => (rows.read(buffers, n)?, first),
            Self::Tile(tile) => (tile.as_slice(), 0),
        };
        Ok(numbers.get(first..first + len).unwrap_or_default())
    }

    fn stride(&self) -> usize {
        match self {
            Self::Rows(_) => usize::MAX,
            Self::Tile(tile) => tile.len().max(1),
        }
    }
}

impl<T: Element, U: Element> Step for Zip<T, U> {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()> {
        let [one, other] = &self.sides;
        let stride = one.stride().min(other.stride());
        self.to.write(buffers, n, |buffers, to| {
            for (place, to) in to.chunks_mut(stride).enumerate() {
                let first = place * stride;
                (self.run)(one.part(buffers, n, first, to.len())?, other.part(buffers, n, first, to.len())?, to);
            }
            Ok(())
        })
    }
}

impl<T: Element, U: Element> Step for Map<T, U> {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()> {
        self.to.write(buffers, n, |buffers, to| {
            (self.run)(self.from.read(buffers, n)?, to);
            Ok(())
        })
    }
}

impl<T: Element> Step for Choose<T> {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()> {
        let [yes, no] = &self.sides;
        let stride = yes.stride().min(no.stride()).min(self.asked.stride());
        self.to.write(buffers, n, |buffers, to| {
            for (place, to) in to.chunks_mut(stride).enumerate() {
                let (first, len) = (place * stride, to.len());
                let asked = self.asked.part(buffers, n, first, len)?;
                (self.run)(asked, yes.part(buffers, n, first, len)?, no.part(buffers, n, first, len)?, to);
            }
            Ok(())
        })
    }
}

impl<T: Element> Step for Spread<T> {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()> {
        self.to.write(buffers, n, |buffers, to| {
            for (to, from) in to.chunks_exact_mut(self.to.width).zip(self.from.read(buffers, n)?) {
                to.fill(*from);
            }
            Ok(())
        })
    }
}

/// The least number of rows whose numbers are a whole number of instructions.
fn tile<T: Element>(values: &[T], width: usize) -> Vec<T> {
    let mut rows = 1;
    while rows < LANES && !(rows * width).is_multiple_of(LANES) {
        rows *= 2;
    }
    let row = values.iter().copied().cycle().take(width);
    row.cycle().take(rows * width).collect()
}

/// Width and rank of what an operator over these makes, if they fit each other row by row.
fn joint(node: &Node, operands: &[Operand<'_>]) -> Result<(usize, usize)> {
    let (mut width, mut rank) = (1, None);
    for operand in operands {
        let own = match operand {
            Operand::Rows(value) => {
                if rank.is_some_and(|rank| rank != value.rank()) || value.rank() > 2 {
                    return Err(node.wrong("its inputs differ in dimensions, or have more than two; we do not run it so"));
                }
                rank = Some(value.rank());
                value.width()
            }
            Operand::Constant(tensor) => tensor.len(),
        };
        if own != 1 && width != 1 && own != width {
            return Err(node.wrong(&format!("its inputs have {width} and {own} numbers per row")));
        }
        width = width.max(own);
    }
    let Some(rank) = rank else { return Err(node.wrong("all its inputs are constants; we do not run it so")) };
    for operand in operands {
        if let Operand::Constant(Tensor { dims, .. }) = operand {
            let rows = dims.iter().rev().skip(1).any(|dim| *dim != 1);
            if rows || dims.len() > rank || (rank == 1 && width != 1) {
                return Err(node.wrong(&format!("a constant of dimensions {dims:?} is not the same for every row")));
            }
        }
    }
    Ok((width, rank))
}

/// An operand as numbers of type `T`; `None` if it has another type.
fn side<T: Element>(planner: &mut Planner<'_>, node: &Node, place: usize, width: usize) -> Result<Option<Side<T>>> {
    let rows = match planner.operand(node, place)? {
        Operand::Constant(tensor) => return Ok(T::constants(&tensor.data).map(|values| Side::Tile(tile(values, width)))),
        Operand::Rows(value) => match T::rows(&value) {
            Some(rows) => rows,
            None => return Ok(None),
        },
    };
    if rows.width == width {
        return Ok(Some(Side::Rows(rows)));
    }
    let to = planner.buffer::<T>(width, rows.rank)?;
    planner.step(Spread { from: rows, to });
    Ok(Some(Side::Rows(to)))
}

/// Plans an operator of two inputs, if they have the type of `run`.
fn zip<'g, T: Element, U: Element>(planner: &mut Planner<'g>, node: &'g Node, run: Option<Zipped<T, U>>) -> Result<bool> {
    let Some(run) = run else { return Ok(false) };
    let (width, rank) = joint(node, &[planner.operand(node, 0)?, planner.operand(node, 1)?])?;
    let Some(one) = side(planner, node, 0, width)? else { return Ok(false) };
    let Some(other) = side(planner, node, 1, width)? else {
        return Err(node.wrong("its inputs differ in type"));
    };
    let to = planner.buffer(width, rank)?;
    planner.step(Zip { sides: [one, other], to, run });
    planner.made(node, 0, U::value(to))?;
    Ok(true)
}

/// Plans a comparison or an arithmetic operator; false if we know none of the name.
pub(super) fn plan_zip<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<bool> {
    type Numbers = (Option<Zipped<f32, f32>>, Option<Zipped<f64, f64>>, Option<Zipped<i64, i64>>);
    type Questions = (Zipped<f32, bool>, Zipped<f64, bool>, Zipped<i64, bool>);
    let numbers: Option<Numbers> = match node.op.as_str() {
        "Add" => Some((Some(add_singles), Some(add_doubles), Some(add_wholes))),
        "Sub" => Some((Some(sub_singles), Some(sub_doubles), Some(sub_wholes))),
        "Mul" => Some((Some(mul_singles), Some(mul_doubles), Some(mul_wholes))),
        "Div" => Some((Some(div_singles), Some(div_doubles), None)),
        "Min" => Some((Some(min_singles), Some(min_doubles), None)),
        "Max" => Some((Some(max_singles), Some(max_doubles), None)),
        _ => None,
    };
    let questions: Option<Questions> = match node.op.as_str() {
        "Equal" => Some((eq_singles, eq_doubles, eq_wholes)),
        "Greater" => Some((gt_singles, gt_doubles, gt_wholes)),
        "GreaterOrEqual" => Some((ge_singles, ge_doubles, ge_wholes)),
        "Less" => Some((lt_singles, lt_doubles, lt_wholes)),
        "LessOrEqual" => Some((le_singles, le_doubles, le_wholes)),
        _ => None,
    };
    if (numbers.is_some() || questions.is_some()) && node.inputs.len() != 2 {
        return Err(node.wrong(&format!("it has {} inputs; we run it with two", node.inputs.len())));
    }
    let planned = match (numbers, questions) {
        (Some((singles, doubles, wholes)), _) => {
            zip(planner, node, singles)? || zip(planner, node, doubles)? || zip(planner, node, wholes)?
        }
        (_, Some((singles, doubles, wholes))) => {
            zip(planner, node, Some(singles))? || zip(planner, node, Some(doubles))? || zip(planner, node, Some(wholes))?
        }
        _ => return Ok(false),
    };
    if planned { Ok(true) } else { Err(node.wrong("we do not run it for numbers of this type")) }
}

fn map<'g, T: Element, U: Element>(planner: &mut Planner<'g>, node: &'g Node, run: Mapped<T, U>) -> Result<bool> {
    let value = planner.rows(node, 0)?;
    let Some(from) = T::rows(&value) else { return Ok(false) };
    let to = planner.buffer(from.width, from.rank)?;
    planner.step(Map { from, to, run });
    planner.made(node, 0, U::value(to))?;
    Ok(true)
}

/// Plans an operator of one input; false if we know none of the name.
pub(super) fn plan_map<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<bool> {
    let numbers: Option<(Mapped<f32, f32>, Mapped<f64, f64>)> = match node.op.as_str() {
        "Abs" => Some((abs_singles, abs_doubles)),
        "Neg" => Some((neg_singles, neg_doubles)),
        "Floor" => Some((floor_singles, floor_doubles)),
        "Ceil" => Some((ceil_singles, ceil_doubles)),
        "Sqrt" => Some((sqrt_singles, sqrt_doubles)),
        "Sign" => Some((sign_singles, sign_doubles)),
        "Exp" => Some((exp_singles, exp_doubles)),
        "Sigmoid" => Some((logistic_singles, logistic_doubles)),
        _ => None,
    };
    let planned = match (numbers, node.op.as_str()) {
        (Some((singles, doubles)), _) => map(planner, node, singles)? || map(planner, node, doubles)?,
        (None, "IsNaN") => map::<f32, bool>(planner, node, nan_singles)? || map::<f64, bool>(planner, node, nan_doubles)?,
        (None, "Not") => map::<bool, bool>(planner, node, not)?,
        _ => return Ok(false),
    };
    if planned { Ok(true) } else { Err(node.wrong("we do not run it for numbers of this type")) }
}

/// Plans a cast of rows.
pub(super) fn plan_cast<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let value = planner.rows(node, 0)?;
    let planned = match (value, node.whole("to")?.unwrap_or(0)) {
        (Value::Single(_), 1) | (Value::Double(_), 11) | (Value::Whole(_), 7) | (Value::Flag(_), 9) => {
            return planner.made(node, 0, value);
        }
        (Value::Single(_), 11) => map(planner, node, single_to_double)?,
        (Value::Single(_), 7) => map(planner, node, single_to_whole)?,
        (Value::Single(_), 9) => map(planner, node, single_to_flag)?,
        (Value::Double(_), 1) => map(planner, node, double_to_single)?,
        (Value::Double(_), 7) => map(planner, node, double_to_whole)?,
        (Value::Double(_), 9) => map(planner, node, double_to_flag)?,
        (Value::Whole(_), 1) => map(planner, node, whole_to_single)?,
        (Value::Whole(_), 11) => map(planner, node, whole_to_double)?,
        (Value::Whole(_), 9) => map(planner, node, whole_to_flag)?,
        (Value::Flag(_), 1) => map(planner, node, flag_to_single)?,
        (Value::Flag(_), 11) => map(planner, node, flag_to_double)?,
        (Value::Flag(_), 7) => map(planner, node, flag_to_whole)?,
        (_, other) => return Err(node.wrong(&format!("it casts to ONNX's type {other}; we cast to float, double, int64 and bool"))),
    };
    if planned { Ok(()) } else { Err(node.wrong("we do not run this cast")) }
}

fn choose<'g, T: Element>(planner: &mut Planner<'g>, node: &'g Node, run: Chosen<T>) -> Result<bool> {
    let operands = [planner.operand(node, 0)?, planner.operand(node, 1)?, planner.operand(node, 2)?];
    let (width, rank) = joint(node, &operands)?;
    let Some(asked) = side::<bool>(planner, node, 0, width)? else { return Err(node.wrong("its condition is not bool")) };
    let (Some(yes), Some(no)) = (side(planner, node, 1, width)?, side(planner, node, 2, width)?) else { return Ok(false) };
    let to = planner.buffer(width, rank)?;
    planner.step(Choose { asked, sides: [yes, no], to, run });
    planner.made(node, 0, T::value(to))?;
    Ok(true)
}

/// Plans a choice between two values.
pub(super) fn plan_where<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let planned = choose(planner, node, choose_singles)? || choose(planner, node, choose_doubles)? || choose(planner, node, choose_wholes)?;
    if planned { Ok(()) } else { Err(node.wrong("its values differ in type, or are of one that we do not choose from")) }
}

/// Plans a float32 operator of a matrix and one number per column, in so many steps.
pub(super) fn plan_columns<'g>(planner: &mut Planner<'g>, node: &'g Node, steps: &[(Column, &[f32])]) -> Result<()> {
    let mut rows = planner.matrix(node, 0)?;
    for (column, values) in steps {
        if values.len() != 1 && values.len() != rows.width {
            return Err(node.wrong(&format!("it has {} numbers for {} columns", values.len(), rows.width)));
        }
        let run = match column {
            Column::Impute => impute_missing,
            Column::Above => above,
            Column::Subtract => sub_singles,
            Column::Multiply => mul_singles,
        };
        let to = planner.buffer(rows.width, 2)?;
        planner.step(Zip { sides: [Side::Rows(rows), Side::Tile(tile(values, rows.width))], to, run });
        rows = to;
    }
    planner.made(node, 0, Value::Single(rows))
}

/// What is done with a matrix and one number per column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    /// The number in the place of a NaN.
    Impute,
    /// 1 for what is above the number, else 0.
    Above,
    /// Less the number.
    Subtract,
    /// Times the number.
    Multiply,
}
