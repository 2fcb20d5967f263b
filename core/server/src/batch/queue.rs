//! What waits for a thread: bounded in jobs, rows and bytes; who has most at stake first, and of those the one whose time ends first.
//!
//! A newcomer is judged and placed under one lock, so that two of them cannot both take the last place. What loses its place is handed back
//! to whoever pushed, because answering it needs no lock.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sternpost_wire::scoring::Stake;

use super::admission::{Load, Verdict, pushback};

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Jobs.
    pub jobs: usize,
    /// Rows of all jobs.
    pub rows: u64,
    /// Bytes of all jobs' rows.
    pub bytes: u64,
}

/// What a job is to the queue.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// What hangs on it.
    pub stake: Stake,
    /// When it ceases to be of use.
    pub deadline: Option<Instant>,
    /// Its rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What one thread will need for it.
    pub own: Duration,
}

/// A job's place: unique, and in the order in which jobs are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    stake: Reverse<u8>,
    endless: bool,
    deadline: Option<Instant>,
    number: u64,
}

/// Why a job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The queue takes nothing any more.
    Closed,
    /// The job alone is more than may wait.
    TooLarge,
    /// It would come too late; again after so many milliseconds, or never if negative.
    Late(i64),
    /// Everything is full with work of at least the same stake; again after so many milliseconds.
    Full(i64),
}

/// Why a job lost its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eviction {
    /// Its time had passed.
    Expired,
    /// Work of a higher stake needed the place; again after so many milliseconds.
    Displaced(i64),
}

/// A job that found a place, and those that lost theirs to it.
#[derive(Debug)]
pub struct Placed<T> {
    /// Where it stands.
    pub place: Place,
    /// Who lost theirs.
    pub evicted: Vec<(T, Eviction)>,
}

/// Jobs that wait.
#[derive(Debug)]
pub struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    limits: Limits,
    threads: usize,
    /// What one thread would still need for everything that was popped.
    running_ns: AtomicU64,
}

#[derive(Debug)]
struct State<T> {
    waiting: BTreeMap<Place, (Order, T)>,
    rows: u64,
    bytes: u64,
    next: u64,
    closed: bool,
}

fn rank(stake: Stake) -> u8 {
    match stake {
        Stake::Shadow => 0,
        Stake::Batch => 1,
        Stake::Unspecified | Stake::Advise => 2,
        Stake::Decide => 3,
    }
}

impl<T> Queue<T> {
    /// An empty queue that so many threads will pop from.
    pub fn new(limits: Limits, threads: usize) -> Self {
        let state = State { waiting: BTreeMap::new(), rows: 0, bytes: 0, next: 0, closed: false };
        Self { state: Mutex::new(state), arrived: Condvar::new(), limits, threads, running_ns: AtomicU64::new(0) }
    }

    /// Gives a job a place, or hands it back with the reason.
    pub fn push(&self, order: Order, now: Instant, job: T) -> Result<Placed<T>, (T, Refusal)> {
        let mut state = self.state();
        if state.closed {
            return Err((job, Refusal::Closed));
        }
        if order.rows > self.limits.rows || order.bytes > self.limits.bytes || self.limits.jobs == 0 {
            return Err((job, Refusal::TooLarge));
        }
        let place =
            Place { stake: Reverse(rank(order.stake)), endless: order.deadline.is_none(), deadline: order.deadline, number: state.next };
        let before = state.waiting.range(..place).map(|(_, (order, _))| order.own);
        let load = Load { ahead: self.running() + before.sum::<Duration>(), own: order.own, threads: self.threads };
        match load.judge(order.deadline.map(|deadline| deadline.saturating_duration_since(now))) {
            Verdict::Admit => {}
            Verdict::Later(milliseconds) => return Err((job, Refusal::Late(milliseconds))),
            Verdict::Never => return Err((job, Refusal::Late(-1))),
        }
        let Some(evicted) = self.make_room(&mut state, &order, place, now) else {
            return Err((job, Refusal::Full(self.drained(&state))));
        };
        state.next += 1;
        state.add(place, order, job);
        drop(state);
        self.arrived.notify_one();
        Ok(Placed { place, evicted })
    }

