//! When calls are made: as soon as a caller is free, or at times of their own.

use crate::options::{Arrivals, Options};

/// Times of an open loop, and the order of rows.
pub struct Pace {
    rate: Option<f64>,
    arrivals: Arrivals,
    next: f64,
    random: fastrand::Rng,
    row: u32,
    rows: u32,
}

impl Pace {
    pub fn new(options: &Options, rows: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(options.seed);
        let row = random.u32(..rows as u32);
        Self { rate: options.rate, arrivals: options.arrivals, next: 0.0, random, row, rows: rows as u32 }
    }

    /// Whether calls come at times of their own.
    pub fn is_open(&self) -> bool {
        self.rate.is_some()
    }

    /// The next row: all of them in turn.
    pub fn row(&mut self) -> u32 {
        self.row = if self.row + 1 < self.rows { self.row + 1 } else { 0 };
        self.row
    }

    /// When the next call is due in an open loop.
    pub fn due(&self) -> u64 {
        self.next as u64
    }

    /// Takes the call that is due.
    pub fn advance(&mut self) {
        let Some(rate) = self.rate else { return };
        self.next += match self.arrivals {
            Arrivals::Even => 1e9 / rate,
            // 1 - u is never 0.
            Arrivals::Poisson => -(1.0 - self.random.f64()).ln() * 1e9 / rate,
        };
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn times(arrivals: &str) -> Vec<u64> {
        let words = ["sternpost-load", "unix:none", "--rows", "none", "--rate", "1000", "--arrivals", arrivals];
        let mut pace = Pace::new(&Options::parse_from(words), 3);
        (0..20_000)
            .map(|_| {
                pace.advance();
                pace.due()
            })
            .collect()
    }

    #[test]
    fn arrivals_keep_their_rate() {
        assert_eq!(times("even")[..3], [1_000_000, 2_000_000, 3_000_000]);
        let times = times("poisson");
        let gaps: Vec<f64> = times.windows(2).map(|two| (two[1] - two[0]) as f64 / 1e6).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 1.0).abs() < 0.05 && (variance - 1.0).abs() < 0.1, "{mean} {variance}");
    }

    #[test]
    fn rows_come_in_turn() {
        let mut pace = Pace::new(&Options::parse_from(["sternpost-load", "unix:none", "--rows", "none"]), 3);
        let first: Vec<u32> = (0..6).map(|_| pace.row()).collect();
        assert_eq!(first[..3], first[3..]);
        let mut seen = first[..3].to_vec();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    }
}
