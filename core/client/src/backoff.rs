//! How long to wait before the next try, and the dice that keep clients from waiting in step.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(500);

/// The wait before try number `tries` + 1, from half to all of 10 ms, 20 ms, 40 ms ...; never less than the server asked for, and then up to
/// half as much again, so that those who were turned away together do not come back together.
pub fn wait(tries: u32, asked_ms: Option<i64>, chance: f64) -> Duration {
    let whole = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(LONGEST);
    let own = whole.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0));
    match asked_ms.and_then(|asked| u64::try_from(asked).ok()) {
        Some(asked) => Duration::from_millis(asked).mul_f64(1.0 + 0.5 * chance.clamp(0.0, 1.0)),
        None => own,
    }
}

/// Numbers from 0 to 1 (splitmix64; nothing here is a secret).
#[derive(Debug)]
pub struct Dice(AtomicU64);

impl Default for Dice {
    fn default() -> Self {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        Self(AtomicU64::new(time ^ u64::from(std::process::id()) << 32))
    }
}

impl Dice {
    /// The next number.
    pub fn roll(&self) -> f64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_end_and_is_never_the_same_for_all() {
        let ms = |tries, chance| wait(tries, None, chance).as_millis();
        assert_eq!([ms(1, 1.0), ms(2, 1.0), ms(3, 1.0), ms(40, 1.0)], [10, 20, 40, 500]);
        assert_eq!([ms(1, 0.0), ms(2, 0.0)], [5, 10]);
    }

    #[test]
    fn what_the_server_asks_for_counts() {
        assert_eq!(wait(1, Some(300), 0.0), Duration::from_millis(300));
        assert_eq!(wait(1, Some(300), 1.0), Duration::from_millis(450));
        assert_eq!(wait(3, Some(0), 1.0), Duration::ZERO);
    }

    #[test]
    fn dice_are_spread_over_the_whole() {
        let dice = Dice::default();
        let mut counts = [0_u32; 10];
        (0..10_000).for_each(|_| counts[(dice.roll() * 10.0) as usize] += 1);
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
