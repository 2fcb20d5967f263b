//! Names of predictions: unique over threads, processes and time without asking anybody, and sortable by time.
//!
//! The form is that of a ULID (26 characters of Crockford's base 32: 48 bits of milliseconds, 80 bits of chance). Here the 80 bits are 40 of
//! chance for the lane and a 40-bit count.

use std::hash::{BuildHasher, Hasher, RandomState};

use sternpost_wire::failure::{Failure, Reason};
use tonic::Code;

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LEN: usize = 26;
const LONGEST: usize = 64;

/// A source of names.
#[derive(Debug)]
pub struct Ids {
    lane: u64,
    count: u64,
    text: [u8; LEN],
}

impl Ids {
    /// A source that nobody else shares.
    pub fn new() -> Self {
        // The standard library's hasher is keyed by chance from the operating system.
        let lane = RandomState::new().build_hasher().finish() >> 24;
        Self { lane, count: 0, text: [b'0'; LEN] }
    }

    /// The next name.
    pub fn next(&mut self, now_ms: u64) -> &str {
        self.count += 1;
        let bits = u128::from(now_ms) << 80 | u128::from(self.lane & 0xff_ffff_ffff) << 40 | u128::from(self.count & 0xff_ffff_ffff);
        for (place, digit) in self.text.iter_mut().rev().enumerate() {
            *digit = DIGITS[(bits >> (5 * place)) as usize & 31];
        }
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

/// Refuses a caller's name that a journal or a log line could not hold.
pub fn check(id: &str) -> Result<(), Failure> {
    if id.len() <= LONGEST && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let message = format!("an id has at most {LONGEST} printable ASCII characters without spaces; this one has {} bytes", id.len());
    Err(Failure::new(Code::InvalidArgument, Reason::BadRequest, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ascend_and_differ_between_lanes() {
        let (mut one, mut other) = (Ids::new(), Ids::new());
        let names: Vec<_> = (0..100).map(|ms| one.next(1_700_000_000_000 + ms / 10).to_owned()).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
        assert!(names.iter().all(|name| name.len() == LEN && check(name).is_ok()));
        assert_ne!(one.next(0)[..18], other.next(0)[..18]);
        // The example of the specification: 1469918176385 ms is 01ARYZ6S41.
        assert!(one.next(1_469_918_176_385).starts_with("01ARYZ6S41"));
    }

    #[test]
    fn names_stay_unique_when_the_wall_clock_jumps() {
        const NOW: u64 = 1_700_000_000_000;
        const HOUR: u64 = 3_600_000;
        let mut ids = Ids::new();
        // Forth, back, before 1970, to the end of what the form holds, and back again.
        let stretches = [NOW, NOW + HOUR, NOW, NOW - HOUR, 0, (1 << 48) - 1000, NOW].map(|start| {
            let names: Vec<_> = (0..1000).map(|row| ids.next(start + row / 10).to_owned()).collect();
            assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "in order as long as the clock is, from {start}");
            names
        });
        let mut all = stretches.concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), stretches.len() * 1000);
    }

    #[test]
    fn what_cannot_be_logged_is_no_name() {
        for bad in ["with space", "ümlaut", "line\nbreak", &"x".repeat(65)] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check("").is_ok() && check("order-17/a").is_ok());
    }
}
