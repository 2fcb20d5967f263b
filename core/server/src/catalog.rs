//! What is served: bundles by name, each whole and unchanging, swapped as one.
//!
//! A request works on the [`Served`] it found when it came; a reload puts another in its place and touches nothing that runs. Threads keep a
//! [`View`], so that finding a bundle costs one atomic load until something changes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sternpost_engine::scorer::Scorer;
use sternpost_engine::worker::Worker;
use sternpost_wire::failure::{Failure, Reason};
use sternpost_wire::schema;
use sternpost_wire::scoring::Rung;
use tonic::Code;

use crate::engine_failure;
use crate::lane::BLOCK_ROWS;
use crate::probe::Probe;
use crate::statistics::Statistics;
use crate::watched::Watched;

/// Times that a probe is scored before a bundle counts as warm.
const WARMING: usize = 3;

/// One bundle, opened and proved, ready to score.
pub struct Served {
    /// The bundle's name.
    pub name: String,
    /// How many bundles of this name were served before, plus one: what protocols call a version.
    pub version: u64,
    /// The one scorer.
    pub scorer: Arc<Scorer>,
    /// Digest of what a packed row looks like.
    pub schema: u64,
    /// How far it is trusted. Nothing here can make an answer binding; that takes a certificate.
    pub rung: Rung,
    /// A row whose score is known, to ask a thread whether it is well.
    pub probe: Option<Probe>,
    /// What was done with it.
    pub statistics: Statistics,
    /// Buffers and sessions, ready for threads to take over: opening one takes milliseconds that no row should wait for.
    spare: Mutex<Vec<Worker>>,
}

/// A bundle that was opened and proved.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The one scorer.
    pub scorer: Arc<Scorer>,
    /// How far it is trusted.
    pub rung: Rung,
    /// A row whose score is known.
    pub probe: Option<Probe>,
}

/// All bundles at one moment.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    bundles: Vec<Arc<Served>>,
    troubles: Vec<Trouble>,
    unloaded: Vec<Unloaded>,
}

/// A bundle that should be served and is not, or not in its newest form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The bundle's name, or its file's where the name could not be read.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// A bundle that was served and was taken away on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unloaded {
    /// The bundle's name.
    pub name: String,
    /// The version that it had.
    pub version: u64,
}

/// The catalog that is in force.
#[derive(Debug, Default)]
pub struct Registry {
    generation: AtomicU64,
    current: Mutex<Arc<Catalog>>,
    watched: Watched,
}

/// A thread's copy of the catalog.
#[derive(Debug)]
pub struct View {
    registry: Arc<Registry>,
    generation: u64,
    catalog: Arc<Catalog>,
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served").field("name", &self.name).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Served {
    /// A bundle under its name, not warm yet.
    pub fn new(opened: Opened, version: u64) -> Self {
        let Opened { scorer, rung, probe } = opened;
        let schema = schema::digest(scorer.contract());
        let (name, statistics) = (scorer.bundle().name.clone(), Statistics::default());
        Self { name, version, schema, rung, scorer, probe, statistics, spare: Mutex::default() }
    }

    /// Opens buffers and sessions for so many threads and scores the probe with each, so that the first row finds everything warm.
    ///
    /// # Errors
    /// `INTERNAL` if a session cannot be opened or the probe gets another score than it should.
    pub fn warm(&self, threads: usize) -> Result<(), Failure> {
        for _ in 0..threads {
            let mut worker = self.open()?;
            for _ in 0..WARMING {
                if !self.probe(&mut worker) {
                    return Err(engine_failure::internal(&format!("bundle {}: a golden row did not get its score", self.name)));
                }
            }
            self.retire(worker);
        }
        Ok(())
    }

    /// Buffers and a session for one thread.
    ///
    /// # Errors
    /// `INTERNAL` if none is spare and no session can be opened.
    pub fn worker(&self) -> Result<Worker, Failure> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.map_or_else(|| self.open(), Ok)
    }

    /// Takes buffers and session back; they go where the last holder of this bundle goes, not on the thread that used them.
    pub fn retire(&self, worker: Worker) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }

    /// Whether a golden row still gets its score.
    pub fn probe(&self, worker: &mut Worker) -> bool {
        self.probe.as_ref().is_none_or(|probe| probe.holds(&self.scorer, worker))
    }

    fn open(&self) -> Result<Worker, Failure> {
        self.scorer.worker(BLOCK_ROWS).map_err(|error| engine_failure::failure(&error))
    }

    /// Content digest of the bundle.
    pub fn digest(&self) -> &str {
        &self.scorer.bundle().digest
    }
}

impl Catalog {
    /// The bundles, by name.
    pub fn bundles(&self) -> &[Arc<Served>] {
        &self.bundles
    }

    /// What should be served and is not.
    pub fn troubles(&self) -> &[Trouble] {
        &self.troubles
    }

