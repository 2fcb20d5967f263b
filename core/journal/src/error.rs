//! What can go wrong with a journal, by what its owner has to do.

use std::io;
use std::path::{Path, PathBuf};

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, by kind.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused to read or write.
    #[error("{path}: {source}; see that the folder exists, is writable and has room, then try again")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Another writer has it.
    #[error("the journal {path} is being written by process {holder}; end that process or write to another folder")]
    Locked {
        /// The journal's folder.
        path: PathBuf,
        /// The other process, as it signed.
        holder: String,
    },
    /// Bytes that are not those that were written, so that nothing of the file can be read.
    #[error("{path}: {what}; restore the file from a copy, or move it away to go on without it")]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
    /// A format that this version does not read.
    #[error("{path}: written in format {version} and this sternpost reads format {known}; use a newer sternpost")]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u16,
        /// Ours.
        known: u16,
    },
    /// What was given cannot be written into a journal.
    #[error("{0}")]
    Usage(String),
    /// The writer's thread has ended.
    #[error("the journal {0} is closed; open it again")]
    Closed(PathBuf),
}

impl Error {
    /// An error of the system, with the path that it is about.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
