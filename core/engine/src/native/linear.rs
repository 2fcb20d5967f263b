//! Linear operators: one chain of fused multiply-adds in column order for every output, then the intercept.
//!
//! A row's chain cannot be packed without changing its order, so several rows' chains run side by side. A binary classifier has the same
//! numbers twice, once negated; rounding is symmetric, so the second chain is the first one's negative and is not computed.

use super::element::{Buffers, Element, Rows, Step, Value};
use super::plan::Planner;
use crate::error::Result;
use crate::exponential::logistic_singles;
use crate::native::per_row::softmax_rows;
use crate::onnx_file::{Data, Node, Tensor};
use crate::wide::wide;

/// Chains side by side: as many as hide the time that an addition takes.
const ROWS: usize = 8;

/// What becomes of a linear classifier's sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    None,
    Logistic,
    Softmax,
}

type Chains<T> = fn(&[T], usize, &[T], &mut [T], usize);

struct Linear<T> {
    from: Rows<T>,
    to: Rows<T>,
    outputs: Vec<Output<T>>,
    intercepts: Vec<T>,
    chains: Chains<T>,
}

/// Where an output's sum comes from.
enum Output<T> {
    Chain(Vec<T>),
    /// The negative of an earlier output's sum.
    Mirror(usize),
}

struct End {
    from: Rows<f32>,
    to: Rows<f32>,
    ending: Ending,
}

/// `1 - x` and `x` for each.
struct Complement {
    from: Rows<f32>,
    to: Rows<f32>,
}

macro_rules! chains {
    ($name:ident, $kind:ty) => {
        wide! {
            /// Writes every row's sum of products into every `stride`-th number of `to`.
            fn $name(rows: &[$kind], width: usize, factors: &[$kind], to: &mut [$kind], stride: usize) {
                let factors = &factors[..width];
                for (rows, to) in rows.chunks(ROWS * width).zip(to.chunks_mut(ROWS * stride)) {
                    if rows.len() < ROWS * width {
                        for (row, to) in rows.chunks_exact(width).zip(to.iter_mut().step_by(stride)) {
                            let mut sum = 0.0;
                            for (value, factor) in row.iter().zip(factors) {
                                sum = value.mul_add(*factor, sum);
                            }
                            *to = sum;
                        }
                        continue;
                    }
                    let mut parts = rows.chunks_exact(width);
                    let rows: [&[$kind]; ROWS] = std::array::from_fn(|_| parts.next().unwrap_or_default());
                    let rows = rows.map(|row| &row[..width]);
                    let mut sums = [0.0; ROWS];
                    for (column, factor) in factors.iter().enumerate() {
                        for (sum, row) in sums.iter_mut().zip(&rows) {
                            *sum = row[column].mul_add(*factor, *sum);
                        }
                    }
                    for (to, sum) in to.iter_mut().step_by(stride).zip(sums) {
                        *to = sum;
                    }
                }
            }
        }
    };
}

chains!(chains_of_singles, f32);
chains!(chains_of_doubles, f64);

impl<T: Element + std::ops::Neg<Output = T> + std::ops::Add<Output = T>> Linear<T> {
    fn plan(planner: &mut Planner<'_>, from: Rows<T>, rows: Vec<Vec<T>>, intercepts: Vec<T>, chains: Chains<T>) -> Result<Rows<T>> {
        let to = planner.buffer(rows.len(), 2)?;
        let mut outputs: Vec<Output<T>> = Vec::with_capacity(rows.len());
        for factors in rows {
            let mirrors = |output: &Output<T>| match output {
                Output::Chain(other) => other.iter().zip(&factors).all(|(one, other)| *one == -*other),
                Output::Mirror(_) => false,
            };
            outputs.push(match outputs.iter().position(mirrors) {
                Some(place) => Output::Mirror(place),
                None => Output::Chain(factors),
            });
        }
        planner.step(Self { from, to, outputs, intercepts, chains });
        Ok(to)
    }
}

impl<T: Element + std::ops::Neg<Output = T> + std::ops::Add<Output = T>> Step for Linear<T> {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()> {
        let stride = self.to.width;
        self.to.write(buffers, n, |buffers, to| {
            let rows = self.from.read(buffers, n)?;
            for (place, output) in self.outputs.iter().enumerate() {
                match output {
                    Output::Chain(factors) => (self.chains)(rows, self.from.width, factors, &mut to[place..], stride),
                    Output::Mirror(other) => to.chunks_exact_mut(stride).for_each(|to| to[place] = -to[*other]),
                }
            }
            if !self.intercepts.is_empty() {
                for to in to.chunks_exact_mut(stride) {
                    to.iter_mut().zip(&self.intercepts).for_each(|(to, intercept)| *to = *to + *intercept);
                }
            }
            Ok(())
        })
    }
}

impl Step for End {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()> {
        self.to.write(buffers, n, |buffers, to| {
            let from = self.from.read(buffers, n)?;
            match self.ending {
                Ending::None => to.copy_from_slice(from),
                Ending::Logistic => logistic_singles(from, to),
                Ending::Softmax => softmax_rows(from, self.to.width, to),
            }
            Ok(())
        })
    }
}

impl Step for Complement {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()> {
        self.to.write(buffers, n, |buffers, to| {
            for (to, from) in to.as_chunks_mut::<2>().0.iter_mut().zip(self.from.read(buffers, n)?) {
                *to = [1.0 - from, *from];
            }
            Ok(())
        })
    }
}

