//! What can go wrong, by the party that has to act.

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, by kind.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A file's bytes are not what they should be.
    #[error("{0}")]
    Damaged(String),
    /// Things that do not belong together: another reference, a window that was never a part, a column that is not there.
    #[error("{0}")]
    Mismatch(String),
    /// The table's columns cannot be taken.
    #[error("{0}")]
    Data(String),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] sternpost_engine::Error),
}
