//! What the server remembers: every row that it answered, the outcomes that it was told, and what changed about its bundles.
//!
//! What this room owes the others:
//! - who answers rows pays one bounded push of bytes that exist anyway: no copy, no lock, no line of log; the writer's thread makes columns
//!   of them ([`encode`]);
//! - where answers are held until the disk has them, no thread waits: the writer wakes who holds them ([`pen`]);
//! - what was acknowledged is in the journal, to the durability asked for; what was not taken is counted, and turned away where the policy
//!   says so.

mod encode;
mod entry;
mod journal;
mod pen;
mod report;

pub use encode::word;
pub use entry::{Answered, Change};
pub use journal::{Journal, Settings};
pub use pen::{Ink, Pen};
pub use report::{check_entity, read};
