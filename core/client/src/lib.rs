//! Endpoints, retry budget, breaker and local fallback: a row in, a decision out before its deadline.
//!
//! What this crate owes its callers:
//! - an answer or an error inside of the deadline, and the answer says who gave it;
//! - the calling thread does the work: a row is handed to no other thread on its way;
//! - a server in trouble gets less from us, never more;
//! - in a child of the process that made it, a client touches nothing of its parent.

#![deny(unsafe_code)]

pub mod answer;
pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod client;
pub mod connection;
pub mod counters;
pub mod describing;
pub mod description;
pub mod duplex;
pub mod endpoint;
pub mod error;
pub mod fallback;
pub mod frame;
pub mod health;
pub mod io;
pub mod latency;
pub mod pool;
pub mod race;
pub mod remote;
pub mod reporting;
pub mod scoring;
mod standing_in;
mod stats;
pub mod table;
pub mod throttle;
pub mod tls;
mod tries;
pub mod window;

pub use client::{Client, Options, Transport};
pub use error::Error;
