//! As much of HTTP/2's framing as one needs to see where frames begin, and to write one of one's own.

use bytes::{BufMut, BytesMut};
use http::HeaderMap;

/// Bytes before every frame's payload.
pub const HEAD: usize = 9;

/// Kinds of frames.
pub const DATA: u8 = 0;
/// Headers, of a call or an answer.
pub const HEADERS: u8 = 1;
/// An old way to say what is urgent.
pub const PRIORITY: u8 = 2;
/// The end of a call before its time.
pub const RESET: u8 = 3;
/// Room for more data.
pub const WINDOW: u8 = 8;
/// Headers that did not fit into one frame.
pub const CONTINUATION: u8 = 9;

/// Flag of data and headers: nothing follows in this direction.
pub const END_STREAM: u8 = 1;
/// Flag of headers: they are whole.
pub const END_HEADERS: u8 = 4;

/// What a frame says before its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the payload.
    pub len: usize,
    /// What it is.
    pub kind: u8,
    /// Flags of its kind.
    pub flags: u8,
    /// The stream that it belongs to; 0 for the connection.
    pub stream: u32,
}

impl Head {
    /// The head that bytes begin with, and what follows it; nothing if they are fewer than a head.
    pub fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let ([a, b, c, kind, flags, stream @ ..], rest) = bytes.split_first_chunk::<HEAD>()?;
        let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        Some((Self { len, kind: *kind, flags: *flags, stream: u32::from_be_bytes(*stream) & 0x7fff_ffff }, rest))
    }

    /// Writes it.
    pub fn write(self, out: &mut BytesMut) {
        out.put_uint(self.len as u64, 3);
        out.put_u8(self.kind);
        out.put_u8(self.flags);
        out.put_u32(self.stream);
    }
}

/// Follows the frames of one direction through its bytes, however they are cut.
#[derive(Debug, Default)]
pub struct Boundaries {
    head: [u8; HEAD],
    /// Bytes of the head that have come.
    known: usize,
    /// Bytes of the payload that have not.
    left: usize,
    /// Headers that are not whole: nothing but their continuation may come.
    unfinished: bool,
}

impl Boundaries {
    /// Whether another frame may stand here.
    pub fn is_between(&self) -> bool {
        self.known == 0 && self.left == 0 && !self.unfinished
    }

    /// Passes over bytes.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let taken = self.left.min(bytes.len());
                self.left -= taken;
                bytes = &bytes[taken..];
                continue;
            }
            let taken = (HEAD - self.known).min(bytes.len());
            let (piece, rest) = bytes.split_at(taken);
            self.head[self.known..self.known + taken].copy_from_slice(piece);
            self.known += taken;
            bytes = rest;
            if self.known == HEAD
                && let Some((head, _)) = Head::read(&self.head)
            {
                (self.known, self.left) = (0, head.len);
                if matches!(head.kind, HEADERS | CONTINUATION) {
                    self.unfinished = head.flags & END_HEADERS == 0;
                }
            }
        }
    }
}

/// Whether a block of headers leaves the table alone that both sides keep of headers that were sent before: the same bytes then mean the same
/// headers for as long as that is true of every block. (RFC 7541, section 6: an indexed field, or a literal that is not to be indexed.)
pub fn leaves_table(mut block: &[u8]) -> bool {
    while let Some(first) = block.first().copied() {
        let rest = match first {
            0x80.. => integer(block, 7).map(|(_, rest)| rest),
            0x20.. => None,
            _ => integer(block, 4).and_then(|(name, rest)| text(if name == 0 { text(rest)? } else { rest })),
        };
        let Some(rest) = rest else { return false };
        block = rest;
    }
    true
}

fn text(bytes: &[u8]) -> Option<&[u8]> {
    let (len, rest) = integer(bytes, 7)?;
    rest.get(len..)
}

/// An integer that begins in the lowest bits of a byte, and what follows it.
fn integer(bytes: &[u8], bits: u32) -> Option<(usize, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let most = (1usize << bits) - 1;
    let mut value = usize::from(*first) & most;
    if value < most {
        return Some((value, rest));
    }
    for shift in [0, 7, 14] {
        let (byte, after) = rest.split_first()?;
        value += usize::from(byte & 0x7f) << shift;
        rest = after;
        if byte & 0x80 == 0 {
            return Some((value, rest));
        }
    }
    None
}

/// Headers of an answer with status 200 as a block that leaves the table alone and needs nothing of it.
pub fn block(headers: &HeaderMap) -> BytesMut {
    // `:status: 200` is number 8 of the table that every connection begins with.
    let mut out = BytesMut::from([0x88].as_slice());
    for (name, value) in headers {
        out.put_u8(0);
        for part in [name.as_str().as_bytes(), value.as_bytes()] {
            put_len(part.len(), &mut out);
            out.put_slice(part);
        }
    }
    out
}

fn put_len(len: usize, out: &mut BytesMut) {
    let Some(mut more) = len.checked_sub(0x7f) else { return out.put_u8(len as u8) };
    out.put_u8(0x7f);
    while more >= 0x80 {
        out.put_u8(more as u8 | 0x80);
        more >>= 7;
    }
    out.put_u8(more as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_followed_however_they_are_cut() {
        let mut bytes = BytesMut::new();
        let mut put = |len: usize, kind, flags| {
            Head { len, kind, flags, stream: 1 }.write(&mut bytes);
            bytes.put_bytes(0xff, len);
            bytes.len()
        };
        let between = [put(0, 4, 0), put(3, DATA, 0), put(400, DATA, END_STREAM)];
        let inside = put(5, HEADERS, 0);
        let last = put(2, CONTINUATION, END_HEADERS);
        for step in 1..=bytes.len() {
            let (mut boundaries, mut at) = (Boundaries::default(), 0);
            for piece in bytes.chunks(step) {
                boundaries.pass(piece);
                at += piece.len();
                assert_eq!(boundaries.is_between(), at == last || between.contains(&at), "{at} in pieces of {step}, not {inside}");
            }
        }
    }

    /// The examples of RFC 7541, appendix C.
    #[test]
    fn blocks_that_change_the_table_are_known() {
        let custom_key = b"\x40\x0acustom-key\x0dcustom-header".as_slice();
        let never_indexed = b"\x10\x08password\x06secret".as_slice();
        let without_indexing = b"\x04\x0c/sample/path".as_slice();
        let indexed = b"\x82".as_slice();
        let smaller_table = b"\x3f\xe1\x1f".as_slice();
        for (block, leaves) in
            [(custom_key, false), (never_indexed, true), (without_indexing, true), (indexed, true), (smaller_table, false)]
        {
            assert_eq!(leaves_table(block), leaves, "{block:x?}");
            assert_eq!(leaves_table(&[indexed, block, without_indexing].concat()), leaves, "{block:x?}");
        }
        // Cut short: whoever knows better shall say so.
        for cut in 1..without_indexing.len() {
            assert!(!leaves_table(&without_indexing[..cut]), "{cut}");
        }
        assert!(!leaves_table(b"\xff\xff\xff\xff\xff\xff"));
    }

    #[test]
    fn a_written_block_is_read_again_and_leaves_the_table() {
        for len in [0, 1, 126, 127, 128, 254, 255, 256, 5000] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-message", "x".repeat(len).parse().unwrap());
            let block = block(&headers);
            assert!(leaves_table(&block), "{len}");
            let (value, rest) = integer(&block[15..], 7).unwrap();
            assert_eq!((value, rest.len()), (len, len), "{len}");
        }
    }
}
