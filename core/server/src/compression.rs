//! Compressed requests: gzip and deflate, as clients may send them. Answers to rows are smaller than what compression would add.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{GzDecoder, ZlibDecoder};
use http::HeaderMap;
use sternpost_wire::failure::{Failure, Reason};
use tonic::Code;

use crate::connection::Message;

/// How a call's messages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip.
    Gzip,
    /// zlib, which gRPC calls deflate.
    Deflate,
    /// In a way that is not known here.
    Unknown,
}

impl Encoding {
    /// What `grpc-encoding` says.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get("grpc-encoding").map(|value| value.as_bytes()) {
            None | Some(b"identity") => Self::Identity,
            Some(b"gzip") => Self::Gzip,
            Some(b"deflate") => Self::Deflate,
            Some(_) => Self::Unknown,
        }
    }

    /// The message without compression, at most `most` bytes of it.
    ///
    /// # Errors
    /// `UNIMPLEMENTED` for another way, `INVALID_ARGUMENT` for damaged bytes, `RESOURCE_EXHAUSTED` for a message that grows too large.
    pub fn plain(self, message: Message, most: usize) -> Result<Bytes, Failure> {
        if !message.compressed {
            return Ok(message.bytes);
        }
        match self {
            Self::Gzip => inflated(GzDecoder::new(message.bytes.as_ref()), most),
            Self::Deflate => inflated(ZlibDecoder::new(message.bytes.as_ref()), most),
            Self::Identity => Err(Failure::new(
                Code::InvalidArgument,
                Reason::BadRequest,
                "the message says it is compressed and the call does not say how",
            )),
            Self::Unknown => {
                Err(Failure::new(Code::Unimplemented, Reason::Unsupported, "messages may be compressed by gzip or deflate, or not at all"))
            }
        }
    }
}

fn inflated(reader: impl Read, most: usize) -> Result<Bytes, Failure> {
    let mut plain = Vec::new();
    let read = reader.take(most as u64 + 1).read_to_end(&mut plain);
    if let Err(error) = read {
        return Err(Failure::new(Code::InvalidArgument, Reason::BadRequest, format!("the compressed message cannot be read: {error}")));
    }
    if plain.len() > most {
        let message = format!("the message grows beyond the {most} bytes that are taken here");
        return Err(Failure::new(Code::ResourceExhausted, Reason::TooLarge, message).retry_after(-1));
    }
    Ok(plain.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzipped(bytes: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn a_small_message_that_would_grow_without_end_is_stopped() {
        let bomb = Message { compressed: true, bytes: gzipped(&vec![0; 1 << 20]) };
        assert!(bomb.bytes.len() < 2000);
        assert_eq!(Encoding::Gzip.plain(bomb, 1 << 16).unwrap_err().reason, Reason::TooLarge);
        let fine = Message { compressed: true, bytes: gzipped(b"a row") };
        assert_eq!(Encoding::Gzip.plain(fine, 100).unwrap(), "a row");
    }

    #[test]
    fn damage_and_unknown_ways_are_told() {
        let message = || Message { compressed: true, bytes: Bytes::from_static(b"no gzip") };
        assert_eq!(Encoding::Gzip.plain(message(), 100).unwrap_err().code, Code::InvalidArgument);
        assert_eq!(Encoding::Deflate.plain(message(), 100).unwrap_err().code, Code::InvalidArgument);
        assert_eq!(Encoding::Identity.plain(message(), 100).unwrap_err().code, Code::InvalidArgument);
        assert_eq!(Encoding::Unknown.plain(message(), 100).unwrap_err().code, Code::Unimplemented);
    }
}
