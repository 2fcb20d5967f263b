//! What an answer says, read from its bytes without building the message.

use crate::options::Call;

/// One answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Answer {
    pub score: Option<f64>,
    /// A streamed row's own failure.
    pub failure: Option<u16>,
}

enum Value<'a> {
    Number(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

/// Reads a message of the kind that `call` answers with. What cannot be read says nothing.
pub fn read(call: Call, message: &[u8]) -> Answer {
    let mut answer = Answer::default();
    match call {
        Call::Score | Call::Stream => each(message, |field, value| match (field, value) {
            (2, Value::Fixed(bits)) => answer.score = Some(f64::from_bits(bits)),
            (12, Value::Bytes(failure)) => each(failure, |field, value| {
                if let (1, Value::Number(code)) = (field, value) {
                    answer.failure = Some(code as u16);
                }
            }),
            _ => {}
        }),
        Call::Loans => each(message, |field, value| {
            if let (1, Value::Fixed(bits)) = (field, value) {
                answer.score = Some(f64::from_bits(bits));
            }
        }),
        Call::Infer => answer.score = inferred(message),
        Call::Json => {
            let text = std::str::from_utf8(message).unwrap_or_default();
            answer.score = text.split_once("\"score\":").and_then(|(_, rest)| rest.split([',', '}']).next()?.trim().parse().ok());
        }
    }
    answer
}

/// The first number of the output `score`, raw or not.
fn inferred(message: &[u8]) -> Option<f64> {
    let (mut outputs, mut at, mut typed, mut raw) = (0, None, None, Vec::new());
    each(message, |field, value| match (field, value) {
        (5, Value::Bytes(output)) => {
            each(output, |field, value| match (field, value) {
                (1, Value::Bytes(b"score")) => at = Some(outputs),
                (5, Value::Bytes(contents)) if at == Some(outputs) => each(contents, |field, value| {
                    typed = match (field, value) {
                        (6, Value::Bytes(floats)) => number(floats.get(..4)),
                        (7, Value::Bytes(floats)) => number(floats.get(..8)),
                        _ => typed,
                    };
                }),
                _ => {}
            });
            outputs += 1;
        }
        (6, Value::Bytes(contents)) => raw.push(contents),
        _ => {}
    });
    typed.or_else(|| number(raw.get(at?).copied()))
}

fn number(bytes: Option<&[u8]>) -> Option<f64> {
    let bytes = bytes?;
    let single = || bytes.try_into().ok().map(|bytes| f64::from(f32::from_le_bytes(bytes)));
    bytes.try_into().ok().map(f64::from_le_bytes).or_else(single)
}

/// Calls `told` with every field up to the first that is not one.
fn each<'a>(mut bytes: &'a [u8], mut told: impl FnMut(u64, Value<'a>)) {
    while let Some(key) = varint(&mut bytes) {
        let value = match key & 7 {
            0 => varint(&mut bytes).map(Value::Number),
            1 => take(&mut bytes, 8).and_then(|fixed| fixed.try_into().ok()).map(u64::from_le_bytes).map(Value::Fixed),
            2 => varint(&mut bytes).and_then(|length| take(&mut bytes, length as usize)).map(Value::Bytes),
            5 => take(&mut bytes, 4).map(Value::Bytes),
            _ => None,
        };
        match value {
            Some(value) => told(key >> 3, value),
            None => return,
        }
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use sternpost_wire::inference::model_infer_response::InferOutputTensor;
    use sternpost_wire::inference::{InferTensorContents, ModelInferResponse};
    use sternpost_wire::scoring::{Failure, ScoreReply, Timing};

    use super::*;

    #[test]
    fn a_reply_says_what_the_generated_code_wrote() {
        let reply = ScoreReply {
            prediction_id: "a-name".to_owned(),
            score: Some(0.1),
            timing: Some(Timing { queue_ns: 70_000, score_ns: 9, block_rows: 3 }),
            ..ScoreReply::default()
        };
        assert_eq!(read(Call::Score, &reply.encode_to_vec()), Answer { score: Some(0.1), failure: None });
        let failure = Failure { code: 8, message: "busy".to_owned(), retry_after_ms: -1 };
        let refused = ScoreReply { failure: Some(failure), ..ScoreReply::default() };
        assert_eq!(read(Call::Stream, &refused.encode_to_vec()), Answer { score: None, failure: Some(8) });
    }

    #[test]
    fn an_inferred_score_is_found_raw_and_typed() {
        let output = |name: &str, contents| InferOutputTensor { name: name.to_owned(), contents, ..InferOutputTensor::default() };
        let raw = ModelInferResponse {
            outputs: vec![output("action", None), output("score", None)],
            raw_output_contents: vec![b"\x03\0\0\0ask".to_vec().into(), 0.25f64.to_le_bytes().to_vec().into()],
            ..ModelInferResponse::default()
        };
        assert_eq!(read(Call::Infer, &raw.encode_to_vec()).score, Some(0.25));
        let typed = InferTensorContents { fp32_contents: vec![0.5], ..InferTensorContents::default() };
        let typed = ModelInferResponse { outputs: vec![output("score", Some(typed))], ..ModelInferResponse::default() };
        assert_eq!(read(Call::Infer, &typed.encode_to_vec()).score, Some(0.5));
    }

    #[test]
    fn a_json_score_is_a_number() {
        assert_eq!(read(Call::Json, br#"{"score":0.125,"x":1}"#).score, Some(0.125));
        assert_eq!(read(Call::Json, b"{}").score, None);
        assert_eq!(read(Call::Score, &[0xff; 30]), Answer::default());
    }
}
