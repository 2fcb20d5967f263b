//! A column's reference from its values: sorted once, so that nothing about it depends on the order they came in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use sternpost_engine::rows::Rows;

use super::Column;
use crate::cells::{Cells, Labels, Scale, edges, quantile};
use crate::error::{Error, Result};
use crate::moments::{FixedPoint, Moments};

use crate::source::{Form, STRETCH, Source};

/// The interquartile range of a normal distribution in standard deviations.
const NORMAL_RANGE: f64 = 1.349;

/// The reference of every column, over so many threads. `go_on` is asked now and then; false stops.
///
/// # Errors
/// `Error::Engine` with `Interrupted`, or for arrays that are not of their types.
pub fn columns(sources: &[Source], nan_is_null: bool, threads: usize, go_on: &dyn Fn() -> bool) -> Result<Vec<Column>> {
    let next = AtomicUsize::new(0);
    let made: Mutex<Vec<(usize, Result<Column>)>> = Mutex::new(Vec::with_capacity(sources.len()));
    let work = |go_on: &dyn Fn() -> bool| {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(source) = sources.get(place) else { return };
            let column = if go_on() { column(source, nan_is_null) } else { Err(Error::Engine(sternpost_engine::Error::Interrupted)) };
            let failed = column.is_err();
            made.lock().unwrap_or_else(PoisonError::into_inner).push((place, column));
            if failed {
                next.store(sources.len(), Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(sources.len()) {
            scope.spawn(|| work(&|| true));
        }
        work(go_on);
    });
    let mut made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    made.sort_by_key(|(place, _)| *place);
    made.into_iter().map(|(_, column)| column).collect()
}

fn column(source: &Source, nan_is_null: bool) -> Result<Column> {
    let (cells, numbers) = match source.form() {
        Form::Float | Form::Long | Form::Scaled(_) => {
            let numbers = sorted(source)?;
            let in_unit = numbers.first().is_none_or(|least| *least >= 0.0) && numbers.last().is_none_or(|most| *most <= 1.0);
            let cells = if source.is_score() && in_unit { Cells::score() } else { Cells::Numeric(Scale::of(edges(&numbers))) };
            (cells, numbers)
        }
        Form::Code | Form::CodeNumber => (Cells::Category(Labels::ranked(source.labels().to_vec(), &frequencies(source)?)), Vec::new()),
        Form::Flag => (Cells::Flag, Vec::new()),
        Form::Instant | Form::Opaque => (Cells::Presence, Vec::new()),
    };
    let quartiles = (quantile(&numbers, 0.25), quantile(&numbers, 0.5), quantile(&numbers, 0.75));
    let mut fixed = FixedPoint::default();
    if !numbers.is_empty() {
        let range = quartiles.2 - quartiles.0;
        fixed = FixedPoint::of(quartiles.1, if range > 0.0 { range / NORMAL_RANGE } else { deviation(&numbers) });
    }
    let mut column = Column {
        name: source.name().to_owned(),
        role: source.role(),
        counts: vec![0; cells.len()],
        means: cells.scale().map_or_else(Vec::new, |scale| means(scale, &numbers)),
        min: numbers.first().copied(),
        max: numbers.last().copied(),
        fixed,
        moments: Moments::default(),
        cells,
    };
    drop(numbers);
    let mut counted = source.count(&column, 0..source.rows())?;
    source.settle(&column, &mut counted.counts, nan_is_null);
    column.counts = counted.counts;
    column.moments = counted.moments;
    Ok(column)
}

/// The finite numbers, ascending, without -0.0.
fn sorted(source: &Source) -> Result<Vec<f64>> {
    let mut numbers = Vec::with_capacity(source.rows());
    source.each(0..source.rows(), |source, rows, len| {
        let mut floats = [0.0; STRETCH];
        for first in (0..len).step_by(STRETCH) {
            let floats = source.floats(rows, first, STRETCH.min(len - first), &mut floats);
            numbers.extend(floats.iter().filter(|value| value.is_finite()).map(|value| value + 0.0));
        }
    })?;
    numbers.sort_unstable_by(f64::total_cmp);
    Ok(numbers)
}

/// How often each code occurs.
fn frequencies(source: &Source) -> Result<Vec<u64>> {
    let mut counts = vec![0u64; source.labels().len()];
    let mut add = |code: i64| {
        if let Some(count) = usize::try_from(code).ok().and_then(|code| counts.get_mut(code)) {
            *count += 1;
        }
    };
    source.each(0..source.rows(), |source, rows: &Rows, len| match source.form() {
        Form::CodeNumber => rows.longs.iter().take(len).for_each(|code| add(*code)),
        _ => rows.codes.iter().take(len).for_each(|code| add(i64::from(*code))),
    })?;
    Ok(counts)
}

/// The mean of each cell's values; sorted ones, so that there is one order of adding.
fn means(scale: &Scale, sorted: &[f64]) -> Vec<Option<f64>> {
    let mut start = 0;
    let ends = scale.edges().iter().map(|edge| sorted.partition_point(|value| value <= edge)).chain([sorted.len()]);
    let means = ends.map(|end| {
        let values = sorted.get(start..end).unwrap_or_default();
        start = end;
        mean(values)
    });
    means.collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let sum: f64 = values.iter().sum();
    let mean = if sum.is_finite() { sum / n } else { values.iter().map(|value| value / n).sum() };
    // Rounding must not carry it out of its cell.
    Some(mean.clamp(*values.first()?, *values.last()?))
}

fn deviation(sorted: &[f64]) -> f64 {
    let Some(mean) = mean(sorted) else { return 0.0 };
    (sorted.iter().map(|value| (value - mean) * (value - mean) / sorted.len() as f64).sum::<f64>()).sqrt()
}
