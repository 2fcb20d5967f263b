//! Journals from outside: what is written is read, and what is not is told.

#![allow(clippy::unwrap_used)] // a test that finds nothing where something must be has failed

mod corruption;
mod disks;
mod fixture;
mod killing;
mod rows;
mod speed;
mod writing;
