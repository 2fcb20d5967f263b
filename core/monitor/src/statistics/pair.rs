//! The counts of one column on both sides, checked once.

use thiserror::Error;

use super::Status;

/// Cells that follow the ordinary ones in every column's counts: TAIL, UNSEEN, NAN, INF, NULL.
pub const SPECIAL: usize = 5;

const UNSEEN: usize = 1;
const NAN: usize = 2;
const NULL: usize = 4;

/// Two vectors of counts that do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// Of different lengths.
    #[error("the reference has {reference} cells and the current counts have {current}; count both over the same cells")]
    Lengths {
        /// Cells of the reference.
        reference: usize,
        /// Cells of the current counts.
        current: usize,
    },
    /// Too short to hold the special cells.
    #[error("{cells} counts are fewer than the {SPECIAL} special cells (TAIL, UNSEEN, NAN, INF, NULL) that end every column's counts")]
    Short {
        /// Cells of both.
        cells: usize,
    },
}

/// Reference and current counts over the same cells.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    reference: &'a [u64],
    current: &'a [u64],
    ordinary: usize,
    n: u128,
    m: u128,
}

impl<'a> Pair<'a> {
    /// Counts of a column: the ordinary cells in order, then the special ones.
    pub fn of_column(reference: &'a [u64], current: &'a [u64]) -> Result<Self, Mismatch> {
        let pair = Self::plain(reference, current)?;
        match pair.ordinary.checked_sub(SPECIAL) {
            Some(ordinary) => Ok(Self { ordinary, ..pair }),
            None => Err(Mismatch::Short { cells: reference.len() }),
        }
    }

    /// Counts of cells that are all ordinary.
    pub fn plain(reference: &'a [u64], current: &'a [u64]) -> Result<Self, Mismatch> {
        if reference.len() != current.len() {
            return Err(Mismatch::Lengths { reference: reference.len(), current: current.len() });
        }
        Ok(Self { reference, current, ordinary: reference.len(), n: total(reference), m: total(current) })
    }

    /// The ordinary cells alone: what is known given that a value is there and among them.
    pub fn ordinary(&self) -> Self {
        let (reference, _) = self.reference.split_at(self.ordinary);
        let (current, _) = self.current.split_at(self.ordinary);
        Self { reference, current, ordinary: self.ordinary, n: total(reference), m: total(current) }
    }

    /// Rows of the reference.
    pub fn reference_rows(&self) -> u128 {
        self.n
    }

    /// Rows of the current window.
    pub fn current_rows(&self) -> u128 {
        self.m
    }

    /// How many cells are ordinary.
    pub fn ordinary_cells(&self) -> usize {
        self.ordinary
    }

    /// Why nothing can be compared, if so.
    pub fn empty(&self) -> Option<Status> {
        match (self.n, self.m) {
            (0, _) => Some(Status::EmptyReference),
            (_, 0) => Some(Status::EmptyCurrent),
            _ => None,
        }
    }

    /// Every cell's two counts, in order.
    pub fn cells(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.reference.iter().copied().zip(self.current.iter().copied())
    }

    /// The cells that hold anything on either side.
    pub fn occupied(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.cells().filter(|&(a, b)| a > 0 || b > 0)
    }

    /// K: how many cells hold anything on either side.
    pub fn occupied_cells(&self) -> usize {
        self.occupied().count()
    }

    /// The shares of the occupied cells.
    pub fn shares(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let (n, m) = (self.n as f64, self.m as f64);
        self.occupied().map(move |(a, b)| (a as f64 / n, b as f64 / m))
    }

    /// Missing values (NULL and NAN) on both sides; none for plain counts.
    pub fn missing(&self) -> (u128, u128) {
        let (nan, null) = (self.special(NAN), self.special(NULL));
        (u128::from(nan.0) + u128::from(null.0), u128::from(nan.1) + u128::from(null.1))
    }

    /// Labels that the reference never had, on both sides.
    pub fn unseen(&self) -> (u64, u64) {
        self.special(UNSEEN)
    }

    fn special(&self, place: usize) -> (u64, u64) {
        let at = |counts: &[u64]| counts.get(self.ordinary + place).copied().unwrap_or(0);
        (at(self.reference), at(self.current))
    }
}

fn total(counts: &[u64]) -> u128 {
    counts.iter().map(|&count| u128::from(count)).sum()
}
