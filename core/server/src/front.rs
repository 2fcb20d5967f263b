//! The thread at the door: accepts connections and hands each to the row thread with the fewest, tells health, serves `/metrics`, renews
//! certificates. Rows never pass through here, so an overload of rows cannot blind the operator.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::catalog::Registry;
use crate::health::Health;
use crate::health_service::Board;
use crate::listen::{Listener, SocketFile};
use crate::monitoring;
use crate::remember::Journal;
use crate::site::Phase;
use crate::thread::{Socket, Thread};
use crate::tls::Certificate;
use crate::traces;

/// How often health is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// The same while the server is not ready: whoever waits for it should not wait for this.
const SHORT_LOOK: Duration = Duration::from_millis(10);
/// After the system had no descriptor to give.
const BREATHER: Duration = Duration::from_millis(50);

/// How long a host may be silent before the system asks for it, and how often it does: after a minute without an answer it is gone.
const SILENCE: Duration = Duration::from_secs(30);
const ASK_AGAIN: Duration = Duration::from_secs(10);
const ASKS: u32 = 3;

/// Services whose health is told beside each bundle's.
pub const SERVICES: [&str; 3] = ["", "sternpost.v1.Scoring", "inference.GRPCInferenceService"];

/// What the thread at the door works with.
pub struct Front {
    /// Row threads.
    pub threads: Arc<[Thread]>,
    /// Connections that may be open at once.
    pub most: usize,
    /// The state of health.
    pub health: Health,
    /// Where it is told.
    pub board: Board,
    /// What is served.
    pub registry: Arc<Registry>,
    /// What is remembered, if anything.
    pub journal: Option<Arc<Journal>>,
    /// What may have to be renewed.
    pub certificate: Option<Arc<Certificate>>,
    /// The phase of the server's life.
    pub phase: watch::Receiver<Phase>,
    /// What became of spans, if there are any.
    pub traces: Option<Arc<traces::Counts>>,
}

/// Has the system ask whether the other host is still there. It answers even for a process that sleeps between two calls, so this can ask more
/// often than a PING may.
fn watched(stream: std::net::TcpStream) -> io::Result<std::net::TcpStream> {
    let asked = TcpKeepalive::new().with_time(SILENCE).with_interval(ASK_AGAIN).with_retries(ASKS);
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(&asked)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(SILENCE + ASKS * ASK_AGAIN))?;
    Ok(stream)
}

impl Front {
    /// Works until the server ends.
    pub fn run(self, runtime: &tokio::runtime::Runtime, listeners: Vec<Listener>, http: Option<std::net::TcpListener>) {
        LocalSet::new().block_on(runtime, async move {
            let front = std::rc::Rc::new(self);
            for listener in listeners {
                let front = front.clone();
                tokio::task::spawn_local(async move {
                    let mut phase = front.phase.clone();
                    tokio::select! {
                        ended = front.accept(listener) => {
                            if let Err(error) = ended {
                                tracing::error!("cannot accept connections any more: {error}");
                            }
                        }
                        _ = phase.wait_for(|phase| *phase >= Phase::Draining) => {}
                    }
                });
            }
            if let Some(http) = http {
                let (traces, journal) = (front.traces.clone(), front.journal.clone());
                let router = monitoring::router(front.registry.clone(), front.health.clone(), front.threads.clone(), traces, journal);
                let mut phase = front.phase.clone();
                tokio::task::spawn_local(async move {
                    let served = async {
                        let listener = TcpListener::from_std(http)?;
                        axum::serve(listener, router).await
                    };
                    // Health and metrics are told to the very end.
                    tokio::select! {
                        ended = served => if let Err(error) = ended { tracing::error!("metrics are not served any more: {error}") },
                        _ = phase.wait_for(|phase| *phase >= Phase::Ended) => {}
                    }
                });
            }
            let mut phase = front.phase.clone();
            tokio::select! {
                () = front.look_after() => {}
                _ = phase.wait_for(|phase| *phase >= Phase::Ended) => {}
            }
        });
    }

    async fn accept(&self, listener: Listener) -> io::Result<()> {
        match listener {
            Listener::Tcp(listener) => {
                let listener = TcpListener::from_std(listener)?;
                loop {
                    let accepted = match listener.accept().await {
                        // A small answer must not wait for company.
                        Ok((stream, _)) => stream.set_nodelay(true).and_then(|()| watched(stream.into_std()?)).map(Socket::Tcp),
                        Err(error) => Err(error),
                    };
                    self.hand_over(accepted).await;
                }
            }
            Listener::Unix(listener, file) => self.accept_files(listener, file).await,
        }
    }

    async fn accept_files(&self, listener: std::os::unix::net::UnixListener, _file: SocketFile) -> io::Result<()> {
        let listener = UnixListener::from_std(listener)?;
        loop {
            let accepted = match listener.accept().await {
                Ok((stream, _)) => stream.into_std().map(Socket::Unix),
                Err(error) => Err(error),
            };
            self.hand_over(accepted).await;
        }
    }

    async fn hand_over(&self, accepted: io::Result<Socket>) {
        match accepted {
            Ok(socket) => {
                let open: usize = self.threads.iter().map(Thread::connections).sum();
                if open >= self.most {
                    tracing::warn!(open, "a connection was turned away: too many are open");
                    return;
                }
                if let Some(thread) = self.threads.iter().min_by_key(|thread| thread.connections()) {
                    thread.give(socket);
                }
            }
            // The caller went away again, or there is no descriptor to be had: neither ends the listening.
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }

    /// Tells health as it changes and renews certificates.
    async fn look_after(&self) {
        loop {
            let trouble = self.health.own_trouble();
            let bundles = self.registry.catalog().bundles().iter().map(|served| served.name.clone()).collect::<Vec<_>>();
            let names = SERVICES.iter().map(|name| (*name).to_owned()).chain(bundles);
            self.board.tell(&names.map(|name| (name, trouble.is_none())).collect::<BTreeMap<_, _>>());
            if trouble.is_none() {
                self.health.told();
            }
            if *self.phase.borrow() >= Phase::Draining {
                // Whoever watches has been told; a watch never ends by itself, and the drain must not wait for it.
                self.board.end();
            }
            if let Some(certificate) = &self.certificate {
                match certificate.renew() {
                    Ok(true) => tracing::info!("the certificate was renewed"),
                    Ok(false) => {}
                    Err(error) => tracing::warn!("the certificate cannot be renewed: {error}"),
                }
            }
            let mut phase = self.phase.clone();
            let before = *phase.borrow_and_update();
            tokio::select! {
                () = tokio::time::sleep(if trouble.is_none() { LOOK } else { SHORT_LOOK }) => {}
                _ = phase.wait_for(|now| *now != before) => {}
            }
        }
    }
}
