//! What others may watch: every scored block, with the values that went in and came out, while they are still in the cache.
//!
//! The scorer knows an observer only by this trait. A call comes from the worker that scored the block, so it must be quick and must not
//! block; several workers call at once.

use crate::scorer::Scorer;
use crate::workspace::Block;

/// Somebody who watches scored blocks.
pub trait Observer: Send + Sync {
    /// Sees one block. `first` is the number of the block's first row within its call.
    fn block(&self, scorer: &Scorer, first: usize, block: &Block<'_>) {
        let _ = (scorer, first, block);
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Blind;

impl Observer for Blind {}
