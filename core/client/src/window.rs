//! Two counts over the last seconds, by a clock that is passed in.

use std::time::{Duration, Instant};

const PARTS: usize = 10;

/// Counts of two kinds over a sliding span of time.
#[derive(Debug)]
pub struct Window {
    part: Duration,
    start: Option<Instant>,
    /// The part that `counts[newest]` stands for, counted from `start`.
    at: u128,
    counts: [(u32, u32); PARTS],
}

impl Window {
    /// Over the last `span`.
    pub fn new(span: Duration) -> Self {
        Self { part: (span / PARTS as u32).max(Duration::from_nanos(1)), start: None, at: 0, counts: [(0, 0); PARTS] }
    }

    /// Adds to both counts.
    pub fn add(&mut self, now: Instant, first: u32, second: u32) {
        let counts = &mut self.counts[self.turn(now)];
        counts.0 = counts.0.saturating_add(first);
        counts.1 = counts.1.saturating_add(second);
    }

    /// Both counts.
    pub fn counts(&mut self, now: Instant) -> (u32, u32) {
        self.turn(now);
        self.counts.iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.counts = [(0, 0); PARTS];
    }

    fn turn(&mut self, now: Instant) -> usize {
        let start = *self.start.get_or_insert(now);
        let at = now.saturating_duration_since(start).as_nanos() / self.part.as_nanos();
        // As many as have passed are emptied, at most all.
        for passed in 1..=at.saturating_sub(self.at).min(PARTS as u128) {
            self.counts[((self.at + passed) % PARTS as u128) as usize] = (0, 0);
        }
        if at.saturating_sub(self.at) > PARTS as u128 {
            self.clear();
        }
        self.at = self.at.max(at);
        (self.at % PARTS as u128) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_span_is_forgotten() {
        let begin = Instant::now();
        let after = |ms| begin + Duration::from_millis(ms);
        let mut window = Window::new(Duration::from_secs(1));
        window.add(begin, 1, 0);
        window.add(after(550), 2, 1);
        assert_eq!(window.counts(after(990)), (3, 1));
        assert_eq!(window.counts(after(1_000)), (2, 1));
        assert_eq!(window.counts(after(1_600)), (0, 0));
        window.add(after(60_000), 1, 1);
        assert_eq!(window.counts(after(60_001)), (1, 1));
    }
}
