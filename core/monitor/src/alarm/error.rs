//! What can go wrong, by the party that has to act.

/// The result of everything in this module that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, by kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A setting is outside of its range, or a column is described wrongly.
    #[error("{0}")]
    Settings(String),
    /// Counts do not fit the columns that the detector was made for.
    #[error("{0}")]
    Counts(String),
    /// A saved state cannot be taken up again.
    #[error("{0}")]
    State(String),
}
