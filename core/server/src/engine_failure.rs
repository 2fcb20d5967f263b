//! What the engine says went wrong, as what a caller may know of it.
//!
//! A contract's message is the caller's to read. What the model's runtime or a defect says stays in the log, under a number that the caller
//! gets instead.

use std::any::Any;
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

/// The failure that a caught panic is at the edge.
pub fn panicked(payload: &(dyn Any + Send)) -> Failure {
    internal(&Error::from_panic(payload).to_string())
}

/// A failure whose text stays here.
pub fn internal(text: &str) -> Failure {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    tracing::error!(number, "{text}");
    Failure::new(Code::Internal, Reason::Internal, format!("internal error {number}; the server's log has it under this number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_reads_what_concerns_rows_and_nothing_of_defects() {
        let told = |error| {
            let failure = failure(&error);
            (failure.code, failure.message)
        };
        assert_eq!(told(Error::Contract("no column a".to_owned())), (Code::InvalidArgument, "no column a".to_owned()));
        let violations = Error::Violations { message: "2 of 3 rows".to_owned(), violations: Vec::new() };
        assert_eq!(told(violations), (Code::InvalidArgument, "2 of 3 rows".to_owned()));
        assert_eq!(told(Error::Interrupted).0, Code::Cancelled);
        for error in [Error::Kernel("/secret".to_owned()), Error::Model("/secret".to_owned()), Error::Internal("/secret".to_owned())] {
            let (code, message) = told(error);
            assert_eq!(code, Code::Internal);
            assert!(!message.contains("secret"), "{message}");
        }
        assert!(!panicked(&"/secret").message.contains("secret"));
    }
}
