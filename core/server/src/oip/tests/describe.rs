use super::super::tests::{DATATYPES, served};
use super::*;

#[test]
fn the_server_goes_by_its_own_name_and_lists_what_works() {
    let server = server();
    assert_eq!(server.name, "sternpost");
    assert!(server.extensions.iter().any(|extension| extension == "statistics"));
    assert!(!server.extensions.iter().any(|extension| extension.contains("shared_memory")));
}

#[test]
fn metadata_and_configuration_agree() {
    let served = served("ride", "multiclass");
    let (metadata, config) = (metadata(&served), config(&served, 500));
    assert_eq!((metadata.name.as_str(), metadata.versions.as_slice()), ("ride", ["3".to_owned()].as_slice()));
    assert_eq!((config.name.as_str(), config.max_batch_size), ("ride", 500));
    let inputs: Vec<_> = metadata.inputs.iter().map(|input| (input.name.as_str(), input.datatype.as_str())).collect();
    assert_eq!(inputs, DATATYPES);
    let kinds: Vec<_> = config.input.iter().map(|input| (input.name.as_str(), input.data_type())).collect();
    let (fp64, int64, bool, text) = (DataType::TypeFp64, DataType::TypeInt64, DataType::TypeBool, DataType::TypeString);
    assert_eq!(
        kinds,
        [("distance", fp64), ("fare", int64), ("stops", int64), ("late", bool), ("kind", text), ("at", int64), ("seen", bool)]
    );
    let outputs: Vec<_> =
        metadata.outputs.iter().map(|output| (output.name.as_str(), output.datatype.as_str(), output.shape.clone())).collect();
    let expected = [("score", "FP64", 1), ("label", "BYTES", 1), ("scores", "FP64", 3), ("action", "BYTES", 1), ("reasons", "BYTES", 1)];
    assert_eq!(outputs, expected.map(|(name, datatype, width)| (name, datatype, vec![-1, width])));
    // A configuration's dimensions are the metadata's without the rows.
    let dims = |shape: &[i64]| shape[1..].to_vec();
    assert!(metadata.inputs.iter().zip(&config.input).all(|(one, other)| dims(&one.shape) == other.dims));
    assert!(metadata.outputs.iter().zip(&config.output).all(|(one, other)| dims(&one.shape) == other.dims && one.name == other.name));
}

#[test]
fn properties_say_which_bundle_it_is() {
    let served = served("ride", "multiclass");
    let properties = metadata(&served).properties;
    assert_eq!((properties["digest"].as_str(), properties["rung"].as_str()), ("d1gest", "shadow"));
    assert_eq!(u64::from_str_radix(&properties["schema"], 16), Ok(served.schema));
    assert_eq!(Contract::from_json(&properties["contract"]).unwrap().columns.len(), 7);
    assert_eq!(properties["classes"], r#"["low","mid","high"]"#);
    let config = config(&served, usize::MAX);
    assert_eq!((config.parameters["digest"].string_value.as_str(), config.max_batch_size), ("d1gest", i32::MAX));
}
