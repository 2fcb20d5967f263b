//! A running server: started with everything checked, drained in order, ended at once if need be.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::access::Access;
use crate::batch::{self, Pool};
use sternpost_wire::failure::Failure;

use crate::catalog::{Opened, Registry, Served, Trouble};
use crate::clock::{Clock, wall_us};
use crate::config::{Address, Config};
use crate::front::{self, Front};
use crate::health::Health;
use crate::health_service::Board;
use crate::lane::{Lane, Pulse};
use crate::listen::Listener;
use crate::operator::Operator;
use crate::remember::{Change, Journal, Pen, word};
use crate::services::{self, Parts};
use crate::site::Phase;
use crate::thread::{Shared, Thread};
use crate::tls::Certificate;
use crate::traces::Traces;

/// How long an old bundle is kept for those who still use it, a long batch at most, before the last of them frees it.
const LETTING_GO: Duration = Duration::from_secs(10);

/// A server that runs on threads of its own.
pub struct Server {
    addresses: Vec<Address>,
    http: Option<SocketAddr>,
    registry: Arc<Registry>,
    threads: Arc<[Thread]>,
    pool: Arc<Pool>,
    front: Mutex<Option<JoinHandle<()>>>,
    collector: Mutex<Option<JoinHandle<()>>>,
    phase: watch::Sender<Phase>,
    health: Health,
    clock: Clock,
    busy: bool,
    /// After the threads that write to it, so that it is closed when they have ended.
    journal: Option<Arc<Journal>>,
}

impl Server {
    /// Binds, opens a lane a thread, and serves. What the registry holds should be there already.
    ///
    /// # Errors
    /// A sentence for whoever started it.
    pub fn start(config: Config, registry: Arc<Registry>, operator: Arc<dyn Operator>) -> Result<Self, String> {
        if let Some(address) = config.listen.iter().find(|address| !address.is_local() && config.tls.is_none() && !config.insecure) {
            return Err(format!(
                "{address} can be reached from elsewhere and there is no certificate; give one, listen on 127.0.0.1, or say that this is meant to be insecure"
            ));
        }
        let listeners = config.listen.iter().map(Listener::bind).collect::<Result<Vec<_>, _>>()?;
        let http = config.http.map(|address| Listener::bind(&Address::Tcp(address))).transpose()?;
        let certificate = config.tls.clone().map(Certificate::read).transpose()?;
        let tls = certificate.as_ref().map(Certificate::settings).transpose()?;
        let journal = config.journal.clone().map(Journal::open).transpose()?.map(Arc::new);
        let config = Arc::new(config);
        let failed = |error: std::io::Error| format!("the operating system refuses a thread: {error}");
        let clock = Clock::start();
        let pulses: Vec<Arc<Pulse>> = (0..config.threads).map(|_| Arc::default()).collect();
        let health = Health::new(clock, registry.clone(), pulses.clone());
        let pool = Arc::new(Pool::start(batch::Config { threads: config.batch_threads, ..batch::Config::default() }).map_err(failed)?);
        let board = Board::new(&front::SERVICES);
        let parts = Parts {
            config: config.clone(),
            registry: registry.clone(),
            operator,
            pool: pool.clone(),
            health: health.clone(),
            board: board.clone(),
            journal: journal.clone(),
        };
        let routes = services::routes(parts).map_err(|error| format!("the services cannot be described: {error}"))?;
        let addresses = listeners.iter().map(Listener::address).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        let http = match http {
            Some(Listener::Tcp(listener)) => Some(listener),
            _ => None,
        };
        let http_address = http.as_ref().map(std::net::TcpListener::local_addr).transpose().map_err(|error| error.to_string())?;
        let access = Arc::new(Access::new(config.access.clone()));
        let (traces, collector) = config.traces.clone().map(|settings| Traces::start(settings).map_err(failed)).transpose()?.unzip();
        let counts = traces.as_ref().map(|traces| traces.counts().clone());
        let shared = Shared { config: config.clone(), access, routes, tls, clock, traces };
        let (phase, phases) = watch::channel(Phase::Serving);
        let threads = start_threads(&shared, &registry, pulses, journal.as_deref())?;
        let front = Front {
            threads: threads.clone(),
            most: config.connections,
            health: health.clone(),
            board,
            registry: registry.clone(),
            journal: journal.clone(),
            certificate,
            phase: phases,
            traces: counts,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let front = std::thread::Builder::new()
            .name("sternpost-front".to_owned())
            .spawn(move || front.run(&runtime, listeners, http))
            .map_err(failed)?;
        Ok(Self {
            addresses,
            http: http_address,
            registry,
            threads,
            pool,
            front: Mutex::new(Some(front)),
            collector: Mutex::new(collector),
            phase,
            health,
            clock,
            busy: config.busy_poll,
            journal,
        })
    }

    /// Where gRPC is spoken, with the ports that the system chose.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Where metrics and health are served.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Serves a bundle in place of one of the same name: opens and warms it here, on the caller's thread, swaps, waits until no thread uses
    /// the old one any more, and frees that here too. Gives the version.
    ///
    /// # Errors
    /// Why the bundle is not served; the old one then still is, and the catalog says why.
    pub fn serve(&self, opened: Opened) -> Result<u64, Failure> {
        let version = self.registry.next_version(&opened.scorer.bundle().name);
        let served = Served::new(opened, version);
        if let Err(failure) = served.warm(self.threads.len()) {
            self.trouble(Trouble { name: served.name.clone(), reason: failure.message.clone() });
            return Err(failure);
        }
        let (name, digest, rung) = (served.name.clone(), served.digest().to_owned(), served.rung);
        let old = self.registry.serve(served);
        self.note("loaded", &name, Some(&digest), &serde_json::json!({ "version": version, "rung": word(rung) }));
        if let Some(old) = old {
            if old.rung != rung {
                self.note("rung", &name, Some(&digest), &serde_json::json!({ "from": word(old.rung), "to": word(rung) }));
            }
            release(old);
        }
        Ok(version)
    }

    /// Serves a bundle no longer; false if it was not served.
    pub fn withdraw(&self, name: &str) -> bool {
        let Some(old) = self.registry.withdraw(name) else { return false };
        self.note("withdrawn", name, Some(old.digest()), &serde_json::json!({ "version": old.version }));
        release(old);
        true
    }

    /// Remembers why a bundle is not served, or not in its newest form.
    pub fn trouble(&self, trouble: Trouble) {
        self.note("failed", &trouble.name, None, &serde_json::json!({ "reason": trouble.reason }));
        self.registry.trouble(trouble);
    }

    fn note(&self, kind: &'static str, bundle: &str, digest: Option<&str>, detail: &serde_json::Value) {
        let Some(journal) = &self.journal else { return };
        let (bundle, digest, detail) = (bundle.to_owned(), digest.map(str::to_owned), Some(detail.to_string()));
        journal.note(Change { kind, bundle, digest, detail, at_us: wall_us() });
    }

    /// The counts of the journal, if there is one.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_deref()
    }

