//! Tables through the lane: the [`Scoring`] that protocols are given.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use arrow_array::{Array, RecordBatch};
use sternpost_engine::arrow_rows::Table;
use sternpost_engine::scorer::{BLOCK_ROWS, Scorer};
use sternpost_engine::{Error, outputs};
use sternpost_wire::failure::{Failure, Reason};

use super::admission::Rate;
use super::lane::{Lane, Watch};
use super::queue::{Limits, Order, nanos};
use crate::catalog::Served;
use crate::clock::wall_ms;
use crate::engine_failure::failure;
use crate::hands::{Effort, Hands};
use crate::scoring::{Batches, BoxFuture, Call, Scored, Scoring, Timing};

/// Most rows that the calling thread scores itself, and the longest that this may take: below, handing over costs more than it frees.
const INLINE_ROWS: u64 = 16;
const INLINE_TIME: Duration = Duration::from_micros(500);
/// Below the threads that answer single rows, which then run first when both want a CPU.
const NICENESS: i32 = 10;

/// How large the lane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Threads; at least one.
    pub threads: usize,
    /// What may wait for them.
    pub waiting: Limits,
}

impl Default for Config {
    /// A thread for every CPU that the control group grants; 1024 jobs, 16 million rows or 1 GiB of them may wait.
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Self { threads, waiting: Limits { jobs: 1024, rows: 1 << 24, bytes: 1 << 30 } }
    }
}

/// The batch lane. Dropped, it ends as with [`Pool::stop`].
pub struct Pool {
    lane: Lane,
    /// By bundle name: the successor of a bundle begins with what its predecessor taught.
    rates: Mutex<HashMap<String, Arc<Rate>>>,
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// What the system says if a thread cannot be started.
    pub fn start(config: Config) -> std::io::Result<Self> {
        let lane = Lane::start(config.threads.max(1), config.waiting, lower_priority)?;
        Ok(Self { lane, rates: Mutex::default() })
    }

    /// Jobs that wait, and whether newcomers are taken.
    pub fn waiting(&self) -> (usize, bool) {
        self.lane.waiting()
    }

    /// Refuses newcomers as `UNAVAILABLE`; what waits is still scored.
    pub fn close(&self) {
        self.lane.close();
    }

    /// Refuses newcomers and whatever waits as `UNAVAILABLE`, and ends what runs within a block of rows.
    pub fn stop(&self) {
        self.lane.stop();
    }

    /// Blocks until the threads have ended; call [`Self::close`] or [`Self::stop`] before.
    pub fn join(&self) {
        self.lane.join();
    }

    fn rate(&self, name: &str) -> Arc<Rate> {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rate) = rates.get(name) {
            return rate.clone();
        }
        rates.entry(name.to_owned()).or_default().clone()
    }
}

impl Scoring for Pool {
    /// The work is in the queue when this returns; the future only waits for it. Calls that end here are counted in the bundle's statistics,
    /// whatever way they end.
    fn score(&self, served: Arc<Served>, table: Batches, call: Call) -> BoxFuture<'static, Result<Scored, Failure>> {
        let tally = Tally { served: served.clone(), arrived: call.arrived, answered: false };
        let rows = table.rows as u64;
        let rate = self.rate(&served.name);
        let own = rate.predict(rows);
        let (waiting, open) = self.lane.waiting();
        let run = Run { served, table, rate: rate.clone(), rows, arrived: call.arrived };
        if rows <= INLINE_ROWS && own <= INLINE_TIME && waiting == 0 && open {
            let result = self.lane.inline(call.deadline, |watch| run.score(watch)).map(|scored| tally.answer(scored));
            return Box::pin(std::future::ready(result));
        }
        let bytes = run.table.batches.iter().map(bytes_of).sum();
        let order = Order { stake: call.stake, deadline: call.deadline, rows, bytes, own };
        match self.lane.submit(order, move |watch| run.score(watch)) {
            Ok(pending) => Box::pin(async move { pending.await.map(|scored| tally.answer(scored)) }),
            Err(failure) => {
                if failure.reason == Reason::Overloaded && failure.retry_after_ms == Some(-1) {
                    rate.doubt(rows);
                }
                Box::pin(std::future::ready(Err(failure)))
            }
        }
    }
}

impl Hands for Pool {
    fn take(&self, effort: Effort, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, Result<(), Failure>> {
        let Effort { stake, deadline, bytes } = effort;
        let order = Order { stake, deadline, rows: 0, bytes, own: effort.estimate() };
        let submitted = self.lane.submit(order, move |_| {
            work();
            Ok(())
        });
        match submitted {
            Ok(pending) => Box::pin(pending),
            Err(failure) => Box::pin(std::future::ready(Err(failure))),
        }
    }
}

/// One table on its way.
struct Run {
    served: Arc<Served>,
    table: Batches,
    rate: Arc<Rate>,
    rows: u64,
    arrived: Instant,
}

impl Run {
    fn score(self, watch: &Watch<'_>) -> Result<Scored, Failure> {
        let started = Instant::now();
        let per_block = nanos(self.rate.predict(BLOCK_ROWS as u64));
        let go_on = || {
            // Asked before every block, so the block before is over; one too many at the start does no harm.
            watch.progress(per_block);
            watch.go_on()
        };
        let batches = match score(&self.served.scorer, &self.table, &go_on) {
            Err(Error::Interrupted) => return Err(watch.why()),
            other => other.map_err(|error| failure(&error))?,
        };
        Ok(self.done(batches, started, started.elapsed()))
    }

    /// Counts what was scored, and tells how long it waited and ran.
    fn done(&self, batches: Vec<RecordBatch>, started: Instant, took: Duration) -> Scored {
        self.rate.learn(self.rows, took);
        let refused = batches.iter().filter_map(|batch| batch.column_by_name("score")).map(|score| score.null_count() as u64).sum();
        self.served.statistics.run(self.rows, refused, took, wall_ms());
        Scored { batches, timing: Timing { queue: started.saturating_duration_since(self.arrived), run: took, rows: self.rows } }
    }
}

/// All rows on one thread. A table without rows is one batch without rows, so that its columns are known.
fn score(scorer: &Scorer, table: &Batches, go_on: &dyn Fn() -> bool) -> Result<Vec<RecordBatch>, Error> {
    let table = Table::bind(scorer.contract(), &table.schema, &table.batches)?;
    let (schema, scored) = outputs::score(scorer, &table, 1, go_on)?;
    Ok(if scored.is_empty() { vec![RecordBatch::new_empty(schema)] } else { scored })
}

/// What a batch's own rows take; what its buffers hold beyond them is somebody else's.
fn bytes_of(batch: &RecordBatch) -> u64 {
    let column = |column: &Arc<dyn Array>| {
        let data = column.to_data();
        data.get_slice_memory_size().unwrap_or_else(|_| data.get_buffer_memory_size()) as u64
    };
    batch.columns().iter().map(column).sum()
}

/// Counts a call as failed unless it was answered, also when its caller just goes away.
struct Tally {
    served: Arc<Served>,
    arrived: Instant,
    answered: bool,
}

impl Tally {
    fn answer(mut self, scored: Scored) -> Scored {
        self.answered = true;
        self.served.statistics.answer(scored.timing.queue, self.arrived.elapsed());
        scored
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if !self.answered {
            self.served.statistics.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn lower_priority() {
    // On Linux a priority belongs to a thread, and no process named means the calling one.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!("a thread of the batch lane keeps its priority: {error}");
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
