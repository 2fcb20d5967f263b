//! Tables and rows through the whole scorer: who is dropped, where results land, and that nothing depends on threads or batches.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use sternpost_engine::error::Error;
use sternpost_engine::observer::{Observer, Watch};
use sternpost_engine::scorer::Scorer;
use sternpost_engine::value_rows::{Value, put};
use sternpost_engine::workspace::Block;
use sternpost_engine::{golden, outputs};

use crate::fixture::{MULTICLASS, REGRESSION, scorer, table};

const LABELS: [Option<&str>; 4] = [Some("AA"), Some("UA"), Some("ZZ"), None];

fn columns(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let speeds = (0..rows).map(|row| if row.is_multiple_of(7) { None } else { Some((row % 160) as f64) });
    let legs = (0..rows).map(|row| (row % 40) as i64);
    let departs = TimestampMicrosecondArray::from_iter_values((0..rows).map(|row| row as i64)).with_timezone("UTC");
    vec![
        ("carrier", Arc::new(StringArray::from_iter((0..rows).map(|row| LABELS[row % 4]))) as ArrayRef),
        ("speed", Arc::new(Float64Array::from_iter(speeds))),
        ("legs", Arc::new(Int64Array::from_iter_values(legs))),
        ("night", Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(row % 2 == 0))))),
        ("departs", Arc::new(departs)),
        ("fare", Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row as i64)))),
    ]
}

fn row(scorer: &Scorer, row: usize) -> sternpost_engine::scorer::RowScore {
    let speed = if row.is_multiple_of(7) { Value::Null } else { Value::Float((row % 160) as f64) };
    let carrier = LABELS[row % 4].map_or(Value::Null, |label| Value::Text(label.as_bytes()));
    let values = [
        speed,
        Value::Int((row % 40) as i64),
        Value::Bool(row.is_multiple_of(2)),
        carrier,
        Value::Instant(row as i64),
        Value::Int(row as i64),
    ];
    let mut workspace = scorer.begin_row();
    for (place, value) in values.into_iter().enumerate() {
        put(scorer.contract(), place, 0, value, &mut workspace.rows).expect("a right type");
    }
    scorer.finish_row(workspace).expect("scores")
}

/// Score bits and reasons of a table.
fn scored(batches: &[RecordBatch]) -> Vec<(Option<u64>, Vec<String>)> {
    let mut rows = Vec::new();
    for batch in batches {
        let scores = batch.column_by_name("score").expect("there").as_primitive::<Float64Type>();
        let reasons = batch.column_by_name("reasons").expect("there").as_list::<i32>();
        for row in 0..batch.num_rows() {
            let list = reasons.value(row);
            let list = list.as_string::<i32>().iter().flatten().map(str::to_owned).collect();
            rows.push((scores.is_valid(row).then(|| scores.value(row).to_bits()), list));
        }
    }
    rows
}

fn go_on() -> bool {
    true
}

#[test]
fn a_table_is_its_rows_for_any_threads_and_batches() {
    let rows = 3000;
    let scorer = scorer(REGRESSION, "null");
    let expected: Vec<_> = (0..rows)
        .map(|number| {
            let one = row(&scorer, number);
            let reason = |mark| sternpost_engine::violation::reason(scorer.contract(), scorer.feature_names(), mark);
            (one.score.map(f64::to_bits), one.marks.iter().map(reason).collect::<Vec<_>>())
        })
        .collect();
    for batch in [rows, 1000, 511, 64, 1] {
        let table = table(&scorer, columns(rows), batch).expect("binds");
        for threads in [1, 2, 8] {
            let (_, batches) = outputs::score(&scorer, &table, threads, &go_on).expect("scores");
            assert_eq!(scored(&batches), expected, "batches of {batch}, {threads} threads");
        }
    }
    assert_eq!(expected[5].0, Some(f64::from(2.0f32 * 5.0 + 5.0 + 1.0).to_bits()));
    assert_eq!(expected[13], (None, vec!["raised:sum".to_owned()]), "the first feature in execution order that was not written");
    assert_eq!(expected[14], (None, vec!["unseen:carrier".to_owned(), "raised:doubled".to_owned()]));
    assert_eq!(expected[151], (None, vec!["le:speed".to_owned()]));
}

