//! What a client tells about itself, and about a bundle, as JSON.

use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::description::Description;
use crate::error::Error;
use crate::fallback::Cause;

impl Client {
    /// What was counted so far, and how every endpoint stands.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub fn stats(&self) -> Result<String, Error> {
        let inner = self.inner()?;
        let counters = &inner.counters;
        let fallbacks: Map<String, Value> =
            Cause::ALL.iter().map(|cause| (cause.name().to_owned(), counters.fallbacks[cause.place()].get().into())).collect();
        let endpoints: Vec<Value> = inner
            .remotes
            .all
            .iter()
            .map(|remote| {
                let (idle, open) = remote.pool.size();
                json!({
                    "address": remote.pool.endpoint().to_string(),
                    "breaker": remote.breaker.state().name(),
                    "health": remote.health().name(),
                    "in_flight": remote.in_flight(),
                    "connections": {"idle": idle, "open": open},
                })
            })
            .collect();
        let micros = |median: Option<std::time::Duration>| median.map(|median| median.as_secs_f64() * 1e6);
        let known = inner.known().current.as_ref().map(|known| known.digest.clone());
        Ok(json!({
            "calls": counters.calls.get(),
            "served": counters.served.get(),
            "errors": counters.errors.get(),
            "retries": counters.retries.get(),
            "hedges": {"sent": counters.hedges.get(), "won": counters.hedges_won.get()},
            "throttled": counters.throttled.get(),
            "described": counters.described.get(),
            "fallbacks": fallbacks,
            "fallback_other_bundle": counters.other_bundle.get(),
            "parity": {"compared": counters.parity_compared.get(), "different": counters.parity_different.get()},
            "p50_us": {"server": micros(inner.took.get()), "local": micros(inner.local.as_ref().and_then(|local| local.took.get()))},
            "bundle": {"server": known, "local": inner.local.as_ref().map(|local| local.description.digest.clone())},
            "endpoints": endpoints,
        })
        .to_string())
    }
}

impl Description {
    /// Everything that was said, with the contract as an object.
    pub fn to_json(&self) -> String {
        let contract: Value = serde_json::from_str(&self.contract_json).unwrap_or_default();
        json!({
            "bundle": self.bundle,
            "digest": self.digest,
            "task": self.task,
            "classes": self.classes,
            "actions": self.actions,
            "features": self.features,
            "rung": self.rung,
            "server": self.server,
            "contract": contract,
        })
        .to_string()
    }
}
