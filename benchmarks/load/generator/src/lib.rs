//! A load generator for scoring servers.
//!
//! What it owes its users: latency counts from the moment a call was meant to be sent, every answer's status is read and every score
//! compared, rows change from call to call, every run ends, and the generator says how busy it was itself.

mod frames;
mod grpc;
mod heads;
mod json;
mod link;
pub mod options;
mod pace;
mod protocol;
mod reply;
pub mod rows;
mod run;
mod socket;
mod tally;

pub use run::run;
