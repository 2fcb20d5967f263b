//! Counting while scoring: the same bits as counting the same rows as a table, whatever threads, blocks and moments of collecting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use sternpost_engine::arrow_rows::Table;
use sternpost_engine::model::{Model, Session};
use sternpost_engine::outputs;
use sternpost_engine::rule::Rule;
use sternpost_engine::scorer::{BLOCK_ROWS, Scorer};
use sternpost_monitor::bundle::{self, Tables};
use sternpost_monitor::live::Live;
use sternpost_monitor::reference::{Reference, Role};
use sternpost_monitor::tally::{reference_of, tally};
use sternpost_monitor::window::Window;

#[allow(dead_code)]
#[path = "../../engine/tests/engine/fixture.rs"]
mod fixture;

use fixture::{COLUMNS, MULTICLASS, REGRESSION, contract_json, scorer};

const LABELS: [Option<&str>; 4] = [Some("AA"), Some("UA"), Some("a label longer than sixteen bytes"), None];

/// Rows that break no rule, with nulls in every column that may have them.
fn clean(first: usize, rows: usize) -> RecordBatch {
    let rows = first..first + rows;
    let gap = |row: &usize, every: usize| !row.is_multiple_of(every);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("speed", Arc::new(Float64Array::from_iter(rows.clone().map(|row| gap(&row, 7).then_some((row * 31 % 1500) as f64 / 10.0))))),
        ("legs", Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| (row % 13) as i64 - 2)))),
        ("night", Arc::new(BooleanArray::from_iter(rows.clone().map(|row| gap(&row, 11).then_some(row % 3 == 0))))),
        ("carrier", Arc::new(StringArray::from_iter(rows.clone().map(|row| LABELS[row % 4])))),
        (
            "departs",
            Arc::new(TimestampMicrosecondArray::from_iter(rows.clone().map(|row| gap(&row, 5).then_some(row as i64))).with_timezone("UTC")),
        ),
        ("fare", Arc::new(Int64Array::from_iter(rows.map(|row| gap(&row, 9).then_some((row * row % 90_001) as i64))))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn bound(scorer: &Scorer, batch: &RecordBatch) -> Table {
    Table::bind(scorer.contract(), &batch.schema(), std::slice::from_ref(batch)).expect("binds")
}

/// Inputs, features and outputs of rows that break no rule.
fn way(scorer: &Scorer, batch: &RecordBatch) -> [(Role, RecordBatch); 3] {
    let table = bound(scorer, batch);
    let (schema, features) = outputs::frame(scorer, &table, 1, &|| true).expect("features");
    let features = arrow_select::concat::concat_batches(&schema, &features).expect("one schema");
    let (schema, scored) = outputs::score(scorer, &table, 1, &|| true).expect("scores");
    let scored = arrow_select::concat::concat_batches(&schema, &scored).expect("one schema");
    let score = |column: &str| scored.column_by_name(column).cloned();
    let outputs: Vec<(String, ArrayRef)> = match score("scores") {
        None => vec![("score".to_owned(), score("score").expect("there"))],
        Some(lists) => {
            let lists = lists.as_any().downcast_ref::<arrow_array::FixedSizeListArray>().expect("lists").clone();
            let classes = scorer.shape().and_then(|shape| shape.classes.clone()).unwrap_or_default();
            let one = |place: usize| {
                let value = |row: usize| (!lists.is_null(row)).then(|| lists.value(row));
                let value = |row: usize| value(row).map(|list| list.as_any().downcast_ref::<Float64Array>().expect("floats").value(place));
                Arc::new(Float64Array::from_iter((0..lists.len()).map(value))) as ArrayRef
            };
            classes.iter().enumerate().map(|(place, class)| (format!("score:{class}"), one(place))).collect()
        }
    };
    let outputs = RecordBatch::try_from_iter(outputs).expect("columns");
    [(Role::Input, batch.clone()), (Role::Feature, features), (Role::Output, outputs)]
}

fn reference(scorer: &Scorer) -> Arc<Reference> {
    let [inputs, features, outputs] = way(scorer, &clean(0, 3000)).map(|(_, batch)| (batch.schema(), [batch]));
    let tables = Tables {
        inputs: (&inputs.0, &inputs.1),
        features: (&features.0, &features.1),
        outputs: (&outputs.0, &outputs.1),
        labels: std::collections::HashMap::new(),
    };
    Arc::new(bundle::reference(&contract_json(COLUMNS), &tables, 1, &|| true).expect("a reference"))
}

/// The same rows, counted as tables. Of what became of rows only `scored` is filled in by hand.
fn recount(scorer: &Scorer, reference: &Arc<Reference>, batch: &RecordBatch) -> Window {
    let mut total = Window::empty(reference.clone());
    for (role, batch) in way(scorer, batch) {
        let (window, told) = tally(reference, role, &batch.schema(), &[batch], 1, &|| true).expect("counts");
        assert_eq!(told, []);
        total.absorb(&window).expect("of one reference");
    }
    let rows = batch.num_rows() as u64;
    total.rows.seen = rows;
    total.rows.scored = rows;
    total
}

#[test]
fn what_is_counted_live_is_what_a_recount_counts() {
    for model in [REGRESSION, MULTICLASS] {
        let plain = scorer(model, "null");
        let reference = reference(&plain);
        let live = Live::new(reference.clone(), &plain).expect("fits");
        let watched = plain.watched_by(live.clone());
        let rows = clean(500, 5000);
        let mut total = Window::empty(reference.clone());
        // A table over threads, then blocks of every small size from one worker, collected now and then.
        let table = bound(&watched, &rows.slice(0, 3500));
        outputs::score(&watched, &table, 3, &|| true).expect("scores");
        total.absorb(&live.collect()).expect("of one reference");
        let mut worker = watched.worker(BLOCK_ROWS).expect("opens");
        let table = bound(&watched, &rows);
        let (mut first, mut len) = (3500, 1);
        while first < rows.num_rows() {
            len = len % 40 + 1;
            let now = len.min(rows.num_rows() - first);
            worker.workspace.reset(now);
            table.fill(watched.contract(), first, &mut worker.workspace.rows).expect("fills");
            watched.score_block(&mut worker).expect("scores");
            first += now;
            if first % 7 == 0 {
                total.absorb(&live.collect()).expect("of one reference");
            }
        }
        drop(worker);
        total.absorb(&live.collect()).expect("of one reference");
        assert!(total == recount(&plain, &reference, &rows), "live counts differ from a recount");
        assert_eq!(live.collect(), Window::empty(reference));
        assert_eq!(live.dropped(), 0);
    }
}

#[test]
fn nothing_is_lost_while_somebody_collects_without_end() {
    let plain = scorer(REGRESSION, "null");
    let reference = reference(&plain);
    let live = Live::new(reference.clone(), &plain).expect("fits");
    let watched = plain.watched_by(live.clone());
    let rows = clean(0, 700);
    let done = AtomicBool::new(false);
    let total = thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut total = Window::empty(reference.clone());
            while !done.load(Ordering::Acquire) {
                total.absorb(&live.collect()).expect("of one reference");
            }
            total
        });
        let scorers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..20 {
                        // A worker of its own each time, gone before its last counts are collected.
                        let table = bound(&watched, &rows);
                        let mut worker = watched.worker(7).expect("opens");
                        for first in (0..rows.num_rows()).step_by(7) {
                            worker.workspace.reset(7);
                            table.fill(watched.contract(), first, &mut worker.workspace.rows).expect("fills");
                            watched.score_block(&mut worker).expect("scores");
                        }
                    }
                })
            })
            .collect();
        scorers.into_iter().for_each(|scorer| scorer.join().expect("scores"));
        done.store(true, Ordering::Release);
        collector.join().expect("collects")
    });
    let mut total = total;
    total.absorb(&live.collect()).expect("of one reference");
    let once = recount(&plain, &reference, &rows);
    let expected = Window::merged(reference, std::iter::repeat_n(&once, 60)).expect("of one reference");
    assert_eq!((total == expected, live.dropped()), (true, 0));
}

