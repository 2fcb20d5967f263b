//! What client and server say to each other: generated messages, packed rows, schema digests, and how a refusal travels.
//!
//! What this crate owes its callers:
//! - one meaning for every byte on both sides: what [`packed::pack`] writes, [`packed::unpack`] reads;
//! - nothing that a stranger sends makes it panic or allocate more than was sent;
//! - no sockets, no clock, no threads.

#![deny(unsafe_code)]

pub mod failure;
pub mod packed;
pub mod reply;
pub mod request;
pub mod schema;

/// The Open Inference Protocol's messages and service, generated from `proto/inference`.
#[allow(missing_docs, clippy::all)]
pub mod inference {
    include!("generated/inference.rs");
}

/// Our own messages and service, generated from `proto/sternpost/v1`.
#[allow(missing_docs, clippy::all)]
pub mod scoring {
    include!("generated/sternpost.v1.rs");
}

/// Both services as a serialised `google.protobuf.FileDescriptorSet`, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/descriptors.bin");
