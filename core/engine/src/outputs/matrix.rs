//! The matrix that a model would see, written where the caller wants it. Refused rows leave no gap: they are an error.
//!
//! Every worker writes its own rows of the destination, once; nothing is gathered, copied or allocated by the row.

use std::sync::{Mutex, PoisonError};

use super::{refusal, refused_marks};
use crate::arrow_rows::Table;
use crate::error::{Error, Result};
use crate::parallel::Run;
use crate::rule::Mark;
use crate::scorer::{Scorer, Stage};

struct Part<'a> {
    rest: &'a mut [f32],
    refused: Vec<Mark>,
}

/// Writes the model's input into `out`, row-major `[rows, features]`. On an error `out` holds nothing of use.
///
/// # Errors
/// `Error::Violations` if any row is refused; `Error::Internal` if `out` has another length; otherwise as [`Run::parts`].
pub fn matrix(scorer: &Scorer, table: &Table, threads: usize, out: &mut [f32], go_on: &dyn Fn() -> bool) -> Result<()> {
    let width = scorer.features().len();
    if out.len() != table.rows() * width {
        return Err(Error::Internal(format!("{} places for {} rows of {width} features", out.len(), table.rows())));
    }
    let run = Run { scorer, table, stage: Stage::Features, seen: true, threads, go_on };
    let chunk_rows = run.chunk_rows();
    let chunks: Vec<_> = out.chunks_mut((chunk_rows * width).max(1)).map(|chunk| Mutex::new(Some(chunk))).collect();
    let take = |chunk: usize| chunks.get(chunk).and_then(|chunk| chunk.lock().unwrap_or_else(PoisonError::into_inner).take());
    let parts = run.parts(
        |range| Part { rest: take(range.start / chunk_rows).unwrap_or_default(), refused: Vec::new() },
        |part, first, block| {
            part.refused.extend(refused_marks(block, first));
            match part.rest.split_off_mut(..block.len * width) {
                // A block that lost rows is part of no matrix.
                Some(rows) if block.kept.len() == block.len => block.write_matrix(rows),
                Some(_) => {}
                None => return Err(Error::Internal("a chunk's rows do not fit its place".to_owned())),
            }
            Ok(())
        },
    )?;
    let refused: Vec<Mark> = parts.into_iter().flat_map(|part| part.refused).collect();
    if refused.is_empty() { Ok(()) } else { Err(refusal(scorer, table, refused)) }
}
