use sternpost_wire::inference::model_repository_parameter::ParameterChoice;
use sternpost_wire::scoring::Rung;
use tonic::Code;

use super::super::tests::scorer;
use super::*;
use crate::catalog::{Opened, Registry, Served, Trouble};

fn told(registry: &Registry, ready: bool) -> Vec<(String, String, String, String)> {
    let request = RepositoryIndexRequest { repository_name: String::new(), ready };
    let models = index(&registry.catalog(), &request).unwrap();
    models.into_iter().map(|model| (model.name, model.version, model.state, model.reason)).collect()
}

#[test]
fn the_index_lists_what_is_served_and_what_should_be() {
    let registry = Registry::default();
    assert!(told(&registry, false).is_empty());
    registry.serve(Served::new(Opened { scorer: scorer("ride", "binary"), rung: Rung::Shadow, probe: None }, 1));
    registry.trouble(Trouble { name: "walk".to_owned(), reason: "golden row 3 differs".to_owned() });
    registry.trouble(Trouble { name: "ride".to_owned(), reason: "torn".to_owned() });
    let row = |row: [&str; 4]| <(String, String, String, String)>::from(row.map(str::to_owned));
    let ride = row(["ride", "1", "READY", "a newer form is not served: torn"]);
    assert_eq!(told(&registry, false), [ride.clone(), row(["walk", "", "UNAVAILABLE", "golden row 3 differs"])]);
    assert_eq!(told(&registry, true), [ride]);
    let named = RepositoryIndexRequest { repository_name: "x".to_owned(), ready: false };
    assert_eq!(index(&registry.catalog(), &named).unwrap_err().code, Code::Unimplemented);
}

#[test]
fn an_unloaded_bundle_stays_in_the_index_until_it_is_loaded_again() {
    let registry = Registry::default();
    let serve = || {
        let version = registry.next_version("ride");
        registry.serve(Served::new(Opened { scorer: scorer("ride", "binary"), rung: Rung::Shadow, probe: None }, version));
    };
    let row = |row: [&str; 4]| <(String, String, String, String)>::from(row.map(str::to_owned));
    let unavailable = || registry.catalog().find("ride").unwrap_err().code == Code::Unavailable;
    assert!(registry.withdraw("ride").is_none() && told(&registry, false).is_empty(), "a name never known leaves nothing behind");
    assert_eq!(registry.catalog().find("ride").unwrap_err().code, Code::NotFound);
    serve();
    registry.trouble(Trouble { name: "ride".to_owned(), reason: "torn".to_owned() });
    registry.withdraw("ride").unwrap();
    assert_eq!(told(&registry, false), [row(["ride", "1", "UNAVAILABLE", "unloaded"])]);
    assert!(told(&registry, true).is_empty() && unavailable());
    registry.trouble(Trouble { name: "ride".to_owned(), reason: "cut short".to_owned() });
    assert_eq!(told(&registry, false), [row(["ride", "1", "UNAVAILABLE", "cut short"])]);
    assert!(unavailable());
    serve();
    assert_eq!(told(&registry, false), [row(["ride", "2", "READY", ""])]);
    registry.withdraw("ride").unwrap();
    assert_eq!(told(&registry, false), [row(["ride", "2", "UNAVAILABLE", "unloaded"])]);
}

#[test]
fn either_field_names_the_model() {
    let none = HashMap::new();
    for (repository, model, expected) in [("", "ride", "ride"), ("ride", "", "ride"), ("repository", "ride", "ride")] {
        assert_eq!(target(repository, model, &none, &[]).unwrap(), expected);
    }
    assert_eq!(target("", "", &none, &[]).unwrap_err().code, Code::InvalidArgument);
}

#[test]
fn files_and_configurations_are_not_taken() {
    let with = |name: &str| {
        HashMap::from([(name.to_owned(), ModelRepositoryParameter { parameter_choice: Some(ParameterChoice::BoolParam(true)) })])
    };
    for name in ["config", "file:1/model.onnx", "unload_dependents"] {
        assert_eq!(target("", "ride", &with(name), &[]).unwrap_err().code, Code::Unimplemented, "{name}");
    }
    assert_eq!(target("", "ride", &with("unload_dependents"), &["unload_dependents"]).unwrap(), "ride");
}
