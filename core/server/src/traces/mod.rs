//! Spans of scored requests, continued from the caller and handed to a collector. Off unless asked for.
//!
//! What this owes the rows: without traces a call costs one look at an empty option and no header is read; with them, a row that is not sampled
//! costs its header, and one that is sampled copies its answer into a bounded ring. Nothing waits for the collector: what finds the ring full is
//! dropped and counted.

mod export;
mod otlp;
mod parent;

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use tonic::Code;

use crate::clock;
pub use export::Endpoint;
pub use parent::Parent;

/// Spans that may wait for the collector.
const RING: usize = 4096;

/// What became of spans.
#[derive(Debug, Default)]
pub struct Counts {
    /// Taken by the collector.
    pub sent: AtomicU64,
    /// Not handed over, because as many waited as may.
    pub dropped: AtomicU64,
    /// Handed over and not taken by the collector.
    pub lost: AtomicU64,
}

/// What a server is told about traces.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where the collector listens.
    pub endpoint: Endpoint,
    /// The share of requests without a parent that begin a trace of their own.
    pub share: f64,
    /// The name under which the collector knows this server.
    pub service: String,
}

/// The way to the collector, for every thread.
#[derive(Debug, Clone)]
pub struct Traces {
    ring: SyncSender<Span>,
    counts: Arc<Counts>,
    share: f64,
}

impl Traces {
    /// Starts the thread that talks to the collector. It ends when this and all that came of it are gone.
    ///
    /// # Errors
    /// The operating system's, if it has no thread to give.
    pub fn start(settings: Settings) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (ring, spans) = std::sync::mpsc::sync_channel(RING);
        let counts = Arc::new(Counts::default());
        let traces = Self { ring, counts: counts.clone(), share: settings.share };
        Ok((traces, export::start(settings, spans, counts)?))
    }

    /// What became of spans.
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// The way for one thread.
    pub fn tracer(&self) -> Rc<Tracer> {
        // The standard library's hasher is keyed by chance from the operating system.
        let chance = Cell::new(RandomState::new().build_hasher().finish());
        Rc::new(Tracer { traces: self.clone(), chance })
    }
}

/// One thread's way to the collector.
#[derive(Debug)]
pub struct Tracer {
    traces: Traces,
    chance: Cell<u64>,
}

impl Tracer {
    /// What a call's headers say about tracing it.
    pub fn parent(headers: &HeaderMap) -> Option<Parent> {
        Parent::read(headers.get("traceparent")?.to_str().ok()?)
    }

    /// Begins a request's span; nothing for a request that is not sampled. The caller's word counts; without one, chance.
    pub fn begin(self: &Rc<Self>, path: Path, parent: Option<&Parent>) -> Option<Begun> {
        let sampled = match parent {
            Some(parent) => parent.sampled,
            // 53 bits are all that a float holds.
            None => (self.draw() >> 11) as f64 * (-53f64).exp2() < self.traces.share,
        };
        if !sampled {
            return None;
        }
        let trace = match parent {
            Some(parent) => parent.trace,
            None => u128::from(self.draw()) << 64 | u128::from(self.draw()),
        };
        let id = self.draw();
        let span = Span {
            trace,
            // Zero would mean none.
            id: id.max(1),
            parent: parent.map(|parent| parent.span),
            path,
            began_ns: clock::wall_ns(),
            took_ns: 0,
            outcome: Outcome::Failed(Code::Cancelled),
        };
        Some(Begun { tracer: self.clone(), began: Instant::now(), span: Some(span) })
    }

    /// splitmix64, which needs to be unique and not secret.
    fn draw(&self) -> u64 {
        let state = self.chance.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.chance.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// What was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// One row.
    Score,
    /// A row of a stream.
    ScoreStream,
    /// A request of the Open Inference Protocol.
    ModelInfer,
}

impl Path {
    /// As collectors name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Score => "sternpost.v1.Scoring/Score",
            Self::ScoreStream => "sternpost.v1.Scoring/ScoreStream",
            Self::ModelInfer => "inference.GRPCInferenceService/ModelInfer",
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With a reply, as a gRPC frame.
    Replied(Bytes),
    /// Without one, or with one that is not of our own service.
    Failed(Code),
}

/// A span as the collector's thread gets it.
#[derive(Debug)]
struct Span {
    trace: u128,
    id: u64,
    parent: Option<u64>,
    path: Path,
    began_ns: u64,
    took_ns: u64,
    outcome: Outcome,
}

/// A request on its way. Whatever happens to it, its span gets one end: a request that is dropped was given up by its caller.
#[derive(Debug)]
pub struct Begun {
    tracer: Rc<Tracer>,
    began: Instant,
    span: Option<Span>,
}

impl Begun {
    /// It was answered with a frame, of which a copy is kept.
    pub fn replied(mut self, frame: &[u8]) {
        self.end(Outcome::Replied(Bytes::copy_from_slice(frame)));
    }

    /// It ended with a code.
    pub fn ended(mut self, code: Code) {
        self.end(Outcome::Failed(code));
    }

    fn end(&mut self, outcome: Outcome) {
        let Some(span) = self.span.take() else { return };
        let took_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if self.tracer.traces.ring.try_send(Span { took_ns, outcome, ..span }).is_err() {
            self.tracer.traces.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.end(Outcome::Failed(Code::Cancelled));
    }
}

#[cfg(test)]
#[path = "traces_tests.rs"]
mod tests;
