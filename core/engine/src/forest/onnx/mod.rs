//! ONNX's tree operators as forests, read as ONNX Runtime reads them.
//!
//! Where the operator's text and ONNX Runtime disagree, ONNX Runtime is followed, because models are proved with it: `TreeEnsemble` has logistic
//! at 1 and softmax at 2, an operator of one target ignores both, and a classifier of two classes with weights for the first alone makes two
//! scores out of one. What it computes by chance (a root that is not the first node, probit of one score of two classes) is refused.

mod chains;
mod nodes;
mod one_list;

use super::{Aggregate, Forest, Link};
use crate::error::Result;
use crate::onnx_file::Node;

/// A tree operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    /// Its trees. With a pair they have one output.
    pub forest: Forest,
    /// How one number becomes the scores of two classes.
    pub pair: Option<Pair>,
}

/// Two scores out of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// `1 - x` and `x`.
    Share,
    /// `-x` and `x`.
    Sign,
    /// The logistic of `-x` and of `x`.
    Logistic,
}

impl Ensemble {
    /// Reads a tree operator whose rows have `inputs` values.
    ///
    /// # Errors
    /// `Error::Model` that names the operator, and tree and node where there is one, for what [`Forest::check`] refuses and for lists that do
    /// not fit each other, ids that are there twice, or settings that ONNX Runtime gives no stated meaning.
    pub fn read(node: &Node, inputs: usize) -> Result<Self> {
        let read = match node.op.as_str() {
            "TreeEnsembleRegressor" => nodes::regressor(node, inputs)?,
            "TreeEnsembleClassifier" => nodes::classifier(node, inputs)?,
            "TreeEnsemble" => one_list::ensemble(node, inputs)?,
            _ => return Err(node.wrong("it is no tree operator")),
        };
        read.forest.check().map_err(|error| node.wrong(&error.to_string()))?;
        Ok(read)
    }
}

fn aggregate(node: &Node) -> Result<Aggregate> {
    Ok(match node.text("aggregate_function")?.unwrap_or("SUM") {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => return Err(node.wrong(&format!("aggregate function {other:?} is not known"))),
    })
}

fn link(node: &Node) -> Result<Link> {
    Ok(match node.text("post_transform")?.unwrap_or("NONE") {
        "NONE" => Link::None,
        "LOGISTIC" => Link::Logistic,
        "SOFTMAX" => Link::Softmax,
        "SOFTMAX_ZERO" => Link::SoftmaxZero,
        "PROBIT" => Link::Probit,
        other => return Err(node.wrong(&format!("post transform {other:?} is not known"))),
    })
}

/// What is left of a link when there is one target.
fn alone(link: Link) -> Link {
    if link == Link::Probit { Link::Probit } else { Link::None }
}

/// A whole number as a place in a list.
fn place(node: &Node, what: &str, number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|_| node.wrong(&format!("{what} {number} is not a place in a list")))
}

#[cfg(test)]
mod tests;
