//! Alarms that keep a stated rate of false ones, from window counts alone.
//!
//! What this module owes its callers:
//! - **the promise**: as long as nothing changed, the expected number of alarms in any t windows is at most t/A, and the expected time to
//!   the first is at least A windows; over all columns together, whatever their dependence, looked at after every window. [`detector`] says
//!   what "nothing changed" means and proves it;
//! - counts in, numbers out: no input or output, no clock, no chance. The same windows give the same bits;
//! - whatever a window holds, an update ends with a verdict or an [`Error`] that names the column.

mod band;
mod budget;
mod column;
mod component;
pub mod detector;
mod error;
mod evidence;
mod exponential;
mod level;
pub mod multiplicity;
pub mod reach;
pub mod simulate;
mod state;
mod verdict;
pub mod violations;

pub use band::rows_needed;
pub use budget::Budget;
pub use column::{Column, Kind};
pub use detector::Detector;
pub use error::{Error, Result};
pub use verdict::{ColumnEvidence, Culprit, Status, Verdict};
