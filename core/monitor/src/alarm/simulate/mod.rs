//! Streams of windows made by chance, to see what a detector does before it watches anything real.
//!
//! The reference's shares are taken for the truth. Each run has a seed of its own made from the seed given and the run's number, so runs can
//! be done in any order and on any number of threads with the same result. Windows are multinomial counts per column, or, with a correlation
//! between columns, rows from a Gaussian copula with that correlation between every two columns.

mod draw;
mod runs;
pub mod shift;

pub use draw::{Source, counts_of};
pub use runs::{Change, Passage, Simulation};
