//! What counting costs, by itself; prints medians. `cargo test --release -p sternpost-monitor --test watch_costs -- --ignored --nocapture`.

use std::ffi::c_void;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use sternpost_engine::arrow_rows::Table;
use sternpost_engine::kernel::Kernel;
use sternpost_engine::model::{Model, Session};
use sternpost_engine::scorer::{BLOCK_ROWS, Scorer};
use sternpost_engine::spec::Spec;
use sternpost_engine::value_rows::{Value, put};
use sternpost_engine::{Result, outputs};
use sternpost_monitor::bundle::{self, Tables};
use sternpost_monitor::live::Live;
use sternpost_monitor::reference::Role;
use sternpost_monitor::tally::{reference_of, tally};
use sternpost_monitor::window::Window;

const COLUMNS: usize = 50;

fn table(rows: usize, seed: u64) -> RecordBatch {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut normal = || (-2.0 * (1.0 - next()).ln()).sqrt() * (std::f64::consts::TAU * next()).cos();
    let columns: Vec<(String, ArrayRef)> = (0..COLUMNS)
        .map(|column| {
            let values: Vec<f64> = (0..rows).map(|_| if column % 2 == 0 { normal() } else { normal().exp() }).collect();
            (format!("c{column}"), Arc::new(Float64Array::from(values)) as ArrayRef)
        })
        .collect();
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn median(rounds: usize, mut work: impl FnMut()) -> f64 {
    let mut took: Vec<f64> = (0..rounds)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_secs_f64()
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took[rounds / 2]
}

#[test]
#[ignore = "measures"]
fn tables_and_windows() {
    let base = table(20_000, 7);
    let reference = Arc::new(reference_of(&base.schema(), &[base], 1, &|| true).expect("a reference"));
    println!("{} cells", reference.cells());
    let windows: Vec<Window> = (0..1000)
        .map(|seed| {
            let atom = table(200, 1000 + seed);
            tally(&reference, Role::Input, &atom.schema(), &[atom], 1, &|| true).expect("counts").0
        })
        .collect();
    let merge = median(15, || {
        black_box(Window::merged(reference.clone(), &windows).expect("of one reference"));
    });
    println!("merge of 1,000 windows: {:.2} ms", merge * 1e3);
    let files: Vec<Vec<u8>> = windows.iter().map(|window| window.to_bytes().expect("writes")).collect();
    let read = median(5, || {
        let windows: Vec<Window> = files.iter().map(|file| Window::from_bytes(file, &reference).expect("reads")).collect();
        black_box(Window::merged(reference.clone(), &windows).expect("of one reference"));
    });
    println!("reading 1,000 windows of {} bytes and merging: {:.2} ms", files[0].len(), read * 1e3);
    let large = table(200_000, 99);
    let schema = large.schema();
    let counted = median(7, || {
        black_box(tally(&reference, Role::Input, &schema, std::slice::from_ref(&large), 1, &|| true).expect("counts"));
    });
    println!("tally: {:.2} ns/value", counted * 1e9 / (200_000 * COLUMNS) as f64);
}

/// Inputs that a row has; features that are made of them.
const INPUTS: usize = 20;

extern "C" fn kernel(
    _: *mut i64,
    _: *mut *mut c_void,
    n: i64,
    floats: *const *const f64,
    _: *const *const i64,
    _: *const *const i32,
    _: *const *const i8,
    out: *const *mut f64,
) -> i32 {
    for feature in 0..COLUMNS {
        for row in 0..n as usize {
            // SAFETY: the tables have `n` values for every input and feature.
            unsafe { *(*out.add(feature)).add(row) = *(*floats.add(feature % INPUTS)).add(row) * (1 + feature) as f64 };
        }
    }
    0
}

struct First;

impl Model for First {
    fn open(&self) -> Result<Box<dyn Session>> {
        Ok(Box::new(First))
    }
}

impl Session for First {
    fn run(&mut self, rows: &[f32], n: usize, out: &mut Vec<f32>) -> Result<()> {
        out.extend(rows.chunks_exact(rows.len() / n).map(|row| 1.0 / (1.0 + (-row[0]).exp())));
        Ok(())
    }
}

fn scorer() -> (Scorer, String) {
    let columns: Vec<String> =
        (0..INPUTS).map(|column| format!(r#"{{"name":"c{column}","type":"float","nullable":true,"on_violation":"refuse"}}"#)).collect();
    let contract = format!(r#"{{"format":1,"name":"Wide","columns":[{}]}}"#, columns.join(","));
    let features: Vec<String> = (0..COLUMNS).map(|feature| format!(r#"{{"name":"f{feature}","type":"float"}}"#)).collect();
    let order: Vec<String> = (0..COLUMNS).map(|feature| feature.to_string()).collect();
    let model = format!(
        r#"{{"kind":"binary","classes":null,"input":"X","output":"Y","features":{COLUMNS},"outputs":1,"positive":0,"min_rows":1,"chunk_rows":64}}"#
    );
    let spec = format!(
        r#"{{"contract":{contract},"features":[{}],"order":[{}],"model":{model},"policy":null,"bundle":{{"name":"w","digest":"d"}}}}"#,
        features.join(","),
        order.join(",")
    );
    // SAFETY: `kernel` has the form, for this contract and these features.
    let kernel = unsafe { Kernel::from_address(kernel as *const () as usize, COLUMNS, (0..COLUMNS).collect()) }.expect("a kernel");
    (Scorer::new(Spec::from_json(&spec).expect("a description"), Some(kernel), Some(Arc::new(First))).expect("fits"), contract)
}

#[test]
#[ignore = "measures"]
fn rows_and_blocks() {
    let (plain, contract) = scorer();
    let whole = table(20_000, 5);
    let names: Vec<usize> = (0..INPUTS).collect();
    let batch = whole.project(&names).expect("columns");
    let bound = Table::bind(plain.contract(), &batch.schema(), std::slice::from_ref(&batch)).expect("binds");
    let (feature_schema, features) = outputs::frame(&plain, &bound, 1, &|| true).expect("features");
    let (_, scored) = outputs::score(&plain, &bound, 1, &|| true).expect("scores");
    let scored: Vec<RecordBatch> = scored.iter().map(|batch| batch.project(&[0]).expect("score")).collect();
    let tables = Tables {
        inputs: (&batch.schema(), std::slice::from_ref(&batch)),
        features: (&feature_schema, &features),
        outputs: (&scored[0].schema(), &scored),
        labels: std::collections::HashMap::new(),
    };
    let reference = Arc::new(bundle::reference(&contract, &tables, 1, &|| true).expect("a reference"));
    let live = Live::new(reference.clone(), &plain).expect("fits");
    let watched = plain.watched_by(live.clone());
    println!("{} columns, {} cells", reference.columns().len(), reference.cells());
    let values: Vec<Vec<f64>> =
        (0..INPUTS).map(|column| batch.column(column).as_any().downcast_ref::<Float64Array>().expect("floats").values().to_vec()).collect();
    let rows = 4000;
    let singles = |scorer: &Scorer| {
        for row in 0..rows {
            let mut workspace = scorer.begin_row();
            for (place, column) in values.iter().enumerate() {
                put(scorer.contract(), place, 0, Value::Float(column[row]), &mut workspace.rows).expect("a float");
            }
            black_box(scorer.finish_row(workspace).expect("scores"));
        }
    };
    let blocks = |scorer: &Scorer, size: usize| {
        let mut worker = scorer.worker(BLOCK_ROWS).expect("opens");
        let mut first = 0;
        while first + size <= 16 * BLOCK_ROWS {
            worker.workspace.reset(size);
            bound.fill(scorer.contract(), first, &mut worker.workspace.rows).expect("fills");
            scorer.score_block(&mut worker).expect("scores");
            first += size;
        }
        first
    };
    if let Ok(one) = std::env::var("ONLY") {
        // For counting instructions: one way, once.
        let scorer = if one.starts_with("on") { &watched } else { &plain };
        if one.ends_with("single") {
            singles(scorer);
        } else {
            black_box(blocks(scorer, 256));
        }
        return;
    }
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..15 {
        for (scorer, took) in [&plain, &watched].into_iter().zip(&mut took) {
            took.push(median(1, || singles(scorer)) * 1e9 / rows as f64);
        }
    }
    took.iter_mut().for_each(|took| took.sort_by(f64::total_cmp));
    println!("single rows: {:.0} ns off, {:.0} ns on", took[0][7], took[1][7]);
    for size in [1, 4, 16, 64, 256, 1024] {
        let mut took = [Vec::new(), Vec::new()];
        for _ in 0..9 {
            for (scorer, took) in [&plain, &watched].into_iter().zip(&mut took) {
                let begun = Instant::now();
                let scored = blocks(scorer, size);
                took.push(begun.elapsed().as_secs_f64() * 1e9 / scored as f64);
            }
        }
        took.iter_mut().for_each(|took| took.sort_by(f64::total_cmp));
        println!("blocks of {size}: {:.0} ns/row off, {:.0} ns/row on", took[0][4], took[1][4]);
    }
    assert!(live.collect().rows.seen > 0);
}
