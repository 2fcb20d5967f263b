//! What is remembered: decisions, outcomes and events in append-only segments that survive whatever stops the process.
//!
//! What this crate owes its callers:
//! - what was acknowledged is there, to the durability asked for; what was dropped is counted;
//! - a torn or altered byte is noticed, and everything before it is kept;
//! - reading never panics, whatever the bytes, and never changes a file; only a writer that holds the lock does;
//! - who pushes never waits for a disk, unless the stated policy for a full ring says so.
//!
//! `docs/journal-format.md` specifies the bytes. To read the code: [`frame`] and [`header`] are the format, [`segment`] reads, [`append`]
//! writes, [`recover`] repairs, [`writer`] is the thread and [`ring`] what producers see of it.

#![deny(unsafe_code)]

pub mod append;
pub mod counters;
pub mod decisions;
pub mod disk;
pub mod encode;
mod error;
pub mod events;
pub mod frame;
pub mod header;
pub mod layout;
pub mod listing;
mod lock;
mod message;
pub mod outcomes;
pub mod recover;
pub mod retention;
pub mod ring;
mod scan;
pub mod segment;
pub mod streams;
mod work;
pub mod writer;

pub use error::{Error, Result};
