//! The writer's thread, round after round:
//!
//! 1. take entries from every ring, a bounded number, and turn them into rows;
//! 2. complete batches become frames; when the interval is over, or somebody waits for the disk, all rows do;
//! 3. the disk is flushed where the durability asks for it, and everything taken so far is settled: its producers are told.
//!
//! When the disk fails, what is complete waits and no more is taken, so that rings fill and the policy for full rings speaks. When patience
//! ends the waiting rows are given up and counted, and every later round tries anew, so that scoring goes on and writing resumes by itself.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::append::{AppendError, Appending};
use crate::counters::Counters;
use crate::disk::Disk;
use crate::encode::{Encode, Table};
use crate::layout::{Kind, Name, stream_of};
use crate::listing::Listing;
use crate::lock::Lock;
use crate::retention::retain;
use crate::ring::{Hub, Shared};
use crate::streams::Streams;
use crate::writer::{Durability, Options};

/// How long to wait before a failing disk is tried again.
const AGAIN: Duration = Duration::from_millis(20);
/// How often retention and age are looked at.
const UPKEEP: Duration = Duration::from_secs(10);

/// The writer's end of a producer.
pub(crate) struct Lane<E> {
    ring: rtrb::Consumer<E>,
    shared: Arc<Shared>,
    taken: u64,
    /// Entries among those taken that could not be encoded.
    bad: Vec<u64>,
}

impl<E> Lane<E> {
    pub fn new(ring: rtrb::Consumer<E>, shared: Arc<Shared>) -> Self {
        Self { ring, shared, taken: 0, bad: Vec::new() }
    }

    fn settle(&mut self, durable: bool) {
        for bad in self.bad.drain(..) {
            self.shared.settle(bad - 1, durable);
            self.shared.settle(bad, false);
        }
        self.shared.settle(self.taken, durable);
    }
}

type Stream = (Kind, String);

/// The thread's state.
pub(crate) struct Work<X: Encode> {
    encoder: X,
    disk: Box<dyn Disk>,
    folder: PathBuf,
    options: Options,
    hub: Arc<Hub>,
    inbox: Receiver<Lane<X::Entry>>,
    lanes: Vec<Lane<X::Entry>>,
    streams: Streams,
    /// Complete batches that are not written.
    waiting: VecDeque<Table>,
    /// Rows written since the last settling.
    written: u64,
    /// Whether rows were lost since then, nobody knows whose.
    is_torn: bool,
    /// Whether rows were written since then that the disk may not have.
    is_unflushed: bool,
    open: HashMap<Stream, Appending>,
    numbers: HashMap<Stream, u64>,
    listing: Listing,
    /// When the oldest entry was taken that is not settled.
    since: Option<Instant>,
    failing_since: Option<Instant>,
    given_up: bool,
    next_upkeep: Instant,
    _lock: Lock,
}

impl<X: Encode> Work<X> {
    #[allow(clippy::too_many_arguments)] // one caller, which has just made them all
    pub fn new(
        encoder: X,
        disk: Box<dyn Disk>,
        folder: PathBuf,
        options: Options,
        hub: Arc<Hub>,
        inbox: Receiver<Lane<X::Entry>>,
        listing: Listing,
        lock: Lock,
    ) -> Self {
        Self {
            encoder,
            disk,
            folder,
            options,
            hub,
            inbox,
            lanes: Vec::new(),
            streams: Streams::default(),
            waiting: VecDeque::new(),
            written: 0,
            is_torn: false,
            is_unflushed: false,
            open: HashMap::new(),
            numbers: HashMap::new(),
            listing,
            since: None,
            failing_since: None,
            given_up: false,
            next_upkeep: Instant::now() + UPKEEP,
            _lock: lock,
        }
    }

    /// Runs until the journal is closed.
    pub fn run(mut self) {
        loop {
            // Read before the rings: what was pushed before closing is in them.
            let closing = self.hub.closing.load(Ordering::Acquire);
            let flush = self.hub.flush.swap(false, Ordering::AcqRel);
            self.lanes.extend(self.inbox.try_iter());
            let taken = if self.failing_since.is_none() || self.given_up { self.take() } else { 0 };
            let due = closing || flush || self.since.is_some_and(|since| self.is_due(since));
            self.complete(if due { 1 } else { self.options.batch_rows });
            let done = self.write(closing) && (!due || self.settle());
            if Instant::now() >= self.next_upkeep {
                self.upkeep();
            }
            if closing && taken == 0 && (done || self.given_up) && self.waiting.is_empty() {
                break;
            }
            if taken == 0 && !closing {
                self.rest();
            } else if !done && self.failing_since.is_some() {
                std::thread::park_timeout(AGAIN);
            }
        }
        for (_, segment) in std::mem::take(&mut self.open) {
            self.seal(segment);
        }
        self.lanes.retain(|lane| !lane.ring.is_abandoned());
        self.hub.ended.store(true, Ordering::Release);
    }

