//! Counting a table in the cells of a reference, over several threads, without a scorer.
//!
//! Work is cut into ranges of columns; a range's counts are integers, so neither the cut nor the order of adding changes a bit.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use arrow_array::RecordBatch;
use arrow_schema::Schema;

use crate::error::{Error, Result};
use crate::reference::{Reference, Role, columns};
use crate::source::{Counted, Source};
use crate::window::Window;

/// Rows of one piece of work.
const RANGE: usize = 1 << 17;

/// A window, and the columns that could not be counted with the reason why.
pub type Tallied = (Window, Vec<(String, String)>);

/// Counts the columns of a role that a table has. A column that is absent or of a kind that its cells cannot take is left at zero and told.
///
/// # Errors
/// `Error::Engine` if `go_on`, asked now and then, says stop, or for arrays that are not of their types.
pub fn tally(
    reference: &Arc<Reference>,
    role: Role,
    schema: &Schema,
    batches: &[RecordBatch],
    threads: usize,
    go_on: &dyn Fn() -> bool,
) -> Result<Tallied> {
    let mut told = Vec::new();
    let mut sources = Vec::new();
    for (place, column) in reference.columns().iter().enumerate().filter(|(_, column)| column.role == role) {
        let twice = schema.fields().iter().filter(|field| *field.name() == column.name).count();
        let fault = match twice {
            0 => Some("the table does not have it".to_owned()),
            1 => None,
            _ => Some("the table has it more than once".to_owned()),
        };
        if let Some(fault) = fault {
            told.push((column.name.clone(), fault));
            continue;
        }
        let source = Source::of_table(&column.name, role, Some(&column.cells), None, schema, batches)?;
        match source.fits(&column.cells) {
            Ok(()) => sources.push((place, source)),
            Err(found) => {
                told.push((column.name.clone(), format!("it holds {found} and the reference is of kind {}", column.cells.kind())))
            }
        }
    }
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut window = Window::empty(reference.clone());
    window.rows.seen = rows as u64;
    let ranges = rows.div_ceil(RANGE);
    let next = AtomicUsize::new(0);
    let total = Mutex::new(window);
    let work = |go_on: &dyn Fn() -> bool| -> Result<()> {
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            let Some((place, source)) = sources.get(task.checked_div(ranges).unwrap_or(usize::MAX)) else { return Ok(()) };
            if !go_on() {
                next.store(usize::MAX / 2, Ordering::Relaxed);
                return Err(Error::Engine(sternpost_engine::Error::Interrupted));
            }
            let first = task % ranges * RANGE;
            if let Some(column) = reference.columns().get(*place) {
                let Counted { counts, moments } = source.count(column, first..rows.min(first + RANGE))?;
                total.lock().unwrap_or_else(PoisonError::into_inner).add(*place, &counts, &moments);
            }
        }
    };
    thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads.min(ranges * sources.len())).map(|_| scope.spawn(|| work(&|| true))).collect();
        let mut done = work(go_on);
        for helper in helpers {
            let helped = helper.join().unwrap_or_else(|panic| Err(sternpost_engine::Error::from_panic(panic.as_ref()).into()));
            done = done.and(helped);
        }
        done
    })?;
    let mut window = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (place, source) in &sources {
        if let Some(column) = reference.columns().get(*place) {
            source.settle(column, window.counts_mut(*place), reference.nan_is_null());
        }
    }
    Ok((window, told))
}

/// A reference of every column of a table, all of them inputs.
///
/// # Errors
/// As [`columns`] and [`Reference::new`].
pub fn reference_of(schema: &Schema, batches: &[RecordBatch], threads: usize, go_on: &dyn Fn() -> bool) -> Result<Reference> {
    let sources: Result<Vec<Source>> =
        schema.fields().iter().map(|field| Source::of_table(field.name(), Role::Input, None, None, schema, batches)).collect();
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    Reference::new(columns(&sources?, false, threads, go_on)?, rows as u64, false)
}
