//! Which column of a reference stands where in a scorer's blocks.

use sternpost_engine::contract::Kind;
use sternpost_engine::model::Task;
use sternpost_engine::scorer::Scorer;
use sternpost_engine::spec::FeatureType;

use crate::cells::Cells;
use crate::error::{Error, Result};
use crate::reference::{Column, Reference, Role};

use super::gauges::Gauges;

/// Name of the only watched output of a model, and the beginning of those of a multiclass model.
const SCORE: &str = "score";

/// Where a column's values are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// Slots of the contract's columns.
    Float(usize),
    Long(usize),
    Code(usize),
    Flag(usize),
    /// Position of a feature.
    Feature(usize),
    /// The score.
    Score,
    /// One output of a multiclass model.
    Output(usize),
}

/// A reference bound to scorers of one form.
#[derive(Debug)]
pub(super) struct Binding {
    /// For each column of the reference.
    pub(super) places: Vec<Place>,
    /// For each column of the contract and each feature its column in the reference.
    pub(super) inputs: Vec<Option<usize>>,
    pub(super) features: Vec<Option<usize>>,
    pub(super) gauges: Gauges,
    /// The first output's column.
    pub(super) output: Option<usize>,
    outputs: usize,
}

impl Binding {
    pub(super) fn of(reference: &Reference, scorer: &Scorer) -> Result<Self> {
        if !reference.nan_is_null() {
            let message = "the reference tells NaN from null, which an engine does not; give the reference of the bundle";
            return Err(Error::Mismatch(message.to_owned()));
        }
        let mut binding = Self {
            places: Vec::with_capacity(reference.columns().len()),
            gauges: Gauges::default(),
            inputs: vec![None; scorer.contract().columns.len()],
            features: vec![None; scorer.features().len()],
            output: reference.columns().iter().position(|column| column.role == Role::Output),
            outputs: scorer.shape().map_or(0, |shape| shape.outputs),
        };
        for (position, column) in reference.columns().iter().enumerate() {
            let place = match column.role {
                Role::Input => binding.input(position, column, scorer),
                Role::Feature => binding.feature(position, column, scorer),
                Role::Output => output(column, scorer),
            };
            let place = place.ok_or_else(|| {
                Error::Mismatch(format!(
                    "the reference has the {} {} of kind {} and the engine has none like it; give the reference of the same bundle",
                    column.role.word(),
                    column.name,
                    column.cells.kind()
                ))
            })?;
            binding.places.push(place);
        }
        binding.gauges = Gauges::of(reference, &binding.places);
        Ok(binding)
    }

    /// Whether a scorer's blocks have the form of those it was made for.
    pub(super) fn fits(&self, scorer: &Scorer) -> bool {
        scorer.features().len() == self.features.len()
            && scorer.contract().columns.len() == self.inputs.len()
            && scorer.shape().map_or(0, |shape| shape.outputs) == self.outputs
    }

    fn input(&mut self, position: usize, column: &Column, scorer: &Scorer) -> Option<Place> {
        let place = scorer.contract().position(&column.name)?;
        let declared = scorer.contract().columns.get(place)?;
        *self.inputs.get_mut(place)? = Some(position);
        match (&declared.kind, &column.cells) {
            (Kind::Float(_), Cells::Numeric(_) | Cells::Score(_) | Cells::Presence) => Some(Place::Float(declared.slot)),
            (Kind::Int(_) | Kind::Money { .. }, Cells::Numeric(_) | Cells::Score(_)) => Some(Place::Long(declared.slot)),
            (Kind::Int(_) | Kind::Money { .. } | Kind::Timestamp(_), Cells::Presence) => Some(Place::Long(declared.slot)),
            (Kind::Bool, Cells::Flag) => Some(Place::Flag(declared.slot)),
            (Kind::Category { labels, .. }, Cells::Category(known)) if labels.labels() == known.known() => Some(Place::Code(declared.slot)),
            _ => None,
        }
    }

    fn feature(&mut self, position: usize, column: &Column, scorer: &Scorer) -> Option<Place> {
        let place = scorer.feature_names().iter().position(|name| *name == column.name)?;
        *self.features.get_mut(place)? = Some(position);
        let fits = match &column.cells {
            Cells::Presence => true,
            Cells::Numeric(_) | Cells::Score(_) => matches!(scorer.features().get(place)?.kind, FeatureType::Float | FeatureType::Int),
            Cells::Flag => scorer.features().get(place)?.kind == FeatureType::Bool,
            Cells::Category(_) => scorer.features().get(place)?.kind == FeatureType::Category,
        };
        fits.then_some(Place::Feature(place))
    }
}

fn output(column: &Column, scorer: &Scorer) -> Option<Place> {
    let shape = scorer.shape()?;
    if !matches!(column.cells, Cells::Numeric(_) | Cells::Score(_) | Cells::Presence) {
        return None;
    }
    if shape.task != Task::Multiclass {
        return (column.name == SCORE).then_some(Place::Score);
    }
    let class = column.name.strip_prefix(SCORE)?.strip_prefix(':')?;
    shape.classes.as_deref()?.iter().position(|name| name == class).map(Place::Output)
}
