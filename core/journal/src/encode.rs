//! From what a producer pushes to rows, on the writer's thread.

use arrow_array::RecordBatch;
use sternpost_engine::spec::BundleName;

use crate::error::Result;
use crate::layout::Kind;
use crate::streams::Streams;

/// Turns entries into rows. An entry is what a producer has at hand (shared bytes, a handle), so that pushing it costs no more than a move.
pub trait Encode: Send + 'static {
    /// What is pushed.
    type Entry: Send + 'static;

    /// Appends the entry's rows to the streams they belong to.
    ///
    /// # Errors
    /// The entry is then counted as lost and the error told; the others go on.
    fn encode(&mut self, entry: Self::Entry, streams: &mut Streams) -> Result<()>;
}

/// Rows that are in columns already.
#[derive(Debug, Clone)]
pub struct Table {
    /// What they are.
    pub kind: Kind,
    /// The bundle of decisions; empty for other kinds.
    pub bundle: BundleName,
    /// The rows; of decisions without the columns of the bundle.
    pub batch: RecordBatch,
}

/// Writes tables as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tables;

impl Encode for Tables {
    type Entry = Table;

    fn encode(&mut self, entry: Table, streams: &mut Streams) -> Result<()> {
        streams.batch(entry);
        Ok(())
    }
}
