//! What is asked for on the command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Loads a scoring server and prints one JSON object: rates, latencies, statuses, and whether the scores were right.
#[derive(Debug, Clone, Parser)]
#[command(name = "sternpost-load")]
pub struct Options {
    /// 127.0.0.1:PORT or unix:PATH.
    pub target: String,
    /// Prepared requests with their expected scores.
    #[arg(long)]
    pub rows: PathBuf,
    /// What is called.
    #[arg(long, value_enum, default_value_t = Call::Score)]
    pub call: Call,
    /// Connections.
    #[arg(long, default_value_t = 1)]
    pub connections: usize,
    /// Closed loop: callers per connection, each waits for its answer. With `--call stream`: streams per connection.
    #[arg(long, default_value_t = 1)]
    pub streams: usize,
    /// With `--call stream` in a closed loop: rows on their way per stream.
    #[arg(long, default_value_t = 1)]
    pub depth: usize,
    /// Open loop: calls per second, whatever the answers do. Without it the loop is closed.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Open loop: how calls arrive.
    #[arg(long, value_enum, default_value_t = Arrivals::Poisson)]
    pub arrivals: Arrivals,
    /// Sending ends after so many seconds, warm-up included.
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Sending ends after so many calls, warm-up included.
    #[arg(long, default_value_t = u64::MAX)]
    pub requests: u64,
    /// Calls of the first seconds are not counted.
    #[arg(long, default_value_t = 0.0)]
    pub warmup: f64,
    /// Sent as the call's time limit; a call without answer by then is cancelled. Goodput counts answers within it.
    #[arg(long)]
    pub deadline_ms: Option<u32>,
    /// After a refusal nothing is sent on that connection for as long as the refusal asks.
    #[arg(long)]
    pub honour_pushback: bool,
    /// A connection that ended is made again; without it the run ends with its last connection.
    #[arg(long)]
    pub reconnect: bool,
    /// Never sleep while waiting.
    #[arg(long)]
    pub spin: bool,
    /// Greatest difference from the expected score; 0 asks for the same bits.
    #[arg(long, default_value_t = 0.0)]
    pub tolerance: f64,
    /// Do not compare scores (for servers that only echo).
    #[arg(long)]
    pub no_check: bool,
    /// Open loop: calls waiting or on their way at most; what comes beyond is counted and not sent.
    #[arg(long, default_value_t = 16_384)]
    pub most: usize,
    /// Seconds to wait for answers after the last call.
    #[arg(long, default_value_t = 1.0)]
    pub linger: f64,
    /// Of arrivals, and of the first row.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What is called, and how requests and answers look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Call {
    /// `sternpost.v1.Scoring/Score`.
    Score,
    /// `sternpost.v1.Scoring/ScoreStream`.
    Stream,
    /// `inference.GRPCInferenceService/ModelInfer`.
    Infer,
    /// `loans.Loans/Score`, what a peer is written for.
    Loans,
    /// `POST /score` with JSON over HTTP/1.1.
    Json,
}

/// How calls arrive in an open loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Arrivals {
    /// Independent of each other.
    Poisson,
    /// At equal distances.
    Even,
}

impl Call {
    /// The gRPC method's path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Score => "/sternpost.v1.Scoring/Score",
            Self::Stream => "/sternpost.v1.Scoring/ScoreStream",
            Self::Infer => "/inference.GRPCInferenceService/ModelInfer",
            Self::Loans => "/loans.Loans/Score",
            Self::Json => "/score",
        }
    }
}

impl Options {
    /// What cannot be done, said before anything is sent.
    pub fn refuse(&self) -> Result<(), String> {
        let wrong = [
            (self.connections == 0 || self.streams == 0 || self.depth == 0, "connections, streams and depth are at least 1"),
            (self.seconds <= self.warmup, "the seconds include the warm-up and must be more"),
            (self.rate.is_some_and(|rate| rate.is_nan() || rate <= 0.0), "a rate is more than 0"),
            (self.depth > 1 && self.call != Call::Stream, "only a stream has a depth"),
            (self.call == Call::Json && self.streams > 1, "HTTP/1.1 has one call per connection"),
        ];
        match wrong.iter().find(|(is, _)| *is) {
            Some((_, said)) => Err((*said).to_owned()),
            None => Ok(()),
        }
    }
}
