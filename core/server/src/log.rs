//! The way of log lines to stderr. A line that cannot be written, because the disk is full or nobody reads any more, is counted and forgotten:
//! the log is about the work and must not end it.

use std::io::{Result, Write};
use std::sync::atomic::{AtomicU64, Ordering};

static LOST: AtomicU64 = AtomicU64::new(0);

/// Lines that could not be written since the process began.
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Stderr that never fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> Result<usize> {
        if std::io::stderr().write_all(line).is_err() {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> Result<()> {
        // Stderr keeps nothing back.
        Ok(())
    }
}
