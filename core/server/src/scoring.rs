//! The seam between a protocol and what runs the scorer.
//!
//! What an implementation owes its callers:
//! - one answer a call: a row of results for every row given, in order, or a [`Failure`] that says why and when to come back;
//! - a call whose deadline has passed never runs and is refused no later than that;
//! - a dropped future is a caller that went away: what has not started need not start;
//! - it counts what it was given in the bundle's statistics, runs and requests; a protocol counts only what it refused itself;
//! - it measures where the time went; nobody else can.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use sternpost_wire::failure::Failure;
use sternpost_wire::scoring::Stake;

use crate::catalog::Served;

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a caller said about a request, beside its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// When an answer ceases to be of use.
    pub deadline: Option<Instant>,
    /// What hangs on the answer.
    pub stake: Stake,
    /// When the whole request was there.
    pub arrived: Instant,
}

/// A table: batches of one schema.
#[derive(Debug)]
pub struct Batches {
    /// Their schema.
    pub schema: SchemaRef,
    /// Those that have rows, in order.
    pub batches: Vec<RecordBatch>,
    /// How many rows all of them have.
    pub rows: usize,
}

/// Scores tables.
pub trait Scoring: Send + Sync {
    /// Scores a table. The result's batches together have as many rows as those given, in order, with the columns of
    /// [`sternpost_engine::outputs::score`].
    fn score(&self, served: Arc<Served>, table: Batches, call: Call) -> BoxFuture<'static, Result<Scored, Failure>>;
}

/// A scored table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scored {
    /// As many rows as were given, in order, in as many pieces as they were made.
    pub batches: Vec<RecordBatch>,
    /// Where the time went.
    pub timing: Timing,
}

/// Where the time of a call went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// From the request's arrival to the start of its run.
    pub queue: Duration,
    /// The run.
    pub run: Duration,
    /// Rows that ran together.
    pub rows: u64,
}
