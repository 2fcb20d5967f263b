//! The golden rows' replay: the bits of every feature and every raw model output, on one thread. Nobody who watches the scorer sees them.

use crate::NULL_F64;
use crate::arrow_rows::Table;
use crate::error::Result;
use crate::parallel::Run;
use crate::scorer::{Scorer, Stage};

/// Little-endian f64 bytes, row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Golden {
    /// `[rows, features]`.
    pub features: Vec<u8>,
    /// `[rows, max(1, outputs)]`: raw model outputs, widened. Without a model one column of nulls.
    pub scores: Vec<u8>,
}

/// Replays a table. Refused rows are the null NaN in every place.
///
/// # Errors
/// As [`Run::parts`].
pub fn replay(scorer: &Scorer, table: &Table, go_on: &dyn Fn() -> bool) -> Result<Golden> {
    let stage = if scorer.shape().is_some() { Stage::Model } else { Stage::Features };
    let width = scorer.features().len();
    let outputs = scorer.shape().map_or(0, |shape| shape.outputs);
    let score_width = outputs.max(1);
    let run = Run { scorer, table, stage, seen: false, threads: 1, go_on };
    let parts = run.parts(
        |range| (vec![NULL_F64; range.len() * width], vec![NULL_F64; range.len() * score_width], range.start),
        |(features, scores, start), first, block| {
            for (position, row) in block.kept.iter().enumerate() {
                let at = first - *start + row;
                for feature in 0..width {
                    features[at * width + feature] = settled(block.features[feature * block.rows.capacity + position]);
                }
                let raw = block.raw.get(position * outputs..(position + 1) * outputs).unwrap_or_default();
                for (score, raw) in scores[at * score_width..].iter_mut().zip(raw) {
                    *score = settled(f64::from(*raw));
                }
            }
            Ok(())
        },
    )?;
    let mut golden = Golden { features: Vec::new(), scores: Vec::new() };
    for (features, scores, _) in parts {
        golden.features.extend(features.iter().flat_map(|value| value.to_le_bytes()));
        golden.scores.extend(scores.iter().flat_map(|value| value.to_le_bytes()));
    }
    Ok(golden)
}

/// The one bit pattern for every NaN: arithmetic makes NaNs of other signs on other CPUs.
fn settled(value: f64) -> f64 {
    if value.is_nan() { NULL_F64 } else { value }
}
