//! What is served and what should be, and who may change it: the protocol's side of it.

use std::collections::HashMap;

use sternpost_wire::failure::Failure;
use sternpost_wire::inference::repository_index_response::ModelIndex;
use sternpost_wire::inference::{ModelRepositoryParameter, RepositoryIndexRequest};

use crate::catalog::Catalog;
use crate::refusal::{bad, quoted, unsupported};

/// Every bundle with its state. One that is served although its newest form could not be opened is ready, and says so.
///
/// # Errors
/// `UNIMPLEMENTED` if a repository is named: there is one, and it has no name.
pub fn index(catalog: &Catalog, request: &RepositoryIndexRequest) -> Result<Vec<ModelIndex>, Failure> {
    if !request.repository_name.is_empty() {
        return Err(unsupported("there is one repository, without a name; leave repository_name empty"));
    }
    let trouble = |name: &str| catalog.troubles().iter().find(|trouble| trouble.name == name);
    let ready = catalog.bundles().iter().map(|served| ModelIndex {
        name: served.name.clone(),
        version: served.version.to_string(),
        state: "READY".to_owned(),
        reason: trouble(&served.name).map(|trouble| format!("a newer form is not served: {}", trouble.reason)).unwrap_or_default(),
    });
    if request.ready {
        return Ok(ready.collect());
    }
    let unloaded = |name: &str| catalog.unloaded().iter().find(|unloaded| unloaded.name == name);
    let missing = |name: &str, reason: &str| ModelIndex {
        name: name.to_owned(),
        version: unloaded(name).map(|unloaded| unloaded.version.to_string()).unwrap_or_default(),
        state: "UNAVAILABLE".to_owned(),
        reason: reason.to_owned(),
    };
    let broken = catalog.troubles().iter().filter(|trouble| catalog.bundles().iter().all(|served| served.name != trouble.name));
    let broken = broken.map(|trouble| missing(&trouble.name, &trouble.reason));
    // What could not be loaded again says why.
    let away = catalog.unloaded().iter().filter(|unloaded| trouble(&unloaded.name).is_none());
    let away = away.map(|unloaded| missing(&unloaded.name, "unloaded"));
    Ok(ready.chain(broken).chain(away).collect())
}

/// The bundle that a load or unload request means. One published client names it in the first field, another in the second.
///
/// # Errors
/// `INVALID_ARGUMENT` without a name, `UNIMPLEMENTED` for a parameter not in `allowed`: a configuration and files come with the bundle.
pub fn target<'a>(
    repository_name: &'a str,
    model_name: &'a str,
    parameters: &HashMap<String, ModelRepositoryParameter>,
    allowed: &[&str],
) -> Result<&'a str, Failure> {
    if let Some(name) = parameters.keys().find(|name| !allowed.contains(&name.as_str())) {
        let message = format!("parameter {} is not taken: a bundle is served as it was sealed; leave the parameter out", quoted(name));
        return Err(unsupported(message));
    }
    match (model_name, repository_name) {
        ("", "") => Err(bad("the request names no model")),
        ("", name) | (name, _) => Ok(name),
    }
}

#[cfg(test)]
#[path = "tests/repository.rs"]
mod tests;
