//! Models that we run ourselves: graphs of plain operators, compiled once into steps over blocks of rows.
//!
//! What this room owes its callers:
//! - a graph is taken whole or not at all, and the refusal names the operator ([`NativeModel::new`]);
//! - a row's bits depend on the row alone: every operator works row by row in one stated order, whatever the block;
//! - nothing is allocated while rows are run; buffers belong to a session and are made when it is opened.
//!
//! An arithmetic operator is one operation of IEEE 754 per number, as in ONNX Runtime. Sums over columns (linear operators, products of
//! matrices) are one chain of fused multiply-adds in column order, then the intercept, for one row and for many; ONNX Runtime takes another
//! order for one row. Exponentials are the nearest float, where ONNX Runtime approximates.
//!
//! Forests are read from such graphs ([`crate::forest::onnx`]) but are no step yet: a graph that has one is refused.

mod build;
mod count;
mod element;
mod encode;
mod linear;
mod loops;
mod model;
mod numbers;
mod per_row;
mod plan;
mod select;

pub use model::{NativeModel, model};

#[cfg(test)]
mod tests;
