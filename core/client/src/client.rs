//! The client: what it is made of, and what it knows.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::backoff::Dice;
use crate::budget::Budget;
use crate::connection::{Patience, Setup};
use crate::counters::{Counter, Counters};
use crate::description::Description;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::fallback::{Fallback, Local};
use crate::health::Watch;
use crate::io::Tls;
use crate::latency::Median;
use crate::pool::Pool;
use crate::remote::{Remote, Remotes};
use crate::throttle::Throttle;
use crate::tls::{self, TlsFiles};

/// Most retries, as a share of the calls, and how many at once.
const RETRIES: (f64, u32) = (0.1, 10);
/// The same for hedges.
const HEDGES: (f64, u32) = (0.05, 5);

/// How rows travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// On one long-lived stream a connection.
    #[default]
    Stream,
    /// As a call each.
    Unary,
}

/// How a client is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whom to ask; at least one.
    pub endpoints: Vec<Endpoint>,
    /// The bundle's name; empty when servers have exactly one.
    pub bundle: String,
    /// What answers when no server does.
    pub fallback: Fallback,
    /// How rows travel.
    pub transport: Transport,
    /// For addresses that are encrypted.
    pub tls: TlsFiles,
    /// What proves who we are, sent as `authorization: Bearer`.
    pub token: Option<String>,
    /// Whether a local bundle may answer that is not the server's.
    pub allow_other_bundle: bool,
    /// Every how many served rows one is scored here too; nothing for none.
    pub parity_every: Option<u64>,
    /// When to ask a second endpoint.
    pub hedge_after: Option<Duration>,
    /// How long to spin for an answer before sleeping.
    pub busy_poll: Duration,
    /// Most connections an endpoint.
    pub connections: usize,
    /// Whether to watch the endpoints' health in the background.
    pub watch_health: bool,
    /// Tells processes apart: another number after a fork.
    pub generation: fn() -> u64,
}

impl Options {
    /// The usual, for these endpoints.
    pub fn new(endpoints: Vec<Endpoint>) -> Self {
        Self {
            endpoints,
            bundle: String::new(),
            fallback: Fallback::None,
            transport: Transport::Stream,
            tls: TlsFiles::default(),
            token: None,
            allow_other_bundle: false,
            parity_every: Some(1000),
            hedge_after: None,
            busy_poll: Duration::ZERO,
            connections: 64,
            watch_health: true,
            generation: || u64::from(std::process::id()),
        }
    }
}

/// Talks to servers of one bundle; any number of threads may call it at once.
pub struct Client {
    inner: Option<Arc<Inner>>,
    generation: u64,
    now: fn() -> u64,
}

/// What calls share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) bundle: String,
    pub(crate) remotes: Arc<Remotes>,
    pub(crate) transport: Transport,
    pub(crate) local: Option<Local>,
    pub(crate) constant: Option<(Option<f64>, Option<String>)>,
    pub(crate) allow_other_bundle: bool,
    pub(crate) parity_every: Option<u64>,
    pub(crate) hedge_after: Option<Duration>,
    pub(crate) known: Mutex<Known>,
    pub(crate) counters: Counters,
    pub(crate) retries: Budget,
    pub(crate) hedges: Budget,
    pub(crate) throttle: Throttle,
    pub(crate) dice: Dice,
    pub(crate) took: Median,
    names: (u64, Counter),
    watch: OnceLock<Watch>,
    watch_health: bool,
}

/// What servers said about the bundle.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The description that rows are packed by.
    pub current: Option<Arc<Description>>,
    /// When it was asked for.
    pub asked: Option<Instant>,
    /// Every bundle that answered lately.
    pub by_digest: HashMap<String, Arc<Description>>,
}

