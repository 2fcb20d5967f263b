//! Cells: a partition of every value that a column can have, fixed by the reference and never by what is compared with it.
//!
//! The counts of a column stand in one vector: its *ordinary* cells in order, then always the five [`Special`] ones. A value belongs to
//! exactly one cell, by a rule that depends on the value and the cells alone, so counts of any parts of any table add up to those of the whole.

mod labels;
mod scale;
mod selection;

pub use labels::{Labels, OWN_LABELS};
pub use scale::{MOST_EDGES, Scale};
pub(crate) use scale::{SEVERAL, below, step};
pub use selection::{GRID, edges, quantile};

/// What stands behind the ordinary cells, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Special {
    /// A label that the reference knows and that is too rare for a cell of its own.
    Tail,
    /// A label that the reference does not know.
    Unseen,
    /// Not a number, where that is not the same as null.
    Nan,
    /// An infinity of either sign.
    Infinite,
    /// No value.
    Null,
}

/// How many special cells there are.
pub const SPECIALS: usize = 5;

impl Special {
    /// All of them, in order.
    pub const ALL: [Self; SPECIALS] = [Self::Tail, Self::Unseen, Self::Nan, Self::Infinite, Self::Null];

    /// The word for it in files and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tail => "tail",
            Self::Unseen => "unseen",
            Self::Nan => "nan",
            Self::Infinite => "infinite",
            Self::Null => "null",
        }
    }
}

/// The cells of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Intervals and points of numbers.
    Numeric(Scale),
    /// Labels.
    Category(Labels),
    /// False, then true.
    Flag,
    /// There or not there.
    Presence,
    /// The fixed grid of 0.01 on scores from 0 to 1.
    Score(Scale),
}

impl Cells {
    /// The fixed cells of scores: 100 of 0.01 each, the ends open.
    pub fn score() -> Self {
        let level = |k: u8| match k {
            k if k.is_multiple_of(10) => 10,
            k if k.is_multiple_of(5) => 20,
            _ => 100,
        };
        let edges = (1..100).map(|k: u8| (f64::from(k) / 100.0, level(k)));
        Self::Score(Scale::of(edges.collect()))
    }

    /// The word for the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Numeric(_) => "numeric",
            Self::Category(_) => "category",
            Self::Flag => "flag",
            Self::Presence => "presence",
            Self::Score(_) => "score",
        }
    }

    /// How many ordinary cells there are.
    pub fn ordinary(&self) -> usize {
        match self {
            Self::Numeric(scale) | Self::Score(scale) => scale.cells(),
            Self::Category(labels) => labels.cells(),
            Self::Flag => 2,
            Self::Presence => 1,
        }
    }

    /// How many cells there are, the special ones included.
    pub fn len(&self) -> usize {
        self.ordinary() + SPECIALS
    }

    /// Never: the special cells are always there.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Where a special cell stands.
    pub fn special(&self, special: Special) -> usize {
        self.ordinary() + special as usize
    }

    /// The edges, for cells of numbers.
    pub fn scale(&self) -> Option<&Scale> {
        match self {
            Self::Numeric(scale) | Self::Score(scale) => Some(scale),
            _ => None,
        }
    }

    /// For every ordinary cell its cell in the coarser grid of about `grid` (10 or 20) equal masses. Only numbers and scores have coarser
    /// grids; the cells of the other kinds stay as they are.
    pub fn groups(&self, grid: u8) -> Vec<usize> {
        match self {
            Self::Numeric(scale) | Self::Score(scale) => scale.groups(grid),
            _ => (0..self.ordinary()).collect(),
        }
    }
}

/// Adds counts up by groups; the special cells, which stand last, stay what they are.
pub fn coarsened(counts: &[u64], groups: &[usize]) -> Vec<u64> {
    let cells = groups.last().map_or(0, |last| last + 1);
    let (ordinary, special) = counts.split_at(groups.len().min(counts.len()));
    let mut coarse = vec![0u64; cells];
    for (count, group) in ordinary.iter().zip(groups) {
        if let Some(cell) = coarse.get_mut(*group) {
            *cell = cell.saturating_add(*count);
        }
    }
    coarse.extend(special);
    coarse
}
