//! Counting what a scorer scores, while it scores.
//!
//! Every workspace of a watched scorer has a slot with two buffers. The scoring thread counts a block into one of them that is free; whoever
//! collects takes them one after the other, never both, so one always is. Counting locks nothing that anybody waits for, allocates nothing and
//! writes no log; a collector holds a buffer for as long as exchanging two pointers takes. Counts are integers, so neither threads nor the
//! moments of collecting change a bit of their sum.
//!
//! Memory: for each workspace two buffers, each of 12 bytes for every cell and 168 for every column (35 KB for 50 columns of 45 cells); there are
//! as many as workspaces were ever in use at once.

mod binding;
mod buffer;
mod gauges;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use sternpost_engine::observer::{Observer, Watch};
use sternpost_engine::scorer::Scorer;
use sternpost_engine::workspace::Block;

use crate::error::Result;
use crate::reference::Reference;
use crate::window::Window;

use binding::Binding;
use buffer::Buffer;

/// Counts whatever the scorers that it watches score, in the cells of a reference.
pub struct Live {
    bound: Arc<Bound>,
    desk: Mutex<Desk>,
}

/// What all watches share.
struct Bound {
    reference: Arc<Reference>,
    binding: Binding,
    dropped: AtomicU64,
}

/// The collecting side.
struct Desk {
    slots: Vec<Arc<Slot>>,
    /// Exchanged for a buffer that was counted into.
    empty: Box<Buffer>,
    /// Dropped rows that a window has told.
    told: u64,
}

/// One workspace's counts since they were last collected.
struct Slot([Mutex<Box<Buffer>>; 2]);

struct Counting {
    bound: Arc<Bound>,
    slot: Arc<Slot>,
}

impl Live {
    /// For a scorer of the bundle that the reference belongs to; give it to [`Scorer::watched_by`].
    ///
    /// # Errors
    /// `Error::Mismatch` that names the first column which the scorer does not have, or has as something else.
    pub fn new(reference: Arc<Reference>, scorer: &Scorer) -> Result<Arc<Self>> {
        let binding = Binding::of(&reference, scorer)?;
        let desk = Desk { slots: Vec::new(), empty: Box::new(Buffer::new(&reference)), told: 0 };
        Ok(Arc::new(Self { bound: Arc::new(Bound { reference, binding, dropped: AtomicU64::new(0) }), desk: Mutex::new(desk) }))
    }

    /// In whose cells it counts.
    pub fn reference(&self) -> &Arc<Reference> {
        &self.bound.reference
    }

    /// What was counted since the last call, by all watches, also those that are gone. A block that is being counted belongs to the next one.
    pub fn collect(&self) -> Window {
        let mut total = Window::empty(self.bound.reference.clone());
        let Desk { slots, empty, told } = &mut *held(&self.desk);
        // Whoever is found to be gone before its buffers are looked at adds nothing after.
        slots.retain(|slot| {
            let used = Arc::strong_count(slot) > 1;
            for buffer in &slot.0 {
                std::mem::swap(&mut *held(buffer), empty);
                empty.drain_into(&mut total);
            }
            used
        });
        let dropped = self.dropped();
        total.rows.dropped = dropped - std::mem::replace(told, dropped);
        total
    }

    /// Rows that were scored and not counted, ever: those of a scorer of another form than the one it was made for.
    pub fn dropped(&self) -> u64 {
        self.bound.dropped.load(Ordering::Relaxed)
    }
}

impl Observer for Live {
    fn watch(&self) -> Box<dyn Watch> {
        let Desk { slots, .. } = &mut *held(&self.desk);
        let free = slots.iter().find(|slot| Arc::strong_count(slot) == 1).cloned();
        let slot = free.unwrap_or_else(|| {
            let buffer = || Mutex::new(Box::new(Buffer::new(&self.bound.reference)));
            let slot = Arc::new(Slot([buffer(), buffer()]));
            slots.push(slot.clone());
            slot
        });
        Box::new(Counting { bound: self.bound.clone(), slot })
    }
}

impl Watch for Counting {
    fn block(&mut self, scorer: &Scorer, _first: usize, block: &Block<'_>) {
        let Bound { reference, binding, dropped } = &*self.bound;
        let free = binding.fits(scorer).then(|| self.slot.0.iter().find_map(free)).flatten();
        match free {
            Some(mut buffer) => buffer.block(reference, binding, scorer, block),
            None => {
                dropped.fetch_add((block.len - block.discarded) as u64, Ordering::Relaxed);
            }
        }
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("reference", &self.bound.reference.hex()).field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn free<T>(lock: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match lock.try_lock() {
        Ok(free) => Some(free),
        Err(TryLockError::Poisoned(free)) => Some(free.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
