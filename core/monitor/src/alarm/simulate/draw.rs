//! Windows of counts by chance.

use rand::Rng;
use rand_distr::{Binomial, Distribution, StandardNormal};
use statrs::distribution::{ContinuousCDF, Normal};

/// Where windows come from: the shares of every column, and how the columns hang together.
#[derive(Debug, Clone)]
pub struct Source {
    shares: Vec<Vec<f64>>,
    /// Per column the upper ends of its cells in normal scores; used where columns correlate.
    ends: Vec<Vec<f64>>,
    correlation: f64,
}

impl Source {
    /// Columns with these shares; `correlation` is that of the normal scores of every two columns, from 0 (independent) to 1.
    pub fn new(shares: Vec<Vec<f64>>, correlation: f64) -> Self {
        let ends = if correlation > 0.0 { shares.iter().map(|shares| normal_ends(shares)).collect() } else { Vec::new() };
        Self { shares, ends, correlation: correlation.clamp(0.0, 1.0) }
    }

    /// One window of `rows` rows, into counts that have the right lengths.
    pub fn window(&self, rows: u64, by: &mut impl Rng, counts: &mut [Vec<u64>]) {
        if self.correlation <= 0.0 {
            for (shares, counts) in self.shares.iter().zip(counts) {
                counts_of(shares, rows, by, counts);
            }
            return;
        }
        counts.iter_mut().for_each(|counts| counts.fill(0));
        let (shared, own) = (self.correlation.sqrt(), (1.0 - self.correlation).sqrt());
        for _ in 0..rows {
            let common: f64 = StandardNormal.sample(by);
            for (ends, counts) in self.ends.iter().zip(counts.iter_mut()) {
                let single: f64 = StandardNormal.sample(by);
                let score = shared * common + own * single;
                let cell = ends.partition_point(|end| *end < score);
                if let Some(count) = counts.get_mut(cell) {
                    *count += 1;
                }
            }
        }
    }
}

/// Multinomial counts: a binomial per cell of what is left.
pub fn counts_of(shares: &[f64], rows: u64, by: &mut impl Rng, counts: &mut [u64]) {
    let (mut left, mut mass) = (rows, shares.iter().sum::<f64>());
    for (share, count) in shares.iter().zip(counts) {
        let part = if mass > 0.0 { (share / mass).clamp(0.0, 1.0) } else { 0.0 };
        // Rounding leaves a crumb of mass at the end; the last cell with a share takes all that is left.
        let part = if mass - share <= 1e-12 && *share > 0.0 { 1.0 } else { part };
        *count = match part {
            0.0 => 0,
            1.0 => left,
            part => Binomial::new(left, part).map_or(0, |law| law.sample(by)),
        };
        left -= (*count).min(left);
        mass -= share;
    }
}

fn normal_ends(shares: &[f64]) -> Vec<f64> {
    let normal = Normal::standard();
    let last = shares.iter().rposition(|share| *share > 0.0).unwrap_or_default();
    let mut below = 0.0;
    let up_to = |(cell, share): (usize, &f64)| {
        below += share;
        match below {
            _ if cell >= last => f64::INFINITY,
            _ if below <= 0.0 => f64::NEG_INFINITY,
            _ if below >= 1.0 => f64::INFINITY,
            below => normal.inverse_cdf(below),
        }
    };
    shares.iter().enumerate().map(up_to).collect()
}
