//! The Open Inference Protocol over gRPC: any of its clients can ask for scores, without one of ours.
//!
//! What this module owes its callers:
//! - every call of the service has an answer or a refusal with the code that its clients expect;
//! - nothing is computed here: rows become Arrow columns, [`crate::scoring::Scoring`] scores them, columns become tensors;
//! - no bytes make it panic; what it allocates is bounded by what it received.
//!
//! Who may load and unload, message sizes and compression are settled where the service is mounted.

pub mod answer;
pub mod datatype;
pub mod describe;
mod infer;
pub mod parameters;
pub mod repository;
pub mod service;
pub mod stats;
mod stream;
pub mod tensor;
pub mod tensors;
pub mod wanted;

pub use service::{Inference, Options, Parts, TypedResponse};

#[cfg(test)]
mod tests;