    /// What was served and is no longer, by name.
    pub fn unloaded(&self) -> &[Unloaded] {
        &self.unloaded
    }

    /// A bundle by name; the empty name finds the only one.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown name, `UNAVAILABLE` for one that could not be opened or was unloaded, `INVALID_ARGUMENT` where a name is needed.
    pub fn find(&self, name: &str) -> Result<&Arc<Served>, Failure> {
        match self.bundles.as_slice() {
            [only] if name.is_empty() => return Ok(only),
            [] if name.is_empty() => return Err(Failure::new(Code::Unavailable, Reason::NotReady, "no bundle is served yet")),
            several if name.is_empty() => {
                let names: Vec<_> = several.iter().map(|served| served.name.as_str()).collect();
                let message = format!("{} bundles are served; name one of them: {}", several.len(), names.join(", "));
                return Err(Failure::new(Code::InvalidArgument, Reason::UnknownBundle, message));
            }
            several => {
                if let Some(found) = several.iter().find(|served| served.name == name) {
                    return Ok(found);
                }
            }
        }
        if let Some(trouble) = self.troubles.iter().find(|trouble| trouble.name == name) {
            return Err(Failure::new(
                Code::Unavailable,
                Reason::NotReady,
                format!("bundle {name} could not be opened: {}", trouble.reason),
            ));
        }
        if self.unloaded.iter().any(|unloaded| unloaded.name == name) {
            let message = format!("bundle {name} was unloaded; it answers again once it is loaded");
            return Err(Failure::new(Code::Unavailable, Reason::NotReady, message));
        }
        // A published example client looks for this very beginning.
        Err(Failure::new(Code::NotFound, Reason::UnknownBundle, format!("Request for unknown model: '{name}' is not found")))
    }
}

impl Registry {
    /// Who counts what is scored.
    pub fn watched(&self) -> &Watched {
        &self.watched
    }

    /// The catalog as it is now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves a bundle from now on, in place of one of the same name, which is handed back so that the caller can free it where that
    /// hurts nobody.
    pub fn serve(&self, served: Served) -> Option<Arc<Served>> {
        self.change(|catalog| {
            let bundles = &mut catalog.bundles;
            catalog.troubles.retain(|trouble| trouble.name != served.name);
            catalog.unloaded.retain(|unloaded| unloaded.name != served.name);
            match bundles.iter_mut().find(|other| other.name == served.name) {
                Some(place) => Some(std::mem::replace(place, Arc::new(served))),
                None => {
                    bundles.push(Arc::new(served));
                    bundles.sort_by(|one, other| one.name.cmp(&other.name));
                    None
                }
            }
        })
    }

    /// The version that the next bundle of a name gets.
    pub fn next_version(&self, name: &str) -> u64 {
        let catalog = self.catalog();
        let served = catalog.bundles.iter().map(|served| (&served.name, served.version));
        let known = served.chain(catalog.unloaded.iter().map(|unloaded| (&unloaded.name, unloaded.version)));
        known.filter(|(known, _)| *known == name).map(|(_, version)| version + 1).max().unwrap_or(1)
    }

    /// Serves a bundle no longer, and remembers that it was there, so that its name is not taken for an unknown one; hands it back.
    pub fn withdraw(&self, name: &str) -> Option<Arc<Served>> {
        self.change(|catalog| {
            let place = catalog.bundles.iter().position(|served| served.name == name)?;
            let served = catalog.bundles.remove(place);
            catalog.troubles.retain(|trouble| trouble.name != name);
            catalog.unloaded.push(Unloaded { name: served.name.clone(), version: served.version });
            catalog.unloaded.sort_by(|one, other| one.name.cmp(&other.name));
            Some(served)
        })
    }

    /// Remembers why a bundle is not served, or not in its newest form.
    pub fn trouble(&self, trouble: Trouble) {
        self.change(|catalog| {
            catalog.troubles.retain(|known| known.name != trouble.name);
            catalog.troubles.push(trouble);
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Catalog) -> T) -> T {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Catalog::clone(&current);
        let result = change(&mut next);
        *current = Arc::new(next);
        self.generation.fetch_add(1, Ordering::Release);
        result
    }
}

impl View {
    /// A view of a registry.
    pub fn new(registry: Arc<Registry>) -> Self {
        let generation = registry.generation.load(Ordering::Acquire);
        let catalog = registry.catalog();
        Self { registry, generation, catalog }
    }

    /// The catalog; true if it is another one than before.
    pub fn refresh(&mut self) -> bool {
        let generation = self.registry.generation.load(Ordering::Acquire);
        if generation == self.generation {
            return false;
        }
        self.generation = generation;
        self.catalog = self.registry.catalog();
        true
    }

    /// The catalog as of the last refresh.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }
}
