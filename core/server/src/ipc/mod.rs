//! Arrow IPC from strangers: the one place where its bytes are read, whichever protocol brought them.
//!
//! What it owes its callers:
//! - no bytes make it panic: the library's reader asserts much of what a header says, so every number is compared with the bytes that came
//!   and with the limits before it is asked; a panic that is left all the same is caught;
//! - memory and time are bounded by what was received: buffers do not overlap, a packed buffer is not believed its size, dictionaries do not
//!   grow, string views do not share one long text without end;
//! - values stay where they came in, unless they were packed or stand at a place that their type cannot be read from.

mod check;
mod layout;
mod reader;
mod stream;
mod views;

use std::panic::{AssertUnwindSafe, catch_unwind};

use sternpost_wire::failure::Failure;

use crate::refusal::bad;

pub use reader::{Reader, is_packed, schema};
pub use stream::{read, too_many};

/// What one stream may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows of one batch.
    pub rows: usize,
    /// Columns of a table, nested ones included.
    pub columns: usize,
    /// Bytes of one batch when unpacked, and bytes of it that its string views may stand for.
    pub batch_bytes: usize,
    /// Bytes of a stream's dictionaries when unpacked, and entries of one.
    pub dictionary_bytes: usize,
    /// Whether buffers may be packed with lz4.
    pub packed: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 1 << 20, columns: 4096, batch_bytes: 256 << 20, dictionary_bytes: 64 << 20, packed: true }
    }
}

/// The last net under a library that asserts.
fn guarded<T>(read: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(wrong("it is damaged in a way that could not be told")))
}

fn wrong(text: impl AsRef<str>) -> Failure {
    let text: String = text.as_ref().chars().take(300).collect();
    bad(format!("the Arrow stream cannot be read: {text}"))
}
