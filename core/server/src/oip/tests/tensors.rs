use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use proptest::prelude::*;
use prost::Message;
use sternpost_engine::arrow_rows::Table;
use sternpost_wire::inference::ModelInferRequest;
use sternpost_wire::inference::infer_parameter::ParameterChoice;
use tonic::Code;

use super::super::tests::{framed, input, parameter, raw, request, scorer, typed};
use super::*;

const LIMIT: usize = 1000;

fn read_all(inputs: Vec<InferInputTensor>, raw: Vec<Bytes>) -> Result<Batches, Failure> {
    read(scorer("ride", "binary").contract(), inputs, raw, LIMIT)
}

/// The message of a refusal, which is the caller's fault.
fn refusal(inputs: Vec<InferInputTensor>, raw: Vec<Bytes>) -> String {
    let failure = read_all(inputs, raw).unwrap_err();
    assert_eq!(failure.code, Code::InvalidArgument, "{}", failure.message);
    failure.message
}

#[test]
fn raw_and_typed_contents_give_the_same_columns() {
    for rows in [0, 1, 2, 9] {
        let (inputs, contents) = raw(rows);
        let (one, other) = (read_all(inputs, contents).unwrap(), read_all(typed(rows), Vec::new()).unwrap());
        assert_eq!((one.rows, one.batches[0].num_rows(), one.batches[0].num_columns()), (rows, rows, 7));
        assert_eq!(one.batches, other.batches);
        let schema = &one.schema;
        Table::bind(scorer("ride", "binary").contract(), schema, &one.batches).unwrap();
    }
}

#[test]
fn inputs_come_in_any_order_and_either_shape() {
    let (mut inputs, mut contents) = raw(3);
    inputs.iter_mut().step_by(2).for_each(|input| input.shape = vec![3]);
    inputs.reverse();
    contents.reverse();
    let read = read_all(inputs, contents).unwrap();
    let (inputs, contents) = raw(3);
    assert_eq!(read.batches, read_all(inputs, contents).unwrap().batches);
}

#[test]
fn masks_of_nulls() {
    let (mut inputs, mut contents) = raw(3);
    inputs.push(input("fare.null", "BOOL", &[3]));
    contents.push(vec![0, 1, 0].into());
    let read = read_all(inputs.clone(), contents.clone()).unwrap();
    let fare = read.batches[0].column_by_name("fare").unwrap().as_primitive::<Int64Type>();
    assert_eq!(fare.iter().collect::<Vec<_>>(), [Some(100), None, Some(102)]);
    for name in ["kind.null", "seen.null"] {
        inputs.insert(0, input(name, "BOOL", &[3, 1]));
        contents.insert(0, vec![1, 1, 1].into());
    }
    let read = read_all(inputs.clone(), contents.clone()).unwrap();
    assert_eq!(read.batches[0].column_by_name("kind").unwrap().null_count(), 3);
    inputs.push(input("late.null", "BOOL", &[3]));
    contents.push(vec![0, 0, 0].into());
    assert!(refusal(inputs.clone(), contents.clone()).contains("'late.null' marks nulls of a column that is not nullable"));
    inputs.pop();
    contents.pop();
    inputs.push(input("fare.null", "BOOL", &[3]));
    contents.push(vec![0, 0, 0].into());
    assert!(refusal(inputs, contents).contains("'fare.null' is there twice"));
}

#[test]
fn every_name_at_fault_is_told() {
    let (inputs, contents) = raw(2);
    let changed = |change: &dyn Fn(&mut Vec<InferInputTensor>, &mut Vec<Bytes>)| {
        let (mut inputs, mut contents) = (inputs.clone(), contents.clone());
        change(&mut inputs, &mut contents);
        refusal(inputs, contents)
    };
    let text = changed(&|inputs, _| inputs[0].name = "Distanse".to_owned());
    assert_eq!(text, "input 'Distanse' is no column of contract Ride; did you mean 'distance'?");
    let text = changed(&|inputs, contents| {
        inputs.truncate(5);
        contents.truncate(5);
    });
    assert_eq!(text, "inputs missing: at, seen; contract Ride declares them");
    let text = changed(&|inputs, contents| {
        inputs.push(inputs[2].clone());
        contents.push(contents[2].clone());
    });
    assert_eq!(text, "input 'stops' is there twice");
    for datatype in ["FP16", "BF16"] {
        assert!(changed(&|inputs, _| inputs[0].datatype = datatype.to_owned()).contains(&format!("'distance' is {datatype}")));
    }
    assert!(changed(&|inputs, _| inputs[0].datatype = "DOUBLE".to_owned()).contains("'DOUBLE', which is none"));
    assert!(changed(&|inputs, _| inputs[0].datatype = "INT32".to_owned()).contains("'distance' has 16 bytes"));
    assert!(changed(&|inputs, _| inputs[1].datatype = "FP64".to_owned()).contains("send INT64, minor units"));
    assert!(changed(&|inputs, _| inputs[1].shape = vec![1]).contains("'fare' has 1 rows and those before it have 2"));
    assert!(changed(&|_, contents| contents.push(Bytes::new())).contains("7 inputs and 8 entries"));
    assert!(changed(&|_, contents| contents.truncate(6)).contains("7 inputs and 6 entries"));
    assert!(changed(&|inputs, _| inputs[3].contents = Some(Default::default())).contains("'late' has contents beside"));
    assert!(changed(&|_, contents| contents[6] = vec![1, 7].into()).contains("'seen' has a byte"));
    assert!(changed(&|inputs, _| inputs.iter_mut().for_each(|input| input.name = "x".repeat(1 << 20))).len() < 200);
}

