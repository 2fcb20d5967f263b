//! The one scorer: contract, kernel, model and policy over a block, whatever the block came from.
//!
//! Rows that the contract refuses or whose features raise never reach the model: the block is closed up before each stage and results are
//! placed by the row numbers that stayed. A block of one row and a block of many take the same code.

use std::sync::{Arc, Mutex, PoisonError};

use crate::contract::Contract;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::model::{Model, Session, Shape};
use crate::observer::Observer;
use crate::policy::Policy;
use crate::rule::Mark;
use crate::spec::{BundleName, Feature, Spec};
use crate::worker::Outcome;
use crate::workspace::Workspace;

/// Rows in a block of a table: large enough that per-block costs vanish, small enough that columns and features stay in the second-level
/// cache (1 MiB; 20 columns and 46 features take 0.7). User CPU time per row at 256, 512, 1024, 2048 rows, one thread of a Zen 4 class VM:
/// matrix 156, 149, 147, 146 ns; scores of a linear model 256, 249, 246, 244 ns. Part of no promise: bits do not depend on it unless a
/// model's do, and then its description says so.
pub const BLOCK_ROWS: usize = 1024;

/// How far a block is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Decoded and judged.
    Contract,
    /// Features computed.
    Features,
    /// Raw model outputs there.
    Model,
}

/// Contract, kernel, model and policy, ready for any number of workers.
pub struct Scorer {
    parts: Arc<Parts>,
    observer: Option<Arc<dyn Observer>>,
    blocks: Pool<Workspace>,
    singles: Pool<Workspace>,
    sessions: Arc<Pool<Box<dyn Session>>>,
}

/// What a scorer is made of, the same for all that are made from it.
struct Parts {
    contract: Contract,
    contract_json: String,
    features: Vec<Feature>,
    feature_names: Vec<String>,
    kernel: Option<Kernel>,
    model: Option<(Shape, Arc<dyn Model>)>,
    policy: Policy,
    bundle: BundleName,
}

/// One row's result.
#[derive(Debug, Clone, PartialEq)]
pub struct RowScore {
    /// The score, if there is one.
    pub score: Option<f64>,
    /// All outputs of a multiclass model, if there is a score.
    pub scores: Vec<f64>,
    /// The winning class of a multiclass model.
    pub class: Option<usize>,
    /// Broken rules by column.
    pub marks: Vec<Mark>,
}

impl Scorer {
    /// Puts the parts together. `model` must be there exactly if the description has one.
    ///
    /// # Errors
    /// `Error::Kernel` or `Error::Model` if a part is missing or does not fit.
    pub fn new(spec: Spec, kernel: Option<Kernel>, model: Option<Arc<dyn Model>>) -> Result<Self> {
        if let Some(kernel) = &kernel
            && kernel.features() != spec.features.len()
        {
            return Err(Error::Kernel(format!("the kernel has {} features and {} are named", kernel.features(), spec.features.len())));
        }
        let model = match (spec.model, model) {
            (Some(shape), Some(model)) => Some((shape, model)),
            (None, None) => None,
            (Some(_), None) => return Err(Error::Model("the description names a model but none was given".to_owned())),
            (None, Some(_)) => return Err(Error::Model("a model was given but the description names none".to_owned())),
        };
        // Opened now, so that a model that cannot run is refused here and not at the first row.
        let sessions = Arc::new(Pool::default());
        if let Some((_, model)) = &model {
            sessions.put(model.open()?);
        }
        let parts = Parts {
            contract: spec.contract,
            contract_json: spec.contract_json,
            feature_names: spec.features.iter().map(|feature| feature.name.clone()).collect(),
            features: spec.features,
            kernel,
            model,
            policy: spec.policy,
            bundle: spec.bundle,
        };
        Ok(Self { parts: Arc::new(parts), observer: None, blocks: Pool::default(), singles: Pool::default(), sessions })
    }

    /// The same scorer, watched: it shares everything but buffers, so that what is scored here is seen and what is scored there is not.
    #[must_use]
    pub fn watched_by(&self, observer: Arc<dyn Observer>) -> Self {
        Self {
            parts: self.parts.clone(),
            observer: Some(observer),
            blocks: Pool::default(),
            singles: Pool::default(),
            sessions: self.sessions.clone(),
        }
    }

    /// What a row must be.
    pub fn contract(&self) -> &Contract {
        &self.parts.contract
    }

    /// The contract as JSON, for whoever has to hand it on.
    pub fn contract_json(&self) -> &str {
        &self.parts.contract_json
    }

    /// Features in output order.
    pub fn features(&self) -> &[Feature] {
        &self.parts.features
    }

    /// Their names.
    pub fn feature_names(&self) -> &[String] {
        &self.parts.feature_names
    }

    /// The model's description.
    pub fn shape(&self) -> Option<&Shape> {
        self.parts.model.as_ref().map(|(shape, _)| shape)
    }

