//! How many bytes string views stand for. Every view is validated by itself, so views of one long text cost its length each.

use std::io::{ErrorKind, Read};

use lz4_flex::frame::FrameDecoder;
use sternpost_wire::failure::Failure;

use super::wrong;

const VIEW: usize = 16;

/// The sum of the lengths in a buffer of views; `packed` with its size when unpacked. Nothing is kept of what is unpacked.
pub(super) fn viewed(bytes: &[u8], packed: Option<usize>) -> Result<u64, Failure> {
    match packed {
        None => sum(bytes),
        Some(size) => sum(FrameDecoder::new(bytes).take(size as u64)),
    }
}

fn sum(mut views: impl Read) -> Result<u64, Failure> {
    let (mut view, mut viewed) = ([0; VIEW], 0u64);
    loop {
        match views.read_exact(&mut view) {
            Ok(()) => viewed = viewed.saturating_add(u64::from(u32::from_le_bytes([view[0], view[1], view[2], view[3]]))),
            // Views that end early are for the reader to refuse.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(viewed),
            Err(error) => return Err(wrong(format!("a packed buffer is damaged: {error}"))),
        }
    }
}
