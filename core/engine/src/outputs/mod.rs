//! What a table's run turns into: scored columns, the feature frame, the model's matrix, or the list of violations.

mod frame;
mod matrix;
mod reasons;
mod scores;
mod typed;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::arrow_rows::Table;
use crate::error::{Error, Result};
use crate::rule::Mark;
use crate::scorer::{BLOCK_ROWS, Scorer};
use crate::violation::Violation;
use crate::workspace::Block;

pub use frame::frame;
pub use matrix::matrix;
pub use scores::{schema, score};

/// A table as it is handed out: batches in row order, all of the schema.
pub type Batches = (SchemaRef, Vec<RecordBatch>);

/// Most violations that an error carries, and how many its message tells.
const CARRIED: usize = 100;
const TOLD: usize = 5;

/// The first `limit` violations of a table, in row order; only the contract is looked at.
///
/// # Errors
/// `Error::Internal` for arrays of wrong types; `Error::Interrupted` if `go_on` said so.
pub fn check(scorer: &Scorer, table: &Table, limit: usize, go_on: &dyn Fn() -> bool) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    let mut workspace = scorer.take_workspace();
    let mut first = 0;
    while first < table.rows() && found.len() < limit {
        if !go_on() {
            return Err(Error::Interrupted);
        }
        workspace.reset(BLOCK_ROWS.min(table.rows() - first));
        table.fill(scorer.contract(), first, &mut workspace.rows)?;
        let mut marks = at_rows(&workspace.rows.findings.marks, first);
        marks.sort_by_key(|mark| (mark.row, mark.place));
        found.extend(marks.iter().take(limit - found.len()).map(|mark| told(scorer, table, mark)));
        first += BLOCK_ROWS;
    }
    scorer.put_back(workspace, None);
    Ok(found)
}

/// The error for rows that stand between a caller and a whole result.
fn refusal(scorer: &Scorer, table: &Table, mut marks: Vec<Mark>) -> Error {
    marks.sort_by_key(|mark| (mark.row, mark.place));
    let mut rows: Vec<usize> = marks.iter().map(|mark| mark.row).collect();
    rows.dedup();
    let violations: Vec<_> = marks.iter().take(CARRIED).map(|mark| told(scorer, table, mark)).collect();
    let told: Vec<_> = violations.iter().take(TOLD).map(|violation| violation.message.as_str()).collect();
    let more = if marks.len() > told.len() { format!("\n... and {} more", marks.len() - told.len()) } else { String::new() };
    let message = format!(
        "{} of {} rows break contract {}; correct or drop them:\n{}{more}",
        rows.len(),
        table.rows(),
        scorer.contract().name,
        told.join("\n")
    );
    Error::Violations { message, violations }
}

fn told(scorer: &Scorer, table: &Table, mark: &Mark) -> Violation {
    let value = if mark.rule.is_of_contract() { table.describe(mark.row, mark.place as usize) } else { String::new() };
    Violation::new(scorer.contract(), scorer.feature_names(), mark, &value)
}

fn at_rows(marks: &[Mark], first: usize) -> Vec<Mark> {
    marks.iter().map(|mark| Mark { row: first + mark.row, ..*mark }).collect()
}

fn refused_marks(block: &Block<'_>, first: usize) -> Vec<Mark> {
    let mut marks = at_rows(block.marks, first);
    marks.retain(|mark| mark.refused);
    marks
}
