//! Counts of a stretch of time: small ones that a block adds to, and a window for what would outgrow them.

use sternpost_engine::model::Shape;
use sternpost_engine::rule::Rule;
use sternpost_engine::scorer::Scorer;
use sternpost_engine::workspace::Block;

use super::binding::{Binding, Place};
use super::gauges::Values;
use crate::moments::{FRESH, Fresh};
use crate::reference::{Column, FEW, Reference};
use crate::window::Window;

/// Outputs that are turned into floats at once.
const STRETCH: usize = 64;

pub(super) struct Buffer {
    /// Of all columns.
    counts: Vec<u32>,
    sums: Vec<Fresh>,
    /// Rows in `counts` and `sums`, at most [`FRESH`].
    fresh: usize,
    window: Window,
}

impl Buffer {
    pub(super) fn new(reference: &std::sync::Arc<Reference>) -> Self {
        Self {
            counts: vec![0; reference.cells()],
            sums: vec![Fresh::default(); reference.columns().len()],
            fresh: 0,
            window: Window::empty(reference.clone()),
        }
    }

    /// Counts a scored block.
    pub(super) fn block(&mut self, reference: &Reference, binding: &Binding, scorer: &Scorer, block: &Block<'_>) {
        let rows = block.kept.len();
        if self.fresh + rows > FRESH {
            self.settle();
        }
        self.fresh += rows;
        if rows <= FEW {
            let gauges = &binding.gauges;
            let values = |of| Values { of, capacity: block.rows.capacity, rows };
            gauges.count(values(&block.rows.floats), values(block.features), &mut self.counts, &mut self.sums);
            gauges.others.iter().for_each(|position| self.column(*position, reference, binding, scorer, block));
        } else {
            (0..binding.places.len()).for_each(|position| self.column(position, reference, binding, scorer, block));
        }
        let scored = scorer.outcomes(block).filter(|outcome| outcome.score.is_some()).count();
        let counted = &mut self.window.rows;
        counted.seen += (block.len - block.discarded) as u64;
        counted.refused += (block.len - block.discarded - rows) as u64;
        counted.scored += scored as u64;
        if let Some(output) = binding.output.filter(|_| scored < rows) {
            self.window.broke(output, Rule::ScoreNotFinite, (rows - scored) as u64);
        }
        for mark in block.marks {
            let columns = if mark.rule == Rule::Raised { &binding.features } else { &binding.inputs };
            if let Some(column) = columns.get(mark.place as usize).copied().flatten() {
                self.window.broke(column, mark.rule, 1);
            }
        }
    }

    fn column(&mut self, position: usize, reference: &Reference, binding: &Binding, scorer: &Scorer, block: &Block<'_>) {
        let (Some(column), Some(place)) = (reference.columns().get(position), binding.places.get(position)) else { return };
        let (Some(counts), Some(sums)) = (self.counts.get_mut(reference.span(position)), self.sums.get_mut(position)) else { return };
        let at = |slot: usize| slot * block.rows.capacity..slot * block.rows.capacity + block.kept.len();
        match *place {
            Place::Float(slot) => column.count_floats(block.rows.floats.get(at(slot)).unwrap_or_default(), counts, sums),
            Place::Long(slot) => column.count_longs(block.rows.longs.get(at(slot)).unwrap_or_default(), counts, sums),
            Place::Code(slot) => column.count_codes(block.rows.codes.get(at(slot)).unwrap_or_default(), counts),
            Place::Flag(slot) => column.count_flags(block.rows.flags.get(at(slot)).unwrap_or_default(), counts),
            Place::Feature(feature) => column.count_floats(block.features.get(at(feature)).unwrap_or_default(), counts, sums),
            Place::Score => outputs(column, scorer.shape(), None, block.raw, counts, sums),
            Place::Output(class) => outputs(column, scorer.shape(), Some(class), block.raw, counts, sums),
        }
    }

    /// Moves everything into a window and is empty again.
    pub(super) fn drain_into(&mut self, total: &mut Window) {
        self.settle();
        total.drain(&mut self.window);
    }

    fn settle(&mut self) {
        if std::mem::take(&mut self.fresh) > 0 {
            let totals = self.window.all_counts_mut().iter_mut();
            totals.zip(&mut self.counts).for_each(|(total, count)| *total += u64::from(std::mem::take(count)));
            self.window.moments_mut().iter_mut().zip(&mut self.sums).for_each(|(total, sums)| total.take(sums));
        }
    }
}

/// The score of every row, or one output of it; null where a row has no score.
fn outputs(column: &Column, shape: Option<&Shape>, class: Option<usize>, raw: &[f32], counts: &mut [u32], sums: &mut Fresh) {
    let Some(shape) = shape else { return };
    let value = |outputs: &[f32]| {
        let (score, _) = shape.score(outputs)?;
        class.map_or(Some(score), |class| outputs.get(class).copied().map(f64::from))
    };
    let width = shape.outputs.max(1);
    if raw.len() == width {
        let float = value(raw).unwrap_or(f64::NAN);
        return column.count_floats(&[float], counts, sums);
    }
    let mut floats = [0.0; STRETCH];
    for raw in raw.chunks(STRETCH * width) {
        let mut rows = 0;
        for (float, outputs) in floats.iter_mut().zip(raw.chunks_exact(width)) {
            *float = value(outputs).unwrap_or(f64::NAN);
            rows += 1;
        }
        column.count_floats(floats.get(..rows).unwrap_or_default(), counts, sums);
    }
}
