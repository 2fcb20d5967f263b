//! gRPC's framing on an HTTP/2 stream: a flag byte, a big-endian length, a message.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

use crate::error::Trouble;

const HEAD: usize = 5;

/// A message in its frame.
///
/// # Errors
/// [`Trouble::Broken`] if it is longer than a frame can be.
pub fn framed(message: &impl Message) -> Result<Bytes, Trouble> {
    let len = message.encoded_len();
    let told = u32::try_from(len).map_err(|_| Trouble::broken("a message of more than 4 GiB cannot be sent"))?;
    let mut frame = BytesMut::with_capacity(HEAD + len);
    frame.put_u8(0);
    frame.put_u32(told);
    message.encode(&mut frame).map_err(Trouble::broken)?;
    Ok(frame.freeze())
}

/// Bytes that came, to be cut into messages.
#[derive(Debug, Default)]
pub struct Incoming {
    bytes: BytesMut,
}

impl Incoming {
    /// Takes a piece of a stream.
    pub fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// Whether a message has begun and not ended.
    pub fn is_cut_short(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// The next whole message of at most `limit` bytes, if it is there.
    ///
    /// # Errors
    /// [`Trouble::Broken`] for a compressed or too long message.
    pub fn next(&mut self, limit: usize) -> Result<Option<Bytes>, Trouble> {
        let Some((head, rest)) = self.bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
        let [flag, len @ ..] = head;
        let len = u32::from_be_bytes(*len) as usize;
        if *flag != 0 {
            return Err(Trouble::broken("the server sent a compressed message, which was not asked for"));
        }
        if len > limit {
            return Err(Trouble::broken(format!("the server sent a message of {len} bytes; at most {limit} are taken")));
        }
        if rest.len() < len {
            return Ok(None);
        }
        let mut message = self.bytes.split_to(HEAD + len);
        Ok(Some(message.split_off(HEAD).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_wherever_the_pieces_end() {
        let stream: Vec<u8> = [b"\0\0\0\0\x03abc".as_slice(), b"\0\0\0\0\0", b"\0\0\0\0\x01d"].concat();
        for piece in 1..=stream.len() {
            let mut incoming = Incoming::default();
            let mut read = Vec::new();
            for piece in stream.chunks(piece) {
                incoming.push(piece);
                while let Some(message) = incoming.next(3).unwrap() {
                    read.push(message.to_vec());
                }
            }
            assert_eq!(read, [b"abc".to_vec(), vec![], b"d".to_vec()], "{piece}");
            assert!(!incoming.is_cut_short());
        }
    }

    #[test]
    fn what_was_not_asked_for_is_refused() {
        for bad in [b"\x01\0\0\0\x01a".as_slice(), b"\0\0\0\0\x04abcd", b"\0\xff\xff\xff\xff"] {
            let mut incoming = Incoming::default();
            incoming.push(bad);
            assert!(incoming.next(3).is_err());
        }
    }
}
