//! What others may watch: every scored block, with the values that went in and came out, while they are still in the cache.
//!
//! The scorer knows an observer only by these traits. Every workspace of a watched scorer has a [`Watch`] of its own, so a watch is never
//! called by two threads at once and needs no lock of the scorer's making. It is called by the thread that scored the block, so it must be
//! quick and must not block. A workspace without a watch pays one comparison for it.

use crate::scorer::Scorer;
use crate::workspace::Block;

/// Somebody who watches what a scorer scores; see [`Scorer::watched_by`].
pub trait Observer: Send + Sync {
    /// A watch for one workspace.
    fn watch(&self) -> Box<dyn Watch>;
}

/// One workspace's way to be watched.
pub trait Watch: Send {
    /// Sees a block that went through the model. `first` is the number of the block's first row within its call.
    fn block(&mut self, scorer: &Scorer, first: usize, block: &Block<'_>);
}
