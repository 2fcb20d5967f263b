//! Operators that move numbers: columns chosen, joined, looked up, and the same numbers in other dimensions.

use super::element::{Buffers, Element, Rows, Step, Value};
use super::plan::{Operand, Planner};
use crate::error::{Error, Result};
use crate::onnx_file::{Data, Node};

/// Some columns, in a given order.
struct Columns<T> {
    from: Rows<T>,
    to: Rows<T>,
    places: Vec<usize>,
}

/// Values side by side.
struct Join<T> {
    from: Vec<Rows<T>>,
    to: Rows<T>,
}

/// A constant's numbers at the places that rows give.
struct Look<T> {
    places: Rows<i64>,
    table: Vec<T>,
    to: Rows<T>,
}

impl<T: Element> Step for Columns<T> {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()> {
        self.to.write(buffers, n, |buffers, to| {
            let from = self.from.read(buffers, n)?;
            for (to, from) in to.chunks_exact_mut(self.to.width).zip(from.chunks_exact(self.from.width)) {
                for (to, place) in to.iter_mut().zip(&self.places) {
                    *to = from[*place];
                }
            }
            Ok(())
        })
    }
}

impl<T: Element> Step for Join<T> {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()> {
        self.to.write(buffers, n, |buffers, to| {
            let mut first = 0;
            for part in &self.from {
                let from = part.read(buffers, n)?;
                for (to, from) in to.chunks_exact_mut(self.to.width).zip(from.chunks_exact(part.width)) {
                    to[first..first + part.width].copy_from_slice(from);
                }
                first += part.width;
            }
            Ok(())
        })
    }
}

impl<T: Element> Step for Look<T> {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()> {
        let len = self.table.len();
        self.to.write(buffers, n, |buffers, to| {
            for (to, place) in to.iter_mut().zip(self.places.read(buffers, n)?) {
                let found = position(*place, len).and_then(|place| self.table.get(place));
                *to = *found.ok_or_else(|| Error::Model(format!("the model looks for number {place} of {len}; export it again")))?;
            }
            Ok(())
        })
    }
}

/// A place counted from the start or, if negative, from the end.
fn position(place: i64, len: usize) -> Option<usize> {
    let place = if place < 0 { place.checked_add(i64::try_from(len).ok()?)? } else { place };
    usize::try_from(place).ok().filter(|place| *place < len)
}

/// The places that a constant names.
fn places(planner: &Planner<'_>, node: &Node, width: usize) -> Result<(Vec<usize>, usize)> {
    let tensor = planner.constant(node, 1)?;
    let Data::I64(places) = &tensor.data else { return Err(node.wrong("its places are not whole numbers")) };
    let outside = |place: i64| node.wrong(&format!("column {place} is not one of {width}"));
    let places = places.iter().map(|place| position(*place, width).ok_or_else(|| outside(*place))).collect::<Result<_>>()?;
    Ok((places, tensor.dims.len()))
}

fn choose<'g>(planner: &mut Planner<'g>, node: &'g Node, places: Vec<usize>, rank: usize) -> Result<()> {
    fn of<T: Element>(planner: &mut Planner<'_>, from: Rows<T>, places: Vec<usize>, rank: usize) -> Result<Value> {
        let to = planner.buffer(places.len(), rank)?;
        planner.step(Columns { from, to, places });
        Ok(T::value(to))
    }
    let made = match planner.rows(node, 0)? {
        Value::Single(from) => of(planner, from, places, rank)?,
        Value::Double(from) => of(planner, from, places, rank)?,
        Value::Whole(from) => of(planner, from, places, rank)?,
        Value::Flag(from) => of(planner, from, places, rank)?,
    };
    planner.made(node, 0, made)
}

pub(super) fn columns<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let value = planner.rows(node, 0)?;
    let (places, _) = places(planner, node, value.width())?;
    if value.rank() != 2 {
        return Err(node.wrong("it takes columns of what is no matrix; we do not run it so"));
    }
    choose(planner, node, places, 2)
}

