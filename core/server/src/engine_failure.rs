//! What the engine says went wrong, as what a caller may know of it.
//!
//! A contract's message is the caller's to read. What the model's runtime or a defect says stays in the log, under a number that the caller
//! gets instead.

use std::sync::atomic::{AtomicU64, Ordering};

use sternpost_engine::Error;
use sternpost_wire::failure::{Failure, Reason};
use tonic::Code;

static NUMBER: AtomicU64 = AtomicU64::new(1);

/// The failure that an engine's error is at the edge.
pub fn failure(error: &Error) -> Failure {
    match error {
        Error::Contract(message) | Error::Violations { message, .. } => {
            Failure::new(Code::InvalidArgument, Reason::BadRequest, message.clone())
        }
        Error::Interrupted => Failure::new(Code::Cancelled, Reason::Deadline, "stopped before the end"),
        Error::Kernel(_) | Error::Model(_) | Error::Internal(_) => internal(&error.to_string()),
    }
}

/// A failure whose text stays here.
pub fn internal(text: &str) -> Failure {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    tracing::error!(number, "{text}");
    Failure::new(Code::Internal, Reason::Internal, format!("internal error {number}; the server's log has it under this number"))
}
