//! ONNX files as they are: a graph of named operators, its constants and its ends, read from bytes that nobody has vouched for.
//!
//! Only what a graph of plain operators has is read. Whatever is longer than the file, of another type than it says, or in pieces that do not
//! fit is an error that names the place; a nested graph is skipped and remembered as something that we do not run. Memory stays within a small
//! multiple of the file, and no depth of nesting costs stack: messages that may contain themselves are not followed.

mod graph;
mod tensor;
mod wire;

pub use graph::{Attribute, Graph, Node, Port};
pub use tensor::{Data, Tensor};

#[cfg(test)]
pub(crate) mod written;

#[cfg(test)]
mod tests;
