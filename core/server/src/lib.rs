//! Protocols at the edge, admission, deadlines, reload, drain and metrics around the one scorer.
//!
//! What this crate owes its callers:
//! - every request gets an answer or a refusal that says why and when to come back, before its deadline;
//! - nothing a stranger sends makes it panic, allocate without limit, or learn what is inside;
//! - the interpreter is never asked while a request is on its way.

#![deny(unsafe_code)]

pub mod catalog;
pub mod deadline;
pub mod engine_failure;
pub mod histogram;
pub mod lane;
pub mod operator;
pub mod scoring;
pub mod statistics;
