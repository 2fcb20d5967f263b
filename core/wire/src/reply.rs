//! A score reply written in place: the same message as [`crate::scoring::ScoreReply`], from borrowed parts.
//!
//! Generated encoding wants owned texts; this is the path of every answer, so it writes straight into the frame.

use prost::bytes::BufMut;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use crate::scoring::{Rung, Source};

/// The borrowed form of a score reply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreReplyRef<'a> {
    /// Name of the prediction.
    pub prediction_id: &'a str,
    /// The score, if there is one.
    pub score: Option<f64>,
    /// Raw outputs of a multiclass model.
    pub scores: &'a [f32],
    /// Winning class of a multiclass model.
    pub label: &'a str,
    /// What to do.
    pub action: &'a str,
    /// Whether that is a decision.
    pub binding: bool,
    /// Who gave the answer.
    pub source: Source,
    /// How far the bundle is trusted.
    pub rung: Rung,
    /// Reason codes.
    pub reasons: &'a [String],
    /// The bundle's digest.
    pub digest: &'a str,
    /// Nanoseconds from arrival to the start of the run.
    pub queue_ns: u64,
    /// Nanoseconds of the block's run.
    pub score_ns: u64,
    /// Rows in the block.
    pub block_rows: u32,
}

impl ScoreReplyRef<'_> {
    /// Appends the encoded message.
    pub fn encode(&self, out: &mut impl BufMut) {
        text(1, self.prediction_id, out);
        if let Some(score) = self.score {
            encode_key(2, WireType::SixtyFourBit, out);
            out.put_f64_le(score);
        }
        if !self.scores.is_empty() {
            encode_key(3, WireType::LengthDelimited, out);
            encode_varint(8 * self.scores.len() as u64, out);
            self.scores.iter().for_each(|score| out.put_f64_le(f64::from(*score)));
        }
        text(4, self.label, out);
        text(5, self.action, out);
        number(6, u64::from(self.binding), out);
        number(7, self.source as u64, out);
        number(8, self.rung as u64, out);
        for reason in self.reasons {
            encode_key(9, WireType::LengthDelimited, out);
            encode_varint(reason.len() as u64, out);
            out.put_slice(reason.as_bytes());
        }
        text(10, self.digest, out);
        let timing = [self.queue_ns, self.score_ns, u64::from(self.block_rows)];
        encode_key(11, WireType::LengthDelimited, out);
        let len = timing.iter().filter(|value| **value > 0).map(|value| 1 + encoded_len_varint(*value)).sum::<usize>();
        encode_varint(len as u64, out);
        timing.iter().zip(1..).for_each(|(value, field)| number(field, *value, out));
    }
}

fn text(field: u32, text: &str, out: &mut impl BufMut) {
    if !text.is_empty() {
        encode_key(field, WireType::LengthDelimited, out);
        encode_varint(text.len() as u64, out);
        out.put_slice(text.as_bytes());
    }
}

fn number(field: u32, number: u64, out: &mut impl BufMut) {
    if number > 0 {
        encode_key(field, WireType::Varint, out);
        encode_varint(number, out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::scoring::{ScoreReply, Timing};

    proptest! {
        #[test]
        fn the_generated_code_writes_the_same_bytes(
            texts in prop::array::uniform4("\\PC{0,20}"),
            score in prop::option::of(any::<f64>()),
            scores in prop::collection::vec(any::<f32>(), 0..4),
            binding in any::<bool>(),
            reasons in prop::collection::vec("\\PC{0,10}", 0..3),
            timing in any::<(u64, u64, u32)>(),
        ) {
            let [id, label, action, digest] = texts;
            let ours = ScoreReplyRef {
                prediction_id: &id, score, scores: &scores, label: &label, action: &action, binding,
                source: Source::Model, rung: Rung::Advise, reasons: &reasons, digest: &digest,
                queue_ns: timing.0, score_ns: timing.1, block_rows: timing.2,
            };
            let mut bytes = Vec::new();
            ours.encode(&mut bytes);
            let generated = ScoreReply {
                prediction_id: id.clone(), score, scores: scores.iter().copied().map(f64::from).collect(), label: label.clone(),
                action: action.clone(), binding, source: Source::Model.into(), rung: Rung::Advise.into(), reasons: reasons.clone(),
                digest: digest.clone(), timing: Some(Timing { queue_ns: timing.0, score_ns: timing.1, block_rows: timing.2 }), failure: None,
            };
            prop_assert_eq!(bytes, generated.encode_to_vec());
        }
    }
}