#[test]
fn golden_bits_are_the_table_s_and_refused_rows_are_null() {
    let scorer = scorer(REGRESSION, "null");
    let rows = 1200;
    let table = table(&scorer, columns(rows), 700).expect("binds");
    let golden = golden::replay(&scorer, &table, &go_on).expect("replays");
    assert_eq!(golden.features.len(), rows * 2 * 8);
    let (_, batches) = outputs::score(&scorer, &table, 2, &go_on).expect("scores");
    let bits = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at * 8..(at + 1) * 8].try_into().expect("eight bytes"));
    for (row, (score, _)) in scored(&batches).into_iter().enumerate() {
        assert_eq!(bits(&golden.scores, row), score.unwrap_or(0x7ff8_0000_0000_0000), "row {row}");
        if score.is_none() {
            assert_eq!(bits(&golden.features, row * 2), 0x7ff8_0000_0000_0000, "row {row}");
        }
    }
}

#[test]
fn frames_and_matrices_are_whole_or_an_error_that_lists_rows() {
    let scorer = scorer("null", "null");
    let table_of = |rows| table(&scorer, columns(rows), 5).expect("binds");
    let clean = table_of(13);
    let (_, batches) = outputs::frame(&scorer, &clean, 2, &go_on).expect("no refused rows");
    let doubled = batches[0].column(0).as_primitive::<Float64Type>();
    let sum = batches[0].column(1).as_primitive::<Int64Type>();
    assert!(doubled.is_null(0) && doubled.value(1) == 2.0);
    assert_eq!(sum.values()[..4], [0, 2, 0, 2], "legs + code, with unseen -2 and null -1");
    let mut matrix = [0.0; 13 * 2];
    outputs::matrix(&scorer, &clean, 1, &mut matrix, &go_on).expect("no refused rows");
    assert_eq!(matrix[0].to_bits(), 0x7fc0_0000);
    assert_eq!(matrix[2..4], [2.0, 2.0]);
    assert!(matches!(outputs::matrix(&scorer, &clean, 1, &mut matrix[1..], &go_on), Err(Error::Internal(_))));

    let Err(Error::Violations { message, violations }) = outputs::frame(&scorer, &table_of(600), 2, &go_on) else { panic!("refused rows") };
    assert!(message.starts_with("54 of 600 rows break contract Flight"), "{message}");
    assert_eq!((violations[0].row, violations[0].column.as_str(), violations[0].rule), (13, "sum", "raised"));
    assert!(violations.iter().any(|violation| violation.message.contains("151.0 mph breaks le 150.0 mph")));

    let empty = table_of(0);
    let (schema, batches) = outputs::frame(&scorer, &empty, 2, &go_on).expect("nothing to refuse");
    assert_eq!((schema.fields().len(), batches.len()), (2, 0));
}

#[test]
fn checks_stop_at_the_limit_and_tell_values() {
    let scorer = scorer("null", "null");
    let table = table(&scorer, columns(2000), 300).expect("binds");
    let found = outputs::check(&scorer, &table, 3, &go_on).expect("checks");
    assert_eq!(found.iter().map(|violation| violation.row).collect::<Vec<_>>(), [2, 6, 10]);
    assert_eq!(found[0].value, "ZZ");
    let broken = |row: &usize| row % 160 > 150 && !row.is_multiple_of(7);
    let all = (0..2000).filter(|row| row % 4 == 2).count() + (0..2000).filter(broken).count();
    assert_eq!(outputs::check(&scorer, &table, usize::MAX, &go_on).expect("checks").len(), all);
}

