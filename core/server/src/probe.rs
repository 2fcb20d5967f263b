//! A row whose score is known, to ask a thread whether it is well.

use sternpost_engine::arrow_rows::Table;
use sternpost_engine::contract::{Contract, Kind};
use sternpost_engine::rows::Rows;
use sternpost_engine::scorer::Scorer;
use sternpost_engine::value_rows::Value;
use sternpost_engine::worker::Worker;
use sternpost_engine::{NULL_CODE, NULL_FLAG, NULL_I64, Result};
use sternpost_wire::packed;

/// A golden row and its score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    packed: Vec<u8>,
    score_bits: u64,
}

impl Probe {
    /// The first row of a table that breaks no rule and has a score; nothing if there is none.
    ///
    /// # Errors
    /// As [`Scorer::probe_block`].
    pub fn of(scorer: &Scorer, golden: &Table) -> Result<Option<Self>> {
        let mut worker = scorer.worker(1)?;
        for row in 0..golden.rows() {
            worker.workspace.reset(1);
            golden.fill(scorer.contract(), row, &mut worker.workspace.rows)?;
            let clean = worker.workspace.rows.findings.marks.is_empty();
            let packed = pack(scorer.contract(), &worker.workspace.rows);
            let block = scorer.probe_block(&mut worker)?;
            if let (true, Some(packed), Some(score)) = (clean, packed, scorer.outcomes(&block).next().and_then(|row| row.score)) {
                return Ok(Some(Self { packed, score_bits: score.to_bits() }));
            }
        }
        Ok(None)
    }

    /// Whether the row still gets its score.
    pub fn holds(&self, scorer: &Scorer, worker: &mut Worker) -> bool {
        worker.workspace.reset(1);
        packed::unpack(scorer.contract(), &self.packed, 0, &mut worker.workspace.rows).is_ok()
            && scorer
                .probe_block(worker)
                .is_ok_and(|block| scorer.outcomes(&block).next().is_some_and(|row| row.score.map(f64::to_bits) == Some(self.score_bits)))
    }
}

/// The decoded first row of a block, packed.
fn pack(contract: &Contract, rows: &Rows) -> Option<Vec<u8>> {
    let mut packed = Vec::new();
    for (place, column) in contract.columns.iter().enumerate() {
        let at = column.slot * rows.capacity;
        let value = match &column.kind {
            Kind::Float(_) => rows.floats.get(at).map(|value| if value.is_nan() { Value::Null } else { Value::Float(*value) }),
            Kind::Int(_) | Kind::Money { .. } => {
                rows.longs.get(at).map(|value| if *value == NULL_I64 { Value::Null } else { Value::Int(*value) })
            }
            Kind::Timestamp(_) => rows.longs.get(at).map(|value| if *value == NULL_I64 { Value::Null } else { Value::Instant(*value) }),
            Kind::Bool => rows.flags.get(at).map(|value| if *value == NULL_FLAG { Value::Null } else { Value::Bool(*value == 1) }),
            Kind::Category { .. } => rows.codes.get(at).and_then(|value| match u32::try_from(*value) {
                Ok(label) => Some(Value::Label(label)),
                Err(_) => (*value == NULL_CODE).then_some(Value::Null),
            }),
        };
        packed::pack(contract, place, value?, &mut packed).ok()?;
    }
    Some(packed)
}
