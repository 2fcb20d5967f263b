//! What is watched: cells, windows, statistics and alarms. Arrow columns or counts in, numbers out.
//!
//! What this crate owes its callers:
//! - counts merge exactly: in any order, over any replicas and any chunking, to the same bits;
//! - no input or output, no clock; a column that cannot be judged has a status that says why, and never stops the others.

#![deny(unsafe_code)]

pub mod alarm;
mod arrow_file;
pub mod bundle;
pub mod cells;
pub mod error;
pub mod live;
pub mod moments;
pub mod reference;
pub mod source;
pub mod statistics;
pub mod tally;
pub mod window;

pub use error::{Error, Result};
