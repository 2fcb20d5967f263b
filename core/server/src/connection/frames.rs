//! gRPC messages out of HTTP/2 data: five bytes of frame and a message, however the data is cut.
//!
//! A message that came whole is a view of what was received; only cut ones are copied together. A length is believed as far as bytes have
//! come, so a stranger's claim allocates nothing.

use std::cell::Cell;
use std::rc::Rc;

use bytes::{Buf, Bytes, BytesMut};
use sternpost_wire::failure::{Failure, Reason};
use tonic::Code;

const HEAD: usize = 5;

/// Bytes of unfinished messages that a thread holds for all of its callers.
#[derive(Debug)]
pub struct Ledger {
    held: Cell<usize>,
    most: usize,
}

impl Ledger {
    /// A ledger that lets so many bytes be held.
    pub fn new(most: usize) -> Self {
        Self { held: Cell::new(0), most }
    }
}

/// The messages of one call.
#[derive(Debug)]
pub struct Frames {
    chunk: Bytes,
    cut: BytesMut,
    ledger: Rc<Ledger>,
    /// What of the ledger is this call's.
    booked: usize,
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.book(0);
    }
}

/// A message as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whether it is compressed, by the call's `grpc-encoding`.
    pub compressed: bool,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Frames {
    /// No data yet.
    pub fn new(ledger: Rc<Ledger>) -> Self {
        Self { chunk: Bytes::new(), cut: BytesMut::new(), ledger, booked: 0 }
    }

    fn book(&mut self, bytes: usize) {
        self.ledger.held.set(self.ledger.held.get() - self.booked + bytes);
        self.booked = bytes;
    }

    fn held(&self) -> usize {
        self.chunk.len() + self.cut.len()
    }

    /// Adds received data; everything before must have been taken out by [`Self::next`] until nothing came.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` if all callers' unfinished messages together are more than may be held.
    pub fn push(&mut self, data: Bytes) -> Result<(), Failure> {
        if self.ledger.held.get() + data.len() > self.ledger.most {
            let message = "unfinished messages fill what may be held of them";
            return Err(Failure::new(Code::ResourceExhausted, Reason::Overloaded, message).retry_after(1000));
        }
        if !self.cut.is_empty() {
            self.cut.extend_from_slice(&data);
        } else if self.chunk.is_empty() {
            self.chunk = data;
        } else {
            self.cut.extend_from_slice(&std::mem::take(&mut self.chunk));
            self.cut.extend_from_slice(&data);
        }
        self.book(self.held());
        Ok(())
    }

    /// The next whole message, if there is one.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`, never to be repeated, for a message of more than `most` bytes; `INVALID_ARGUMENT` for a broken frame.
    pub fn next(&mut self, most: usize) -> Result<Option<Message>, Failure> {
        let start: &[u8] = if self.cut.is_empty() { &self.chunk } else { &self.cut };
        let Some(([flag, length @ ..], rest)) = start.split_first_chunk::<HEAD>() else { return Ok(None) };
        let compressed = match flag {
            0 => false,
            1 => true,
            other => {
                let message = format!("a message begins with {other} where gRPC has 0 or 1");
                return Err(Failure::new(Code::InvalidArgument, Reason::BadRequest, message));
            }
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > most {
            let message = format!("a message of {length} bytes is larger than the {most} that are taken here");
            return Err(Failure::new(Code::ResourceExhausted, Reason::TooLarge, message).retry_after(-1));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let bytes = if self.cut.is_empty() {
            self.chunk.advance(HEAD);
            self.chunk.split_to(length)
        } else {
            self.cut.advance(HEAD);
            self.cut.split_to(length).freeze()
        };
        self.book(self.held());
        Ok(Some(Message { compressed, bytes }))
    }

    /// Refuses a first message that says it is larger than `most` bytes, or anything that goes on beyond it.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub fn check(&self, most: usize) -> Result<(), Failure> {
        let held = self.held();
        let start: &[u8] = if self.cut.is_empty() { &self.chunk } else { &self.cut };
        let claimed = start.first_chunk::<HEAD>().map_or(0, |[_, length @ ..]| u32::from_be_bytes(*length) as usize);
        if held > most.saturating_add(HEAD) || claimed > most {
            let message = format!("a message of {} bytes is larger than the {most} that are taken here", claimed.max(held));
            return Err(Failure::new(Code::ResourceExhausted, Reason::TooLarge, message).retry_after(-1));
        }
        Ok(())
    }

    /// Whether bytes are left that are no whole message.
    pub fn has_rest(&self) -> bool {
        !self.chunk.is_empty() || !self.cut.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(messages: &[&[u8]]) -> Vec<u8> {
        let frame = |message: &&[u8]| [&[0], (message.len() as u32).to_be_bytes().as_slice(), message].concat();
        messages.iter().flat_map(frame).collect()
    }

    #[test]
    fn messages_come_out_however_they_are_cut() {
        let messages: [&[u8]; 4] = [b"one", b"", b"three and more", b"4"];
        let all = framed(&messages);
        for step in 1..=all.len() {
            let mut frames = Frames::new(Rc::new(Ledger::new(1000)));
            let mut found = Vec::new();
            for piece in all.chunks(step) {
                frames.push(Bytes::copy_from_slice(piece)).unwrap();
                while let Some(message) = frames.next(100).unwrap() {
                    assert!(!message.compressed);
                    found.push(message.bytes);
                }
            }
            assert_eq!(found, messages, "in pieces of {step}");
            assert!(!frames.has_rest());
        }
    }

    #[test]
    fn a_claim_is_refused_before_its_bytes_come() {
        let mut frames = Frames::new(Rc::new(Ledger::new(1000)));
        frames.push(Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff])).unwrap();
        let refused = frames.next(100).unwrap_err();
        assert_eq!((refused.code, refused.reason, refused.retry_after_ms), (Code::ResourceExhausted, Reason::TooLarge, Some(-1)));
        let mut frames = Frames::new(Rc::new(Ledger::new(1000)));
        frames.push(Bytes::from_static(&[7, 0, 0, 0, 0])).unwrap();
        assert_eq!(frames.next(100).unwrap_err().code, Code::InvalidArgument);
    }
    #[test]
    fn what_all_callers_hold_together_has_a_bound_and_comes_back() {
        let ledger = Rc::new(Ledger::new(100));
        let begun = Bytes::from_static(&[0, 0, 0, 0, 200, 1, 2, 3]);
        let mut calls: Vec<_> = (0..12).map(|_| Frames::new(ledger.clone())).collect();
        for call in &mut calls {
            call.push(begun.clone()).unwrap();
        }
        let mut late = Frames::new(ledger.clone());
        assert_eq!(late.push(begun.clone()).unwrap_err().reason, Reason::Overloaded);
        drop(calls.pop());
        late.push(begun).unwrap();
        drop((calls, late));
        let mut whole = Frames::new(ledger.clone());
        whole.push(framed(&[b"a message"]).into()).unwrap();
        assert!(whole.next(100).unwrap().is_some());
        assert_eq!(ledger.held.get(), 0);
    }
}
