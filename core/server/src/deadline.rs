//! When an answer ceases to be of use: what a caller's time limit means.

use std::time::{Duration, Instant};

use http::HeaderMap;

/// The time limit in a `grpc-timeout` header: one to eight digits and a unit. Nothing for anything else.
pub fn grpc_timeout(text: &str) -> Option<Duration> {
    let unit = *text.as_bytes().last()?;
    let digits = text.get(..text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// The time limit that a call's headers ask for.
pub fn asked(headers: &HeaderMap) -> Option<Duration> {
    grpc_timeout(headers.get("grpc-timeout")?.to_str().ok()?)
}

/// When a request was whole, as an extension of it; whoever reads the connection knows, a protocol only when it was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived(pub Instant);

/// The earliest end of any of the limits, counted from one moment. A limit that the clock cannot reach is none.
pub fn earliest(from: Instant, limits: impl IntoIterator<Item = Option<Duration>>) -> Option<Instant> {
    limits.into_iter().flatten().min().and_then(|limit| from.checked_add(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_nothing_else_is() {
        let cases = [
            ("2H", Duration::from_secs(7200)),
            ("3M", Duration::from_secs(180)),
            ("4S", Duration::from_secs(4)),
            ("5m", Duration::from_millis(5)),
            ("6u", Duration::from_micros(6)),
            ("7n", Duration::from_nanos(7)),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
            ("0n", Duration::ZERO),
            ("00000001S", Duration::from_secs(1)),
        ];
        for (text, limit) in cases {
            assert_eq!(grpc_timeout(text), Some(limit), "{text}");
        }
        for text in ["", "S", "1", "123456789S", "+1S", "-1S", "1 S", "1s", "1.5S", "1é", "é", "１S", "1Sm"] {
            assert_eq!(grpc_timeout(text), None, "{text}");
        }
    }

    #[test]
    fn the_earlier_of_two_limits_counts() {
        let now = Instant::now();
        let (short, long) = (Duration::from_millis(1), Duration::from_secs(1));
        assert_eq!(earliest(now, [Some(long), Some(short)]), Some(now + short));
        assert_eq!(earliest(now, [None, Some(long)]), Some(now + long));
        assert_eq!(earliest(now, [None, None]), None);
        assert_eq!(earliest(now, [Some(Duration::MAX)]), None);
    }
}
