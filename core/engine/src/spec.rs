//! The engine's JSON description: contract, features in output order, execution order, model, policy, and which bundle it is.

use serde::Deserialize;
use serde_json::Value;

use crate::contract::Contract;
use crate::error::{Error, Result};
use crate::model::Shape;
use crate::policy::Policy;

/// Type of a feature's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeatureType {
    /// f64; NaN is null.
    Float,
    /// An integer up to 2^53.
    Int,
    /// 0 or 1.
    Bool,
    /// A category code.
    Category,
}

/// One feature.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: FeatureType,
}

/// Everything but code: what the engine is made from.
#[derive(Debug)]
pub struct Spec {
    /// What a row must be.
    pub contract: Contract,
    /// The same as the JSON it was read from, for whoever has to hand it on.
    pub contract_json: String,
    /// Features in output order.
    pub features: Vec<Feature>,
    /// Feature positions in the order the kernel computes them.
    pub order: Vec<usize>,
    /// The model's description, if there is a model.
    pub model: Option<Shape>,
    /// Bands and actions.
    pub policy: Policy,
    /// Name and digest of the bundle.
    pub bundle: BundleName,
}

/// Which bundle an engine was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleName {
    /// Its name.
    pub name: String,
    /// Its content digest.
    pub digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecJson {
    contract: Value,
    features: Vec<Feature>,
    order: Vec<usize>,
    #[serde(default)]
    model: Option<Shape>,
    #[serde(default)]
    policy: Option<Value>,
    #[serde(default)]
    bundle: Option<BundleName>,
}

impl Spec {
    /// Reads the JSON form.
    ///
    /// # Errors
    /// `Error::Contract` for the contract, features or policy, `Error::Model` for the model's description.
    pub fn from_json(json: &str) -> Result<Self> {
        let read: SpecJson =
            serde_json::from_str(json).map_err(|error| Error::Contract(format!("the engine's description is not readable: {error}")))?;
        let contract_json = read.contract.to_string();
        let contract = Contract::from_value(read.contract)?;
        if let Some(shape) = &read.model {
            shape.check()?;
            if shape.features != read.features.len() {
                return Err(Error::Model(format!(
                    "the model takes {} features and there are {}; build the bundle again",
                    shape.features,
                    read.features.len()
                )));
            }
        }
        let policy = read.policy.map(Policy::from_value).transpose()?.unwrap_or_default();
        Ok(Self {
            contract,
            contract_json,
            features: read.features,
            order: read.order,
            model: read.model,
            policy,
            bundle: read.bundle.unwrap_or_default(),
        })
    }
}
