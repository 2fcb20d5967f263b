//! What a producer sees of a journal: a ring to push into, and what became of what it pushed.
//!
//! A push is one move into a ring of its own, without a lock, an allocation or a system call, unless the writer sleeps and has to be woken: at
//! once where somebody waits for the disk, else when a good part of the ring is filled.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::counters::Counters;

/// Called on the writer's thread when entries of a producer were settled; must be quick.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// What a full ring means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The entry is dropped, and counted.
    Drop,
    /// The producer waits for so long, then the entry is dropped, and counted.
    Wait(Duration),
    /// The entry is given back, and counted as dropped; the caller turns the row away.
    Refuse,
}

/// Why an entry was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum NotTaken<E> {
    /// The ring was full and the policy is to drop.
    Dropped,
    /// The ring was full and the policy is to refuse.
    Refused(E),
    /// The journal is closed.
    Closed(E),
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Not known yet.
    Pending,
    /// It is there, to the durability asked for.
    Durable,
    /// It is not promised to be there.
    Lost,
}

/// What writer and producers share.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    pub counters: Counters,
    pub thread: OnceLock<Thread>,
    pub asleep: AtomicBool,
    pub closing: AtomicBool,
    pub flush: AtomicBool,
    pub ended: AtomicBool,
}

impl Hub {
    pub fn rouse(&self) {
        if self.asleep.swap(false, Ordering::AcqRel)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}

/// How many ranges of lost entries a producer remembers; older ones are merged, which calls entries lost that were not.
const RANGES: usize = 1024;

/// What writer and one producer share.
#[derive(Default)]
pub(crate) struct Shared {
    settled: AtomicU64,
    any_lost: AtomicBool,
    /// Entries that were lost, as first and last.
    lost: Mutex<Vec<(u64, u64)>>,
    waker: Mutex<Option<Waker>>,
}

impl Shared {
    /// Entries up to `through` have a fate: since the last time all durable, or all lost.
    pub fn settle(&self, through: u64, durable: bool) {
        let before = self.settled.load(Ordering::Relaxed);
        if before >= through {
            return;
        }
        if !durable {
            let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            let full = lost.len() >= RANGES;
            match lost.last_mut() {
                Some((_, last)) if *last == before || full => *last = through,
                _ => lost.push((before + 1, through)),
            }
            self.any_lost.store(true, Ordering::Relaxed);
        }
        self.settled.store(through, Ordering::Release);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker();
        }
    }
}

/// The pushing end of a ring; a thread has one of its own.
pub struct Producer<E> {
    pub(crate) ring: rtrb::Producer<E>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) full: Full,
    /// Wakes the writer at the first push.
    pub(crate) urgent: bool,
    pub(crate) pushed: u64,
    pub(crate) since_roused: usize,
}

impl<E> Producer<E> {
    /// Pushes an entry and gives its number, from 1.
    ///
    /// # Errors
    /// [`NotTaken`].
    #[inline]
    pub fn push(&mut self, entry: E) -> Result<u64, NotTaken<E>> {
        if self.hub.closing.load(Ordering::Relaxed) {
            return Err(NotTaken::Closed(entry));
        }
        if let Err(rtrb::PushError::Full(entry)) = self.ring.push(entry) {
            self.overflow(entry)?;
        }
        self.pushed += 1;
        self.since_roused += 1;
        if self.urgent {
            // Pairs with the writer's, between its falling asleep and its last look at the rings: one of the two sees the other.
            fence(Ordering::SeqCst);
            if self.hub.asleep.load(Ordering::Relaxed) {
                self.hub.rouse();
            }
        } else if self.since_roused * 4 >= self.ring.buffer().capacity() {
            self.since_roused = 0;
            self.hub.rouse();
        }
        Ok(self.pushed)
    }

    #[cold]
    fn overflow(&mut self, entry: E) -> Result<(), NotTaken<E>> {
        self.hub.rouse();
        let mut entry = entry;
        if let Full::Wait(most) = self.full {
            let until = Instant::now() + most;
            while Instant::now() < until && !self.hub.ended.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_micros(50));
                match self.ring.push(entry) {
                    Ok(()) => return Ok(()),
                    Err(rtrb::PushError::Full(back)) => entry = back,
                }
                self.hub.rouse();
            }
        }
        Counters::add(&self.hub.counters.dropped, 1);
        Err(if self.full == Full::Refuse { NotTaken::Refused(entry) } else { NotTaken::Dropped })
    }

    /// The number of the last entry that was taken.
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Entries up to this number have a fate.
    #[inline]
    pub fn settled(&self) -> u64 {
        self.shared.settled.load(Ordering::Acquire)
    }

    /// What became of an entry.
    pub fn fate(&self, number: u64) -> Fate {
        if number > self.settled() {
            // Read in this order: who ended settled everything before.
            let ended = self.hub.ended.load(Ordering::Acquire);
            return if ended && number > self.settled() { Fate::Lost } else { Fate::Pending };
        }
        if !self.shared.any_lost.load(Ordering::Relaxed) {
            return Fate::Durable;
        }
        let lost = self.shared.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let is_lost = lost.iter().rev().any(|(first, last)| (*first..=*last).contains(&number));
        if is_lost { Fate::Lost } else { Fate::Durable }
    }

    /// Whether the disk fails now.
    pub fn alarm(&self) -> bool {
        self.hub.counters.alarm.load(Ordering::Relaxed)
    }

    /// Whom to call when entries are settled.
    pub fn wake_by(&self, waker: Waker) {
        *self.shared.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
    }

    /// Asks the writer to settle now what was pushed, instead of at the next interval.
    pub fn flush(&self) {
        self.hub.flush.store(true, Ordering::Release);
        self.hub.rouse();
    }
}
