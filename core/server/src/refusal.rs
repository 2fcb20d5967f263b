//! Refusals that protocols share, and how they word them: with the name at fault, cut to what a log line bears, and the name that was
//! probably meant.

use sternpost_engine::nearest;
use sternpost_wire::failure::{Failure, Reason};
use tonic::Code;

/// Longest part of a foreign name that a message repeats, and longest name that is compared with known ones.
const TOLD: usize = 64;

/// The request itself is wrong.
pub fn bad(message: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidArgument, Reason::BadRequest, message)
}

/// The server does not do this.
pub fn unsupported(message: impl Into<String>) -> Failure {
    Failure::new(Code::Unimplemented, Reason::Unsupported, message)
}

/// The request is too much, and no repetition helps.
pub fn too_large(message: impl Into<String>) -> Failure {
    Failure::new(Code::ResourceExhausted, Reason::TooLarge, message).retry_after(-1)
}

/// Nobody waits for the answer any more.
pub fn gone_away() -> Failure {
    Failure::new(Code::Cancelled, Reason::Deadline, "the caller went away")
}

/// Nothing new is taken.
pub fn draining() -> Failure {
    Failure::new(Code::Unavailable, Reason::Draining, "the server is about to end; ask another one")
}

/// A foreign name in quotes.
pub fn quoted(name: &str) -> String {
    if name.chars().nth(TOLD).is_none() {
        return format!("'{name}'");
    }
    format!("'{}...'", name.chars().take(TOLD).collect::<String>())
}

/// `; did you mean 'x'?` if a known name is near.
pub fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    if name.len() > 4 * TOLD {
        return String::new();
    }
    nearest::name(name, known).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default()
}
