//! Prepared requests: `SPROWS01`, their number (u32), then of each its length (u32), its bytes, and the expected score's bits (u64), all
//! little-endian. All ones, which is no score, stands for "not known".

use std::path::Path;

/// No expectation.
pub const UNKNOWN: u64 = u64::MAX;
const MAGIC: &[u8; 8] = b"SPROWS01";

/// All requests, one after the other.
pub struct Rows {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    expected: Vec<u64>,
    longest: usize,
}

impl Rows {
    /// Reads a file.
    ///
    /// # Errors
    /// A sentence, if it is not one or has no rows.
    pub fn read(path: &Path) -> Result<Self, String> {
        let file = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&file).ok_or_else(|| format!("{} is not a file of prepared rows", path.display()))
    }

    fn parse(file: &[u8]) -> Option<Self> {
        let (magic, rest) = file.split_first_chunk::<8>()?;
        let (count, mut rest) = rest.split_first_chunk::<4>()?;
        let mut rows = Self { bytes: Vec::with_capacity(file.len()), ends: Vec::new(), expected: Vec::new(), longest: 0 };
        for _ in 0..u32::from_le_bytes(*count) {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let (body, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            let (expected, after) = after.split_first_chunk::<8>()?;
            rows.bytes.extend_from_slice(body);
            rows.ends.push(rows.bytes.len());
            rows.expected.push(u64::from_le_bytes(*expected));
            rows.longest = rows.longest.max(body.len());
            rest = after;
        }
        (magic == MAGIC && rest.is_empty() && !rows.ends.is_empty()).then_some(rows)
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of the longest.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// A request.
    pub fn body(&self, row: u32) -> &[u8] {
        let row = row as usize;
        &self.bytes[if row == 0 { 0 } else { self.ends[row - 1] }..self.ends[row]]
    }

    /// The bits of its score, or [`UNKNOWN`].
    pub fn expected(&self, row: u32) -> u64 {
        self.expected[row as usize]
    }
}

#[cfg(test)]
pub fn of(rows: &[(&[u8], u64)]) -> Rows {
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    for (body, expected) in rows {
        file.extend_from_slice(&(body.len() as u32).to_le_bytes());
        file.extend_from_slice(body);
        file.extend_from_slice(&expected.to_le_bytes());
    }
    Rows::parse(&file).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_were_written_and_nothing_else_is() {
        let rows = of(&[(b"abc", 7), (b"", UNKNOWN), (b"de", 9)]);
        assert_eq!((rows.count(), rows.longest()), (3, 3));
        assert_eq!((rows.body(0), rows.body(1), rows.body(2)), (&b"abc"[..], &b""[..], &b"de"[..]));
        assert_eq!((rows.expected(0), rows.expected(1)), (7, UNKNOWN));
        assert!(Rows::parse(b"SPROWS01\x01\0\0\0\x05\0\0\0ab").is_none());
        assert!(Rows::parse(b"SPROWS01\0\0\0\0").is_none());
    }
}
