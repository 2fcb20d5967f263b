//! What is watched of the bundles that are served: who counts, until the last row of a bundle that was replaced is collected, and what
//! whoever collects tells on the page. Rows never come by here: they are counted in the workspaces that score them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sternpost_engine::scorer::Scorer;
use sternpost_monitor::Result;
use sternpost_monitor::live::Live;
use sternpost_monitor::reference::Reference;
use sternpost_monitor::window::Window;

/// Of all bundles of a server.
#[derive(Default)]
pub struct Watched {
    counting: Mutex<Vec<Counting>>,
    page: Mutex<Arc<str>>,
}

struct Counting {
    name: String,
    digest: String,
    live: Arc<Live>,
}

/// What one bundle counted since the last time.
pub struct Collected {
    /// The bundle's name.
    pub name: String,
    /// Its digest.
    pub digest: String,
    /// Whether anybody may still score with it.
    pub in_use: bool,
    /// The counts; when is not told.
    pub window: Window,
}

impl Watched {
    /// The scorer, counted from now on. A bundle of one digest counts on where it counted before.
    ///
    /// # Errors
    /// `Error::Mismatch` for a reference of another bundle.
    pub fn watch(&self, scorer: &Scorer, reference: Arc<Reference>) -> Result<Arc<Scorer>> {
        let bundle = scorer.bundle();
        let mut all = held(&self.counting);
        let known = all.iter().find(|counting| counting.name == bundle.name && counting.digest == bundle.digest);
        let live = match known {
            Some(counting) => counting.live.clone(),
            None => {
                let live = Live::new(reference, scorer)?;
                all.push(Counting { name: bundle.name.clone(), digest: bundle.digest.clone(), live: live.clone() });
                live
            }
        };
        Ok(Arc::new(scorer.watched_by(live)))
    }

    /// What was counted since the last call, oldest bundle first. A bundle that nobody scores with any more is told a last time.
    pub fn collect(&self) -> Vec<Collected> {
        let mut all = held(&self.counting);
        let mut collected = Vec::with_capacity(all.len());
        all.retain(|Counting { name, digest, live }| {
            // Asked before collecting: what nobody uses then counts nothing after.
            let in_use = Arc::strong_count(live) > 1;
            collected.push(Collected { name: name.clone(), digest: digest.clone(), in_use, window: live.collect() });
            in_use
        });
        collected
    }

    /// Puts lines onto the page, in place of those of the last time.
    pub fn tell(&self, lines: &str) {
        *held(&self.page) = lines.into();
    }

    /// The lines.
    pub fn page(&self) -> Arc<str> {
        held(&self.page).clone()
    }
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("bundles", &held(&self.counting).len()).finish_non_exhaustive()
    }
}

// Whoever panicked left a whole list and a whole page.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
