//! One writer per journal: a lock on a file, which the system gives back however the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::layout::LOCK;

/// The right to write; given back when dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock and signs with our process id.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(Error::io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut signed = String::new();
                let read = file.read_to_string(&mut signed).map(|_| signed.trim().to_owned());
                let holder = read.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned());
                return Err(Error::Locked { path: folder.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(Error::Io { path, source }),
        }
        let sign = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        // On a full disk the lock holds all the same; only its signature is absent.
        let _ = sign(&mut file);
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A process that is being started may hold our files for a moment; the lock must not wait for it.
        let _ = self.file.unlock();
    }
}
