//! The batch lane: tables scored by a fixed number of threads of their own, so that large work never holds up small.
//!
//! What it owes its callers:
//! - what waits is bounded in jobs, rows and bytes; what cannot be done in time is refused at once, with the time to wait;
//! - under pressure the lowest stake goes first: shadow, batch, advise, decide;
//! - the bits of [`sternpost_engine::outputs::score`] over the whole table, on one thread;
//! - work whose caller went away or whose time is over does not begin, and ends within a block of rows.

pub mod admission;
pub mod lane;
pub mod pool;
pub mod queue;

pub use pool::{Config, Pool};