    /// Bands and actions.
    pub fn policy(&self) -> &Policy {
        &self.parts.policy
    }

    /// Which bundle this was made from.
    pub fn bundle(&self) -> &BundleName {
        &self.parts.bundle
    }

    /// Whether a stage can be reached.
    ///
    /// # Errors
    /// `Error::Kernel` or `Error::Model` that says which part is absent.
    pub fn can_reach(&self, stage: Stage) -> Result<()> {
        if stage >= Stage::Features && self.parts.kernel.is_none() {
            return Err(Error::Kernel("this engine was made without a kernel; it can only check rows".to_owned()));
        }
        if stage >= Stage::Model && self.parts.model.is_none() {
            return Err(Error::Model("this engine was made without a model; it can compute features but not score".to_owned()));
        }
        Ok(())
    }

    /// Takes a filled and judged block to a stage. `session` is opened on first need and stays with the worker. `first` is the number of the
    /// block's first row within the call.
    ///
    /// # Errors
    /// `Error::Kernel` or `Error::Model` if a stage cannot be reached or a model run fails.
    pub fn advance(&self, workspace: &mut Workspace, session: &mut Option<Box<dyn Session>>, stage: Stage, first: usize) -> Result<()> {
        workspace.rows.compact(&mut workspace.kept);
        if stage >= Stage::Features {
            let Some(kernel) = &self.parts.kernel else { return self.can_reach(stage) };
            let Workspace { rows, kept, features, tables, raised, .. } = workspace;
            kernel.run(&self.parts.contract, rows, kept.len(), features, tables, raised)?;
            workspace.drop_raised();
        }
        if stage >= Stage::Model {
            workspace.write_matrix();
        }
        if stage >= Stage::Model && !workspace.kept.is_empty() {
            let Some((_, model)) = &self.parts.model else { return self.can_reach(stage) };
            let session = match session {
                Some(session) => session,
                None => session.insert(self.take_session(model)?),
            };
            session.run(&workspace.matrix, workspace.kept.len(), &mut workspace.raw)?;
        }
        if stage == Stage::Model {
            workspace.be_seen(self, first);
        }
        Ok(())
    }

    /// A workspace for one row, reset to it; fill it with [`crate::value_rows::put`] and hand it to [`Self::finish_row`].
    pub fn begin_row(&self) -> Workspace {
        let mut workspace = self.singles.take().unwrap_or_else(|| self.workspace(1));
        workspace.reset(1);
        workspace
    }

    /// Scores the row in the workspace.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub fn finish_row(&self, mut workspace: Workspace) -> Result<RowScore> {
        self.can_reach(Stage::Model)?;
        let mut session = None;
        let done = self.advance(&mut workspace, &mut session, Stage::Model, 0);
        if let Some(session) = session {
            self.sessions.put(session);
        }
        done?;
        let block = workspace.block();
        let mut row = RowScore { score: None, scores: Vec::new(), class: None, marks: block.marks.to_vec() };
        if let Some(outcome) = self.outcomes(&block).next() {
            row.score = outcome.score;
            row.class = outcome.class;
            row.scores = outcome.scores.iter().copied().map(f64::from).collect();
            if outcome.score.is_none() {
                row.marks.push(Outcome::NOT_FINITE);
            }
        }
        self.singles.put(workspace);
        Ok(row)
    }

    pub(crate) fn take_workspace(&self) -> Workspace {
        self.blocks.take().unwrap_or_else(|| self.workspace(BLOCK_ROWS))
    }

    /// Buffers for blocks of so many rows, with a watch of their own if the scorer is watched.
    pub(crate) fn workspace(&self, rows: usize) -> Workspace {
        let mut workspace = Workspace::new(self.contract(), self.features().len(), rows);
        workspace.watch = self.observer.as_ref().map(|observer| observer.watch());
        workspace
    }

    pub(crate) fn put_back(&self, workspace: Workspace, session: Option<Box<dyn Session>>) {
        self.blocks.put(workspace);
        if let Some(session) = session {
            self.sessions.put(session);
        }
    }

    pub(crate) fn open_session(&self) -> Result<Option<Box<dyn Session>>> {
        self.parts.model.as_ref().map(|(_, model)| model.open()).transpose()
    }

    fn take_session(&self, model: &Arc<dyn Model>) -> Result<Box<dyn Session>> {
        match self.sessions.take() {
            Some(session) => Ok(session),
            None => model.open(),
        }
    }
}

impl std::fmt::Debug for Scorer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scorer").field("contract", &self.parts.contract.name).field("bundle", &self.parts.bundle).finish_non_exhaustive()
    }
}

/// Things that outlive the call that made them, for whoever comes next.
#[derive(Debug)]
struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<T> Pool<T> {
    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put(&self, thing: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(thing);
    }
}
