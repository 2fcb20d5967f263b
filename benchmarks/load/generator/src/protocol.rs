//! What the drivers see of a connection, whatever is spoken on it.

use crate::grpc::Grpc;
use crate::json::Json;
use crate::options::Options;
use crate::reply::Answer;
use crate::rows::Rows;

/// One call. Times are nanoseconds since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub row: u32,
    /// When it was meant to be sent; latency counts from here.
    pub intended: u64,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With a gRPC status, or an HTTP status of 100 and above where the protocol has no other.
    Status(u16),
    /// The server said that it did not take it.
    NotTaken,
    /// The connection ended after the server may have taken it.
    Lost,
}

/// A call that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Done {
    pub call: Call,
    pub end: End,
    pub answer: Answer,
    /// Milliseconds that the server asks to be left alone; negative for ever.
    pub pushback: Option<i64>,
}

/// One side of one connection.
pub enum Protocol {
    Grpc(Box<Grpc>),
    Json(Json),
}

impl Protocol {
    pub fn new(options: &Options, longest: usize) -> Self {
        match options.call {
            crate::options::Call::Json => Self::Json(Json::default()),
            _ => Self::Grpc(Box::new(Grpc::new(options, longest))),
        }
    }

    /// What is said before anything else.
    pub fn start(&mut self, out: &mut Vec<u8>) {
        if let Self::Grpc(grpc) = self {
            grpc.start(out);
        }
    }

    /// Whether it may be asked for more calls at all.
    pub fn is_usable(&self) -> bool {
        match self {
            Self::Grpc(grpc) => grpc.is_usable(),
            Self::Json(json) => json.is_usable(),
        }
    }

    /// Whether a call can leave now.
    pub fn has_room(&self) -> bool {
        match self {
            Self::Grpc(grpc) => grpc.has_room(),
            Self::Json(json) => json.has_room(),
        }
    }

    /// Writes a call; its name for [`Self::cancel`].
    pub fn send(&mut self, call: Call, rows: &Rows, out: &mut Vec<u8>) -> u32 {
        match self {
            Self::Grpc(grpc) => grpc.send(call, rows, out),
            Self::Json(json) => json.send(call, rows, out),
        }
    }

    /// Gives a call up; the call, if it had not ended and can be given up.
    pub fn cancel(&mut self, name: u32, out: &mut Vec<u8>) -> Option<Call> {
        match self {
            Self::Grpc(grpc) => grpc.cancel(name, out),
            Self::Json(_) => None,
        }
    }

    /// Reads what came; how many bytes are done with.
    pub fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>, done: &mut Vec<Done>) -> Result<usize, String> {
        match self {
            Self::Grpc(grpc) => grpc.take(bytes, out, done),
            Self::Json(json) => json.take(bytes, done),
        }
    }

    /// The connection is gone.
    pub fn gone(&mut self, done: &mut Vec<Done>) {
        match self {
            Self::Grpc(grpc) => grpc.gone(done),
            Self::Json(json) => json.gone(done),
        }
    }
}

impl Done {
    /// A call that ended without an answer.
    pub fn without_answer(call: Call, end: End) -> Self {
        Self { call, end, answer: Answer::default(), pushback: None }
    }
}
