use sternpost_wire::inference::infer_parameter::ParameterChoice;
use tonic::Code;

use super::super::tests::{asked, parameter, scorer};
use super::*;

#[test]
fn what_cannot_be_given_is_refused_by_name() {
    let scorer = scorer("ride", "binary");
    let refusal = |outputs: &[InferRequestedOutputTensor]| read(scorer.shape(), outputs).unwrap_err();
    assert_eq!(refusal(&[asked("scor")]).message, "output 'scor' is not one of score, action, reasons; did you mean 'score'?");
    assert_eq!(refusal(&[asked("label")]).code, Code::InvalidArgument);
    assert_eq!(refusal(&[asked("score"), asked("score")]).message, "output 'score' is asked for twice");
    let with = |name: &str, key: &str, choice| {
        let mut asked = asked(name);
        asked.parameters.insert(key.to_owned(), parameter(choice));
        refusal(&[asked])
    };
    assert!(with("action", "classification", ParameterChoice::Int64Param(1)).message.contains("is text"));
    assert!(with("score", "classification", ParameterChoice::Int64Param(0)).message.contains("is 0"));
    assert!(with("score", "classification", ParameterChoice::Int64Param(-1)).message.contains("negative"));
    assert!(with("score", "classification", ParameterChoice::StringParam("2".to_owned())).message.contains("an integer is expected"));
    assert_eq!(with("score", SHARED_MEMORY, ParameterChoice::StringParam("r".to_owned())).code, Code::Unimplemented);
}

#[test]
fn nothing_asked_is_everything() {
    for (task, count) in [("binary", 3), ("multiclass", 5)] {
        assert_eq!(read(scorer("ride", task).shape(), &[]).unwrap().len(), count);
    }
    let mut one = asked("score");
    one.parameters.insert("binary_data".to_owned(), parameter(ParameterChoice::BoolParam(true)));
    assert_eq!(read(scorer("ride", "binary").shape(), &[one]).unwrap(), [Wanted { output: Output::Score, best: None }]);
}
