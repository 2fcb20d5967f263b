//! From a graph to steps: what is needed for the output, in order, each value with a buffer of its own.

use std::collections::{HashMap, HashSet};

use super::build;
use super::element::{Buffers, Element, Rows, Step, Value};
use crate::error::{Error, Result};
use crate::model::Shape;
use crate::onnx_file::{Graph, Node, Tensor};

/// Bytes that the widest value of a block should have: several of them stay in the first-level cache.
const BLOCK_BYTES: usize = 6 * 1024;
const BLOCK_ROWS_MAX: usize = 256;
/// Widest value that is computed: a row beyond it was made to use up memory.
const WIDTH_MAX: usize = 1 << 20;

/// A graph as steps.
pub(super) struct Plan {
    pub(super) steps: Vec<Box<dyn Step>>,
    pub(super) input: Rows<f32>,
    pub(super) output: Rows<f32>,
    pub(super) block_rows: usize,
    widths: Widths,
}

/// Widths of the buffers, by type.
#[derive(Debug, Clone, Default)]
struct Widths {
    singles: Vec<usize>,
    doubles: Vec<usize>,
    wholes: Vec<usize>,
    flags: Vec<usize>,
}

/// What is known while a plan is made.
pub(super) struct Planner<'g> {
    graph: &'g Graph,
    values: HashMap<&'g str, Value>,
    constants: HashMap<&'g str, Tensor>,
    steps: Vec<Box<dyn Step>>,
    widths: Widths,
    /// First outputs of nodes that were planned together with an earlier one.
    done: HashSet<&'g str>,
}

/// An input of a node.
pub(super) enum Operand<'p> {
    Rows(Value),
    Constant(&'p Tensor),
}

impl Plan {
    /// Plans a graph.
    pub(super) fn new(graph: &Graph, shape: &Shape) -> Result<Self> {
        let [input] = graph.inputs.as_slice() else {
            return Err(Error::Model(format!("the ONNX graph has {} inputs; one matrix of all features is needed", graph.inputs.len())));
        };
        let fits = |dim: &Option<u64>| dim.is_none_or(|dim| dim == shape.features as u64);
        if input.name != shape.input || !input.is_single() || input.dims.len() > 2 || !input.dims.get(1).is_none_or(fits) {
            return Err(Error::Model(format!(
                "the ONNX graph's input {:?} with dimensions {:?} is not a float32 matrix {:?} of {} features",
                input.name, input.dims, shape.input, shape.features
            )));
        }
        let mut planner = Planner {
            graph,
            values: HashMap::new(),
            constants: HashMap::new(),
            steps: Vec::new(),
            widths: Widths::default(),
            done: HashSet::new(),
        };
        let input_rows = planner.buffer::<f32>(shape.features, 2)?;
        planner.values.insert(&input.name, Value::Single(input_rows));
        for node in needed(graph, &shape.output) {
            if !node.outputs.first().is_some_and(|output| planner.done.contains(output.as_str())) {
                build::node(&mut planner, node)?;
            }
        }
        let output = match planner.values.get(shape.output.as_str()) {
            Some(Value::Single(rows)) if rows.width == shape.outputs && rows.rank <= 2 => *rows,
            Some(other) => {
                return Err(Error::Model(format!(
                    "the ONNX graph's output {:?} is {} with {} numbers per row; the description says float32 with {}",
                    shape.output,
                    other.word(),
                    other.width(),
                    shape.outputs
                )));
            }
            None => return Err(Error::Model(format!("the ONNX graph makes no {:?}", shape.output))),
        };
        let widest = planner.widths.all().max().unwrap_or(1).max(1);
        let block_rows = (BLOCK_BYTES / 4 / widest).clamp(1, BLOCK_ROWS_MAX);
        Ok(Self { steps: planner.steps, input: input_rows, output, block_rows, widths: planner.widths })
    }

    /// Buffers for one session.
    pub(super) fn buffers(&self) -> Buffers {
        fn of<T: Element>(buffers: &mut Buffers, widths: &[usize], rows: usize) {
            *T::of_mut(buffers) = widths.iter().map(|width| vec![T::default(); width * rows]).collect();
        }
        let mut buffers = Buffers::default();
        of::<f32>(&mut buffers, &self.widths.singles, self.block_rows);
        of::<f64>(&mut buffers, &self.widths.doubles, self.block_rows);
        of::<i64>(&mut buffers, &self.widths.wholes, self.block_rows);
        of::<bool>(&mut buffers, &self.widths.flags, self.block_rows);
        buffers
    }
}

