//! The cells of the numbers of one row, where the column changes with every number.
//!
//! A single row goes through every column once, so what counts is how much memory that touches and how little is asked: all that placing a
//! number needs stands together, a cache line for each column, and edges and steps of all columns in one piece each. The cells are those of
//! [`crate::cells::Scale`], found by the same functions.

use sternpost_engine::wide::wide;

use super::binding::Place;
use crate::cells::{SEVERAL, Scale, Special, below, step};
use crate::moments::Fresh;
use crate::reference::Reference;

/// Columns of numbers that have a ruler and whose values are floats; the other columns.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    inputs: Vec<Gauge>,
    features: Vec<Gauge>,
    starts: Vec<u8>,
    edges: Vec<f64>,
    /// Columns of the reference that have no gauge.
    pub(super) others: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Gauge {
    low: f64,
    per: f64,
    last: f64,
    centre: f64,
    z_per: f64,
    /// Where the values, the counts and the sums are, and the column's own steps and edges begin.
    place: u32,
    counts: u32,
    sums: u32,
    starts: u32,
    edges: u32,
    /// The cell of nulls, from the column's first.
    null: u32,
}

/// The first rows of columns that have so many places each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) of: &'a [f64],
    pub(super) capacity: usize,
    pub(super) rows: usize,
}

impl Gauges {
    pub(super) fn of(reference: &Reference, places: &[Place]) -> Self {
        let mut all = Self::default();
        for (position, (column, place)) in reference.columns().iter().zip(places).enumerate() {
            let (list, place) = match *place {
                Place::Float(slot) => (&mut all.inputs, slot),
                Place::Feature(feature) => (&mut all.features, feature),
                _ => {
                    all.others.push(position);
                    continue;
                }
            };
            let Some(([low, per, last], starts, edges)) = column.cells.scale().and_then(Scale::ruler) else {
                all.others.push(position);
                continue;
            };
            list.push(Gauge {
                low,
                per,
                last,
                centre: column.fixed.centre,
                z_per: column.fixed.per(),
                place: place as u32,
                counts: reference.span(position).start as u32,
                sums: position as u32,
                starts: all.starts.len() as u32,
                edges: all.edges.len() as u32,
                null: column.cells.special(Special::Null) as u32,
            });
            all.starts.extend(starts);
            all.edges.extend(edges);
        }
        all
    }

    /// Counts the numbers of a few rows: of the inputs in `floats`, of features in `features`. NaN is null.
    pub(super) fn count(&self, floats: Values<'_>, features: Values<'_>, counts: &mut [u32], sums: &mut [Fresh]) {
        count(&self.inputs, &self.starts, &self.edges, floats, counts, sums);
        count(&self.features, &self.starts, &self.edges, features, counts, sums);
    }
}

wide! {
    fn count(gauges: &[Gauge], starts: &[u8], edges: &[f64], values: Values<'_>, counts: &mut [u32], sums: &mut [Fresh]) {
        for gauge in gauges {
            let first = gauge.place as usize * values.capacity;
            let Some(values) = values.of.get(first..first + values.rows) else { return };
            for value in values {
                let mut cell = special(gauge, *value);
                if value.is_finite() {
                    let on = gauge.starts as usize + step(*value, gauge.low, gauge.per, gauge.last) as usize;
                    let start = starts.get(on).map_or(0, |start| usize::from(*start));
                    let edge = gauge.edges as usize + start;
                    cell = start + edges.get(edge..edge + SEVERAL).map_or(0, |near| below(near, *value));
                    if let Some(sums) = sums.get_mut(gauge.sums as usize) {
                        sums.one(gauge.centre, gauge.z_per, *value);
                    }
                }
                if let Some(count) = counts.get_mut(gauge.counts as usize + cell) {
                    *count += 1;
                }
            }
        }
    }
}

#[inline(always)]
fn special(gauge: &Gauge, value: f64) -> usize {
    let special = if value.is_nan() { Special::Null } else { Special::Infinite };
    gauge.null as usize + special as usize - Special::Null as usize
}
