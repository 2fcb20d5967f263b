//! The seam between a protocol and what runs the scorer.
//!
//! What an implementation owes its callers:
//! - one answer a call: a row of results for every row given, in order, or a [`Failure`] that says why and when to come back;
//! - a call whose deadline has passed never runs and is refused no later than that;
//! - a dropped future is a caller that went away: what has not started need not start;
//! - it counts what it was given in the bundle's statistics, runs and requests; a protocol counts only what it refused itself;
//! - a result's schema may tell where the time went, as [`Timing`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
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

/// Scores tables.
pub trait Scoring: Send + Sync {
    /// Scores batches of one schema. The result's batches together have as many rows as those given, in order, with the columns of
    /// [`sternpost_engine::outputs::score`].
    fn score(
        &self,
        served: Arc<Served>,
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
        call: Call,
    ) -> BoxFuture<'static, Result<Vec<RecordBatch>, Failure>>;
}

/// Where the time of a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// From the request's arrival to the start of its run.
    pub queue: Duration,
    /// The run.
    pub run: Duration,
    /// Rows that ran together.
    pub rows: u64,
}

const QUEUE: &str = "sternpost.queue_ns";
const RUN: &str = "sternpost.run_ns";
const ROWS: &str = "sternpost.rows";

impl Timing {
    /// The schema with the timing written onto it.
    #[must_use]
    pub fn onto(self, schema: &Schema) -> Schema {
        let mut metadata = schema.metadata().clone();
        let numbers = [(QUEUE, self.queue.as_nanos()), (RUN, self.run.as_nanos()), (ROWS, u128::from(self.rows))];
        metadata.extend(numbers.map(|(key, number)| (key.to_owned(), number.to_string())));
        schema.clone().with_metadata(metadata)
    }

    /// The timing on a schema, if there is one.
    pub fn of(schema: &Schema) -> Option<Self> {
        let number = |key| schema.metadata().get(key)?.parse::<u64>().ok();
        Some(Self { queue: Duration::from_nanos(number(QUEUE)?), run: Duration::from_nanos(number(RUN)?), rows: number(ROWS)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timing_is_read_as_it_was_written() {
        let timing = Timing { queue: Duration::from_nanos(7), run: Duration::from_millis(3), rows: 12 };
        assert_eq!(Timing::of(&timing.onto(&Schema::empty())), Some(timing));
        assert_eq!(Timing::of(&Schema::empty()), None);
    }
}
