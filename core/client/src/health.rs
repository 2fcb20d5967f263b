//! Watches the endpoints' health in the background, so that a server that is about to end is left before it does.
//!
//! One thread, started at the first call, with a connection of its own to every endpoint. It writes what it learns into the endpoints and
//! nothing else; no row ever waits for it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::connection::{greet, manner};
use crate::duplex::Duplex;
use crate::error::Trouble;
use crate::frame::framed;
use crate::remote::{Health, Remote, Remotes};

const WATCH: &str = "/grpc.health.v1.Health/Watch";
const MESSAGE_MOST: usize = 1 << 16;
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The running watch; it ends when this is dropped.
#[derive(Debug)]
pub struct Watch(watch::Sender<bool>);

impl Watch {
    /// Starts the thread.
    pub fn start(remotes: Arc<Remotes>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let run = move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() else { return };
            runtime.block_on(async {
                let tasks: Vec<_> = (0..remotes.all.len())
                    .map(|place| {
                        let (remotes, mut stopped) = (remotes.clone(), stopped.clone());
                        tokio::spawn(async move {
                            tokio::select! {
                                // Also when the sender is gone.
                                _ = stopped.wait_for(|stop| *stop) => {}
                                () = follow(&remotes.all[place]) => {}
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    let _ = task.await;
                }
            });
        };
        // Without a thread nothing is known of anybody's health, and the breakers still work.
        let _ = std::thread::Builder::new().name("sternpost-health".to_owned()).spawn(run);
        Self(stop)
    }

    /// Ends it.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Watches one endpoint until it says that it does not let itself be watched.
async fn follow(remote: &Remote) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut heard = false;
        match listen(remote, &mut heard).await {
            // It answers, but not this.
            Err(Trouble::Said(failure)) if failure.code == tonic::Code::Unimplemented => {
                remote.set_health(Health::Unknown);
                return;
            }
            // It is about to end.
            Err(Trouble::Said(failure)) if failure.code == tonic::Code::Unavailable => remote.set_health(Health::NotServing),
            Err(Trouble::Said(_)) | Ok(()) => remote.set_health(Health::Unknown),
            Err(_) => remote.set_health(Health::Unreachable),
        }
        pause = if heard { FIRST_PAUSE } else { (2 * pause).min(LONGEST_PAUSE) };
        tokio::time::sleep(pause).await;
    }
}

async fn listen(remote: &Remote, heard: &mut bool) -> Result<(), Trouble> {
    let (endpoint, setup) = (remote.pool.endpoint(), remote.pool.setup());
    let greeted = tokio::time::timeout(CONNECT_WITHIN, greet(endpoint, setup)).await;
    let (mut requests, mut driver) = greeted.map_err(|_| Trouble::Late)??;
    let manner = manner(endpoint, setup);
    let mut more = requests.clone();
    let talk = async {
        let mut call = Duplex::open(&mut requests, &manner, WATCH, None).await?;
        call.send(framed(&HealthCheckRequest { service: String::new() })?, true)?;
        while let Some(message) = call.next(MESSAGE_MOST).await? {
            let message: HealthCheckResponse = prost::Message::decode(message).map_err(Trouble::broken)?;
            *heard = true;
            remote.set_health(match message.status() {
                ServingStatus::Serving => Health::Serving,
                ServingStatus::NotServing => Health::NotServing,
                ServingStatus::Unknown | ServingStatus::ServiceUnknown => Health::Unknown,
            });
            if remote.health() == Health::NotServing {
                let idle = remote.pool.give_up_idle();
                tokio::task::spawn_blocking(move || drop(idle));
            }
        }
        Ok(())
    };
    let mut talk = pin!(talk);
    poll_fn(|cx| {
        if let Poll::Ready(done) = talk.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        // A server that takes no more calls waits for this one to end, which it never does by itself.
        let over = driver.as_mut().poll(cx).is_ready() || matches!(more.poll_ready(cx), Poll::Ready(Err(_)));
        match talk.as_mut().poll(cx) {
            Poll::Pending if over => Poll::Ready(Err(Trouble::broken("the server closed the connection"))),
            polled => polled,
        }
    })
    .await
}
