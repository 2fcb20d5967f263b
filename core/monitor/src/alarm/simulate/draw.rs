//! Windows of counts by chance.

use rand::Rng;
use rand_distr::{Binomial, Distribution, StandardNormal};
use statrs::distribution::{ContinuousCDF, Normal};

/// Where windows come from: the shares of every column, and how the columns hang together.
#[derive(Debug, Clone)]
pub struct Source {
    shares: Vec<Vec<f64>>,
    /// Per column the cells of normal scores; used where columns correlate.
    cells: Vec<Scores>,
    correlation: f64,
}

impl Source {
    /// Columns with these shares; `correlation` is that of the normal scores of every two columns, from 0 (independent) to 1.
    pub fn new(shares: Vec<Vec<f64>>, correlation: f64) -> Self {
        let cells = if correlation > 0.0 { shares.iter().map(|shares| Scores::of(shares)).collect() } else { Vec::new() };
        Self { shares, cells, correlation: correlation.clamp(0.0, 1.0) }
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
        // Column after column, so that a column's guide stays at hand.
        let mut left = rows;
        let mut common = Vec::with_capacity(rows.min(BLOCK) as usize);
        while left > 0 {
            let block = left.min(BLOCK);
            left -= block;
            common.clear();
            for _ in 0..block {
                let row: f64 = StandardNormal.sample(by);
                common.push(shared * row);
            }
            for (cells, counts) in self.cells.iter().zip(counts.iter_mut()) {
                for common in &common {
                    let single: f64 = StandardNormal.sample(by);
                    if let Some(count) = counts.get_mut(cells.cell(common + own * single)) {
                        *count += 1;
                    }
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

/// Rows drawn at once.
const BLOCK: u64 = 1024;
/// Steps of the guide, and what it covers on either side of zero.
const STEPS: usize = 512;
const COVERED: f64 = 4.0;

/// The cells of normal scores: their upper ends, and a guide that says at which cell to begin to look.
#[derive(Debug, Clone)]
struct Scores {
    ends: Vec<f64>,
    guide: Vec<u32>,
}

impl Scores {
    fn of(shares: &[f64]) -> Self {
        let ends = normal_ends(shares);
        let begin = |step: usize| if step == 0 { f64::NEG_INFINITY } else { 2.0 * COVERED * step as f64 / STEPS as f64 - COVERED };
        // One step lower, so that the rounding of a score's step does no harm.
        let guide = (0..STEPS).map(|step| ends.partition_point(|end| *end < begin(step.saturating_sub(1))) as u32).collect();
        Self { ends, guide }
    }

    /// The first cell whose end is not below.
    fn cell(&self, score: f64) -> usize {
        let step = ((score + COVERED) * (STEPS as f64 / (2.0 * COVERED))) as usize;
        let from = self.guide.get(step.min(STEPS - 1)).map_or(0, |from| *from as usize);
        from + self.ends.iter().skip(from).take_while(|end| **end < score).count()
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