pub(super) fn gather<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let axis = node.whole("axis")?.unwrap_or(0);
    let value = match planner.operand(node, 0)? {
        Operand::Rows(value) => value,
        Operand::Constant(tensor) => {
            let Data::F64(table) = &tensor.data else { return Err(node.wrong("it looks up what is not float64; we do not run it so")) };
            let (table, flat) = (table.clone(), tensor.dims.len() == 1 && (axis == 0 || axis == -1));
            let Value::Whole(places) = planner.rows(node, 1)? else { return Err(node.wrong("its places are not int64")) };
            if !flat {
                return Err(node.wrong("it looks up rows of a table; we look up single numbers"));
            }
            let to = planner.buffer(places.width, places.rank)?;
            planner.step(Look { places, table, to });
            return planner.made(node, 0, Value::Double(to));
        }
    };
    let (places, dims) = places(planner, node, value.width())?;
    if value.rank() != 2 || dims > 1 || !(axis == 1 || axis == -1) {
        return Err(node.wrong("it does not take columns of a matrix; we do not run it so"));
    }
    choose(planner, node, places, 1 + dims)
}

pub(super) fn concat<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    fn of<T: Element>(planner: &mut Planner<'_>, node: &Node, values: &[Value]) -> Result<Value> {
        let from: Option<Vec<Rows<T>>> = values.iter().map(T::rows).collect();
        let from = from.ok_or_else(|| node.wrong("its inputs differ in type"))?;
        let to = planner.buffer(from.iter().map(|rows| rows.width).sum(), 2)?;
        planner.step(Join { from, to });
        Ok(T::value(to))
    }
    let values: Vec<Value> = (0..node.inputs.len()).map(|place| planner.rows(node, place)).collect::<Result<_>>()?;
    let axis = node.whole("axis")?.unwrap_or(1);
    if values.iter().any(|value| value.rank() != 2) || !(axis == 1 || axis == -1) {
        return Err(node.wrong("it does not join columns of matrices; we do not run it so"));
    }
    let made = match values.first() {
        Some(Value::Single(_)) => of::<f32>(planner, node, &values)?,
        Some(Value::Double(_)) => of::<f64>(planner, node, &values)?,
        Some(Value::Whole(_)) => of::<i64>(planner, node, &values)?,
        Some(Value::Flag(_)) => of::<bool>(planner, node, &values)?,
        None => return Err(node.wrong("it joins nothing")),
    };
    planner.made(node, 0, made)
}

/// The same numbers in one, two or three dimensions, rows first.
pub(super) fn reshape<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let value = planner.rows(node, 0)?;
    let width = value.width() as i64;
    let asked = || -> Result<Vec<i64>> {
        match node.inputs.len() {
            2 => match &planner.constant(node, 1)?.data {
                Data::I64(asked) => Ok(asked.clone()),
                _ => Err(node.wrong("its dimensions are not whole numbers")),
            },
            _ => Ok(node.wholes("axes")?.to_vec()),
        }
    };
    let rank = match (node.op.as_str(), value.rank()) {
        ("Flatten", _) if node.whole("axis")?.unwrap_or(1) == 1 => Some(2),
        ("Reshape", rank) if node.whole("allowzero")?.unwrap_or(0) == 0 => match asked()?.as_slice() {
            // -1 is whatever is left: the rows, or what a row has where 0 keeps the rows.
            [-1] if width == 1 => Some(1),
            [-1, columns] if *columns == width => Some(2),
            [0, -1] => Some(2),
            [0, columns] if *columns == width || (*columns == 0 && rank == 2) => Some(2),
            _ => None,
        },
        ("Squeeze", 2) if width == 1 && matches!(asked()?.as_slice(), [1] | [-1]) => Some(1),
        ("Squeeze", 3) if matches!(asked()?.as_slice(), [1] | [-2]) => Some(2),
        ("Unsqueeze", 1) if matches!(asked()?.as_slice(), [1] | [-1]) => Some(2),
        _ => None,
    };
    match rank {
        Some(rank) => planner.made(node, 0, value.with_rank(rank)),
        None => Err(node.wrong(&format!("it turns {} dimensions with {width} numbers per row into others than we do", value.rank()))),
    }
}
