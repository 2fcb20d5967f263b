//! Which outputs there are, and which of them a request asks for.

use sternpost_engine::model::{Shape, Task};
use sternpost_wire::failure::Failure;
use sternpost_wire::inference::model_infer_request::InferRequestedOutputTensor;

use super::datatype::Datatype;
use super::parameters::whole;
use super::tensors::SHARED_MEMORY;
use crate::refusal::{bad, hint, quoted, unsupported};

/// An output tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// `[n, 1]`, NaN for a row without one.
    Score,
    /// `[n, 1]`, the winning class; empty for a row without a score. Multiclass models only.
    Label,
    /// `[n, k]`, a number a class. Multiclass models only.
    Scores,
    /// `[n, 1]`, what to do; empty where the bundle has no policy.
    Action,
    /// `[n, 1]`, reason codes joined by `;`.
    Reasons,
}

/// An output as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub output: Output,
    /// As so many strings `score:index[:label]`, best first, and not as numbers.
    pub best: Option<usize>,
}

impl Output {
    /// Its name, which is that of the scored column too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Label => "label",
            Self::Scores => "scores",
            Self::Action => "action",
            Self::Reasons => "reasons",
        }
    }

    /// Type of its elements.
    pub fn datatype(self) -> Datatype {
        match self {
            Self::Score | Self::Scores => Datatype::Fp64,
            Self::Label | Self::Action | Self::Reasons => Datatype::Bytes,
        }
    }

    /// The outputs of a model.
    pub fn of(shape: Option<&Shape>) -> &'static [Self] {
        match shape {
            Some(shape) if shape.task == Task::Multiclass => &[Self::Score, Self::Label, Self::Scores, Self::Action, Self::Reasons],
            _ => &[Self::Score, Self::Action, Self::Reasons],
        }
    }
}

/// The outputs that a request asks for, in its order; all if it names none.
///
/// # Errors
/// `INVALID_ARGUMENT` with the output at fault, `UNIMPLEMENTED` for shared memory.
pub fn read(shape: Option<&Shape>, asked: &[InferRequestedOutputTensor]) -> Result<Vec<Wanted>, Failure> {
    let all = Output::of(shape);
    if asked.is_empty() {
        return Ok(all.iter().map(|output| Wanted { output: *output, best: None }).collect());
    }
    let mut wanted: Vec<Wanted> = Vec::with_capacity(all.len());
    for one in asked {
        let Some(output) = all.iter().copied().find(|output| output.name() == one.name) else {
            let names: Vec<_> = all.iter().map(|output| output.name()).collect();
            let near = hint(&one.name, names.iter().copied());
            return Err(bad(format!("output {} is not one of {}{near}", quoted(&one.name), names.join(", "))));
        };
        if wanted.iter().any(|wanted| wanted.output == output) {
            return Err(bad(format!("output '{}' is asked for twice", one.name)));
        }
        if one.parameters.contains_key(SHARED_MEMORY) {
            return Err(unsupported(format!("output '{}' is to go to shared memory, which this server does not map", one.name)));
        }
        let best = one.parameters.get("classification").map(|parameter| whole("classification", parameter)).transpose()?;
        match best {
            Some(0) => return Err(bad(format!("output '{}': parameter 'classification' is 0; a count of classes is expected", one.name))),
            Some(_) if output.datatype() != Datatype::Fp64 => {
                return Err(bad(format!("output '{}' is text; parameter 'classification' goes with score and scores", one.name)));
            }
            _ => wanted.push(Wanted { output, best: best.map(|best| usize::try_from(best).unwrap_or(usize::MAX)) }),
        }
    }
    Ok(wanted)
}

#[cfg(test)]
#[path = "tests/wanted.rs"]
mod tests;