    /// What is served.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The state of health.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The server's clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Whether its threads never sleep.
    pub fn is_busy_polling(&self) -> bool {
        self.busy
    }

    /// Tells health that the end is near, but goes on taking calls, so that callers can turn elsewhere.
    pub fn announce_end(&self) {
        self.health.drain();
    }

    /// Takes no more connections or calls and finishes what it has; true if all was finished within `grace`.
    pub fn drain(&self, grace: Duration) -> bool {
        self.announce_end();
        self.enter(Phase::Draining);
        let until = Instant::now() + grace;
        let busy = || self.threads.iter().any(|thread| thread.connections() > 0);
        while busy() && Instant::now() < until && *self.phase.borrow() < Phase::Ended {
            std::thread::sleep(Duration::from_millis(2));
        }
        !busy()
    }

    /// Ends now; calls on their way are cut off.
    pub fn end(&self) {
        self.announce_end();
        self.pool.stop();
        self.enter(Phase::Ended);
    }

    /// Waits until every thread has ended; to be called after [`Self::end`].
    pub fn join(&self) {
        for thread in self.threads.iter() {
            thread.join();
        }
        self.pool.join();
        // The collector's thread ends when no row thread is left to hand it anything.
        for thread in [&self.front, &self.collector] {
            let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread {
                let _ = thread.join();
            }
        }
        if let Some(journal) = &self.journal {
            journal.close();
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            if later {
                *now = phase;
            }
            later
        });
        for thread in self.threads.iter() {
            thread.enter(phase);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        self.join();
    }
}

/// Frees a bundle once nobody uses it, on this thread. Threads let go of it with their next row or tick.
fn release(old: Arc<Served>) {
    let until = Instant::now() + LETTING_GO;
    while Arc::strong_count(&old) > 1 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn start_threads(
    shared: &Shared,
    registry: &Arc<Registry>,
    pulses: Vec<Arc<Pulse>>,
    journal: Option<&Journal>,
) -> Result<Arc<[Thread]>, String> {
    let mut threads = Vec::with_capacity(pulses.len());
    for (number, pulse) in pulses.into_iter().enumerate() {
        // Proved here, so that a model that cannot run on a thread of its own stops the start and not the first row.
        Lane::new(registry.clone(), shared.config.limits, pulse.clone()).map_err(|failure| failure.message)?;
        let (registry, limits, clock, told) = (registry.clone(), shared.config.limits, shared.clock, pulse.clone());
        let ink = journal.map(Journal::ink).transpose()?;
        let make = move || loop {
            match Lane::new(registry.clone(), limits, told.clone()) {
                Ok(mut lane) => {
                    lane.probe(clock.now_ms());
                    if let Some(ink) = ink {
                        lane.remember(Pen::new(ink));
                    }
                    return lane;
                }
                Err(failure) => tracing::error!("a thread cannot open its lane: {}", failure.message),
            }
        };
        let thread = Thread::start(number, shared.clone(), pulse, make)
            .map_err(|error| format!("the operating system refuses a thread: {error}"))?;
        threads.push(thread);
    }
    Ok(threads.into())
}