    /// The next job, as soon as there is one; nothing once the queue is closed and empty. Its time counts as running until it is told to
    /// [`Self::progress`].
    pub fn pop(&self) -> Option<(Order, T)> {
        let mut state = self.state();
        loop {
            if let Some((place, _)) = state.waiting.first_key_value() {
                let place = *place;
                let taken = state.remove(place)?;
                self.running_ns.fetch_add(nanos(taken.0.own), Ordering::Relaxed);
                return Some(taken);
            }
            if state.closed {
                return None;
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Tells that a popped job needs so much less time than before.
    pub fn progress(&self, ns: u64) {
        self.running_ns.fetch_sub(ns, Ordering::Relaxed);
    }

    /// Takes a job back, if it still waits.
    pub fn remove(&self, place: Place) -> Option<T> {
        self.state().remove(place).map(|(_, job)| job)
    }

    /// Takes no job any more; what waits can still be popped.
    pub fn close(&self) {
        self.state().closed = true;
        self.arrived.notify_all();
    }

    /// Closes and hands back whatever waits.
    pub fn clear(&self) -> Vec<T> {
        let mut state = self.state();
        state.closed = true;
        (state.rows, state.bytes) = (0, 0);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.arrived.notify_all();
        waiting.into_values().map(|(_, job)| job).collect()
    }

    /// Jobs that wait, and whether newcomers are taken.
    pub fn waiting(&self) -> (usize, bool) {
        let state = self.state();
        (state.waiting.len(), !state.closed)
    }

    /// Makes room for a newcomer: first at the expense of what nobody waits for any more, then of lower stakes, the last in line first.
    /// Nothing, and nobody loses anything, if that is not enough.
    fn make_room(&self, state: &mut State<T>, order: &Order, place: Place, now: Instant) -> Option<Vec<(T, Eviction)>> {
        let Limits { jobs, rows, bytes } = self.limits;
        let (mut used, mut used_rows, mut used_bytes) = (state.waiting.len(), state.rows, state.bytes);
        let fits = |used: usize, used_rows: u64, used_bytes: u64| {
            used < jobs && used_rows.saturating_add(order.rows) <= rows && used_bytes.saturating_add(order.bytes) <= bytes
        };
        if fits(used, used_rows, used_bytes) {
            return Some(Vec::new());
        }
        let expired = |place: &Place| place.deadline.is_some_and(|deadline| deadline <= now);
        let lost = state.waiting.iter().rev().filter(|(other, _)| expired(other));
        let lower = state.waiting.iter().rev().filter(|(other, _)| !expired(other) && other.stake > place.stake);
        let mut going = Vec::new();
        for (other, (order, _)) in lost.chain(lower) {
            going.push(*other);
            (used, used_rows, used_bytes) = (used - 1, used_rows.saturating_sub(order.rows), used_bytes.saturating_sub(order.bytes));
            if fits(used, used_rows, used_bytes) {
                let wait = self.drained(state);
                let evict = |place: Place| {
                    let eviction = if expired(&place) { Eviction::Expired } else { Eviction::Displaced(wait) };
                    state.remove(place).map(|(_, job)| (job, eviction))
                };
                return Some(going.into_iter().filter_map(evict).collect());
            }
        }
        None
    }

    /// Milliseconds until everything that waits now is done.
    fn drained(&self, state: &State<T>) -> i64 {
        let ahead = self.running() + state.waiting.values().map(|(order, _)| order.own).sum::<Duration>();
        pushback(Load { ahead, own: Duration::ZERO, threads: self.threads }.wait())
    }

    fn running(&self) -> Duration {
        Duration::from_nanos(self.running_ns.load(Ordering::Relaxed))
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn add(&mut self, place: Place, order: Order, job: T) {
        self.rows += order.rows;
        self.bytes += order.bytes;
        self.waiting.insert(place, (order, job));
    }

    fn remove(&mut self, place: Place) -> Option<(Order, T)> {
        let (order, job) = self.waiting.remove(&place)?;
        self.rows -= order.rows;
        self.bytes -= order.bytes;
        Some((order, job))
    }
}

/// A duration in whole nanoseconds.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
