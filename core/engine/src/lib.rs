//! Contract, rows, feature kernels, model and scorer: values in, decisions out.
//!
//! What this crate owes its callers:
//! - one scorer: a row, a table and the golden rows take the same way through [`scorer::Scorer`];
//! - the same bits for any number of threads, any batching of the input and any block fill;
//! - no row disappears: a row gets a score or at least one reason;
//! - no input or output, no interpreter, no clock; panics stay bugs and never carry a meaning.
//!
//! One row's way: values -> [`contract`] (via [`arrow_rows`] or [`value_rows`]) -> [`kernel`] -> [`model`] -> [`policy`].

#![deny(unsafe_code)]

pub mod arrow_rows;
pub mod contract;
mod contract_json;
pub mod dictionary;
pub mod error;
mod exponential;
pub mod forest;
pub mod golden;
pub mod instant;
#[allow(unsafe_code)] // calls object code; argued for in its head
pub mod kernel;
pub mod math;
pub mod model;
mod model_rows;
pub mod native;
pub mod nearest;
pub mod observer;
pub mod onnx;
pub mod onnx_file;
pub mod outputs;
pub mod parallel;
pub mod policy;
pub mod rows;
pub mod rule;
pub mod scorer;
pub mod spec;
pub mod value_rows;
pub mod violation;
pub mod wide;
pub mod worker;
pub mod workspace;

pub use error::{Error, Result};

/// The one bit pattern that a null or missing float has, inside and outside of kernels.
pub const NULL_F64: f64 = f64::from_bits(0x7ff8_0000_0000_0000);
/// The same in a model's input.
pub const NULL_F32: f32 = f32::from_bits(0x7fc0_0000);
/// The null of int, timestamp and money columns.
pub const NULL_I64: i64 = i64::MIN;
/// The null of bool columns.
pub const NULL_FLAG: i8 = -1;
/// The null of category columns.
pub const NULL_CODE: i32 = -1;
/// The code of a label that the contract does not list.
pub const UNSEEN_CODE: i32 = -2;
