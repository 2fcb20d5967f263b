//! The pool with a bundle that can only check rows: ways in and out; what a scorer gives is tested where there is a kernel.

use arrow_array::Float64Array;
use arrow_schema::{DataType, Field, Schema};
use sternpost_engine::spec::Spec;
use sternpost_wire::scoring::{Rung, Stake};
use tonic::Code;

use super::*;
use crate::catalog::Opened;

fn served() -> Arc<Served> {
    let spec = r#"{"contract": {"format": 1, "name": "Row", "columns": [{"name": "a", "type": "float"}]}, "features": [], "order": [],
        "bundle": {"name": "only-checks", "digest": "d1"}}"#;
    let scorer = Scorer::new(Spec::from_json(spec).unwrap(), None, None).unwrap();
    Arc::new(Served::new(Opened { scorer: Arc::new(scorer), rung: Rung::Unspecified, probe: None }, 1))
}

fn rows(column: &str, rows: usize) -> Batches {
    let schema = Arc::new(Schema::new(vec![Field::new(column, DataType::Float64, false)]));
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(Float64Array::from(vec![0.5; rows]))]).unwrap();
    Batches { schema, batches: vec![batch], rows }
}

fn call(deadline: Option<Instant>) -> Call {
    Call { deadline, stake: Stake::Batch, arrived: Instant::now() }
}

fn failure(pool: &Pool, served: &Arc<Served>, rows: Batches, call: Call) -> Failure {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(pool.score(served.clone(), rows, call)).unwrap_err()
}

#[test]
fn small_and_large_calls_fail_alike_and_are_counted() {
    let config = Config { threads: 1, waiting: Limits { jobs: 4, rows: 100_000, bytes: 1 << 20 } };
    let pool = Pool::start(config).unwrap();
    let served = served();
    for size in [0, 1, 16, 17, 50_000] {
        let found = failure(&pool, &served, rows("b", size), call(None));
        assert_eq!(found.code, Code::InvalidArgument, "{size}");
        assert!(found.message.contains("column missing from the table: a"), "{}", found.message);
        let found = failure(&pool, &served, rows("a", size), call(None));
        assert_eq!(found.code, Code::Internal, "{size}");
        assert!(!found.message.contains("kernel"), "{}", found.message);
        assert_eq!(failure(&pool, &served, rows("a", size), call(Some(Instant::now()))).code, Code::DeadlineExceeded);
    }
    assert_eq!(served.statistics.failed.load(Ordering::Relaxed), 15);
    let found = failure(&pool, &served, rows("a", 100_001), call(None));
    assert_eq!((found.reason, found.retry_after_ms), (Reason::TooLarge, Some(-1)));
    let found = failure(&pool, &served, rows("a", 70_000), call(None));
    assert_eq!(found.code, Code::Internal, "560 kB are within 1 MiB");
    pool.close();
    for size in [1, 100] {
        assert_eq!(failure(&pool, &served, rows("a", size), call(None)).reason, Reason::Draining);
    }
    pool.join();
    assert_eq!(served.statistics.failed.load(Ordering::Relaxed), 19);
}

#[test]
fn a_scored_table_tells_its_own_time_and_is_counted() {
    let (served, arrived) = (served(), Instant::now());
    let table = rows("score", 3);
    let batches = table.batches.clone();
    let rate = Arc::new(Rate::default());
    let run = Run { served: served.clone(), table, rate: rate.clone(), rows: 3, arrived };
    let (queue, took) = (Duration::from_millis(7), Duration::from_millis(2));
    let scored = run.done(batches.clone(), arrived + queue, took);
    assert_eq!(scored, Scored { batches, timing: Timing { queue, run: took, rows: 3 } });
    assert_eq!(rate.predict(3), took);
    let tally = Tally { served: served.clone(), arrived, answered: false };
    assert_eq!(tally.answer(scored.clone()), scored);
    let statistics = &served.statistics;
    let counted =
        [&statistics.rows, &statistics.rows_refused, &statistics.answered, &statistics.failed].map(|count| count.load(Ordering::Relaxed));
    assert_eq!((counted, statistics.queue.sum_ns(), statistics.score.sum_ns()), ([3, 0, 1, 0], 7_000_000, 2_000_000));
}

#[test]
fn a_slice_counts_as_its_own_rows() {
    let Batches { batches, .. } = rows("a", 1000);
    assert_eq!((bytes_of(&batches[0]), bytes_of(&batches[0].slice(10, 5))), (8000, 40));
}

#[test]
fn a_work_thread_runs_below_the_others() {
    let lane = Lane::start(1, Config::default().waiting, lower_priority).unwrap();
    let order = Order { stake: Stake::Batch, deadline: None, rows: 1, bytes: 1, own: Duration::ZERO };
    let pending = lane.submit(order, |_| Ok(rustix::process::getpriority_process(None).ok())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let before = rustix::process::getpriority_process(None).unwrap();
    let within = runtime.block_on(pending).unwrap().unwrap();
    assert_eq!((within, rustix::process::getpriority_process(None).unwrap()), (NICENESS, before));
}
