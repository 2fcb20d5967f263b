//! What a writer needs of a file system, so that a test can be a disk that is full, slow or loses its power.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// A file system.
pub trait Disk: Send {
    /// Makes a file that holds `bytes`, whole or not at all: written under another name, flushed if `durable`, renamed, the folder flushed.
    ///
    /// # Errors
    /// The system's.
    fn create(&mut self, path: &Path, bytes: &[u8], durable: bool) -> io::Result<Box<dyn DiskFile>>;

    /// Removes a file.
    ///
    /// # Errors
    /// The system's.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
}

/// A file that grows.
pub trait DiskFile: Send {
    /// Appends all bytes, or fails and may have appended some.
    ///
    /// # Errors
    /// The system's.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits until everything appended would survive a loss of power.
    ///
    /// # Errors
    /// The system's.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file.
    ///
    /// # Errors
    /// The system's.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// The real one.
#[derive(Debug, Default)]
pub struct Files;

impl Disk for Files {
    fn create(&mut self, path: &Path, bytes: &[u8], durable: bool) -> io::Result<Box<dyn DiskFile>> {
        let part = path.with_extension(crate::layout::PART);
        let made = (|| {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&part)?;
            file.write_all(bytes)?;
            if durable {
                file.sync_all()?;
            }
            std::fs::rename(&part, path)?;
            if durable {
                sync_folder(path)?;
            }
            Ok(file)
        })();
        match made {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => {
                // Whatever stands there has no meaning; the error that counts is on its way.
                let _ = std::fs::remove_file(&part);
                Err(error)
            }
        }
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)?;
        sync_folder(path)
    }
}

/// Makes the names in a file's folder durable. File systems that cannot flush a folder say so, and lose nothing by it.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    match File::open(folder)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}

impl DiskFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.seek(SeekFrom::Start(len)).map(|_| ())
    }
}
