use sternpost_engine::scorer::Scorer;
use sternpost_wire::inference::infer_parameter::ParameterChoice;
use sternpost_wire::inference::model_infer_request::InferRequestedOutputTensor;
use tonic::Code;

use super::super::tests::{asked, framed, parameter, scored, scorer};
use super::super::wanted;
use super::*;

fn filled(
    scorer: &Scorer,
    batches: &[RecordBatch],
    rows: usize,
    outputs: &[InferRequestedOutputTensor],
    typed: bool,
) -> Result<ModelInferResponse, Failure> {
    let mut response = ModelInferResponse::default();
    let wanted = wanted::read(scorer.shape(), outputs)?;
    fill(&mut response, &wanted, scorer.shape(), batches, rows, typed)?;
    Ok(response)
}

fn doubles(bytes: &[u8]) -> Vec<u64> {
    bytes.chunks(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn classified(name: &str, count: u64) -> InferRequestedOutputTensor {
    let mut asked = asked(name);
    asked.parameters.insert("classification".to_owned(), parameter(ParameterChoice::Uint64Param(count)));
    asked
}

/// Three rows in two batches; the second is refused.
fn batches(classes: Option<&[String]>) -> Vec<RecordBatch> {
    let reasons = [vec![], vec!["null:a".to_owned(), "ge:b".to_owned()], vec![]];
    vec![scored(&[Some(0.25), None], classes, &reasons[..2]), scored(&[Some(4.0)], classes, &reasons[2..])]
}

const NAN: u64 = NULL_F64.to_bits();

#[test]
fn raw_outputs_of_one_score() {
    let scorer = scorer("ride", "binary");
    let response = filled(&scorer, &batches(None), 3, &[], false).unwrap();
    let told: Vec<_> =
        response.outputs.iter().map(|output| (output.name.as_str(), output.datatype.as_str(), output.shape.as_slice())).collect();
    assert_eq!(told, [("score", "FP64", [3, 1].as_slice()), ("action", "BYTES", &[3, 1]), ("reasons", "BYTES", &[3, 1])]);
    assert!(response.outputs.iter().all(|output| output.contents.is_none()));
    assert_eq!(doubles(&response.raw_output_contents[0]), [0.25f64.to_bits(), NAN, 4f64.to_bits()]);
    assert_eq!(response.raw_output_contents[1], framed(&["go", "review", "go"]));
    assert_eq!(response.raw_output_contents[2], framed(&["", "null:a;ge:b", ""]));
}

#[test]
fn typed_outputs_of_many_classes() {
    let scorer = scorer("ride", "multiclass");
    let classes = scorer.shape().unwrap().classes.clone();
    let response = filled(&scorer, &batches(classes.as_deref()), 3, &[], true).unwrap();
    assert!(response.raw_output_contents.is_empty());
    let names: Vec<_> = response.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["score", "label", "scores", "action", "reasons"]);
    let contents: Vec<_> = response.outputs.iter().map(|output| output.contents.as_ref().unwrap()).collect();
    assert_eq!(contents[1].bytes_contents, ["high", "", "high"]);
    assert_eq!(response.outputs[2].shape, [3, 3]);
    let bits: Vec<_> = contents[2].fp64_contents.iter().map(|score| score.to_bits()).collect();
    assert_eq!(
        bits,
        [0.25f64.to_bits(), 1.25f64.to_bits(), 2.25f64.to_bits(), NAN, NAN, NAN, 4f64.to_bits(), 5f64.to_bits(), 6f64.to_bits()]
    );
}

#[test]
fn one_whole_batch_is_not_copied() {
    let scorer = scorer("ride", "binary");
    let batch = scored(&[Some(1.0), Some(2.0), Some(3.0)], None, &[vec![], vec![], vec![]]);
    let start = numbers(&batch).unwrap().values().as_ptr().cast::<u8>();
    for (batch, expected) in [(batch.clone(), vec![1.0f64, 2.0, 3.0]), (batch.slice(1, 2), vec![2.0, 3.0])] {
        let response = filled(&scorer, &[batch], expected.len(), &[asked("score")], false).unwrap();
        let bits: Vec<_> = expected.iter().map(|score| score.to_bits()).collect();
        assert_eq!(doubles(&response.raw_output_contents[0]), bits);
        assert!(response.raw_output_contents[0].as_ptr() >= start && response.raw_output_contents[0].as_ptr() <= start.wrapping_add(8));
    }
}

#[test]
fn slices_of_batches_answer_for_their_own_rows() {
    let scorer = scorer("ride", "multiclass");
    let classes = scorer.shape().unwrap().classes.clone();
    let whole = scored(&[Some(0.0), None, Some(20.0)], classes.as_deref(), &[vec![], vec!["null:a".to_owned()], vec![]]);
    let response = filled(&scorer, &[whole.slice(1, 2)], 2, &[asked("scores"), asked("reasons"), asked("label")], true).unwrap();
    let contents: Vec<_> = response.outputs.iter().map(|output| output.contents.clone().unwrap()).collect();
    assert_eq!(contents[0].fp64_contents[3..], [20.0, 21.0, 22.0]);
    assert!(contents[0].fp64_contents[..3].iter().all(|score| score.is_nan()));
    assert_eq!(contents[1].bytes_contents, ["null:a", ""]);
    assert_eq!(contents[2].bytes_contents, ["", "high"]);
}

#[test]
fn outputs_come_in_the_order_asked() {
    let scorer = scorer("ride", "binary");
    let response = filled(&scorer, &batches(None), 3, &[asked("reasons"), asked("score")], false).unwrap();
    let names: Vec<_> = response.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["reasons", "score"]);
    assert_eq!(doubles(&response.raw_output_contents[1]).len(), 3);
}

