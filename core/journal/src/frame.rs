//! Frames: what stands between a segment's header and its end.
//!
//! A frame is 24 bytes and a payload of whole words: mark, length, sequence, rows, CRC32C. The sequence is the number of rows before it in the
//! segment, so the rows between two good frames are known even if nothing between them can be read. The checksum starts from the segment's
//! salt and covers the other 20 bytes and the payload; a CRC of 32 bits notices every change of up to 32 bits in a row, hence every byte.

use crate::header::ALIGN;

/// Bytes before the payload.
pub const FRAME: usize = 24;
/// Marks an Arrow IPC message.
pub const MESSAGE: [u8; 4] = *b"SPJM";
/// Marks the end of a sealed segment.
pub const END: [u8; 4] = *b"SPJE";
/// A payload longer than this is refused, so that no damaged length makes a reader check gigabytes.
pub const PAYLOAD_MAX: usize = 256 << 20;

/// A frame that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Whether it ends the segment.
    pub is_end: bool,
    /// Rows before it.
    pub sequence: u64,
    /// Rows in it.
    pub rows: u32,
    /// Where its payload begins.
    pub start: usize,
    /// Bytes of the payload.
    pub len: usize,
}

impl Frame {
    /// Where the next frame begins.
    pub fn end(&self) -> usize {
        self.start + self.len
    }
}

/// Why there is no frame at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFrame {
    /// The file ends within it.
    Short,
    /// Its bytes are not those that were written.
    Wrong,
}

/// Appends a frame.
pub fn write(mark: [u8; 4], salt: u32, sequence: u64, rows: u32, payload: &[u8], out: &mut Vec<u8>) {
    let len = payload.len().next_multiple_of(ALIGN);
    let start = out.len();
    out.extend_from_slice(&mark);
    out.extend_from_slice(&(len as u32).to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&rows.to_le_bytes());
    let head = crc32c::crc32c_append(salt, out.get(start..).unwrap_or_default());
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(head, payload), &[0; ALIGN][..len - payload.len()]);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(payload);
    out.resize(start + FRAME + len, 0);
}

/// Reads the frame at a place.
///
/// # Errors
/// [`NoFrame`].
pub fn read(bytes: &[u8], at: usize, salt: u32) -> Result<Frame, NoFrame> {
    let rest = bytes.get(at..).ok_or(NoFrame::Short)?;
    let Some((head, _)) = rest.split_first_chunk::<FRAME>() else {
        // Half a mark is the beginning of a frame; anything else is not.
        let known = rest.len().min(4);
        let begins = |mark: [u8; 4]| rest.get(..known) == mark.get(..known);
        return Err(if begins(MESSAGE) || begins(END) { NoFrame::Short } else { NoFrame::Wrong });
    };
    let [m0, m1, m2, m3, l0, l1, l2, l3, sequence @ .., r0, r1, r2, r3, c0, c1, c2, c3] = *head;
    let mark = [m0, m1, m2, m3];
    let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if (mark != MESSAGE && mark != END) || len > PAYLOAD_MAX || !len.is_multiple_of(ALIGN) {
        return Err(NoFrame::Wrong);
    }
    let payload = rest.get(FRAME..FRAME + len).ok_or(NoFrame::Short)?;
    let (covered, _) = head.split_at(FRAME - 4);
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(salt, covered), payload);
    if crc != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(NoFrame::Wrong);
    }
    let (sequence, rows) = (u64::from_le_bytes(sequence), u32::from_le_bytes([r0, r1, r2, r3]));
    Ok(Frame { is_end: mark == END, sequence, rows, start: at + FRAME, len })
}
