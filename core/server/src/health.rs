//! Whether the server is well: every thread has just scored a golden row of every bundle, and the server is not about to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::catalog::Registry;
use crate::clock::Clock;
use crate::lane::Pulse;
use crate::thread::TICK;

/// Ticks that a thread may miss before it is taken for stuck.
const MISSED: u64 = 5;

/// The server's state of health, for anybody to look at.
#[derive(Debug, Clone)]
pub struct Health {
    clock: Clock,
    registry: Arc<Registry>,
    pulses: Arc<[Arc<Pulse>]>,
    draining: Arc<AtomicBool>,
    told: Arc<AtomicBool>,
}

impl Health {
    /// The health of threads over a registry.
    pub fn new(clock: Clock, registry: Arc<Registry>, pulses: Vec<Arc<Pulse>>) -> Self {
        Self { clock, registry, pulses: pulses.into(), draining: Arc::default(), told: Arc::default() }
    }

    /// Threads' pulses.
    pub fn pulses(&self) -> &[Arc<Pulse>] {
        &self.pulses
    }

    /// From now on the server is about to end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Health has been told as well; what callers watch says ready from now on.
    pub fn told(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// Why the server is not ready, if it is not. A server whose callers still see the contrary is not.
    pub fn trouble(&self) -> Option<String> {
        let told = self.told.load(Ordering::Relaxed);
        self.own_trouble().or_else(|| (!told).then(|| "health has not been told yet".to_owned()))
    }

    /// The same, whatever callers were told.
    pub fn own_trouble(&self) -> Option<String> {
        if self.draining.load(Ordering::Relaxed) {
            return Some("the server is about to end".to_owned());
        }
        if self.registry.catalog().bundles().is_empty() {
            return Some("no bundle is served".to_owned());
        }
        let now = self.clock.now_ms();
        let longest = MISSED * TICK.as_millis() as u64;
        let stuck = |pulse: &Arc<Pulse>| {
            let probed = pulse.probed_ms.load(Ordering::Relaxed);
            probed == 0 || now.saturating_sub(probed) > longest
        };
        match self.pulses.iter().filter(|pulse| stuck(pulse)).count() {
            0 => None,
            count => Some(format!("{count} of {} threads have not scored a golden row within {longest} ms", self.pulses.len())),
        }
    }
}