#[test]
fn classification_is_score_index_label() {
    let scorer_of_classes = scorer("ride", "multiclass");
    let classes = scorer_of_classes.shape().unwrap().classes.clone();
    let response = filled(&scorer_of_classes, &batches(classes.as_deref()), 3, &[classified("scores", 2)], true).unwrap();
    assert_eq!((response.outputs[0].datatype.as_str(), response.outputs[0].shape.as_slice()), ("BYTES", [3, 2].as_slice()));
    let texts = &response.outputs[0].contents.as_ref().unwrap().bytes_contents;
    assert_eq!(texts, &["2.25:2:high", "1.25:1:mid", "NaN:0:low", "NaN:1:mid", "6:2:high", "5:1:mid"]);
    let response = filled(&scorer_of_classes, &batches(classes.as_deref()), 3, &[classified("scores", 99)], true).unwrap();
    assert_eq!(response.outputs[0].shape, [3, 3]);
    let response = filled(&scorer("ride", "binary"), &batches(None), 3, &[classified("score", 5)], false).unwrap();
    assert_eq!(response.raw_output_contents[0], framed(&["0.25:0", "NaN:0", "4:0"]));
    let mut texts = Vec::new();
    classify(&[f64::NAN, 1.0, f64::NEG_INFINITY, 1.0], 4, &[], &mut texts);
    assert_eq!(texts, ["1:1", "1:3", "-inf:2", "NaN:0"]);
}

#[test]
fn no_rows_are_an_answer() {
    let scorer = scorer("ride", "multiclass");
    for typed in [false, true] {
        let response = filled(&scorer, &[], 0, &[], typed).unwrap();
        assert_eq!(response.outputs.iter().map(|output| output.shape[0]).sum::<i64>(), 0);
        assert_eq!(response.raw_output_contents.len(), if typed { 0 } else { 5 });
    }
}

#[test]
fn a_result_that_is_none_is_an_internal_error() {
    let scorer = scorer("ride", "multiclass");
    // Too few rows, and columns that a multiclass model has not there.
    for rows in [2, 3] {
        let failure = filled(&scorer, &batches(None), rows, &[], false).unwrap_err();
        assert_eq!(failure.code, Code::Internal);
        assert!(failure.message.starts_with("internal error "), "{}", failure.message);
    }
}
