//! One thread's way to score: buffers and a model session of its own, so that nothing is asked of anybody between two blocks.

use crate::error::Result;
use crate::model::{Session, Task};
use crate::rule::{Mark, Rule};
use crate::scorer::{Scorer, Stage};
use crate::workspace::{Block, Workspace};

/// One thread's buffers and model session; see [`Scorer::worker`].
pub struct Worker {
    /// Reset it to a number of rows and fill those in.
    pub workspace: Workspace,
    session: Option<Box<dyn Session>>,
}

/// What became of a row that reached the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome<'a> {
    /// The row's place in its block.
    pub row: usize,
    /// The score, unless it is not finite.
    pub score: Option<f64>,
    /// The winning class of a multiclass model.
    pub class: Option<usize>,
    /// All outputs of a multiclass model.
    pub scores: &'a [f32],
}

impl Outcome<'_> {
    /// The mark of a row that reached the model and has no score, in a block of its own.
    pub const NOT_FINITE: Mark = Mark { row: 0, place: 0, rule: Rule::ScoreNotFinite, refused: true };
}

impl Scorer {
    /// Buffers for blocks of up to `rows` rows and a model session, for a thread that scores without asking anybody.
    ///
    /// # Errors
    /// As [`Self::can_reach`]; `Error::Model` if no session can be opened.
    pub fn worker(&self, rows: usize) -> Result<Worker> {
        self.can_reach(Stage::Model)?;
        let session = self.open_session()?;
        Ok(Worker { workspace: self.workspace(rows), session })
    }

    /// Scores the rows that the worker's workspace was reset to and filled with.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub fn score_block<'w>(&self, worker: &'w mut Worker) -> Result<Block<'w>> {
        self.advance(&mut worker.workspace, &mut worker.session, Stage::Model, 0)?;
        Ok(worker.workspace.block())
    }

    /// Scores them as [`Self::score_block`] does, for those who only want to know whether the scorer is well: nobody who watches it sees them.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub fn probe_block<'w>(&self, worker: &'w mut Worker) -> Result<Block<'w>> {
        let Worker { workspace, session } = worker;
        workspace.unseen(|workspace| self.advance(workspace, session, Stage::Model, 0))?;
        Ok(worker.workspace.block())
    }

    /// What became of every row of a scored block that was not refused, in row order.
    pub fn outcomes<'a>(&'a self, block: &Block<'a>) -> impl Iterator<Item = Outcome<'a>> + use<'a> {
        let shape = self.shape();
        let width = shape.map_or(1, |shape| shape.outputs);
        block.kept.iter().zip(block.raw.chunks_exact(width)).map(move |(row, outputs)| {
            let scored = shape.and_then(|shape| shape.score(outputs));
            let multiclass = shape.is_some_and(|shape| shape.task == Task::Multiclass) && scored.is_some();
            Outcome {
                row: *row,
                score: scored.map(|(score, _)| score),
                class: scored.filter(|_| multiclass).map(|(_, class)| class),
                scores: if multiclass { outputs } else { &[] },
            }
        })
    }
}
