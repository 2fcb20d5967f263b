//! From a score to an action: ascending bands, and one action for rows without a score.

use serde::Deserialize;

use crate::error::{Error, Result};

/// The action of rows without a score when no policy is given.
const REFUSED: &str = "review";

/// Bands in ascending order; the last has no upper end.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    bands: Vec<Band>,
    refused: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Band {
    below: Option<f64>,
    action: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyJson {
    bands: Vec<Band>,
    refused: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self { bands: Vec::new(), refused: REFUSED.to_owned() }
    }
}

impl Band {
    /// Whether a score that no band before has taken belongs here.
    fn holds(&self, score: f64) -> bool {
        self.below.is_none_or(|below| score < below)
    }
}

impl Policy {
    /// Reads the JSON form.
    ///
    /// # Errors
    /// `Error::Contract` if bands do not ascend, or the last one has an upper end. Without bands a score has no action.
    pub fn from_value(value: serde_json::Value) -> Result<Self> {
        let wrong = |text: String| Error::Contract(format!("the policy is not usable: {text}"));
        let PolicyJson { bands, refused } = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
        let Some((last, others)) = bands.split_last() else {
            return Ok(Self { bands, refused });
        };
        if let Some(below) = last.below {
            return Err(wrong(format!("its last band ends at {below}; give it below = null so that every score has an action")));
        }
        let mut previous = f64::NEG_INFINITY;
        for band in others {
            match band.below {
                Some(below) if below.is_finite() && below > previous => previous = below,
                other => return Err(wrong(format!("band {} ends at {other:?}, not above {previous}; order the bands", band.action))),
            }
        }
        Ok(Self { bands, refused })
    }

    /// The action for a score, or for a row without one.
    pub fn action(&self, score: Option<f64>) -> Option<&str> {
        match score {
            Some(score) => self.bands.iter().find(|band| band.holds(score)).map(|band| band.action.as_str()),
            None => Some(&self.refused),
        }
    }

    /// The same as a position among [`Self::actions`].
    pub fn action_position(&self, score: Option<f64>) -> Option<usize> {
        match score {
            Some(score) => self.bands.iter().position(|band| band.holds(score)),
            None => Some(self.bands.len()),
        }
    }

    /// Every band's action in order, then that of rows without a score.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        self.bands.iter().map(|band| band.action.as_str()).chain([self.refused.as_str()])
    }
}
