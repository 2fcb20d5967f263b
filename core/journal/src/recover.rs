//! What a writer does first: it finishes what an earlier one left.
//!
//! 1. Half-made files go.
//! 2. In every segment that is not sealed, what follows the last good frame is copied into a `.torn` file beside it (flushed), then cut off.
//! 3. The segment is sealed; nobody appends to a segment of another writer. One without rows goes.
//!
//! A death in the middle is met by doing it again: the copy is written whole before anything is cut, and sealing appends one frame.
//! Damage before a good frame is not cut: readers step over it and tell. A file whose header cannot be read stays as it is, and is told.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::append::end_frame;
use crate::disk::{Disk, DiskFile, Files, sync_folder};
use crate::error::{Error, Result};
use crate::layout::TORN;
use crate::listing::{Listing, list};
use crate::segment::{Finding, Segment};

/// What recovery did to one segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recovered {
    /// The segment's file name.
    pub file: String,
    /// Rows that are there.
    pub rows: u64,
    /// Bytes that were cut off and put aside.
    pub bytes_cut: u64,
    /// What was wrong.
    pub findings: Vec<Finding>,
    /// Why nothing of it can be read, if so.
    pub unreadable: Option<String>,
}

/// Repairs a journal whose lock we hold; tells of every segment where something was to be done.
///
/// # Errors
/// `Error::Io`.
pub(crate) fn recover(folder: &Path) -> Result<(Listing, Vec<Recovered>)> {
    let listing = list(folder)?;
    for part in &listing.parts {
        std::fs::remove_file(part).map_err(Error::io(part))?;
    }
    let mut told = Vec::new();
    // The last segments of their streams are those that may be open; all are looked at, since a sealed one may be damaged only once it is read.
    for (name, path) in &listing.segments {
        match is_sealed(path) {
            Ok(true) => continue,
            Ok(false) => {}
            Err(source) => return Err(Error::Io { path: path.clone(), source }),
        }
        let segment = match Segment::open(path) {
            Ok(segment) => segment,
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(error) => {
                let unreadable = Some(error.to_string());
                told.push(Recovered { file: name.file(), rows: 0, bytes_cut: 0, findings: Vec::new(), unreadable });
                continue;
            }
        };
        if segment.is_sealed() {
            continue;
        }
        let bytes_cut = finish(path, &segment)?;
        let findings = segment.findings().to_vec();
        if bytes_cut > 0 || !findings.is_empty() {
            told.push(Recovered { file: name.file(), rows: segment.rows(), bytes_cut, findings, unreadable: None });
        }
    }
    Ok((list(folder)?, told))
}

/// Whether the last frame of a file looks like an end, without reading the rest.
fn is_sealed(path: &Path) -> std::io::Result<bool> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path)?;
    let len = (crate::frame::FRAME + <Sha256 as sha2::digest::OutputSizeUser>::output_size()) as u64;
    if file.metadata()?.len() < len {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-(len as i64)))?;
    let mut mark = [0; 4];
    file.read_exact(&mut mark)?;
    Ok(mark == crate::frame::END)
}

fn finish(path: &Path, segment: &Segment) -> Result<u64> {
    let scan = segment.scan();
    let (good, cut) = segment.raw().split_at_checked(scan.end).unwrap_or((segment.raw(), &[]));
    if !cut.is_empty() {
        let aside = path.with_extension(TORN);
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&aside)?;
            file.write_all(cut)?;
            file.sync_all()?;
            sync_folder(&aside)
        };
        write().map_err(Error::io(&aside))?;
    }
    if segment.rows() == 0 && scan.findings.iter().all(|finding| finding.bytes == cut.len() as u64) {
        Files.remove(path).map_err(Error::io(path))?;
        return Ok(cut.len() as u64);
    }
    let mut hash = Sha256::new();
    hash.update(good);
    let mut end = || {
        let mut file = OpenOptions::new().write(true).open(path)?;
        DiskFile::truncate(&mut file, good.len() as u64)?;
        DiskFile::append(&mut file, &end_frame(segment.header().salt, scan.sequence, std::mem::take(&mut hash)))?;
        DiskFile::sync(&mut file)
    };
    end().map_err(Error::io(path))?;
    Ok(cut.len() as u64)
}
