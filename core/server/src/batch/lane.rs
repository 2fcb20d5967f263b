//! Threads that run what the queue gives them.
//!
//! What a lane owes its callers:
//! - every job is answered exactly once: with its result, or with why there is none;
//! - what nobody waits for any more does not begin, and ends at the next look at [`Watch::go_on`];
//! - a job that panics is answered, and its thread goes on.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use sternpost_wire::failure::{Failure, Reason};
use tokio::sync::oneshot;
use tonic::Code;

use super::queue::{Eviction, Limits, Order, Place, Queue, Refusal, nanos};
use crate::engine_failure;
use crate::refusal::{draining, gone_away, too_large};

type Task = Box<dyn FnOnce(Turn<'_>) + Send>;

/// How a job leaves the queue.
enum Turn<'a> {
    Run(&'a Watch<'a>),
    Refused(Failure),
}

/// Threads and their queue.
pub struct Lane {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    queue: Queue<(Arc<Token>, Task)>,
    /// Whatever runs has to end.
    stopped: AtomicBool,
}

#[derive(Debug)]
struct Token {
    cancelled: AtomicBool,
    deadline: Option<Instant>,
}

/// What a job looks at between its blocks.
pub struct Watch<'a> {
    token: &'a Token,
    shared: &'a Shared,
    /// Predicted nanoseconds that the queue still counts as running.
    remaining: Cell<u64>,
}

/// A job's answer to be. Dropped, it takes the job back.
pub struct Pending<T> {
    answer: oneshot::Receiver<Result<T, Failure>>,
    shared: Arc<Shared>,
    token: Arc<Token>,
    place: Place,
}

impl Lane {
    /// Starts so many threads, each of which runs `prepare` first.
    ///
    /// # Errors
    /// What the system says if a thread cannot be started; those that were are ended.
    pub fn start(threads: usize, limits: Limits, prepare: fn()) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { queue: Queue::new(limits, threads), stopped: AtomicBool::new(false) });
        let lane = Self { shared, threads: Mutex::default() };
        for number in 0..threads {
            let shared = lane.shared.clone();
            let work = move || {
                prepare();
                while let Some((order, (token, task))) = shared.queue.pop() {
                    shared.run(&order, &token, task);
                }
            };
            // An early return drops the lane, which ends the threads before.
            let handle = thread::Builder::new().name(format!("sternpost-batch-{number}")).spawn(work)?;
            lane.threads.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        }
        Ok(lane)
    }

    /// Puts a job into the queue.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` with the time to wait, `UNAVAILABLE` once the lane is closed.
    pub fn submit<T: Send + 'static>(
        &self,
        order: Order,
        work: impl FnOnce(&Watch<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Pending<T>, Failure> {
        let now = Instant::now();
        if order.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(expired());
        }
        let (sender, answer) = oneshot::channel();
        let task: Task = Box::new(move |turn| {
            let result = match turn {
                Turn::Run(watch) => guarded(|| work(watch)),
                Turn::Refused(failure) => Err(failure),
            };
            // Nobody there: the caller went away meanwhile.
            let _ = sender.send(result);
        });
        let token = Arc::new(Token { cancelled: AtomicBool::new(false), deadline: order.deadline });
        let placed = self.shared.queue.push(order, now, (token.clone(), task)).map_err(|(_, refusal)| refused(refusal))?;
        for ((_, task), eviction) in placed.evicted {
            task(Turn::Refused(evicted(eviction)));
        }
        Ok(Pending { answer, shared: self.shared.clone(), token, place: placed.place })
    }

    /// Runs a job here and now, watched as in a thread of the lane.
    ///
    /// # Errors
    /// As the job says; `DEADLINE_EXCEEDED` if it is too late to begin.
    pub fn inline<T>(&self, deadline: Option<Instant>, work: impl FnOnce(&Watch<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        let token = Token { cancelled: AtomicBool::new(false), deadline };
        let watch = Watch { token: &token, shared: &self.shared, remaining: Cell::new(0) };
        if watch.go_on() { guarded(|| work(&watch)) } else { Err(watch.why()) }
    }

    /// Jobs that wait, and whether newcomers are taken.
    pub fn waiting(&self) -> (usize, bool) {
        self.shared.queue.waiting()
    }

    /// Takes no job any more; what waits is still run.
    pub fn close(&self) {
        self.shared.queue.close();
    }

    /// Takes no job any more, answers what waits with `UNAVAILABLE` and ends what runs at its next look.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for (_, task) in self.shared.queue.clear() {
            task(Turn::Refused(draining()));
        }
    }

    /// Waits for the threads, which end once the lane is closed and its queue empty.
    pub fn join(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // A thread that panicked has ended too; nothing of it is left to answer.
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn run(&self, order: &Order, token: &Token, task: Task) {
        let watch = Watch { token, shared: self, remaining: Cell::new(nanos(order.own)) };
        let turn = if watch.go_on() { Turn::Run(&watch) } else { Turn::Refused(watch.why()) };
        // The work itself is guarded within; this holds the thread should answering panic.
        if catch_unwind(AssertUnwindSafe(|| task(turn))).is_err() {
            tracing::error!("a job of the batch lane panicked while it was answered");
        }
        watch.progress(u64::MAX);
    }
}

impl Watch<'_> {
    /// Whether somebody still waits for the result.
    pub fn go_on(&self) -> bool {
        !self.shared.stopped.load(Ordering::Relaxed)
            && !self.token.cancelled.load(Ordering::Relaxed)
            && self.token.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    /// Why nobody waits any more.
    pub fn why(&self) -> Failure {
        if self.shared.stopped.load(Ordering::Relaxed) {
            draining()
        } else if self.token.cancelled.load(Ordering::Relaxed) {
            gone_away()
        } else {
            expired()
        }
    }

    /// Tells that so many of the predicted nanoseconds are over.
    pub fn progress(&self, ns: u64) {
        let ns = ns.min(self.remaining.get());
        self.remaining.set(self.remaining.get() - ns);
        self.shared.queue.progress(ns);
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A job that vanished without an answer was in a lane that vanished.
        Pin::new(&mut self.answer).poll(context).map(|answer| answer.unwrap_or_else(|_| Err(draining())))
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        self.token.cancelled.store(true, Ordering::Relaxed);
        self.shared.queue.remove(self.place);
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("place", &self.place).finish_non_exhaustive()
    }
}

fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(engine_failure::panicked(panic.as_ref())))
}

fn refused(refusal: Refusal) -> Failure {
    let busy = |message: &str, wait: i64| Failure::new(Code::ResourceExhausted, Reason::Overloaded, message).retry_after(wait);
    match refusal {
        Refusal::Closed => draining(),
        Refusal::TooLarge => too_large("the rows are more than may wait for a thread; send them in smaller pieces"),
        Refusal::Late(wait) if wait < 0 => busy("the rows take longer than the time left; send fewer of them, or allow more time", wait),
        Refusal::Late(wait) => busy("the answer would come after its deadline; too much is waiting", wait),
        Refusal::Full(wait) => busy("as much is waiting as may", wait),
    }
}

fn evicted(eviction: Eviction) -> Failure {
    match eviction {
        Eviction::Expired => expired(),
        Eviction::Displaced(wait) => {
            let message = "work with more at stake needed the place in the queue";
            Failure::new(Code::ResourceExhausted, Reason::Overloaded, message).retry_after(wait)
        }
    }
}

fn expired() -> Failure {
    Failure::new(Code::DeadlineExceeded, Reason::Deadline, "the time for an answer is over")
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
