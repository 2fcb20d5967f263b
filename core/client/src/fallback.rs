//! What answers when the server does not: the same bundle in this process, or a constant.

use std::sync::Arc;
use std::time::Instant;

use sternpost_engine::Error as EngineError;
use sternpost_engine::scorer::{RowScore, Scorer};
use sternpost_wire::packed;
use tonic::Code;

use crate::description::Description;
use crate::error::{Error, Trouble};
use crate::latency::Median;

/// What the caller provides for bad times.
#[derive(Debug, Clone, Default)]
pub enum Fallback {
    /// Nothing: a call without an answer is an error.
    #[default]
    None,
    /// A bundle in this process.
    Bundle(Arc<Scorer>),
    /// Always the same.
    Constant {
        /// The score, if there shall be one.
        score: Option<f64>,
        /// The action, if there shall be one.
        action: Option<String>,
    },
}

/// Why the fallback answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// No server could be talked to.
    Unreachable,
    /// The server said that it does not serve now.
    Draining,
    /// The server had too much to do, or most recent calls were turned away.
    Overloaded,
    /// Every endpoint failed often enough to be left alone for a while.
    BreakerOpen,
    /// The answer was late, or could only have been.
    Deadline,
    /// The server failed in another way.
    Failed,
}

impl Cause {
    /// All, in the order of [`Cause::place`].
    pub const ALL: [Self; 6] = [Self::Unreachable, Self::Draining, Self::Overloaded, Self::BreakerOpen, Self::Deadline, Self::Failed];

    /// The place among [`Cause::ALL`].
    pub fn place(self) -> usize {
        self as usize
    }

    /// As a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Draining => "draining",
            Self::Overloaded => "overloaded",
            Self::BreakerOpen => "breaker_open",
            Self::Deadline => "deadline",
            Self::Failed => "failed",
        }
    }

    /// What a trouble means here.
    pub fn of(trouble: &Trouble) -> Self {
        match trouble {
            Trouble::Broken(_) => Self::Unreachable,
            Trouble::Late | Trouble::Interrupted => Self::Deadline,
            Trouble::Said(failure) => match failure.code {
                Code::Unavailable => Self::Draining,
                Code::ResourceExhausted => Self::Overloaded,
                Code::DeadlineExceeded => Self::Deadline,
                _ => Self::Failed,
            },
        }
    }
}

/// The local bundle, ready to score packed rows.
#[derive(Debug)]
pub struct Local {
    /// The scorer.
    pub scorer: Arc<Scorer>,
    /// What it expects of a row.
    pub description: Arc<Description>,
    /// How long a row takes.
    pub took: Median,
}

impl Local {
    /// # Errors
    /// As [`Description::from_scorer`].
    pub fn new(scorer: Arc<Scorer>) -> Result<Self, Error> {
        let description = Arc::new(Description::from_scorer(&scorer).map_err(Error::Local)?);
        Ok(Self { scorer, description, took: Median::default() })
    }

    /// Scores a row that was packed by this bundle's schema.
    ///
    /// # Errors
    /// [`Error::Local`] if the model fails.
    pub fn score(&self, row: &[u8]) -> Result<RowScore, Error> {
        let begun = Instant::now();
        let mut workspace = self.scorer.begin_row();
        packed::unpack(self.scorer.contract(), row, 0, &mut workspace.rows)
            .map_err(|error| Error::Local(EngineError::Internal(error.to_string())))?;
        let scored = self.scorer.finish_row(workspace).map_err(Error::Local);
        self.took.observe(begun.elapsed());
        scored
    }
}
