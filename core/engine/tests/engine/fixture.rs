//! A flight in miniature: one column of every type, a kernel of two features, a model that adds them.
//!
//! Kernel: `doubled = 2 * speed` (float), `sum = legs + carrier code` (int). It computes `sum` first and raises on `legs == 13` before
//! writing anything, on `legs == 14` after writing `sum`.

use std::ffi::c_void;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use sternpost_engine::Result;
use sternpost_engine::arrow_rows::Table;
use sternpost_engine::kernel::Kernel;
use sternpost_engine::model::{Model, Session};
use sternpost_engine::scorer::Scorer;
use sternpost_engine::spec::Spec;

/// One column of every type: nullable, then not.
pub const COLUMNS: &str = r#"
  {"name":"speed","type":"float","nullable":true,"unit":"mph","ge":0.0,"le":150.0,"on_violation":"refuse"},
  {"name":"legs","type":"int","nullable":false,"gt":-5,"lt":1000,"on_violation":"refuse"},
  {"name":"night","type":"bool","nullable":true,"on_violation":"refuse"},
  {"name":"carrier","type":"category","nullable":true,"categories":["AA","UA","a label longer than sixteen bytes"],"on_violation":"refuse"},
  {"name":"departs","type":"timestamp","nullable":true,"on_violation":"refuse"},
  {"name":"fare","type":"money","nullable":true,"ge":0,"minor_digits":2,"on_violation":"refuse"}
"#;

pub fn contract_json(columns: &str) -> String {
    format!(r#"{{"format":1,"name":"Flight","columns":[{columns}]}}"#)
}

pub fn spec(model: &str, policy: &str) -> Spec {
    let contract = contract_json(COLUMNS);
    let features = r#"[{"name":"doubled","type":"float"},{"name":"sum","type":"int"}]"#;
    let json = format!(
        r#"{{"contract":{contract},"features":{features},"order":[1,0],"model":{model},"policy":{policy},"bundle":{{"name":"f","digest":"d"}}}}"#
    );
    Spec::from_json(&json).expect("the fixture's description is right")
}

pub const REGRESSION: &str =
    r#"{"kind":"regression","classes":null,"input":"X","output":"Y","features":2,"outputs":1,"positive":0,"min_rows":1,"chunk_rows":64}"#;
pub const MULTICLASS: &str = r#"{"kind":"multiclass","classes":["low","high"],"input":"X","output":"Y","features":2,"outputs":2,"positive":0,"min_rows":1,"chunk_rows":64}"#;

pub extern "C" fn kernel(
    _: *mut i64,
    _: *mut *mut c_void,
    n: i64,
    floats: *const *const f64,
    longs: *const *const i64,
    codes: *const *const i32,
    _: *const *const i8,
    out: *const *mut f64,
) -> i32 {
    for row in 0..n as usize {
        // SAFETY: the tables follow the fixture's contract and hold `n` values a column.
        unsafe {
            let legs = *(*longs).add(row);
            if legs == 13 {
                return 1;
            }
            *(*out.add(1)).add(row) = legs as f64 + f64::from(*(*codes).add(row));
            if legs == 14 {
                return 1;
            }
            *(*out).add(row) = 2.0 * *(*floats).add(row);
        }
    }
    0
}

pub fn compiled() -> Kernel {
    // SAFETY: `kernel` has the form and is compiled into this program.
    unsafe { Kernel::from_address(kernel as *const () as usize, 2, vec![1, 0]) }.expect("the fixture's kernel is right")
}

/// Adds the features of a row; every further output is the sum's negative. NaN counts as 0, so that nulls have scores.
pub struct Sum {
    pub outputs: usize,
}

impl Model for Sum {
    fn open(&self) -> Result<Box<dyn Session>> {
        Ok(Box::new(SumSession { outputs: self.outputs }))
    }
}

struct SumSession {
    outputs: usize,
}

impl Session for SumSession {
    fn run(&mut self, rows: &[f32], n: usize, out: &mut Vec<f32>) -> Result<()> {
        assert_eq!(rows.len(), n * 2);
        for row in rows.chunks_exact(2) {
            let sum: f32 = row.iter().map(|value| if value.is_nan() { 0.0 } else { *value }).sum();
            out.push(sum);
            out.extend((1..self.outputs).map(|_| -sum));
        }
        Ok(())
    }
}

pub fn scorer(model: &str, policy: &str) -> Scorer {
    let spec = spec(model, policy);
    let outputs = spec.model.as_ref().map_or(0, |shape| shape.outputs);
    let model = (outputs > 0).then(|| Arc::new(Sum { outputs }) as Arc<dyn Model>);
    Scorer::new(spec, Some(compiled()), model).expect("the fixture's parts fit")
}

/// A table from columns, cut into batches of `batch` rows.
pub fn table(scorer: &Scorer, columns: Vec<(&str, ArrayRef)>, batch: usize) -> Result<Table> {
    let whole = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let batches: Vec<_> =
        (0..whole.num_rows()).step_by(batch).map(|first| whole.slice(first, batch.min(whole.num_rows() - first))).collect();
    Table::bind(scorer.contract(), &whole.schema(), &batches)
}
