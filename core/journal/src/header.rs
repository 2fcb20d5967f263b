//! How a segment begins: magic, version, kind, salt, and a description as JSON.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sternpost_engine::spec::BundleName;

use crate::error::{Error, Result};
use crate::layout::Kind;

/// The first bytes of every segment. The ends of line tell a file that a text mode went through.
pub const MAGIC: [u8; 8] = *b"\x89SPJ\r\n\x1a\n";
/// The format's version.
pub const VERSION: u16 = 1;
/// Bytes before the JSON: magic 8, version 2, kind 1, zero 1, length of the JSON 4, salt 4, CRC32C 4.
pub const FIXED: usize = 24;
/// Everything starts at a multiple of this.
pub const ALIGN: usize = 8;
/// More JSON than any bundle's schema needs.
const JSON_MAX: usize = 16 << 20;

/// What a segment says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What it holds.
    pub kind: Kind,
    /// Name of the bundle; empty where there is none.
    pub bundle: String,
    /// Digest of the bundle; empty where there is none.
    pub digest: String,
    /// Its place in its stream.
    pub number: u64,
    /// When it was begun, microseconds since 1970 in UTC, by the writer's clock.
    pub created_us: i64,
    /// The version that wrote it.
    pub writer: String,
    /// Its columns, in words, for people; the schema message is what is read.
    pub columns: Vec<String>,
    /// The checksum that every frame starts from: frames of another segment, or bytes of a row, are never taken for this one's.
    #[serde(skip)]
    pub salt: u32,
}

impl Header {
    /// Name and digest of its bundle.
    pub fn bundle(&self) -> BundleName {
        BundleName { name: self.bundle.clone(), digest: self.digest.clone() }
    }

    /// The bytes, padded with zeros to a multiple of [`ALIGN`].
    ///
    /// # Errors
    /// `Error::Usage` if there is more of it than a reader takes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut json =
            serde_json::to_vec(self).map_err(|error| Error::Usage(format!("the segment's description cannot be written: {error}")))?;
        json.resize(json.len().next_multiple_of(ALIGN), b' ');
        let len = u32::try_from(json.len()).ok().filter(|_| json.len() <= JSON_MAX);
        let len = len.ok_or_else(|| Error::Usage(format!("the segment's description has {} bytes and may have {JSON_MAX}", json.len())))?;
        let mut bytes = Vec::with_capacity(FIXED + json.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[self.kind as u8 + 1, 0]);
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), &json);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&json);
        Ok(bytes)
    }

    /// Reads the header of a segment and tells where its frames begin. The fixed bytes and the checksum are those of every version, so that
    /// damage and a newer version are told apart.
    ///
    /// # Errors
    /// `Error::Damaged`, `Error::Version`.
    pub fn decode(bytes: &[u8], path: &Path) -> Result<(Self, usize)> {
        let damaged = |what: &str| Error::Damaged { path: path.to_owned(), what: what.to_owned() };
        let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
            return Err(damaged("it ends within its header, at byte 0"));
        };
        let [magic @ .., v0, v1, kind, _, l0, l1, l2, l3, s0, s1, s2, s3, c0, c1, c2, c3] = fixed;
        if *magic != MAGIC {
            return Err(damaged("it does not begin as a segment does, at byte 0"));
        }
        let len = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        let Some(json) = rest.get(..len).filter(|_| len <= JSON_MAX) else {
            return Err(damaged("its header is longer than the file, at byte 12"));
        };
        let (covered, _) = fixed.split_at(FIXED - 4);
        if crc32c::crc32c_append(crc32c::crc32c(covered), json) != u32::from_le_bytes([*c0, *c1, *c2, *c3]) {
            return Err(damaged("the checksum of its header is wrong, at byte 20"));
        }
        let version = u16::from_le_bytes([*v0, *v1]);
        if version != VERSION {
            return Err(Error::Version { path: path.to_owned(), version, known: VERSION });
        }
        let mut header: Self =
            serde_json::from_slice(json).map_err(|error| damaged(&format!("its description cannot be read: {error}")))?;
        if header.kind as u8 + 1 != *kind || !len.is_multiple_of(ALIGN) {
            return Err(damaged("its header contradicts itself"));
        }
        header.salt = u32::from_le_bytes([*s0, *s1, *s2, *s3]);
        Ok((header, FIXED + len))
    }
}