#[test]
fn rows_without_a_score_are_told_by_their_reasons() {
    let plain = scorer(REGRESSION, "null");
    let reference = reference(&plain);
    let live = Live::new(reference.clone(), &plain).expect("fits");
    let watched = plain.watched_by(live.clone());
    // Fine; raises after its sum; too fast; fine; raises before it; fine; too fast and too many legs.
    let speeds = [Some(1.0), Some(2.0), Some(200.0), None, Some(3.0), Some(4.0), Some(151.0)];
    let legs = [1, 14, 2, 3, 13, 999, 1000];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("speed", Arc::new(Float64Array::from_iter(speeds))),
        ("legs", Arc::new(Int64Array::from_iter_values(legs))),
        ("night", Arc::new(BooleanArray::from(vec![true; 7]))),
        ("carrier", Arc::new(StringArray::from(vec!["AA"; 7]))),
        ("departs", Arc::new(TimestampMicrosecondArray::from(vec![1; 7]).with_timezone("UTC"))),
        ("fare", Arc::new(Int64Array::from(vec![5; 7]))),
    ];
    let table = bound(&watched, &RecordBatch::try_from_iter(columns).expect("columns of one length"));
    outputs::score(&watched, &table, 1, &|| true).expect("scores");
    let window = live.collect();
    assert_eq!((window.rows.seen, window.rows.refused, window.rows.scored, window.rows.dropped), (7, 4, 3, 0));
    let at = |name: &str, role: Role| reference.position(name, Some(role)).expect("there");
    let broken = |name: &str, role: Role, rule: Rule| window.broken(at(name, role))[rule.position()];
    assert_eq!(broken("speed", Role::Input, Rule::Le), 2);
    assert_eq!(broken("legs", Role::Input, Rule::Lt), 1);
    assert_eq!(broken("sum", Role::Feature, Rule::Raised) + broken("doubled", Role::Feature, Rule::Raised), 2);
    assert_eq!((0..reference.columns().len()).map(|column| window.broken(column).iter().sum::<u64>()).sum::<u64>(), 5);
    // Values are those of the rows that were not refused: two speeds and a null, three labels.
    assert_eq!(window.counts(at("speed", Role::Input)).iter().sum::<u64>(), 3);
    assert_eq!(window.counts(at("speed", Role::Input)).last(), Some(&1));
    assert_eq!(window.counts(at("carrier", Role::Input))[0], 3);
    assert_eq!(window.counts(at("score", Role::Output)).iter().sum::<u64>(), 3);
}