impl Client {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Usage`] for files or a token that cannot be used.
    pub fn new(options: Options) -> Result<Self, Error> {
        if options.endpoints.is_empty() {
            return Err(Error::Usage("a client needs at least one address".to_owned()));
        }
        let encrypted = options.endpoints.iter().any(|endpoint| endpoint.tls);
        let tls =
            if encrypted { Some(Tls { config: tls::config(&options.tls)?, server_name: options.tls.server_name.clone() }) } else { None };
        let token = options.token.as_ref().map(|token| http::HeaderValue::try_from(format!("Bearer {token}")));
        let mut token = token.transpose().map_err(|_| Error::Usage("the token has characters that a header cannot hold".to_owned()))?;
        if let Some(token) = &mut token {
            token.set_sensitive(true);
        }
        let setup = Setup { tls, token, busy_poll: options.busy_poll };
        let pools = options.endpoints.into_iter().map(|endpoint| Pool::new(endpoint, setup.clone(), options.connections));
        let (local, constant) = match options.fallback {
            Fallback::None => (None, None),
            Fallback::Bundle(scorer) => (Some(Local::new(scorer)?), None),
            Fallback::Constant { score, action } => (None, Some((score, action))),
        };
        let inner = Inner {
            bundle: options.bundle,
            remotes: Arc::new(Remotes::new(pools.map(Remote::new).collect())),
            transport: options.transport,
            local,
            constant,
            allow_other_bundle: options.allow_other_bundle,
            parity_every: options.parity_every.filter(|every| *every > 0),
            hedge_after: options.hedge_after,
            known: Mutex::default(),
            counters: Counters::default(),
            retries: Budget::new(RETRIES.0, RETRIES.1),
            hedges: Budget::new(HEDGES.0, HEDGES.1),
            throttle: Throttle::default(),
            dice: Dice::default(),
            took: Median::default(),
            names: (RandomState::new().hash_one((std::process::id(), Instant::now())), Counter::default()),
            watch: OnceLock::new(),
            watch_health: options.watch_health,
        };
        Ok(Self { inner: Some(Arc::new(inner)), generation: (options.generation)(), now: options.generation })
    }

    /// The parts, in the process that made them.
    pub(crate) fn inner(&self) -> Result<&Arc<Inner>, Error> {
        match &self.inner {
            Some(inner) if self.is_here() => Ok(inner),
            _ => Err(Error::Forked),
        }
    }

    /// Whether this is the process that made the client.
    pub fn is_here(&self) -> bool {
        (self.now)() == self.generation
    }

    /// Closes idle connections and ends the watch. Later calls still work; they connect anew.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub fn close(&self) -> Result<(), Error> {
        let inner = self.inner()?;
        if let Some(watch) = inner.watch.get() {
            watch.stop();
        }
        inner.remotes.all.iter().for_each(|remote| drop(remote.pool.give_up_idle()));
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !self.is_here() {
            // Sockets, epoll descriptors and locks are the parent's; closing ours would unregister theirs.
            std::mem::forget(self.inner.take());
        } else if let Some(watch) = self.inner.as_ref().and_then(|inner| inner.watch.get()) {
            watch.stop();
        }
    }
}

impl Inner {
    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something can answer when no server does.
    pub(crate) fn has_fallback(&self) -> bool {
        self.local.is_some() || self.constant.is_some()
    }

    /// A name for a prediction that nobody else gives, so that a repeated request is recognised as the same.
    pub(crate) fn name(&self) -> String {
        let (client, counter) = &self.names;
        format!("{client:016x}{:010x}", counter.next())
    }

    /// Starts to watch the endpoints, the first time.
    pub(crate) fn watch(&self) {
        if self.watch_health && self.watch.get().is_none() {
            self.watch.get_or_init(|| Watch::start(self.remotes.clone()));
        }
    }

    /// How much of what is left until `deadline` a server gets: the rest is kept for the fallback.
    pub(crate) fn until(&self, now: Instant, deadline: Instant) -> Instant {
        if !self.has_fallback() {
            return deadline;
        }
        // Timers tell whole milliseconds, and may tell the next one.
        let local = self.local.as_ref().and_then(|local| local.took.get()).unwrap_or_default();
        let reserve = 4 * local + Duration::from_millis(3);
        deadline.checked_sub(reserve.min(deadline.saturating_duration_since(now) / 4)).unwrap_or(deadline)
    }

    /// Sleeps, unless the caller has enough or the time would be over; then tells that it did not.
    pub(crate) fn sleep(&self, wait: Duration, patience: Patience<'_>) -> bool {
        let end = Instant::now() + wait;
        if end >= patience.until {
            return false;
        }
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
            if !(patience.go_on)() {
                return false;
            }
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("generation", &self.generation).finish_non_exhaustive()
    }
}
