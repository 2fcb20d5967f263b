//! What the scorer asks of a model, and how raw outputs become a score.
//!
//! A [`Model`] is shared; a [`Session`] belongs to one worker at a time, so that an implementation may keep state without locks. Rows go in
//! as row-major f32 `[n, inputs]`, raw outputs come out as row-major f32 `[n, outputs]`, and a row's outputs must not depend on which rows
//! it is sent with beyond what [`Shape`] provides for.

use serde::Deserialize;

use crate::error::{Error, Result};

/// A loaded model.
pub trait Model: Send + Sync {
    /// A session for one worker.
    ///
    /// # Errors
    /// `Error::Model` if the model cannot be prepared to run.
    fn open(&self) -> Result<Box<dyn Session>>;
}

/// A model ready to run for one worker.
pub trait Session: Send {
    /// Appends `n * outputs` raw outputs to `out` for the rows in `rows` (`n * inputs` values).
    ///
    /// # Errors
    /// `Error::Model` with what the model's runtime said.
    fn run(&mut self, rows: &[f32], n: usize, out: &mut Vec<f32>) -> Result<()>;
}

/// What the outputs mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// The score is the positive class's output.
    Binary,
    /// The score is the largest output, the label its class.
    Multiclass,
    /// The score is the output.
    Regression,
}

impl Task {
    /// The word for it in descriptions.
    pub fn word(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Multiclass => "multiclass",
            Self::Regression => "regression",
        }
    }
}

/// Who runs a model's graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Executor {
    /// ONNX Runtime, whatever the graph has.
    #[default]
    OnnxRuntime,
    /// This engine, all of it; see [`crate::native`].
    Native,
}

/// The description of a model that comes with it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// What the outputs mean.
    #[serde(rename = "kind")]
    pub task: Task,
    /// Class names in output order.
    #[serde(default)]
    pub classes: Option<Vec<String>>,
    /// Name of the graph's input.
    pub input: String,
    /// Name of the graph's output.
    pub output: String,
    /// Width of the input.
    pub features: usize,
    /// Width of the output.
    pub outputs: usize,
    /// Output that is the score of a binary model; the others have none.
    #[serde(default)]
    pub positive: Option<usize>,
    /// Fewest rows per run; shorter runs repeat their last row.
    pub min_rows: usize,
    /// Most rows per run.
    pub chunk_rows: usize,
    /// Who runs it. Descriptions from before there was a choice say nothing, and their bits stay what they were.
    #[serde(default)]
    pub executor: Executor,
}

impl Shape {
    /// Checks that the numbers fit each other.
    ///
    /// # Errors
    /// `Error::Model` with the number that does not.
    pub fn check(&self) -> Result<()> {
        let wrong = |text: String| Err(Error::Model(format!("the model's description does not fit: {text}; export the model again")));
        if self.outputs == 0 || self.features == 0 {
            return wrong(format!("features {} and outputs {} must be at least 1", self.features, self.outputs));
        }
        if self.min_rows == 0 || self.chunk_rows < self.min_rows {
            return wrong(format!("min_rows {} must be at least 1 and at most chunk_rows {}", self.min_rows, self.chunk_rows));
        }
        if self.task == Task::Binary && self.score_output() >= self.outputs {
            return wrong(format!("positive {} is not one of {} outputs", self.score_output(), self.outputs));
        }
        match &self.classes {
            Some(classes) if self.task == Task::Multiclass && classes.len() != self.outputs => {
                wrong(format!("{} classes for {} outputs", classes.len(), self.outputs))
            }
            None if self.task == Task::Multiclass => wrong("a multiclass model needs its classes".to_owned()),
            _ => Ok(()),
        }
    }

    /// The score of one row's raw outputs, and the position of the winning class of a multiclass model; nothing if an output that counts is
    /// NaN or infinite. The first of equal largest outputs wins.
    pub fn score(&self, outputs: &[f32]) -> Option<(f64, usize)> {
        match self.task {
            Task::Binary | Task::Regression => {
                let score = f64::from(*outputs.get(self.score_output())?);
                score.is_finite().then_some((score, 0))
            }
            Task::Multiclass => {
                if !outputs.iter().all(|output| output.is_finite()) {
                    return None;
                }
                let first = (*outputs.first()?, 0);
                let best =
                    outputs.iter().enumerate().fold(first, |best, (class, output)| if *output > best.0 { (*output, class) } else { best });
                Some((f64::from(best.0), best.1))
            }
        }
    }

    /// The scores of many rows at once, as [`Self::score`] gives them one by one; false if that is not possible, because one of them has none
    /// or a label belongs to each. `scores` then holds nothing of use.
    pub fn plain_scores(&self, outputs: &[f32], scores: &mut Vec<f64>) -> bool {
        scores.clear();
        if self.task == Task::Multiclass {
            return false;
        }
        let place = self.score_output();
        scores.extend(outputs.chunks_exact(self.outputs).map(|outputs| f64::from(outputs[place])));
        scores.iter().fold(true, |finite, score| finite & score.is_finite())
    }

    fn score_output(&self) -> usize {
        match self.task {
            Task::Binary if self.outputs > 1 => self.positive.unwrap_or(self.outputs - 1),
            _ => 0,
        }
    }
}