#[test]
fn multiclass_has_label_and_all_scores() {
    let scorer = scorer(MULTICLASS, r#"{"bands":[{"below":10.0,"action":"go"},{"below":null,"action":"stop"}],"refused":"ask"}"#);
    let table = table(&scorer, columns(20), 20).expect("binds");
    let (_, batches) = outputs::score(&scorer, &table, 1, &go_on).expect("scores");
    let labels = batches[0].column_by_name("label").expect("there").as_string::<i32>();
    let actions = batches[0].column_by_name("action").expect("there").as_string::<i32>();
    let scores = batches[0].column_by_name("scores").expect("there").as_fixed_size_list();
    assert_eq!((labels.value(1), actions.value(1), actions.value(8), actions.value(13)), ("low", "go", "stop", "ask"));
    assert!(labels.is_null(13) && scores.is_null(13));
    assert_eq!(scores.value(1).as_primitive::<Float64Type>().values()[..], [4.0, -4.0]);
    let one = row(&scorer, 1);
    assert_eq!((one.score, one.class, one.scores), (Some(4.0), Some(0), vec![4.0, -4.0]));
}

#[test]
fn an_engine_says_which_part_it_lacks() {
    let spec = crate::fixture::spec("null", "null");
    let bare = Scorer::new(spec, None, None).expect("a contract is enough to check");
    let table = table(&bare, columns(3), 3).expect("binds");
    assert!(matches!(outputs::frame(&bare, &table, 1, &go_on), Err(Error::Kernel(_))));
    let featured = scorer("null", "null");
    assert!(matches!(outputs::score(&featured, &table, 1, &go_on), Err(Error::Model(_))));
    assert!(matches!(featured.finish_row(featured.begin_row()), Err(Error::Model(_))));
}

#[test]
fn a_run_stops_when_asked() {
    let scorer = scorer(REGRESSION, "null");
    let table = table(&scorer, columns(20_000), 20_000).expect("binds");
    for threads in [1, 3] {
        assert_eq!(outputs::score(&scorer, &table, threads, &|| false).expect_err("stopped"), Error::Interrupted);
    }
    let asked = AtomicUsize::new(0);
    let three_times = || asked.fetch_add(1, Ordering::Relaxed) < 3;
    assert_eq!(outputs::score(&scorer, &table, 1, &three_times).expect_err("stopped on the way"), Error::Interrupted);
    assert_eq!(asked.into_inner(), 4);
}

/// Rows, and those that were not refused, over all watches; how many watches there are.
#[derive(Default)]
struct Seen(AtomicUsize, Mutex<Vec<usize>>, AtomicUsize);
struct Everything(Arc<Seen>);
struct Eye(Arc<Seen>);

impl Observer for Everything {
    fn watch(&self) -> Box<dyn Watch> {
        self.0.2.fetch_add(1, Ordering::Relaxed);
        Box::new(Eye(self.0.clone()))
    }
}

impl Watch for Eye {
    fn block(&mut self, scorer: &Scorer, first: usize, block: &Block<'_>) {
        assert_eq!(block.raw.len(), block.kept.len());
        assert_eq!(block.matrix.len(), block.kept.len() * scorer.features().len());
        self.0.0.fetch_add(block.len, Ordering::Relaxed);
        self.0.1.lock().expect("not poisoned").extend(block.kept.iter().map(|row| first + row));
    }
}

#[test]
fn observers_see_every_row_once() {
    let seen = Arc::new(Seen::default());
    let scorer = scorer(REGRESSION, "null").watched_by(Arc::new(Everything(seen.clone())));
    let table = table(&scorer, columns(2500), 999).expect("binds");
    let (_, batches) = outputs::score(&scorer, &table, 4, &go_on).expect("scores");
    let with_score: Vec<_> = scored(&batches).iter().enumerate().filter(|(_, row)| row.0.is_some()).map(|(row, _)| row).collect();
    let mut rows = seen.1.lock().expect("not poisoned").clone();
    rows.sort_unstable();
    assert_eq!((seen.0.load(Ordering::Relaxed), rows), (2500, with_score));
    assert!(seen.2.load(Ordering::Relaxed) <= 4, "a watch for each thread's buffers at most");
    row(&scorer, 1);
    assert_eq!(seen.0.load(Ordering::Relaxed), 2501);
}

#[test]
fn what_is_no_traffic_is_not_seen() {
    let seen = Arc::new(Seen::default());
    let plain = scorer(REGRESSION, "null");
    let watched = plain.watched_by(Arc::new(Everything(seen.clone())));
    let table = table(&watched, columns(1500), 999).expect("binds");
    outputs::score(&plain, &table, 2, &go_on).expect("scores");
    row(&plain, 1);
    golden::replay(&watched, &table, &go_on).expect("replays");
    let mut worker = watched.worker(8).expect("opens");
    worker.workspace.reset(8);
    table.fill(watched.contract(), 0, &mut worker.workspace.rows).expect("fills");
    watched.probe_block(&mut worker).expect("scores");
    assert_eq!(seen.0.load(Ordering::Relaxed), 0);
    // The same buffers are watched again afterwards.
    worker.workspace.reset(8);
    table.fill(watched.contract(), 0, &mut worker.workspace.rows).expect("fills");
    watched.score_block(&mut worker).expect("scores");
    outputs::score(&watched, &table, 1, &go_on).expect("scores");
    assert_eq!(seen.0.load(Ordering::Relaxed), 1508);
}