    fn is_due(&self, since: Instant) -> bool {
        self.options.durability == Durability::Group || since.elapsed() >= self.options.flush_interval
    }

    /// Takes entries, at most a batch's worth from each ring.
    fn take(&mut self) -> usize {
        let mut taken = 0;
        for lane in &mut self.lanes {
            let count = lane.ring.slots().min(self.options.batch_rows);
            let Ok(chunk) = lane.ring.read_chunk(count) else { continue };
            for entry in chunk {
                lane.taken += 1;
                // An encoder is the caller's code: its panic costs an entry, not the journal.
                let encoded = catch_unwind(AssertUnwindSafe(|| self.encoder.encode(entry, &mut self.streams)));
                let error = match encoded {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "an entry could not be encoded".to_owned(),
                };
                lane.bad.push(lane.taken);
                Counters::add(&self.hub.counters.lost, 1);
                self.hub.counters.failed(error);
            }
            taken += count;
        }
        if taken > 0 {
            Counters::add(&self.hub.counters.entries, taken as u64);
            if self.since.is_none() {
                self.since = Some(Instant::now());
                self.hub.counters.waits_since(self.since);
            }
        }
        // A producer that has gone leaves nothing behind once its ring is empty.
        self.lanes.retain(|lane| !(lane.ring.is_abandoned() && lane.ring.is_empty() && self.since.is_none()));
        taken
    }

    /// Turns builders of at least `rows` rows into batches.
    fn complete(&mut self, rows: usize) {
        if let Err(error) = self.streams.take(rows, &mut self.waiting) {
            unwritable(&self.hub, &mut self.is_torn, 1, error.to_string());
        }
    }

    /// Writes what waits; false if the disk fails.
    fn write(&mut self, closing: bool) -> bool {
        while let Some(table) = self.waiting.pop_front() {
            let rows = table.batch.num_rows() as u64;
            match self.append(&table) {
                Ok(bytes) => {
                    let counters = &self.hub.counters;
                    self.written += rows;
                    Counters::add(&counters.appended, rows);
                    Counters::add(&counters.bytes, bytes);
                    Counters::add(&counters.batches, 1);
                    self.works();
                }
                Err(AppendError::Unwritable(error)) => unwritable(&self.hub, &mut self.is_torn, rows, error.to_string()),
                Err(AppendError::Again(error) | AppendError::Broken(error)) => {
                    self.waiting.push_front(table);
                    self.fails(error.to_string(), closing);
                    return false;
                }
            }
        }
        true
    }

    fn append(&mut self, table: &Table) -> Result<u64, AppendError> {
        let digest = if table.kind == Kind::Decisions { table.bundle.digest.as_str() } else { "" };
        let stream = (table.kind, stream_of(table.kind, digest));
        let schema = table.batch.schema();
        let mut segment = match self.open.remove(&stream) {
            Some(open) if open.fits(&schema, &table.bundle) && open.bytes() < self.options.segment_bytes => open,
            old => {
                old.into_iter().for_each(|open| self.seal(open));
                self.begin(&stream, table)?
            }
        };
        let appended = segment.append(&table.batch);
        // Half a frame may stand in a broken segment: nobody appends to it, and recovery will cut it.
        if !matches!(appended, Err(AppendError::Broken(_))) {
            self.open.insert(stream, segment);
        }
        appended
    }

    fn begin(&mut self, stream: &Stream, table: &Table) -> Result<Appending, AppendError> {
        let listing = &self.listing;
        let next = self.numbers.entry(stream.clone()).or_insert_with(|| listing.next_number(stream.0, &stream.1));
        let name = Name { kind: stream.0, stream: stream.1.clone(), number: *next };
        let durable = self.options.durability != Durability::Off;
        let begun = Appending::begin(self.disk.as_mut(), &self.folder, &name, &table.bundle, &table.batch.schema(), durable);
        let begun = begun.map_err(|error| match error {
            crate::Error::Io { source, .. } => AppendError::Again(source),
            other => AppendError::Unwritable(other),
        })?;
        *next += 1;
        Counters::add(&self.hub.counters.segments, 1);
        Counters::add(&self.hub.counters.bytes, begun.bytes());
        Ok(begun)
    }

