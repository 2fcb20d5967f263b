//! A table's blocks over several threads, with results that do not know about threads.
//!
//! 1. The rows of the table are cut into chunks of whole blocks, so block borders are the same for any chunk size and thread count.
//! 2. Workers draw chunk numbers from a counter; each has its own workspace and model session.
//! 3. Parts are sorted by chunk number.
//!
//! The calling thread works too, and between blocks asks `go_on`, which is how an interrupt reaches a long call.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::arrow_rows::Table;
use crate::error::{Error, Result};
use crate::scorer::{BLOCK_ROWS, Scorer, Stage};
use crate::workspace::Block;

/// A float64 column of so many blocks is 256 KiB: large enough that the allocator keeps such pieces for the next chunk, where those just
/// above its limit for pages of their own cost a frame 25 ns a row.
const MOST_BLOCKS: usize = 32;
const CHUNKS_PER_THREAD: usize = 4;
const WAIT: Duration = Duration::from_millis(50);

/// A table on its way through the scorer.
pub struct Run<'a> {
    /// Whose blocks.
    pub scorer: &'a Scorer,
    /// Which rows.
    pub table: &'a Table,
    /// How far.
    pub stage: Stage,
    /// Whether those who watch the scorer see these rows.
    pub seen: bool,
    /// Over how many threads, the calling one included.
    pub threads: usize,
    /// Asked by the calling thread at the start and between its blocks; false stops the run.
    pub go_on: &'a dyn Fn() -> bool,
}

struct Shared {
    next: AtomicUsize,
    stop: AtomicBool,
    chunk_rows: usize,
    chunks: usize,
}

impl Run<'_> {
    /// Rows of every chunk but the last: part `i` of [`Self::parts`] begins at row `i * chunk_rows`.
    pub fn chunk_rows(&self) -> usize {
        let blocks = self.table.rows().div_ceil(BLOCK_ROWS);
        BLOCK_ROWS * blocks.div_ceil(self.threads.max(1) * CHUNKS_PER_THREAD).clamp(1, MOST_BLOCKS)
    }

    /// Takes every block to the stage; `start` makes an empty part for a range of rows and `each` adds a block to it, called with the number
    /// of the block's first row. Parts come back in row order.
    ///
    /// # Errors
    /// The error of the earliest chunk that failed; `Error::Interrupted` if `go_on` said so; `Error::Internal` for a panic.
    pub fn parts<T: Send>(
        &self,
        start: impl Fn(Range<usize>) -> T + Sync,
        each: impl Fn(&mut T, usize, &Block<'_>) -> Result<()> + Sync,
    ) -> Result<Vec<T>> {
        self.scorer.can_reach(self.stage)?;
        // Also asked here: helpers may take every chunk before the calling thread gets to one.
        if !(self.go_on)() {
            return Err(Error::Interrupted);
        }
        let rows = self.table.rows();
        let chunk_rows = self.chunk_rows();
        let shared = Shared { next: AtomicUsize::new(0), stop: AtomicBool::new(false), chunk_rows, chunks: rows.div_ceil(chunk_rows) };
        let threads = self.threads.clamp(1, shared.chunks.max(1));
        let run = (self.scorer, self.table, self.stage, self.seen);
        let work = |go_on: &dyn Fn() -> bool| {
            let worked = catch_unwind(AssertUnwindSafe(|| worker(run, &shared, go_on, &start, &each)));
            let parts = worked.unwrap_or_else(|panic| vec![(usize::MAX, Err(Error::from_panic(panic.as_ref())))]);
            if parts.iter().any(|(_, part)| part.is_err()) {
                shared.stop.store(true, Ordering::Relaxed);
            }
            parts
        };
        let mut parts = if threads == 1 {
            work(self.go_on)
        } else {
            let caller = thread::current();
            let done = AtomicUsize::new(0);
            thread::scope(|scope| {
                let helper = || {
                    let parts = work(&|| true);
                    // Told before the thread ends: a caller that waited for its end would find it still ending, and sleep again.
                    done.fetch_add(1, Ordering::Release);
                    caller.unpark();
                    parts
                };
                let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(helper)).collect();
                let mut parts = work(self.go_on);
                while done.load(Ordering::Acquire) < threads - 1 {
                    thread::park_timeout(WAIT);
                    if !shared.stop.load(Ordering::Relaxed) && !(self.go_on)() {
                        shared.stop.store(true, Ordering::Relaxed);
                        parts.push((0, Err(Error::Interrupted)));
                    }
                }
                for helper in helpers {
                    match helper.join() {
                        Ok(more) => parts.extend(more),
                        Err(panic) => parts.push((usize::MAX, Err(Error::from_panic(panic.as_ref())))),
                    }
                }
                parts
            })
        };
        // An interrupt comes before any other failure: it is what the caller asked for.
        parts.sort_by_key(|(chunk, part)| (!matches!(part, Err(Error::Interrupted)), *chunk));
        parts.into_iter().map(|(_, part)| part).collect()
    }
}

fn worker<T>(
    (scorer, table, stage, seen): (&Scorer, &Table, Stage, bool),
    shared: &Shared,
    go_on: &dyn Fn() -> bool,
    start: &impl Fn(Range<usize>) -> T,
    each: &impl Fn(&mut T, usize, &Block<'_>) -> Result<()>,
) -> Vec<(usize, Result<T>)> {
    let mut parts = Vec::new();
    let mut workspace = scorer.take_workspace();
    let unseen = if seen { None } else { workspace.watch.take() };
    let mut session = None;
    let rows = table.rows();
    'chunks: loop {
        let chunk = shared.next.fetch_add(1, Ordering::Relaxed);
        if chunk >= shared.chunks {
            break;
        }
        let range = chunk * shared.chunk_rows..((chunk + 1) * shared.chunk_rows).min(rows);
        let mut part = start(range.clone());
        for first in range.clone().step_by(BLOCK_ROWS) {
            if shared.stop.load(Ordering::Relaxed) {
                break 'chunks;
            }
            if !go_on() {
                parts.push((chunk, Err(Error::Interrupted)));
                break 'chunks;
            }
            workspace.reset(BLOCK_ROWS.min(range.end - first));
            let done = table
                .fill(scorer.contract(), first, &mut workspace.rows)
                .and_then(|()| scorer.advance(&mut workspace, &mut session, stage, first))
                .and_then(|()| each(&mut part, first, &workspace.block()));
            if let Err(error) = done {
                parts.push((chunk, Err(error)));
                break 'chunks;
            }
        }
        parts.push((chunk, Ok(part)));
    }
    workspace.watch = workspace.watch.or(unseen);
    scorer.put_back(workspace, session);
    parts
}
