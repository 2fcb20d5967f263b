//! The server's journal: opened before the first row, closed after the last.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sternpost_journal::counters::Stats;
use sternpost_journal::retention::Retention;
use sternpost_journal::ring::{Fate, Full, NotTaken, Producer};
use sternpost_journal::writer::{Durability, Options, Writer};
use sternpost_wire::failure::{Failure, Reason};
use tokio::sync::Notify;
use tonic::Code;

use super::encode::Encoder;
use super::entry::{Change, Entry, Told};
use super::pen::Ink;

/// Bytes of requests and answers that may wait for the writer, whoever pushed them.
const BACKLOG: usize = 256 << 20;
/// Milliseconds after which whoever was turned away may come again: a few flushes.
const AGAIN_MS: i64 = 100;

/// What a journal is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its folder.
    pub folder: PathBuf,
    /// When an answer counts as kept.
    pub durability: Durability,
    /// What it means that no more can be taken.
    pub full: Full,
    /// How long sealed segments are kept; for ever if nothing is said.
    pub keep: Option<Duration>,
}

/// What waits for the writer beside its rings.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    pub bytes: AtomicUsize,
    /// Entries that were not taken because too many bytes waited.
    pub turned_away: AtomicU64,
}

impl Backlog {
    /// Makes room for an entry, or counts it as turned away.
    pub fn admit(&self, weight: usize) -> bool {
        if self.bytes.fetch_add(weight, Ordering::Relaxed) + weight <= BACKLOG {
            return true;
        }
        self.bytes.fetch_sub(weight, Ordering::Relaxed);
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// The room of an entry that was not taken after all.
    pub fn release(&self, weight: usize) {
        self.bytes.fetch_sub(weight, Ordering::Relaxed);
    }
}

/// A journal that a server writes.
pub struct Journal {
    writer: Writer<Encoder>,
    settings: Settings,
    backlog: Arc<Backlog>,
    /// For what is rare: outcomes and changes.
    desk: Mutex<Producer<Entry>>,
    settled: Arc<Notify>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens it: repairs what an earlier writer left, and says what that was in the log.
    ///
    /// # Errors
    /// A sentence with the folder and what is wrong.
    pub fn open(settings: Settings) -> Result<Self, String> {
        let backlog = Arc::new(Backlog::default());
        let options = Options {
            durability: settings.durability,
            full: settings.full,
            retention: Retention { age: settings.keep, bytes: None },
            ..Options::default()
        };
        let encoder = Encoder { backlog: backlog.clone() };
        let writer = Writer::open(&settings.folder, encoder, options).map_err(|error| error.to_string())?;
        for recovered in writer.recovered() {
            tracing::warn!("the journal's last writer did not finish: {recovered:?}");
        }
        let desk = writer.producer().map_err(|error| error.to_string())?;
        let settled = Arc::new(Notify::new());
        let waker = settled.clone();
        desk.wake_by(Arc::new(move || waker.notify_waiters()));
        Ok(Self { writer, settings, backlog, desk: Mutex::new(desk), settled })
    }

    /// What it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What a lane's pen is made of.
    ///
    /// # Errors
    /// A sentence, if the journal is closed.
    pub fn ink(&self) -> Result<Ink, String> {
        let producer = self.writer.producer().map_err(|error| error.to_string())?;
        let holds = self.settings.durability == Durability::Group;
        Ok(Ink { producer, backlog: self.backlog.clone(), holds, refuses: self.settings.full == Full::Refuse })
    }

    /// Keeps an outcome; ready when it is as durable as the journal promises.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` if it was not taken, `UNAVAILABLE` if the disk refused it.
    pub async fn keep(&self, told: Told) -> Result<(), Failure> {
        let number = match self.push(Entry::Outcome(Box::new(told))) {
            Ok(number) => number,
            Err(NotTaken::Closed(_)) => return Err(closed()),
            Err(NotTaken::Dropped | NotTaken::Refused(_)) => return Err(full()),
        };
        if self.settings.durability != Durability::Group {
            return Ok(());
        }
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            // Before the look, so that what is settled in between is not missed.
            settled.as_mut().enable();
            let fate = self.desk.lock().unwrap_or_else(PoisonError::into_inner).fate(number);
            match fate {
                Fate::Durable => return Ok(()),
                Fate::Lost => return Err(lost()),
                Fate::Pending => settled.await,
            }
        }
    }

    /// Notes a change of what is served. Nobody waits for it.
    pub fn note(&self, change: Change) {
        if self.push(Entry::Change(Box::new(change))).is_err() {
            tracing::warn!("a change of what is served was not taken by the journal");
        }
    }

    /// The counts, with what was turned away before the rings.
    pub fn stats(&self) -> Stats {
        let mut stats = self.writer.stats();
        stats.dropped += self.backlog.turned_away.load(Ordering::Relaxed);
        stats
    }

    /// Writes what was pushed and seals. What is pushed later is not taken.
    pub fn close(&self) {
        let stats = self.writer.close();
        if stats.dropped + stats.lost > 0 {
            let (dropped, lost) = (stats.dropped, stats.lost);
            tracing::error!(dropped, lost, "the journal is not complete: {}", stats.last_error.unwrap_or_default());
        }
    }

    fn push(&self, entry: Entry) -> Result<u64, NotTaken<Entry>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner).push(entry)
    }
}

/// The journal takes no more now.
pub(super) fn full() -> Failure {
    let message = "the journal takes no more at the moment, and without it there is no answer";
    Failure::new(Code::ResourceExhausted, Reason::Overloaded, message).retry_after(AGAIN_MS)
}

/// The disk refused.
pub(super) fn lost() -> Failure {
    Failure::new(Code::Unavailable, Reason::NotReady, "the journal could not be written; ask again, or another server")
}

fn closed() -> Failure {
    Failure::new(Code::Unavailable, Reason::Draining, "the server's journal is closed; ask another server")
}
