//! One worker's buffers for a block, and the view of a finished block that is handed out.
//!
//! A block is filled, judged, compacted, computed and scored in place; nothing here allocates once its vectors have grown to their size.

use crate::contract::Contract;
use crate::kernel::Tables;
use crate::observer::Watch;
use crate::rows::{Rows, gather};
use crate::rule::Mark;
use crate::scorer::Scorer;
use crate::{NULL_F64, model_rows};

/// Buffers for blocks of `rows.capacity` rows.
pub struct Workspace {
    /// Decoded rows; after the contract stage only the kept ones, at the front of every column.
    pub rows: Rows,
    pub(crate) len: usize,
    pub(crate) kept: Vec<usize>,
    pub(crate) features: Vec<f64>,
    pub(crate) matrix: Vec<f32>,
    pub(crate) raw: Vec<f32>,
    pub(crate) tables: Tables,
    pub(crate) raised: Vec<Mark>,
    pub(crate) watch: Option<Box<dyn Watch>>,
    alive: Vec<usize>,
}

/// A finished block.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Rows that came in.
    pub len: usize,
    /// Of these, could not be read and so were none.
    pub discarded: usize,
    /// The rows that were not refused, ascending; every other field speaks of these, in this order.
    pub kept: &'a [usize],
    /// Decoded columns.
    pub rows: &'a Rows,
    /// A column of `rows.capacity` values per feature; a NaN is null, whatever its bits.
    pub features: &'a [f64],
    /// Row-major model input; of this block once the model stage was reached.
    pub matrix: &'a [f32],
    /// Row-major raw model outputs.
    pub raw: &'a [f32],
    /// Broken rules with rows `0..len`, by column and then by row.
    pub marks: &'a [Mark],
}

impl Workspace {
    /// Buffers for blocks of `capacity` rows.
    pub fn new(contract: &Contract, features: usize, capacity: usize) -> Self {
        Self {
            rows: Rows::new(contract, capacity),
            len: 0,
            kept: Vec::with_capacity(capacity),
            features: vec![NULL_F64; features * capacity],
            matrix: Vec::new(),
            raw: Vec::new(),
            tables: Tables::default(),
            raised: Vec::new(),
            watch: None,
            alive: Vec::new(),
        }
    }

    /// Starts a block of `len` rows.
    pub fn reset(&mut self, len: usize) {
        self.rows.reset(len);
        self.len = len;
        self.kept.clear();
        self.raw.clear();
    }

    /// The block as it stands.
    pub fn block(&self) -> Block<'_> {
        Block {
            len: self.len,
            discarded: self.rows.findings.discarded(),
            kept: &self.kept,
            rows: &self.rows,
            features: &self.features,
            matrix: &self.matrix,
            raw: &self.raw,
            marks: &self.rows.findings.marks,
        }
    }

    /// Takes the rows that raised out of the kept ones, and their marks into the findings.
    pub(crate) fn drop_raised(&mut self) {
        if self.raised.is_empty() {
            return;
        }
        let mut dropped = self.raised.iter().map(|mark| mark.row).peekable();
        self.alive.clear();
        for row in 0..self.kept.len() {
            if dropped.next_if_eq(&row).is_none() {
                self.alive.push(row);
            }
        }
        for mark in &self.raised {
            self.rows.findings.push(Mark { row: self.kept[mark.row], ..*mark });
        }
        let capacity = self.rows.capacity;
        gather(&mut self.features, capacity, &self.alive);
        gather(&mut self.rows.floats, capacity, &self.alive);
        gather(&mut self.rows.longs, capacity, &self.alive);
        gather(&mut self.rows.codes, capacity, &self.alive);
        gather(&mut self.rows.flags, capacity, &self.alive);
        for (to, from) in self.alive.iter().enumerate() {
            self.kept[to] = self.kept[*from];
        }
        self.kept.truncate(self.alive.len());
    }

    /// Shows the block to whoever watches this workspace.
    pub(crate) fn be_seen(&mut self, scorer: &Scorer, first: usize) {
        if let Some(mut watch) = self.watch.take() {
            watch.block(scorer, first, &self.block());
            self.watch = Some(watch);
        }
    }

    /// Does something with the workspace that nobody watches.
    pub(crate) fn unseen<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let watch = self.watch.take();
        let done = work(self);
        self.watch = watch;
        done
    }

    /// Writes the kept rows as the model's input.
    pub(crate) fn write_matrix(&mut self) {
        let count = self.kept.len();
        let width = self.features.len() / self.rows.capacity;
        self.matrix.resize(count * width, 0.0);
        model_rows::write(&self.features, self.rows.capacity, &mut self.matrix);
    }
}

impl Block<'_> {
    /// Writes the kept rows as a model's input, row-major, into `out` of `kept.len() * features` places.
    pub fn write_matrix(&self, out: &mut [f32]) {
        model_rows::write(self.features, self.rows.capacity, out);
    }
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspace").field("len", &self.len).field("kept", &self.kept.len()).finish_non_exhaustive()
    }
}
