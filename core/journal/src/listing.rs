//! The files of a journal's folder.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::layout::{self, Kind, Name, PART, TORN};

/// What stands in a folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// Segments, by kind, stream and number.
    pub segments: Vec<(Name, PathBuf)>,
    /// Compacted files, with the last segment that each stands for.
    pub compacted: Vec<(Kind, String, u64)>,
    /// What recovery cut off.
    pub torn: Vec<PathBuf>,
    /// Files that were being made when their maker died.
    pub parts: Vec<PathBuf>,
    /// Files that are not the journal's.
    pub foreign: Vec<String>,
}

/// Lists a folder.
///
/// # Errors
/// `Error::Io`.
pub fn list(folder: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let path = entry.path();
        let file = entry.file_name().to_string_lossy().into_owned();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if let Some(name) = Name::parse(&file) {
            listing.segments.push((name, path));
        } else if let Some((kind, stream, last)) = layout::compacted_through(&file) {
            listing.compacted.push((kind, stream.to_owned(), last));
        } else if extension == TORN {
            listing.torn.push(path);
        } else if extension == PART
            && path.file_stem().is_some_and(|stem| Name::parse(&format!("{}.{}", stem.to_string_lossy(), layout::SEGMENT)).is_some())
        {
            listing.parts.push(path);
        } else if !file.starts_with('.') && file != layout::LOCK && !file.ends_with(".lock") {
            listing.foreign.push(file);
        }
    }
    listing.segments.sort();
    listing.torn.sort();
    listing.foreign.sort();
    Ok(listing)
}

impl Listing {
    /// The number of a stream's next segment; no number is given twice as long as anything of the stream is there.
    pub fn next_number(&self, kind: Kind, stream: &str) -> u64 {
        let segments = self.segments.iter().filter(|(name, _)| name.kind == kind && name.stream == stream).map(|(name, _)| name.number);
        let compacted = self.compacted.iter().filter(|(of, name, _)| *of == kind && name == stream).map(|(_, _, last)| *last);
        segments.chain(compacted).max().unwrap_or(0) + 1
    }
}