/// A model without an answer for every third row.
struct Odd;

impl Model for Odd {
    fn open(&self) -> sternpost_engine::Result<Box<dyn Session>> {
        Ok(Box::new(Odd))
    }
}

impl Session for Odd {
    fn run(&mut self, _: &[f32], n: usize, out: &mut Vec<f32>) -> sternpost_engine::Result<()> {
        out.extend((0..n).map(|row| [0.5, f32::INFINITY, 1.5][row % 3]));
        Ok(())
    }
}

#[test]
fn a_row_whose_score_is_not_finite_is_seen_and_not_scored() {
    let reference = reference(&scorer(REGRESSION, "null"));
    let plain = Scorer::new(fixture::spec(REGRESSION, "null"), Some(fixture::compiled()), Some(Arc::new(Odd))).expect("fits");
    let live = Live::new(reference.clone(), &plain).expect("fits");
    let watched = plain.watched_by(live.clone());
    outputs::score(&watched, &bound(&watched, &clean(0, 6)), 1, &|| true).expect("scores");
    let window = live.collect();
    assert_eq!((window.rows.seen, window.rows.refused, window.rows.scored), (6, 0, 4));
    let score = reference.position("score", None).expect("there");
    assert_eq!(window.broken(score)[Rule::ScoreNotFinite.position()], 2);
    // No score is null, whatever the model gave.
    assert_eq!(window.counts(score).last(), Some(&2));
}

#[test]
fn what_turned_out_to_be_no_row_is_not_counted() {
    let plain = scorer(REGRESSION, "null");
    let live = Live::new(reference(&plain), &plain).expect("fits");
    let watched = plain.watched_by(live.clone());
    let table = bound(&watched, &clean(0, 9));
    let mut worker = watched.worker(9).expect("opens");
    for discarded in [&[4, 7][..], &[]] {
        worker.workspace.reset(9);
        table.fill(watched.contract(), 0, &mut worker.workspace.rows).expect("fills");
        discarded.iter().for_each(|row| worker.workspace.rows.findings.discard(*row));
        let block = watched.score_block(&mut worker).expect("scores");
        assert_eq!((block.len, block.kept.len(), block.marks), (9, 9 - discarded.len(), &[][..]));
    }
    let rows = live.collect().rows;
    assert_eq!((rows.seen, rows.refused, rows.scored), (16, 0, 16));
}

#[test]
fn a_reference_of_something_else_is_refused() {
    let plain = scorer(REGRESSION, "null");
    let told = |reference: Arc<Reference>, scorer: &Scorer| Live::new(reference, scorer).expect_err("does not fit").to_string();
    assert!(told(reference(&plain), &scorer(MULTICLASS, "null")).contains("the output score of kind"));
    let rows = clean(0, 10);
    let table = reference_of(&rows.schema(), &[rows], 1, &|| true).expect("a reference");
    assert!(told(Arc::new(table), &plain).contains("give the reference of the bundle"));
    // A scorer of another form than the watch was made for: its rows are not counted, and that is told once.
    let live = Live::new(reference(&plain), &plain).expect("fits");
    let other = scorer(MULTICLASS, "null").watched_by(live.clone());
    outputs::score(&other, &bound(&other, &clean(0, 30)), 1, &|| true).expect("scores all the same");
    let window = live.collect();
    assert_eq!((window.rows.seen, window.rows.dropped, live.dropped()), (0, 30, 30));
    assert_eq!(live.collect().rows.dropped, 0);
}
