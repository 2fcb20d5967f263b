//! An answer, whoever gave it.

use std::sync::Arc;

use sternpost_engine::scorer::{RowScore, Scorer};
use sternpost_engine::violation;
use sternpost_wire::scoring::{ScoreReply, Source as WireSource};

use crate::description::{self, Description};

/// Who gave an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The server's model.
    Model,
    /// The same bundle, or one that was allowed instead, in this process.
    Fallback,
    /// A constant that stands in for both.
    Rule,
    /// Nobody: the row has no score.
    None,
}

impl Source {
    /// As a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Fallback => "fallback",
            Self::Rule => "rule",
            Self::None => "none",
        }
    }
}

/// The answer about one row.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What its reasons speak of; nothing for a rule without any description.
    pub description: Option<Arc<Description>>,
    /// The score, if there is one.
    pub score: Option<f64>,
    /// Of every class, for a multiclass model.
    pub scores: Vec<f64>,
    /// The winning class.
    pub label: Option<String>,
    /// What to do.
    pub action: Option<String>,
    /// Whether that may be taken as a decision.
    pub binding: bool,
    /// `rule:column`, `raised:feature` or `score_not_finite`.
    pub reasons: Vec<String>,
    /// Who gave it.
    pub source: Source,
    /// How far the bundle is trusted.
    pub rung: Option<&'static str>,
    /// The prediction's name at the server.
    pub prediction_id: Option<String>,
    /// Digest of the bundle that answered; empty for a rule.
    pub digest: String,
}

impl Answer {
    /// From a server's reply.
    pub fn from_reply(reply: ScoreReply, description: Arc<Description>) -> Self {
        let named = |text: String| Some(text).filter(|text| !text.is_empty());
        let multiclass = reply.score.is_some() && description.task == "multiclass";
        Self {
            score: reply.score,
            label: multiclass.then(|| reply.label.clone()),
            action: named(reply.action.clone()),
            binding: reply.binding,
            source: if reply.source() == WireSource::Model { Source::Model } else { Source::None },
            rung: description::rung(reply.rung()),
            prediction_id: named(reply.prediction_id),
            digest: reply.digest,
            reasons: reply.reasons,
            scores: reply.scores,
            description: Some(description),
        }
    }

    /// From a row that was scored here.
    pub fn from_local(row: RowScore, scorer: &Scorer, description: Arc<Description>) -> Self {
        let classes = scorer.shape().and_then(|shape| shape.classes.as_deref()).unwrap_or_default();
        let reason = |mark| violation::reason(scorer.contract(), scorer.feature_names(), mark);
        Self {
            score: row.score,
            scores: row.scores,
            label: row.class.and_then(|class| classes.get(class)).cloned(),
            action: scorer.policy().action(row.score).map(str::to_owned),
            binding: false,
            reasons: row.marks.iter().map(reason).collect(),
            source: if row.score.is_some() { Source::Fallback } else { Source::None },
            rung: description.rung,
            prediction_id: None,
            digest: scorer.bundle().digest.clone(),
            description: Some(description),
        }
    }

    /// A constant.
    pub fn rule(score: Option<f64>, action: Option<&str>) -> Self {
        Self {
            description: None,
            score,
            scores: Vec::new(),
            label: None,
            action: action.map(str::to_owned),
            binding: false,
            reasons: Vec::new(),
            source: Source::Rule,
            rung: None,
            prediction_id: None,
            digest: String::new(),
        }
    }
}