/// The nodes that an output depends on, in the graph's order.
fn needed<'g>(graph: &'g Graph, output: &'g str) -> Vec<&'g Node> {
    let mut wanted = HashSet::from([output]);
    let mut nodes = Vec::new();
    for node in graph.nodes.iter().rev() {
        if node.outputs.iter().any(|output| !output.is_empty() && wanted.contains(output.as_str())) {
            wanted.extend(node.inputs.iter().map(String::as_str));
            nodes.push(node);
        }
    }
    nodes.reverse();
    nodes
}

impl<'g> Planner<'g> {
    /// A buffer for a value of so many numbers per row.
    pub(super) fn buffer<T: Element>(&mut self, width: usize, rank: usize) -> Result<Rows<T>> {
        if width == 0 || width > WIDTH_MAX {
            return Err(Error::Model(format!("the ONNX graph makes {width} numbers per row; 1 to {WIDTH_MAX} can be run")));
        }
        let widths = match T::value(Rows::new(0, width, rank)) {
            Value::Single(_) => &mut self.widths.singles,
            Value::Double(_) => &mut self.widths.doubles,
            Value::Whole(_) => &mut self.widths.wholes,
            Value::Flag(_) => &mut self.widths.flags,
        };
        widths.push(width);
        Ok(Rows::new(widths.len() - 1, width, rank))
    }

    pub(super) fn step(&mut self, step: impl Step + 'static) {
        self.steps.push(Box::new(step));
    }

    /// The whole graph.
    pub(super) fn graph(&self) -> &'g Graph {
        self.graph
    }

    /// Leaves out a node, because an earlier one's steps do its work.
    pub(super) fn skip(&mut self, node: &'g Node) {
        self.done.extend(node.outputs.first().map(String::as_str));
    }

    /// The version of an operator set; 1 if the file does not say.
    pub(super) fn opset(&self, domain: &str) -> i64 {
        self.graph.opsets.get(domain).copied().unwrap_or(1)
    }

    /// An input of a node.
    pub(super) fn operand(&self, node: &Node, place: usize) -> Result<Operand<'_>> {
        let name = node.inputs.get(place).map(String::as_str).filter(|name| !name.is_empty());
        let Some(name) = name else { return Err(node.wrong(&format!("it has no input {place}"))) };
        if let Some(value) = self.values.get(name) {
            return Ok(Operand::Rows(*value));
        }
        match self.constants.get(name).or_else(|| self.graph.constants.get(name)) {
            Some(tensor) => Ok(Operand::Constant(tensor)),
            None => Err(node.wrong(&format!("it takes {name:?}, which nothing that we run makes before it"))),
        }
    }

    /// An input of a node that depends on the rows.
    pub(super) fn rows(&self, node: &Node, place: usize) -> Result<Value> {
        match self.operand(node, place)? {
            Operand::Rows(value) => Ok(value),
            Operand::Constant(_) => Err(node.wrong(&format!("its input {place} is a constant; we do not run it so"))),
        }
    }

    /// An input of a node that depends on the rows and is float32 `[n, width]`.
    pub(super) fn matrix(&self, node: &Node, place: usize) -> Result<Rows<f32>> {
        match self.rows(node, place)? {
            Value::Single(rows) if rows.rank == 2 => Ok(rows),
            other => {
                Err(node.wrong(&format!("its input {place} is {} of {} dimensions, not a float32 matrix", other.word(), other.rank())))
            }
        }
    }

    /// An input of a node that does not depend on the rows.
    pub(super) fn constant(&self, node: &Node, place: usize) -> Result<&Tensor> {
        match self.operand(node, place)? {
            Operand::Constant(tensor) => Ok(tensor),
            Operand::Rows(_) => Err(node.wrong(&format!("its input {place} depends on the rows; we do not run it so"))),
        }
    }

    /// Says what a node's output is.
    pub(super) fn made(&mut self, node: &'g Node, place: usize, value: Value) -> Result<()> {
        self.fresh(node, place)?;
        if let Some(name) = node.outputs.get(place) {
            self.values.insert(name, value);
        }
        Ok(())
    }

    /// Says that a node's output is a constant.
    pub(super) fn made_constant(&mut self, node: &'g Node, tensor: Tensor) -> Result<()> {
        self.fresh(node, 0)?;
        if let Some(name) = node.outputs.first() {
            self.constants.insert(name, tensor);
        }
        Ok(())
    }

    fn fresh(&self, node: &Node, place: usize) -> Result<()> {
        let name = node.outputs.get(place).map_or("", String::as_str);
        let taken = self.values.contains_key(name) || self.constants.contains_key(name) || self.graph.constants.contains_key(name);
        if taken { Err(node.wrong(&format!("{name:?} is made twice"))) } else { Ok(()) }
    }
}

impl Widths {
    fn all(&self) -> impl Iterator<Item = usize> + '_ {
        let doubled = self.doubles.iter().chain(&self.wholes).map(|width| width * 2);
        self.singles.iter().chain(&self.flags).copied().chain(doubled)
    }
}
