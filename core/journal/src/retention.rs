//! How much is kept: sealed segments go, oldest first, when there are too many bytes or they are too old.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::listing::list;

/// What is kept; nothing is deleted by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of all segments.
    pub bytes: Option<u64>,
    /// How long after its last write a segment is kept.
    pub age: Option<Duration>,
}

/// Deletes what is over; `open` are the files being written, which stay. Gives the number deleted.
///
/// # Errors
/// `Error::Io`.
pub fn retain(disk: &mut dyn Disk, folder: &Path, keep: Retention, open: &[&Path]) -> Result<u64> {
    if keep == Retention::default() {
        return Ok(0);
    }
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    let mut bytes = 0;
    for (name, path) in list(folder)?.segments {
        // Whoever compacts may have been quicker.
        let Ok(data) = std::fs::metadata(&path) else { continue };
        bytes += data.len();
        if !open.contains(&path.as_path()) {
            files.push((data.modified().unwrap_or(SystemTime::UNIX_EPOCH), name.number, path));
        }
    }
    files.sort();
    let now = SystemTime::now();
    let mut deleted = 0;
    for (written, _, path) in files {
        let old = keep.age.is_some_and(|age| now.duration_since(written).is_ok_and(|since| since > age));
        let much = keep.bytes.is_some_and(|most| bytes > most);
        if !old && !much {
            continue;
        }
        let len = std::fs::metadata(&path).map_or(0, |data| data.len());
        match disk.remove(&path) {
            Ok(()) => deleted += 1,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Io { path, source }),
        }
        bytes -= len;
    }
    Ok(deleted)
}
