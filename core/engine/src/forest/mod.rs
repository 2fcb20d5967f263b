//! Trees and forests: one form, whatever library they come from.
//!
//! What this room owes its callers:
//! - a forest that passed [`Forest::check`] is finite, free of cycles and of indices out of range, so a kernel needs no checks of its own;
//! - one meaning of a node's test, [`Forest::says_yes`]; kernels are as fast as they like and agree with it for every value;
//! - no input or output: forests are made from bytes and tables that the caller read.

mod form;
pub mod onnx;

pub use form::{Aggregate, Child, Forest, Leaf, Link, MEMBER_MAX, Mode, Node, Precision, Reading, Set, TREE_DEPTH_MAX, Tree, Weight};
