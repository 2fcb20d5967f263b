//! The seam between a protocol and whoever may change what is served.
//!
//! What an implementation owes its callers:
//! - a bundle is served, proved and warm when `load` returns, and its predecessor answered until then;
//! - no path comes from a caller: a name finds a bundle among those that the server was started with;
//! - a failed call changes nothing.

use sternpost_wire::failure::Failure;

use crate::scoring::BoxFuture;

/// Loads and withdraws bundles by name.
pub trait Operator: Send + Sync {
    /// Serves the newest form of a bundle.
    fn load(&self, name: &str) -> BoxFuture<'_, Result<(), Failure>>;

    /// Serves a bundle no longer; requests on their way are still answered.
    fn unload(&self, name: &str) -> BoxFuture<'_, Result<(), Failure>>;
}
