//! What a bundle expects of a row and what its answers mean, as the server or the local bundle says it.

use sternpost_engine::contract::Contract;
use sternpost_engine::model::Task;
use sternpost_engine::scorer::Scorer;
use sternpost_wire::schema;
use sternpost_wire::scoring::{DescribeReply, Rung};

use crate::error::Trouble;

/// A bundle described.
#[derive(Debug)]
pub struct Description {
    /// The bundle's name.
    pub bundle: String,
    /// Its content digest.
    pub digest: String,
    /// What ties packed rows to this description.
    pub schema: u64,
    /// What a row must be.
    pub contract: Contract,
    /// The same in canonical JSON.
    pub contract_json: String,
    /// Names of the features, in order.
    pub features: Vec<String>,
    /// Every action; the last is that of rows without a score.
    pub actions: Vec<String>,
    /// Labels of a multiclass model.
    pub classes: Vec<String>,
    /// "binary", "multiclass" or "regression".
    pub task: String,
    /// How far the bundle is trusted, if somebody said so.
    pub rung: Option<&'static str>,
    /// The server's version; nothing for a local bundle.
    pub server: Option<String>,
}

impl Description {
    /// As a server says it.
    ///
    /// # Errors
    /// [`Trouble::Broken`] if it is not one that this version can pack rows by.
    pub fn from_reply(reply: DescribeReply) -> Result<Self, Trouble> {
        let rung = rung(reply.rung());
        let unfit = |why: String| Trouble::broken(format!("the description of bundle {} cannot be used: {why}", reply.bundle));
        let contract = Contract::from_json(&reply.contract).map_err(|error| unfit(error.to_string()))?;
        if schema::digest(&contract) != reply.schema {
            return Err(unfit("its schema is not that of its contract; client and server are of versions that do not fit".to_owned()));
        }
        Ok(Self {
            bundle: reply.bundle,
            digest: reply.digest,
            schema: reply.schema,
            contract,
            contract_json: reply.contract,
            features: reply.features,
            actions: reply.actions,
            classes: reply.classes,
            task: reply.task,
            rung,
            server: Some(reply.server),
        })
    }

    /// As a local bundle says it.
    ///
    /// # Errors
    /// `Error::Contract` if the bundle's own contract cannot be read again, which is a defect.
    pub fn from_scorer(scorer: &Scorer) -> sternpost_engine::Result<Self> {
        let contract = Contract::from_json(scorer.contract_json())?;
        let shape = scorer.shape();
        Ok(Self {
            bundle: scorer.bundle().name.clone(),
            digest: scorer.bundle().digest.clone(),
            schema: schema::digest(&contract),
            contract,
            contract_json: scorer.contract_json().to_owned(),
            features: scorer.feature_names().to_vec(),
            actions: scorer.policy().actions().map(str::to_owned).collect(),
            classes: shape.and_then(|shape| shape.classes.clone()).unwrap_or_default(),
            task: shape.map_or("", |shape| task(shape.task)).to_owned(),
            rung: None,
            server: None,
        })
    }
}

fn task(task: Task) -> &'static str {
    match task {
        Task::Binary => "binary",
        Task::Multiclass => "multiclass",
        Task::Regression => "regression",
    }
}

/// A rung as a word.
pub fn rung(rung: Rung) -> Option<&'static str> {
    match rung {
        Rung::Unspecified => None,
        Rung::Off => Some("off"),
        Rung::Shadow => Some("shadow"),
        Rung::Advise => Some("advise"),
        Rung::Decide => Some("decide"),
    }
}
