//! How many of a constant's numbers a value has reached: three operators that are a search.
//!
//! A calibration map is written as `value >= threshold` for every threshold, counted. With ascending thresholds the count is found by halving,
//! which is the difference between two thousand comparisons a row and eleven.

use super::element::{Buffers, Rows, Step, Value};
use super::plan::{Operand, Planner};
use crate::error::Result;
use crate::onnx_file::{Data, Graph, Node};

struct Count {
    from: Rows<f64>,
    ascending: Vec<f64>,
    to: Rows<i64>,
}

impl Step for Count {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()> {
        self.to.write(buffers, n, |buffers, to| {
            for (to, value) in to.iter_mut().zip(self.from.read(buffers, n)?) {
                // A NaN has reached nothing.
                *to = self.ascending.partition_point(|threshold| value >= threshold) as i64;
            }
            Ok(())
        })
    }
}

/// Plans a comparison together with the cast and the sum that are all that is made of it; false if it is none of that kind.
pub(super) fn plan<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<bool> {
    let (Operand::Rows(Value::Double(from)), Operand::Constant(tensor)) = (planner.operand(node, 0)?, planner.operand(node, 1)?) else {
        return Ok(false);
    };
    let Data::F64(thresholds) = &tensor.data else { return Ok(false) };
    let flat = from.rank == 2 && from.width == 1 && tensor.dims.len() == 1;
    if !flat || !thresholds.is_sorted() || thresholds.iter().any(|threshold| threshold.is_nan()) {
        return Ok(false);
    }
    let ascending = thresholds.clone();
    let graph = planner.graph();
    let Some(cast) = only_use(graph, node, "Cast").filter(|cast| matches!(cast.whole("to"), Ok(Some(7)))) else { return Ok(false) };
    let Some(sum) = only_use(graph, cast, "ReduceSum").filter(|sum| sum.inputs.len() == 2) else { return Ok(false) };
    let axis = planner.constant(sum, 1).ok().map(|tensor| &tensor.data);
    if !matches!(axis, Some(Data::I64(axes)) if axes == &[1]) || sum.whole("keepdims")?.unwrap_or(1) == 0 {
        return Ok(false);
    }
    let to = planner.buffer(1, 2)?;
    planner.step(Count { from, ascending, to });
    planner.made(sum, 0, Value::Whole(to))?;
    planner.skip(cast);
    planner.skip(sum);
    Ok(true)
}

/// The node of this name that alone reads what another makes.
fn only_use<'g>(graph: &'g Graph, node: &Node, op: &str) -> Option<&'g Node> {
    let made = node.outputs.first()?;
    if graph.outputs.iter().any(|output| output.name == *made) {
        return None;
    }
    let mut uses = graph.nodes.iter().filter(|node| node.inputs.contains(made));
    let found = uses.next()?;
    (uses.next().is_none() && found.op == op && found.domain.is_empty() && found.inputs.first() == Some(made)).then_some(found)
}