/// One list of factors per output.
fn factors<T: Copy>(node: &Node, flat: &[T], outputs: usize, width: usize) -> Result<Vec<Vec<T>>> {
    if outputs == 0 || Some(flat.len()) != outputs.checked_mul(width) {
        return Err(node.wrong(&format!("it has {} coefficients for {outputs} outputs of {width} columns", flat.len())));
    }
    Ok(flat.chunks_exact(width).map(<[T]>::to_vec).collect())
}

pub(super) fn regressor<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let from = planner.matrix(node, 0)?;
    let targets = usize::try_from(node.whole("targets")?.unwrap_or(1)).unwrap_or(0);
    if node.text("post_transform")?.unwrap_or("NONE") != "NONE" {
        return Err(node.wrong("it has a post transform; we run linear regressors without"));
    }
    let rows = factors(node, node.singles("coefficients")?, targets, from.width)?;
    let intercepts = intercepts(node, node.singles("intercepts")?, targets)?;
    let to = Linear::plan(planner, from, rows, intercepts, chains_of_singles)?;
    planner.made(node, 0, Value::Single(to))
}

pub(super) fn classifier<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let from = planner.matrix(node, 0)?;
    let ending = match node.text("post_transform")?.unwrap_or("NONE") {
        "NONE" => Ending::None,
        "LOGISTIC" => Ending::Logistic,
        "SOFTMAX" => Ending::Softmax,
        other => return Err(node.wrong(&format!("post transform {other:?} is not one that we run behind a linear classifier"))),
    };
    let given = node.singles("intercepts")?;
    let classes = given.len();
    let rows = factors(node, node.singles("coefficients")?, classes, from.width)?;
    let to = Linear::plan(planner, from, rows, intercepts(node, given, classes)?, chains_of_singles)?;
    // ONNX Runtime applies no post transform to a single sum.
    let made = match classes {
        1 if node.texts("classlabels_strings")?.len().max(node.wholes("classlabels_ints")?.len()) == 2 => {
            let both = planner.buffer(2, 2)?;
            planner.step(Complement { from: to, to: both });
            both
        }
        _ if ending == Ending::None || classes == 1 => to,
        _ => {
            let ended = planner.buffer(classes, 2)?;
            planner.step(End { from: to, to: ended, ending });
            ended
        }
    };
    planner.made(node, 1, Value::Single(made))
}

fn intercepts(node: &Node, given: &[f32], outputs: usize) -> Result<Vec<f32>> {
    match given.len() {
        0 => Ok(Vec::new()),
        len if len == outputs => Ok(given.to_vec()),
        len => Err(node.wrong(&format!("it has {len} intercepts for {outputs} outputs"))),
    }
}

/// `MatMul` and `Gemm` with a constant second matrix.
pub(super) fn product<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let value = planner.rows(node, 0)?;
    let flag = |name: &str| Ok::<_, crate::error::Error>(node.whole(name)?.unwrap_or(0) != 0);
    let (turned, plain) = (flag("transB")?, flag("transA")? || node.single("alpha")?.is_some_and(|alpha| alpha != 1.0));
    if value.rank() != 2 || plain || node.single("beta")?.is_some_and(|beta| beta != 1.0) {
        return Err(node.wrong("it is scaled, transposed, or not of a matrix; we do not run it so"));
    }
    let matrix = planner.constant(node, 1)?.clone();
    let added = if node.inputs.len() > 2 { Some(planner.constant(node, 2)?.clone()) } else { None };
    let mismatch = || node.wrong("its matrices differ in type");
    let made = match (value, matrix.data.clone()) {
        (Value::Single(from), Data::F32(flat)) => {
            let rows = turn(node, &flat, &matrix, turned, from.width)?;
            let added = spread::<f32>(node, added.as_ref(), rows.len())?;
            Value::Single(Linear::plan(planner, from, rows, added, chains_of_singles)?)
        }
        (Value::Double(from), Data::F64(flat)) => {
            let rows = turn(node, &flat, &matrix, turned, from.width)?;
            let added = spread::<f64>(node, added.as_ref(), rows.len())?;
            Value::Double(Linear::plan(planner, from, rows, added, chains_of_doubles)?)
        }
        _ => return Err(mismatch()),
    };
    planner.made(node, 0, made)
}

/// The columns of a matrix, or its rows if it stands transposed.
fn turn<T: Copy>(node: &Node, flat: &[T], matrix: &Tensor, turned: bool, width: usize) -> Result<Vec<Vec<T>>> {
    let (inner, outer) = match (matrix.dims.as_slice(), turned) {
        ([inner, outer], false) | ([outer, inner], true) => (*inner, *outer),
        (dims, _) => return Err(node.wrong(&format!("its constant has dimensions {dims:?}; a matrix is needed"))),
    };
    if inner != width {
        return Err(node.wrong(&format!("its constant has {inner} rows for {width} columns")));
    }
    if turned {
        return factors(node, flat, outer, width);
    }
    factors(node, flat, inner, outer.max(1))?;
    Ok((0..outer).map(|column| flat.iter().skip(column).step_by(outer).copied().collect()).collect())
}

/// What is added to every row, once per output.
fn spread<T: Element>(node: &Node, added: Option<&Tensor>, outputs: usize) -> Result<Vec<T>> {
    let Some(tensor) = added else { return Ok(Vec::new()) };
    let values = T::constants(&tensor.data).ok_or_else(|| node.wrong("what it adds has another type"))?;
    if tensor.dims.iter().rev().skip(1).any(|dim| *dim != 1) || (values.len() != 1 && values.len() != outputs) {
        return Err(node.wrong(&format!("what it adds has dimensions {:?} for {outputs} outputs", tensor.dims)));
    }
    Ok(values.iter().copied().cycle().take(outputs).collect())
}
