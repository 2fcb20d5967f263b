//! A thread that reads, scores single rows and writes: its own runtime, its own lane, connections handed to it for good.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;
use tonic::service::Routes;

use crate::access::{Access, Caller};
use crate::clock::Clock;
use crate::config::Config;
use crate::connection;
use crate::lane::{Lane, Pulse};
use crate::site::{Phase, Site};
use crate::traces::Traces;

/// How often a thread proves that it is well, and connections look at their clocks.
pub const TICK: Duration = Duration::from_secs(1);

/// A new connection.
pub enum Socket {
    /// Over TCP.
    Tcp(std::net::TcpStream),
    /// Over a socket file.
    Unix(std::os::unix::net::UnixStream),
}

enum Order {
    Connection(Socket),
    Phase(Phase),
}

/// What all threads share.
#[derive(Clone)]
pub struct Shared {
    /// What the server was told.
    pub config: Arc<Config>,
    /// Who may call what.
    pub access: Arc<Access>,
    /// Everything that is not a row.
    pub routes: Routes,
    /// Transport security, if any.
    pub tls: Option<Arc<ServerConfig>>,
    /// The server's clock.
    pub clock: Clock,
    /// The way of spans, if anybody wants them.
    pub traces: Option<Traces>,
}

/// A running thread.
pub struct Thread {
    orders: UnboundedSender<Order>,
    connections: Arc<AtomicUsize>,
    pulse: Arc<Pulse>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Thread {
    /// Starts a thread. `make` makes its lane, there.
    ///
    /// # Errors
    /// The operating system's, if it has no thread or no reactor to give.
    pub fn start(number: usize, shared: Shared, pulse: Arc<Pulse>, make: impl FnOnce() -> Lane + Send + 'static) -> std::io::Result<Self> {
        let (orders, received) = unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let counted = connections.clone();
        let body = move || {
            let local = LocalSet::new();
            let site = Rc::new(Site::new(
                shared.config.clone(),
                shared.access.clone(),
                shared.routes.clone(),
                make(),
                shared.traces.as_ref().map(Traces::tracer),
            ));
            local.block_on(&runtime, serve(site, shared, received, counted));
        };
        let handle = std::thread::Builder::new().name(format!("sternpost-row-{number}")).spawn(body)?;
        Ok(Self { orders, connections, pulse, handle: Mutex::new(Some(handle)) })
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// What its lane tells.
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// Hands a connection over.
    pub fn give(&self, socket: Socket) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        if self.orders.send(Order::Connection(socket)).is_err() {
            self.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Enters a phase.
    pub fn enter(&self, phase: Phase) {
        let _ = self.orders.send(Order::Phase(phase));
    }

    /// Waits for its end.
    pub fn join(&self) {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle {
            let _ = handle.join();
        }
    }
}

async fn serve(site: Rc<Site>, shared: Shared, mut orders: UnboundedReceiver<Order>, connections: Arc<AtomicUsize>) {
    let running = site.clone();
    tokio::task::spawn_local(async move { running.run().await });
    let acknowledging = site.clone();
    tokio::task::spawn_local(async move { acknowledging.acknowledge().await });
    if site.config.busy_poll {
        // A task that is always ready keeps the reactor from sleeping.
        tokio::task::spawn_local(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
    }
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Connection(socket)) => {
                    let guard = Open(connections.clone());
                    let (site, tls) = (site.clone(), shared.tls.clone());
                    tokio::task::spawn_local(async move {
                        let _guard = guard;
                        accept(socket, site, tls).await;
                    });
                }
                Some(Order::Phase(phase)) => site.enter(phase),
                None => site.enter(Phase::Ended),
            },
            _ = ticks.tick() => site.tick(shared.clock.now_ms()),
        }
        // Draining ends with the last connection.
        match site.phase() {
            Phase::Serving => {}
            Phase::Draining if connections.load(Ordering::Relaxed) > 0 => ticks.reset_after(Duration::from_millis(5)),
            Phase::Draining | Phase::Ended => return,
        }
    }
}

struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn accept(socket: Socket, site: Rc<Site>, tls: Option<Arc<ServerConfig>>) {
    match socket {
        Socket::Unix(stream) => {
            if let Ok(stream) = tokio::net::UnixStream::from_std(stream) {
                connection::serve(stream, site, Caller::default()).await;
            }
        }
        Socket::Tcp(stream) => {
            let Ok(stream) = tokio::net::TcpStream::from_std(stream) else { return };
            match tls {
                None => connection::serve(stream, site, Caller::default()).await,
                Some(tls) => secured(stream, site, tls).await,
            }
        }
    }
}

async fn secured<T: AsyncRead + AsyncWrite + Unpin>(stream: T, site: Rc<Site>, tls: Arc<ServerConfig>) {
    let patience = site.config.patience;
    let Ok(Ok(stream)) = tokio::time::timeout(patience, TlsAcceptor::from(tls).accept(stream)).await else { return };
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).cloned();
    let caller = site.access.caller(certificate.as_ref());
    connection::serve(stream, site, caller).await;
}
