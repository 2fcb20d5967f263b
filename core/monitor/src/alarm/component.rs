//! What the detector watches: every share, in each direction, against each alternative.

use super::band::{self, Share};
use super::budget::Budget;
use super::column::Column;
use super::error::{Error, Result};

/// How far beyond the null edge an alternative lies. Near 0 and 1 a fifth of it, where a share of half a percent is a world.
const ALTERNATIVES: [f64; 6] = [0.005, 0.01, 0.02, 0.04, 0.08, 0.16];
const NEAR_AN_END: f64 = 0.05;
const NEAR_AN_END_PART: f64 = 0.2;
/// An alternative goes at most so far of the way from the edge to 0 or 1, so that no single row decides alone.
const FARTHEST: f64 = 0.9;

/// One share of one column, watched for leaving its band on one side.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The column's place.
    pub column: usize,
    /// The cell; for a cumulative share the last cell that belongs to it.
    pub cell: usize,
    /// Whose share.
    pub share: Share,
    /// Whether it is watched for growing.
    pub up: bool,
    /// The reference's share.
    pub reference: f64,
    /// The largest (smallest) share that is no change.
    pub edge: f64,
    /// Its alternatives: places in [`Components::alternatives`].
    pub first: usize,
    /// The place behind its last alternative.
    pub last: usize,
}

/// One alternative of a watch, as what a row adds to the logarithm of evidence.
#[derive(Debug, Clone, Copy)]
pub struct Alternative {
    /// The alternative's distance from the edge.
    pub distance: f64,
    /// ln(q/m): a row in the share.
    pub hit: f64,
    /// ln((1-q)/(1-m)): a row outside.
    pub miss: f64,
}

/// Everything that is watched, in order of columns, cells, directions and alternatives.
#[derive(Debug, Clone)]
pub struct Components {
    /// The shares.
    pub watches: Vec<Watch>,
    /// All alternatives of all watches.
    pub alternatives: Vec<Alternative>,
    /// Per column: the logarithm of the weight of each of its alternatives. Weights over all alternatives sum to 1.
    pub log_weights: Vec<f64>,
    /// Per column: its watches and its alternatives, as ranges.
    pub of_column: Vec<(std::ops::Range<usize>, std::ops::Range<usize>)>,
}

impl Components {
    /// Lays out everything that the columns give reason to watch.
    ///
    /// A watch whose null edge is not inside of (0, 1) is void: no count could speak against its null. Its weight goes to the column's others;
    /// that of a column without any (an empty reference) goes to the other columns.
    pub fn of(columns: &[Column], budget: &Budget) -> Result<Self> {
        budget.check()?;
        let mut names = std::collections::HashSet::new();
        for column in columns {
            column.check()?;
            if !names.insert(column.name.as_str()) {
                return Err(Error::Settings(format!("column {} is there twice", column.name)));
            }
        }
        let mut made =
            Self { watches: Vec::new(), alternatives: Vec::new(), log_weights: Vec::new(), of_column: Vec::with_capacity(columns.len()) };
        for (place, column) in columns.iter().enumerate() {
            let (watches, alternatives) = (made.watches.len(), made.alternatives.len());
            if column.importance > 0.0 && column.rows() > 0 {
                made.add(place, column, columns.len(), budget);
            }
            made.of_column.push((watches..made.watches.len(), alternatives..made.alternatives.len()));
        }
        let live = |(column, (_, range)): (&Column, &(_, std::ops::Range<usize>))| if range.is_empty() { 0.0 } else { column.importance };
        let total: f64 = columns.iter().zip(&made.of_column).map(live).sum();
        if total.is_nan() || total <= 0.0 {
            return Err(Error::Settings("nothing to watch: no column has a reference with rows and an importance".to_owned()));
        }
        for (column, (_, range)) in columns.iter().zip(&made.of_column) {
            let weight = column.importance / total / range.len().max(1) as f64;
            made.log_weights.push(if range.is_empty() { f64::NEG_INFINITY } else { libm::log(weight) });
        }
        Ok(made)
    }

    fn add(&mut self, place: usize, column: &Column, columns: usize, budget: &Budget) {
        let ordinary = column.ordinary();
        if column.kind.ordered() {
            let mut below = 0u64;
            for (cell, count) in column.counts.iter().take(ordinary.saturating_sub(1)).enumerate() {
                below = below.saturating_add(*count);
                self.watch(place, column, cell, below, Share::Cumulative, columns, budget);
            }
        } else if column.kind == super::column::Kind::Category {
            for (cell, count) in column.counts.iter().take(ordinary).enumerate() {
                self.watch(place, column, cell, *count, Share::Single, columns, budget);
            }
        }
        for special in column.kind.specials() {
            let cell = ordinary + *special as usize;
            let count = column.counts.get(cell).copied().unwrap_or_default();
            self.watch(place, column, cell, count, Share::Single, columns, budget);
        }
    }

    #[allow(clippy::too_many_arguments)] // one place calls it, with what it has at hand
    fn watch(&mut self, place: usize, column: &Column, cell: usize, count: u64, share: Share, columns: usize, budget: &Budget) {
        let rows = column.rows();
        let reference = count as f64 / rows as f64;
        let (low, high) = if budget.known_reference {
            (reference, reference)
        } else {
            band::error(count, rows, column.counts.len(), budget.confidence / columns as f64, share)
        };
        let tolerance = band::tolerated(reference, share, budget.tolerance, budget.rare_tolerance);
        for up in [false, true] {
            let edge = if up { high + tolerance } else { low - tolerance };
            if !(edge > 0.0 && edge < 1.0) {
                continue;
            }
            let room = if up { 1.0 - edge } else { edge };
            let scale = if edge.min(1.0 - edge) < NEAR_AN_END { NEAR_AN_END_PART } else { 1.0 };
            let first = self.alternatives.len();
            for far in ALTERNATIVES {
                let distance = (scale * far).min(FARTHEST * room);
                let other = if up { edge + distance } else { edge - distance };
                self.alternatives.push(Alternative {
                    distance,
                    hit: libm::log(other / edge),
                    miss: libm::log((1.0 - other) / (1.0 - edge)),
                });
                if distance < scale * far {
                    break; // the ones after it would be the same
                }
            }
            let last = self.alternatives.len();
            self.watches.push(Watch { column: place, cell, share, up, reference, edge, first, last });
        }
    }
}
