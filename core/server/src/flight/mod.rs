//! Arrow Flight: tables in, scored tables out, on the same port as everything else.
//!
//! What it owes its callers:
//! - `DoExchange` answers every record batch with one scored batch of as many rows, in order, as soon as it is done;
//! - `DoPut` scores alike and answers with one summary at the end, a JSON object as `app_metadata`;
//! - `ListFlights`, `GetFlightInfo` and `GetSchema` say what a bundle takes, its digest as `app_metadata`;
//! - a stream's bits are of one bundle: once another is served under its name, the stream ends and says so; until then it holds none;
//! - damaged or boastful messages are refused with words; a slow reader slows its own sender and costs nobody else anything.

mod answer;
mod describe;
mod order;
mod service;
mod session;
mod table;

pub use service::Flight;

use std::time::Duration;

use crate::ipc;

/// What one stream may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Its tables.
    pub tables: ipc::Limits,
    /// After which a stream ends that sends nothing, or takes no answer.
    pub idle: Duration,
    /// Batches of a stream that are being scored or wait for it; at least one.
    pub read_ahead: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_bytes: 64 << 20, tables: ipc::Limits::default(), idle: Duration::from_secs(600), read_ahead: 2 }
    }
}
