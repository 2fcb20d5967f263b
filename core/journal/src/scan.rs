//! From a segment's bytes to its good frames, and to what is wrong between them.
//!
//! Frames are read one after the other. Where there is none, the next good one is looked for at every word that follows; what lies between
//! is damage, and the sequences on both sides tell the rows. If none follows, the file is torn (it ends within a frame, as a writer's death or
//! a writer at work leaves it) or damaged to its end.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::frame::{self, Frame, NoFrame};
use crate::header::ALIGN;

/// What kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trouble {
    /// The last frame is not whole: its writer is at work, or died.
    Torn,
    /// Bytes changed after they were written, or are missing from a sealed segment.
    Damaged,
}

/// One thing that is wrong with a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of trouble.
    pub trouble: Trouble,
    /// Where it begins, as a byte of the file.
    pub offset: u64,
    /// How many bytes cannot be used.
    pub bytes: u64,
    /// How many rows are lost with them; nothing if it cannot be told.
    pub rows_lost: Option<u64>,
    /// In words.
    pub what: String,
}

/// What a segment holds.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Its good messages, in order.
    pub frames: Vec<Frame>,
    /// Rows in them.
    pub rows: u64,
    /// Rows before the place where the next frame would stand, lost ones included.
    pub sequence: u64,
    /// Whether it is sealed.
    pub sealed: bool,
    /// Where the last good frame ends.
    pub end: usize,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// How many bytes the search for good frames may check, as a multiple of the segment's.
const EFFORT: usize = 8;

/// Reads all frames from `start` on.
pub(crate) fn scan(bytes: &[u8], start: usize, salt: u32) -> Scan {
    let mut scan = Scan { end: start, ..Scan::default() };
    let mut at = start;
    while at < bytes.len() {
        let (frame, bad) = match frame::read(bytes, at, salt) {
            Ok(frame) if frame.sequence >= scan.sequence => (frame, None),
            other => match next_good(bytes, at + ALIGN, salt, scan.sequence) {
                Some(frame) => (frame, Some("no good frame")),
                None => {
                    let torn = other == Err(NoFrame::Short);
                    scan.find(
                        if torn { Trouble::Torn } else { Trouble::Damaged },
                        at,
                        bytes.len(),
                        None,
                        match torn {
                            true => "it ends within a frame",
                            false => "no good frame",
                        },
                    );
                    return scan;
                }
            },
        };
        let lost = frame.sequence - scan.sequence;
        if bad.is_some() || lost > 0 {
            let (from, to) = (at, frame.start - frame::FRAME);
            scan.find(Trouble::Damaged, from, to, Some(lost), "no good frame");
        }
        at = frame.end();
        scan.end = at;
        scan.sequence = frame.sequence;
        if frame.is_end {
            scan.seal(bytes, frame);
            break;
        }
        scan.sequence += u64::from(frame.rows);
        scan.rows += u64::from(frame.rows);
        scan.frames.push(frame);
    }
    if scan.sealed && scan.end < bytes.len() {
        scan.find(Trouble::Damaged, scan.end, bytes.len(), Some(0), "bytes follow its end");
    }
    scan
}

impl Scan {
    fn find(&mut self, trouble: Trouble, from: usize, to: usize, rows_lost: Option<u64>, what: &str) {
        let bytes = to.saturating_sub(from) as u64;
        self.findings.push(Finding { trouble, offset: from as u64, bytes, rows_lost, what: what.to_owned() });
    }

    /// The end says what stood before it. If a gap was found the hash is that of the damage, and nothing more is to be learned from it.
    fn seal(&mut self, bytes: &[u8], frame: Frame) {
        self.sealed = true;
        let before = bytes.get(..frame.start - frame::FRAME).unwrap_or_default();
        let said = bytes.get(frame.start..frame.end());
        if self.findings.is_empty() && said != Some(Sha256::digest(before).as_slice()) {
            self.find(Trouble::Damaged, 0, frame.start, Some(0), "its bytes are not those that were sealed, though every frame is good");
        }
    }
}

/// The next good frame that continues the segment.
fn next_good(bytes: &[u8], from: usize, salt: u32, sequence: u64) -> Option<Frame> {
    let mut effort = bytes.len().saturating_mul(EFFORT);
    let mut at = from;
    while at + frame::FRAME <= bytes.len() {
        let rest = bytes.get(at..)?;
        if rest.starts_with(&frame::MESSAGE) || rest.starts_with(&frame::END) {
            match frame::read(bytes, at, salt) {
                Ok(frame) if frame.sequence >= sequence => return Some(frame),
                _ => {
                    let claimed = rest.get(4..8).and_then(|len| len.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
                    effort = effort.checked_sub(claimed.min(rest.len()))?;
                }
            }
        }
        at += ALIGN;
    }
    None
}
