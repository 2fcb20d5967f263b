//! Protocols at the edge, admission, deadlines, reload, drain and metrics around the one scorer.
//!
//! What this crate owes its callers:
//! - every request gets an answer or a refusal that says why and when to come back, before its deadline;
//! - nothing a stranger sends makes it panic, allocate without limit, or learn what is inside;
//! - the interpreter is never asked while a request is on its way.

#![deny(unsafe_code)]

pub mod access;
pub mod asks;
pub mod batch;
pub mod catalog;
pub mod clock;
mod compression;
pub mod config;
mod connection;
pub mod deadline;
pub mod engine_failure;
pub mod flight;
mod front;
pub mod hands;
pub mod health;
mod health_service;
pub mod histogram;
pub mod ipc;
pub mod lane;
mod listen;
pub mod log;
mod monitoring;
pub mod oip;
pub mod operator;
pub mod probe;
mod refusal;
pub mod remember;
pub mod scoring;
pub mod server;
mod services;
mod settings;
mod site;
pub mod statistics;
mod thread;
mod tls;
pub mod traces;
pub mod watched;
