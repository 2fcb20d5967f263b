//! HTTP/2 frames, written and read by hand: the generator must cost less than the servers that it measures.

/// Frame types.
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flags.
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// Error codes.
pub const REFUSED: u32 = 7;
pub const CANCEL: u32 = 8;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD: usize = 9;

/// One frame as it came.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The first frame and its length, if it is complete.
    pub fn first(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let [a, b, c, kind, flags, stream @ ..] = *head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = rest.get(..length)?;
        Some((Self { kind, flags, stream: u32::from_be_bytes(stream) & 0x7fff_ffff, payload }, HEAD + length))
    }

    /// What a DATA or HEADERS frame carries, without padding and priority.
    pub fn content(&self) -> &'a [u8] {
        let (mut content, mut pad) = (self.payload, 0);
        if self.flags & PADDED != 0 {
            pad = usize::from(content.first().copied().unwrap_or_default());
            content = content.get(1..).unwrap_or_default();
        }
        if self.kind == HEADERS && self.flags & PRIORITY != 0 {
            content = content.get(5..).unwrap_or_default();
        }
        &content[..content.len().saturating_sub(pad)]
    }

    /// The number at a place of the payload; 0 if it is not there.
    pub fn number(&self, place: usize) -> u32 {
        self.payload.get(place..place + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
    }
}

/// Appends a frame.
pub fn put(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    head(kind, flags, stream, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends a DATA frame with one gRPC message, not compressed.
pub fn put_message(stream: u32, flags: u8, message: &[u8], out: &mut Vec<u8>) {
    head(DATA, flags, stream, 5 + message.len(), out);
    out.push(0);
    out.extend_from_slice(&(message.len() as u32).to_be_bytes());
    out.extend_from_slice(message);
}

fn head(kind: u8, flags: u8, stream: u32, length: usize, out: &mut Vec<u8>) {
    let [_, a, b, c] = (length as u32).to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_when_it_is_complete() {
        let mut bytes = Vec::new();
        put_message(5, END_STREAM, b"row", &mut bytes);
        assert_eq!(bytes, b"\0\0\x08\0\x01\0\0\0\x05\0\0\0\0\x03row");
        assert!((0..bytes.len()).all(|end| Frame::first(&bytes[..end]).is_none()));
        let (frame, length) = Frame::first(&bytes).unwrap();
        assert_eq!((frame.kind, frame.stream, frame.content(), length), (DATA, 5, &b"\0\0\0\0\x03row"[..], bytes.len()));
    }

    #[test]
    fn padding_and_priority_are_no_content() {
        let frame = Frame { kind: HEADERS, flags: PADDED | PRIORITY, stream: 1, payload: b"\x02\0\0\0\0\0head--" };
        assert_eq!(frame.content(), b"head");
        assert_eq!(Frame { flags: PADDED, kind: DATA, stream: 1, payload: b"\x09a" }.content(), b"");
    }
}
