//! Watching asks the allocator for nothing: not per row, not per block.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use sternpost_engine::arrow_rows::Table;
use sternpost_engine::scorer::Scorer;
use sternpost_engine::value_rows::{Value, put};
use sternpost_monitor::bundle::{self, Tables};
use sternpost_monitor::live::Live;
use sternpost_monitor::reference::Reference;

#[allow(dead_code)]
#[path = "../../engine/tests/engine/fixture.rs"]
mod fixture;

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which remembers how often this thread asked it.
struct Counting;

// SAFETY: everything is the system's allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ASKED.try_with(|asked| asked.set(asked.get() + 1));
        // SAFETY: as asked.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as asked.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn asked(work: impl FnOnce()) -> usize {
    let before = ASKED.get();
    work();
    ASKED.get() - before
}

fn rows(rows: usize) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("speed", Arc::new(Float64Array::from_iter((0..rows).map(|row| (row % 5 != 0).then_some((row * 31 % 1500) as f64 / 10.0))))),
        ("legs", Arc::new(Int64Array::from_iter_values((0..rows).map(|row| (row % 13) as i64)))),
        ("night", Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(row % 3 == 0))))),
        ("carrier", Arc::new(StringArray::from_iter_values((0..rows).map(|row| ["AA", "UA"][row % 2])))),
        ("departs", Arc::new(TimestampMicrosecondArray::from_iter_values((0..rows).map(|row| row as i64)).with_timezone("UTC"))),
        ("fare", Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row as i64)))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// Of inputs only: what stands there does not matter here.
fn reference(batch: &RecordBatch) -> Arc<Reference> {
    let scores = Float64Array::from_iter_values((0..batch.num_rows()).map(|row| row as f64));
    let outputs = RecordBatch::try_from_iter([("score", Arc::new(scores.clone()) as ArrayRef)]).expect("a column");
    let features = RecordBatch::try_from_iter([("doubled", Arc::new(scores.clone()) as ArrayRef), ("sum", Arc::new(scores))]).expect("two");
    let (inputs, features, outputs) = ([batch.clone()], [features], [outputs]);
    let tables = Tables {
        inputs: (&inputs[0].schema(), &inputs),
        features: (&features[0].schema(), &features),
        outputs: (&outputs[0].schema(), &outputs),
        labels: std::collections::HashMap::new(),
    };
    Arc::new(bundle::reference(&fixture::contract_json(fixture::COLUMNS), &tables, 1, &|| true).expect("a reference"))
}

fn single(scorer: &Scorer, row: i64) {
    let mut workspace = scorer.begin_row();
    let values = [Value::Float(1.5), Value::Int(row % 13), Value::Bool(true), Value::Text(b"UA"), Value::Instant(row), Value::Null];
    for (place, value) in values.into_iter().enumerate() {
        put(scorer.contract(), place, 0, value, &mut workspace.rows).expect("a right type");
    }
    assert!(scorer.finish_row(workspace).expect("scores").score.is_some());
}

#[test]
fn watching_allocates_nothing_per_row_or_block() {
    let batch = rows(1000);
    let plain = fixture::scorer(fixture::REGRESSION, "null");
    let live = Live::new(reference(&batch), &plain).expect("fits");
    let watched = plain.watched_by(live.clone());
    let table = Table::bind(watched.contract(), &batch.schema(), std::slice::from_ref(&batch)).expect("binds");
    let mut worker = watched.worker(250).expect("opens");
    let mut block = |first: usize| {
        worker.workspace.reset(250);
        table.fill(watched.contract(), first, &mut worker.workspace.rows).expect("fills");
        watched.score_block(&mut worker).expect("scores");
    };
    // The first of each makes its buffers.
    single(&watched, 0);
    block(0);
    assert_eq!(asked(|| (0..1000).for_each(|row| single(&watched, row))), 0);
    assert_eq!(asked(|| (0..4).for_each(|part| block(part * 250))), 0);
    // Also right after a collect, which leaves empty buffers behind and asks for memory itself.
    assert!(asked(|| assert_eq!(live.collect().rows.seen, 1 + 250 + 1000 + 1000)) > 0);
    assert_eq!(asked(|| single(&watched, 0)) + asked(|| block(0)), 0);
    assert_eq!(live.collect().rows.seen, 251);
}
