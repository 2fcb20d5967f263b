//! What is remembered: decisions, outcomes and events in append-only segments that survive whatever stops the process.
//!
//! What this crate owes its callers:
//! - what was acknowledged is there, to the durability asked for; what was dropped is counted;
//! - a torn or altered byte is noticed, and everything before it is kept.

#![deny(unsafe_code)]
