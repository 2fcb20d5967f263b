//! The two-sample chi-square of a 2 × K table, and what it says about strength: Cramer's V.

use super::laws::chi_square;
use super::{Measured, Pair, Status};

/// Cells with fewer expected rows on either side are pooled.
pub const EXPECTED_MIN: f64 = 5.0;

/// Which cells may be pooled with which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// None: every cell that holds anything stands for itself.
    None,
    /// Ordinary cells from left to right until a group is large enough, a rest joins the group before it; special cells that are too small
    /// form one group.
    Neighbours,
    /// All cells that are too small form one group.
    Small,
}

/// The test of the pooled table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChiSquare {
    /// Chi-square without continuity correction, with its p-value.
    pub measured: Measured,
    /// sqrt(chi-square / rows), in [0, 1].
    pub cramer_v: Measured,
    /// The same corrected for its bias (Bergsma 2013); 0 where chance explains all.
    pub bergsma_v: Measured,
    /// Columns of the table after pooling; degrees of freedom are one less.
    pub groups: usize,
}

#[derive(Default)]
struct Table {
    sum: f64,
    groups: usize,
    /// The smallest group so far, kept out of the sum because a rest may have to join it; the first of equals.
    smallest: Option<(u128, u128)>,
}

/// Compares the two sides as samples of one population.
pub fn chi_square(pair: &Pair<'_>, pooling: Pooling) -> ChiSquare {
    let none = |measured| ChiSquare { measured, cramer_v: measured, bergsma_v: measured, groups: 0 };
    if let Some(status) = pair.empty() {
        return none(Measured::none(status));
    }
    if pair.occupied_cells() <= 1 {
        return ChiSquare { groups: 1, ..none(Measured::constant(0.0)) };
    }
    let (table, statistic) = tabulate(pair, pooling);
    if table.groups < 2 {
        return ChiSquare { groups: table.groups, ..none(Measured::none(Status::TooFew)) };
    }
    let rows = pair.reference_rows() as f64 + pair.current_rows() as f64;
    let freedom = (table.groups - 1) as f64;
    let phi = statistic / rows;
    ChiSquare {
        measured: Measured::ok(statistic).with_p(chi_square::sf(statistic, freedom)),
        cramer_v: Measured::ok(phi.sqrt().min(1.0)),
        bergsma_v: bergsma(phi, freedom, rows),
        groups: table.groups,
    }
}

/// min(rows, columns) - 1 is 1 for two samples: both corrected sizes lie under it.
fn bergsma(phi: f64, freedom: f64, rows: f64) -> Measured {
    let corrected = (phi - freedom / (rows - 1.0)).max(0.0);
    let columns = freedom - freedom * freedom / (rows - 1.0);
    let sides = 1.0 - 1.0 / (rows - 1.0);
    let least = columns.min(sides);
    if least > 0.0 { Measured::ok((corrected / least).sqrt()) } else { Measured::none(Status::TooFew) }
}

fn tabulate(pair: &Pair<'_>, pooling: Pooling) -> (Table, f64) {
    let (n, m) = (pair.reference_rows(), pair.current_rows());
    let lesser = n.min(m) as f64 / (n as f64 + m as f64);
    let small = |group: (u128, u128)| (group.0 + group.1) as f64 * lesser < EXPECTED_MIN;
    let mut table = Table::default();
    let mut rest = (0_u128, 0_u128);
    let mut run = (0_u128, 0_u128);
    let mut before: Option<(u128, u128)> = None;
    for (place, (a, b)) in pair.cells().enumerate().filter(|(_, cell)| *cell != (0, 0)) {
        let cell = (u128::from(a), u128::from(b));
        match pooling {
            Pooling::None => table.add(cell, n, m),
            Pooling::Neighbours if place < pair.ordinary_cells() => {
                run = joined(run, cell);
                if !small(run) {
                    // The group before it is complete: nothing to its right can be a rest of its own any more.
                    if let Some(done) = before.replace(run) {
                        table.add(done, n, m);
                    }
                    run = (0, 0);
                }
            }
            _ if small(cell) => rest = joined(rest, cell),
            _ => table.add(cell, n, m),
        }
    }
    match before {
        Some(last) => table.add(joined(last, run), n, m),
        None => rest = joined(rest, run),
    }
    if rest != (0, 0) {
        match table.smallest.take() {
            Some(smallest) if small(rest) => {
                table.groups -= 1;
                table.add(joined(smallest, rest), n, m);
            }
            other => {
                table.smallest = other;
                table.add(rest, n, m);
            }
        }
    }
    let statistic = table.sum + table.smallest.map_or(0.0, |group| contribution(group, n, m));
    (table, statistic)
}

impl Table {
    fn add(&mut self, group: (u128, u128), n: u128, m: u128) {
        self.groups += 1;
        let size = |group: (u128, u128)| group.0 + group.1;
        match self.smallest {
            Some(smallest) if size(group) < size(smallest) => {
                self.sum += contribution(smallest, n, m);
                self.smallest = Some(group);
            }
            Some(_) => self.sum += contribution(group, n, m),
            None => self.smallest = Some(group),
        }
    }
}

fn joined(left: (u128, u128), right: (u128, u128)) -> (u128, u128) {
    (left.0 + right.0, left.1 + right.1)
}

/// Both entries of one column of the table: n m (p - q)² / (a + b).
fn contribution((a, b): (u128, u128), n: u128, m: u128) -> f64 {
    if a + b == 0 {
        return 0.0;
    }
    let (n, m) = (n as f64, m as f64);
    let difference = a as f64 / n - b as f64 / m;
    difference * difference / (a + b) as f64 * n * m
}