#[test]
fn shapes_are_rows_and_nothing_else() {
    let (inputs, contents) = raw(2);
    let shapes: [&[i64]; 9] =
        [&[], &[1, 2], &[2, 2], &[2, 1, 1], &[-2], &[-2, -1], &[i64::MIN, 1], &[2, 0], &[1 << 62, 4, 4, 4, 4, 4, 4, 4, 4, 4]];
    for shape in shapes {
        let mut inputs = inputs.clone();
        inputs[0].shape = shape.to_vec();
        assert!(refusal(inputs, contents.clone()).starts_with("input 'distance' has "), "{shape:?}");
    }
    // As many rows as fit the limit, but no bytes for them.
    let mut few = inputs.clone();
    few.iter_mut().for_each(|input| input.shape = vec![LIMIT as i64]);
    assert!(refusal(few, contents.clone()).contains("'distance' has 16 bytes"));
    let mut many = inputs;
    many.iter_mut().for_each(|input| input.shape = vec![i64::MAX, 1]);
    let failure = read_all(many, contents).unwrap_err();
    assert_eq!((failure.code, failure.retry_after_ms), (Code::ResourceExhausted, Some(-1)));
}

#[test]
fn parameters_of_tensors_are_ignored_but_for_memory_that_is_not_mapped() {
    let (mut inputs, contents) = raw(2);
    inputs[0].parameters.insert("binary_data_size".to_owned(), parameter(ParameterChoice::Int64Param(16)));
    assert_eq!(read_all(inputs.clone(), contents.clone()).unwrap().rows, 2);
    inputs[0].parameters.insert(SHARED_MEMORY.to_owned(), parameter(ParameterChoice::StringParam("region".to_owned())));
    assert_eq!(read_all(inputs, contents).unwrap_err().code, Code::Unimplemented);
}

#[test]
fn one_arrow_stream_stands_for_all_inputs() {
    let (inputs, contents) = raw(4);
    let batch = read_all(inputs.clone(), contents.clone()).unwrap().batches.remove(0);
    let mut stream = Vec::new();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut stream, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let element = [(stream.len() as u32).to_le_bytes().to_vec(), stream.clone()].concat();
    let arrow = || input("arrow", "BYTES", &[1]);
    let read = read_all(vec![arrow()], vec![element.clone().into()]).unwrap();
    assert_eq!((read.rows, read.batches), (8, vec![batch.clone(), batch]));
    let mut by_field = arrow();
    by_field.contents = Some(sternpost_wire::inference::InferTensorContents { bytes_contents: vec![stream.into()], ..Default::default() });
    assert_eq!(read_all(vec![by_field], Vec::new()).unwrap().rows, 8);
    let both = inputs.into_iter().chain([arrow()]).collect();
    assert!(refusal(both, contents.into_iter().chain([element.into()]).collect()).contains("nothing beside it"));
    assert!(refusal(vec![arrow()], vec![framed(&["not arrow"])]).contains("the Arrow stream cannot be read"));
}

#[test]
fn without_inputs_they_are_missing() {
    assert!(refusal(Vec::new(), Vec::new()).starts_with("inputs missing: distance, fare, stops"));
    assert!(refusal(Vec::new(), vec![Bytes::new()]).contains("0 inputs and 1 entries"));
}

proptest! {
    /// Whatever a request's bytes become, what is read from it has as many rows as it says, and the engine takes it.
    #[test]
    fn a_request_with_changed_bytes_is_taken_or_refused(
        rows in 0..4usize,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        is_typed in any::<bool>(),
    ) {
        let scorer = scorer("ride", "binary");
        let mut message = request(rows);
        if is_typed {
            message.raw_input_contents.clear();
            message.inputs = typed(rows);
        }
        let mut bytes = message.encode_to_vec();
        for (index, byte) in cuts {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(message) = ModelInferRequest::decode(Bytes::from(bytes))
            && let Ok(read) = read(scorer.contract(), message.inputs, message.raw_input_contents, LIMIT)
        {
            let table = Table::bind(scorer.contract(), &read.schema, &read.batches).unwrap();
            prop_assert_eq!(table.rows(), read.rows);
            sternpost_engine::outputs::check(&scorer, &table, 10, &|| true).unwrap();
        }
    }

    #[test]
    fn random_bytes_are_no_request(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = ModelInferRequest::decode(Bytes::from(bytes)) {
            let _ = read(scorer("ride", "binary").contract(), message.inputs, message.raw_input_contents, LIMIT);
        }
    }
}