    /// Flushes where the durability asks for it, and tells producers; false if the disk fails.
    fn settle(&mut self) -> bool {
        if self.options.durability != Durability::Off {
            let mut failed = Vec::new();
            for (stream, segment) in &mut self.open {
                match segment.sync() {
                    Ok(asked) => Counters::add(&self.hub.counters.fsyncs, u64::from(asked)),
                    Err(error) => failed.push((stream.clone(), error)),
                }
            }
            for (stream, error) in failed {
                // What the system kept of it is unknown, and asking again would be told that all is well.
                self.open.remove(&stream);
                self.hub.counters.failed(format!("a flush failed: {error}"));
                self.hub.counters.alarm.store(true, Ordering::Relaxed);
                self.is_unflushed = true;
            }
        }
        let counter = if self.is_unflushed { &self.hub.counters.lost } else { &self.hub.counters.durable };
        Counters::add(counter, self.written);
        let durable = !self.is_torn && !self.is_unflushed;
        self.lanes.iter_mut().for_each(|lane| lane.settle(durable));
        (self.written, self.is_torn, self.is_unflushed, self.since) = (0, false, false, None);
        self.hub.counters.waits_since(None);
        true
    }

    /// The disk refused: later again, or give up what waits.
    fn fails(&mut self, error: String, closing: bool) {
        self.hub.counters.failed(error);
        self.hub.counters.alarm.store(true, Ordering::Relaxed);
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        if self.given_up || since.elapsed() >= self.options.patience || (closing && since.elapsed() >= AGAIN) {
            self.given_up = true;
            let lost: u64 = self.waiting.drain(..).map(|table| table.batch.num_rows() as u64).sum();
            Counters::add(&self.hub.counters.lost, lost);
            self.is_torn = true;
            self.settle();
        }
    }

    fn works(&mut self) {
        if self.failing_since.take().is_some() || self.hub.counters.alarm.load(Ordering::Relaxed) {
            self.given_up = false;
            self.hub.counters.alarm.store(false, Ordering::Relaxed);
        }
    }

    fn seal(&mut self, segment: Appending) {
        // A segment that cannot be sealed is one that its writer left; the next writer finishes it.
        if let Err(error) = segment.seal(self.options.durability != Durability::Off) {
            self.hub.counters.failed(error.to_string());
            self.hub.counters.alarm.store(true, Ordering::Relaxed);
            self.is_unflushed |= self.written > 0;
        }
    }

    /// Seals what is old, deletes what is over, forgets builders of bundles that have gone.
    fn upkeep(&mut self) {
        self.next_upkeep = Instant::now() + UPKEEP;
        let old: Vec<Stream> = {
            let is_old = |segment: &Appending| segment.begun().elapsed() >= self.options.segment_age;
            self.open.iter().filter(|(_, segment)| is_old(segment)).map(|(stream, _)| stream.clone()).collect()
        };
        for stream in old {
            // What it holds is settled before it leaves the list of those that are flushed.
            if let Some(segment) = self.open.remove(&stream) {
                self.seal(segment);
            }
        }
        self.streams.forget();
        let open: Vec<_> = self.open.values().map(Appending::path).collect();
        match retain(self.disk.as_mut(), &self.folder, self.options.retention, &open) {
            Ok(deleted) => Counters::add(&self.hub.counters.deleted, deleted),
            Err(error) => self.hub.counters.failed(error.to_string()),
        }
    }

    /// Sleeps until something is due, or a producer calls.
    fn rest(&mut self) {
        let interval = self.options.flush_interval;
        let left = self.since.map_or(interval, |since| interval.saturating_sub(since.elapsed()));
        let most = if self.failing_since.is_some() { AGAIN } else { left.max(Duration::from_micros(200)) };
        self.hub.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let urgent = self.options.durability == Durability::Group && self.failing_since.is_none();
        let called = self.hub.closing.load(Ordering::Relaxed) || self.hub.flush.load(Ordering::Relaxed);
        if !(called || urgent && self.lanes.iter().any(|lane| !lane.ring.is_empty())) {
            std::thread::park_timeout(most);
        }
        self.hub.asleep.store(false, Ordering::Relaxed);
    }
}

/// Counts rows that cannot be written whatever the disk does.
fn unwritable(hub: &Hub, is_torn: &mut bool, rows: u64, error: String) {
    Counters::add(&hub.counters.lost, rows);
    hub.counters.failed(error);
    *is_torn = true;
}
