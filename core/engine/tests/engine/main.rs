//! The engine from outside: one small contract, a kernel and a model written in Rust, and every way a value can go wrong.

mod arrow_columns;
mod contract_json;
mod dictionary;
mod fixture;
mod policy;
mod scoring;
mod value_columns;
