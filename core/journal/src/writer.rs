//! A journal that is written: one thread, and as many producers as want to push.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::counters::Stats;
use crate::disk::{Disk, Files};
use crate::encode::Encode;
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::recover::{Recovered, recover};
use crate::retention::Retention;
pub use crate::ring::{Fate, Full, NotTaken, Producer, Waker};
use crate::ring::{Hub, Shared};
use crate::work::{Lane, Work};

/// When an entry counts as kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// When the system has it; the disk is never asked to flush. A loss of power takes what the system had not written.
    Off,
    /// When the disk has it; the disk is asked every flush interval, and nobody waits. A killed process takes what was still in the ring and in
    /// the batch, a loss of power what was pushed since the last flush.
    Async,
    /// When the disk has it; the disk is asked as soon as anything waits, once for all that wait. Whoever acknowledges only what is settled
    /// loses nothing that was acknowledged.
    Group,
}

/// How a journal is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// When an entry counts as kept.
    pub durability: Durability,
    /// What a full ring means.
    pub full: Full,
    /// Entries that a producer's ring holds.
    pub ring: usize,
    /// Rows of a batch; fewer when the flush interval ends before.
    pub batch_rows: usize,
    /// How long a row may wait to be written.
    pub flush_interval: Duration,
    /// Bytes after which a segment is sealed.
    pub segment_bytes: u64,
    /// Age at which a segment is sealed.
    pub segment_age: Duration,
    /// How long a failing disk is tried again before rows are given up.
    pub patience: Duration,
    /// What is kept.
    pub retention: Retention,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Async,
            full: Full::Drop,
            ring: 8192,
            batch_rows: 1024,
            flush_interval: Duration::from_millis(50),
            segment_bytes: 64 << 20,
            segment_age: Duration::from_secs(3600),
            patience: Duration::from_secs(1),
            retention: Retention::default(),
        }
    }
}

/// A journal that this process writes. Dropping it closes it.
pub struct Writer<X: Encode> {
    folder: PathBuf,
    options: Options,
    hub: Arc<Hub>,
    newcomers: mpsc::Sender<Lane<X::Entry>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    recovered: Vec<Recovered>,
}

impl<X: Encode> Writer<X> {
    /// Opens a journal for writing: makes its folder, takes its lock, repairs what an earlier writer left, starts the thread.
    ///
    /// # Errors
    /// `Error::Locked` if another process or object writes it, `Error::Io`, `Error::Usage` for options that make no sense.
    pub fn open(folder: &Path, encoder: X, options: Options) -> Result<Self> {
        Self::open_on(Box::new(Files), folder, encoder, options)
    }

    /// The same on another disk.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(disk: Box<dyn Disk>, folder: &Path, encoder: X, options: Options) -> Result<Self> {
        if options.ring == 0 || options.batch_rows == 0 || options.flush_interval.is_zero() {
            return Err(Error::Usage("ring, batch_rows and flush_interval must be above 0".to_owned()));
        }
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let lock = Lock::take(folder)?;
        let (listing, recovered) = recover(folder)?;
        let hub = Arc::new(Hub::default());
        let (newcomers, inbox) = mpsc::channel();
        let work = Work::new(encoder, disk, folder.to_owned(), options.clone(), hub.clone(), inbox, listing, lock);
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || work.run()).map_err(Error::io(folder))?;
        // Set once, here.
        let _ = hub.thread.set(thread.thread().clone());
        Ok(Self { folder: folder.to_owned(), options, hub, newcomers, thread: Mutex::new(Some(thread)), recovered })
    }

    /// A ring of its own for one more thread.
    ///
    /// # Errors
    /// `Error::Closed`.
    pub fn producer(&self) -> Result<Producer<X::Entry>> {
        let (producer, consumer) = rtrb::RingBuffer::new(self.options.ring);
        let shared = Arc::new(Shared::default());
        let lane = Lane::new(consumer, shared.clone());
        self.newcomers.send(lane).map_err(|_| Error::Closed(self.folder.clone()))?;
        self.hub.rouse();
        let urgent = self.options.durability == Durability::Group;
        Ok(Producer { ring: producer, shared, hub: self.hub.clone(), full: self.options.full, urgent, pushed: 0, since_roused: 0 })
    }

    /// What was repaired when the journal was opened.
    pub fn recovered(&self) -> &[Recovered] {
        &self.recovered
    }

    /// The counts.
    pub fn stats(&self) -> Stats {
        self.hub.counters.stats()
    }

    /// Where the journal is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes what was pushed, seals, gives the lock back, and tells the final counts. Later calls only tell.
    pub fn close(&self) -> Stats {
        self.hub.closing.store(true, Ordering::Release);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            // The thread contains its panics; were one to escape, the counts are still those of the rows that were written.
            let _ = thread.join();
        }
        self.hub.counters.stats()
    }

    /// Forgets the thread and the lock, in a child of a fork that has neither.
    pub fn abandon(self) {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl<X: Encode> Drop for Writer<X> {
    fn drop(&mut self) {
        if self.thread.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            self.close();
        }
    }
}
