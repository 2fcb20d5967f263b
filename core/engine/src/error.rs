//! What can go wrong, by the party that has to act: the contract's reader, the rows' sender, the kernel's or the model's builder.
//!
//! Every message is a sentence with the value, the place and the next step; the edge maps a kind to its exception class.

use crate::violation::Violation;

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, by kind.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// Columns, types or the contract itself are wrong; no row was looked at.
    #[error("{0}")]
    Contract(String),
    /// Rows break the contract; `violations` holds the first of them in row order.
    #[error("{message}")]
    Violations {
        /// The sentence for people.
        message: String,
        /// The violations behind it.
        violations: Vec<Violation>,
    },
    /// Compiled features are absent or unusable.
    #[error("{0}")]
    Kernel(String),
    /// The model cannot be loaded or run.
    #[error("{0}")]
    Model(String),
    /// The caller asked to stop.
    #[error("stopped before the end")]
    Interrupted,
    /// A defect of this program.
    #[error("internal error: {0}; please report it with the call that led here")]
    Internal(String),
}

impl Error {
    /// The text of a caught panic, as an error.
    pub fn from_panic(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        Self::Internal(text)
    }
}
