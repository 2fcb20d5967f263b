//! What is pushed to the journal: handles of what was there anyway.

use std::sync::Arc;

use bytes::Bytes;
use sternpost_wire::scoring::ReportRequest;

use crate::catalog::Served;

/// One thing to be remembered.
pub enum Entry {
    /// A row that was answered.
    Row(Answered),
    /// What happened after a prediction; boxed, so that rows stay small.
    Outcome(Box<Told>),
    /// Something about a bundle changed.
    Change(Box<Change>),
}

/// A row and its answer, as they crossed the wire.
pub struct Answered {
    /// Who answered.
    pub served: Arc<Served>,
    /// The encoded `ScoreRequest`.
    pub request: Bytes,
    /// The encoded `ScoreReply`, in its gRPC frame.
    pub reply: Bytes,
    /// When, microseconds since 1970 in UTC.
    pub at_us: i64,
}

/// An outcome that was checked.
pub struct Told {
    /// What was told.
    pub report: ReportRequest,
    /// When, microseconds since 1970 in UTC.
    pub at_us: i64,
}

/// What changed about a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// In one word: `loaded`, `withdrawn`, `failed` (a bundle that could not be taken over), `rung`.
    pub kind: &'static str,
    /// The bundle's name.
    pub bundle: String,
    /// Its digest, if it could be read.
    pub digest: Option<String>,
    /// More of it, as JSON.
    pub detail: Option<String>,
    /// When, microseconds since 1970 in UTC.
    pub at_us: i64,
}

impl Entry {
    /// Bytes that it keeps from being freed.
    pub fn weight(&self) -> usize {
        match self {
            Self::Row(row) => row.request.len() + row.reply.len(),
            Self::Outcome(_) | Self::Change(_) => 0,
        }
    }
}
