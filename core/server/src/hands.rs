//! The seam between a protocol and threads that may be held up: work that is long and is not scoring.
//!
//! The threads that read and write also answer single rows, so unpacking a large table there would hold those up.
//!
//! What an implementation owes its callers:
//! - the work is run once, elsewhere, before the future is ready, or not at all and the [`Failure`] says why;
//! - work whose deadline has passed or whose future was dropped need not begin.

use std::time::{Duration, Instant};

use sternpost_wire::failure::Failure;
use sternpost_wire::scoring::Stake;

use crate::engine_failure::internal;
use crate::scoring::BoxFuture;

/// Reading or writing more bytes than these takes tens of microseconds, and is done by others than the threads that answer single rows.
pub const LONG: usize = 128 << 10;
/// Nanoseconds that a byte takes to be copied, checked or unpacked: a guess that only admission by predicted finish uses.
const NS_PER_BYTE: u64 = 1;

/// What some work is to whoever has to find it a place.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// What hangs on it.
    pub stake: Stake,
    /// When it ceases to be of use.
    pub deadline: Option<Instant>,
    /// Bytes that it goes through.
    pub bytes: u64,
}

impl Effort {
    /// How long it will take, roughly.
    pub fn estimate(&self) -> Duration {
        Duration::from_nanos(self.bytes.saturating_mul(NS_PER_BYTE))
    }
}

/// Threads for long work.
pub trait Hands: Send + Sync {
    /// Runs the work on another thread.
    fn take(&self, effort: Effort, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, Result<(), Failure>>;
}

/// Runs work on another thread and brings back what it made.
///
/// # Errors
/// As the hands refuse.
pub async fn aside<T: Send + 'static>(hands: &dyn Hands, effort: Effort, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let (sender, made) = tokio::sync::oneshot::channel();
    let taken = hands.take(
        effort,
        Box::new(move || {
            // Nobody there: the caller went away meanwhile.
            let _ = sender.send(work());
        }),
    );
    taken.await?;
    made.await.map_err(|_| internal("work was done and made nothing"))
}
