//! From an operator to its steps, by name.

use super::numbers::{self, Column};
use super::plan::{Operand, Planner};
use super::{count, encode, linear, per_row, select};
use crate::error::Result;
use crate::onnx_file::{Data, Node, Tensor};

/// Plans one operator.
pub(super) fn node<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    match (node.domain.as_str(), node.op.as_str()) {
        ("", "Identity") => identity(planner, node),
        ("", "Constant") => constant(planner, node),
        ("", "Cast") => cast(planner, node),
        ("", "GreaterOrEqual") if count::plan(planner, node)? => Ok(()),
        ("", "Where") => numbers::plan_where(planner, node),
        ("", "Concat") => select::concat(planner, node),
        ("", "Gather") => select::gather(planner, node),
        ("", "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze") => select::reshape(planner, node),
        ("", "Softmax") => per_row::softmax(planner, node),
        ("", "ArgMax") => per_row::arg_max(planner, node),
        ("", "ReduceSum") => per_row::reduce_sum(planner, node),
        ("", "MatMul" | "Gemm") => linear::product(planner, node),
        ("ai.onnx.ml", "ArrayFeatureExtractor") => select::columns(planner, node),
        ("ai.onnx.ml", "LinearRegressor") => linear::regressor(planner, node),
        ("ai.onnx.ml", "LinearClassifier") => linear::classifier(planner, node),
        ("ai.onnx.ml", "Scaler") => {
            let (offset, scale) = (node.singles("offset")?, node.singles("scale")?);
            numbers::plan_columns(planner, node, &[(Column::Subtract, offset), (Column::Multiply, scale)])
        }
        ("ai.onnx.ml", "Binarizer") => {
            let threshold = node.single("threshold")?.unwrap_or(0.0);
            numbers::plan_columns(planner, node, &[(Column::Above, &[threshold])])
        }
        ("ai.onnx.ml", "Imputer") => imputer(planner, node),
        ("ai.onnx.ml", "Normalizer") => per_row::normalizer(planner, node),
        ("ai.onnx.ml", "OneHotEncoder") => encode::one_hot(planner, node),
        ("ai.onnx.ml", "LabelEncoder") => encode::labels(planner, node),
        ("", _) if numbers::plan_zip(planner, node)? || numbers::plan_map(planner, node)? => Ok(()),
        (domain, op) => {
            let from = if domain.is_empty() { String::new() } else { format!(" of {domain}") };
            Err(crate::error::Error::Model(format!("{node}: {op}{from} is not an operator that we run")))
        }
    }
}

fn identity<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let constant = match planner.operand(node, 0)? {
        Operand::Rows(value) => return planner.made(node, 0, value),
        Operand::Constant(tensor) => tensor.clone(),
    };
    planner.made_constant(node, constant)
}

fn constant<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    match node.tensor("value")? {
        Some(tensor) => planner.made_constant(node, tensor.clone()),
        None => Err(node.wrong("it is no tensor; we do not run it so")),
    }
}

fn cast<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let constant = match planner.operand(node, 0)? {
        Operand::Rows(_) => return numbers::plan_cast(planner, node),
        Operand::Constant(tensor) => tensor.clone(),
    };
    let data = match (constant.data, node.whole("to")?.unwrap_or(0)) {
        (Data::F32(values), 11) => Data::F64(values.into_iter().map(f64::from).collect()),
        (Data::F64(values), 1) => Data::F32(values.into_iter().map(|value| value as f32).collect()),
        (Data::I64(values), 1) => Data::F32(values.into_iter().map(|value| value as f32).collect()),
        (Data::I64(values), 11) => Data::F64(values.into_iter().map(|value| value as f64).collect()),
        (data @ Data::F32(_), 1) | (data @ Data::F64(_), 11) | (data @ Data::I64(_), 7) | (data @ Data::Bool(_), 9) => data,
        _ => return Err(node.wrong("we do not cast this constant")),
    };
    planner.made_constant(node, Tensor { dims: constant.dims, data })
}

fn imputer<'g>(planner: &mut Planner<'g>, node: &'g Node) -> Result<()> {
    let replaced = node.single("replaced_value_float")?.unwrap_or(0.0);
    let values = node.singles("imputed_value_floats")?;
    if !replaced.is_nan() {
        return Err(node.wrong(&format!("it replaces {replaced}; we replace NaN only")));
    }
    numbers::plan_columns(planner, node, &[(Column::Impute, values)])
}
