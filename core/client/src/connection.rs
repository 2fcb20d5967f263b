//! One HTTP/2 connection that the calling thread drives itself: nothing is handed to another thread on the way of a row.
//!
//! A connection is held by one caller at a time. Between calls nobody reads from it, so what the server said meanwhile (that it goes away,
//! that it is gone) is noticed by [`Connection::usable`] before the next one.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use prost::Message;
use sternpost_wire::scoring::{ScoreReply, ScoreRequest};
use tokio::runtime::Runtime;
use tokio::task::yield_now;
use tokio::time::timeout_at;

use crate::duplex::{Duplex, Manner};
use crate::endpoint::Endpoint;
use crate::error::{Trouble, streamed};
use crate::frame::framed;
use crate::io::{Io, Tls};
use crate::race::{Raced, Rival, raced};

/// How often a waiting caller is asked whether to go on.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// The longest message that is taken as an answer.
const MESSAGE_MOST: usize = 64 << 20;
/// What the server may send before we say that we have read it. Larger than any row's answer, and than most batches.
const WINDOW: u32 = 4 << 20;

/// A connection that has just answered is not looked at before it is used again: the look costs as much as a row's framing.
const JUST_USED: Duration = Duration::from_millis(1);

const SCORE: &str = "/sternpost.v1.Scoring/Score";
const SCORE_STREAM: &str = "/sternpost.v1.Scoring/ScoreStream";

/// How long a caller waits.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// When an answer ceases to be of use.
    pub until: Instant,
    /// Asked ten times a second; false means to stop.
    pub go_on: &'a dyn Fn() -> bool,
}

/// How connections are made.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// For addresses that are encrypted.
    pub tls: Option<Tls>,
    /// What proves who we are.
    pub token: Option<http::HeaderValue>,
    /// How long to spin for an answer before sleeping.
    pub busy_poll: Duration,
}

/// A connection and the runtime that drives it. Fields are dropped in their order: the runtime outlives what is registered with it.
pub struct Connection {
    rows: Option<Duplex>,
    requests: SendRequest<Bytes>,
    driver: Driver,
    manner: Manner,
    spin: Duration,
    answered: bool,
    used: Instant,
    runtime: Runtime,
}

/// What has to be polled for anything to happen on a connection.
pub(crate) type Driver = Pin<Box<client::Connection<Io, Bytes>>>;

/// Connects and greets.
pub(crate) async fn greet(endpoint: &Endpoint, setup: &Setup) -> Result<(SendRequest<Bytes>, Driver), Trouble> {
    let io = Io::connect(endpoint, setup.tls.as_ref()).await?;
    let mut builder = client::Builder::new();
    builder.enable_push(false).initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let greeted = builder.handshake(io).await;
    let (requests, driver) = greeted.map_err(|error| Trouble::broken(format!("{endpoint} speaks no HTTP/2: {error}")))?;
    Ok((requests, Box::pin(driver)))
}

/// What every call to an endpoint says about itself.
pub(crate) fn manner(endpoint: &Endpoint, setup: &Setup) -> Manner {
    Manner { scheme: if endpoint.tls { "https" } else { "http" }, authority: endpoint.authority(), token: setup.token.clone() }
}

impl Connection {
    /// Connects to a server.
    ///
    /// # Errors
    /// [`Trouble::Broken`], [`Trouble::Late`] or [`Trouble::Interrupted`].
    pub fn open(endpoint: &Endpoint, setup: &Setup, patience: Patience<'_>) -> Result<Self, Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(Trouble::broken)?;
        let (requests, driver) = wait(&runtime, patience, greet(endpoint, setup))?;
        Ok(Self {
            rows: None,
            requests,
            driver,
            manner: manner(endpoint, setup),
            spin: setup.busy_poll,
            answered: false,
            used: Instant::now(),
            runtime,
        })
    }

    /// Whether the connection still takes calls, as far as one look at it tells.
    pub fn usable(&mut self) -> bool {
        if self.used.elapsed() < JUST_USED {
            return true;
        }
        let Self { requests, driver, runtime, .. } = self;
        runtime.block_on(async {
            // Lets the runtime look at its sockets once.
            yield_now().await;
            poll_fn(|cx| {
                let over = driver.as_mut().poll(cx).is_ready();
                let refuses = matches!(requests.poll_ready(cx), Poll::Ready(Err(_)));
                Poll::Ready(!over && !refuses)
            })
            .await
        })
    }

    /// Whether it has answered anything yet. One that has and then breaks was most likely closed while it was idle.
    pub fn has_answered(&self) -> bool {
        self.answered
    }

    /// One message out, one in.
    ///
    /// # Errors
    /// What went wrong; the connection is still good if the server said it.
    pub fn unary<R: Message + Default>(&mut self, path: &str, message: &impl Message, patience: Patience<'_>) -> Result<R, Trouble> {
        let frame = framed(message)?;
        let limit = patience.until.saturating_duration_since(Instant::now());
        let Self { requests, driver, manner, spin, runtime, .. } = self;
        let call = async {
            let mut call = Duplex::open(requests, manner, path, Some(limit)).await?;
            call.send(frame, true)?;
            only(&mut call).await
        };
        let reply = wait(runtime, patience, driven(driver, *spin, call))?;
        self.answered = true;
        self.used = Instant::now();
        R::decode(reply).map_err(Trouble::broken)
    }

    /// Scores a row: as a call of its own, or as a message on the connection's long-lived stream.
    ///
    /// # Errors
    /// What went wrong; unless the server said it, the connection must not be used again: an answer may still be on its way.
    pub fn score(&mut self, request: &ScoreRequest, streamed: bool, patience: Patience<'_>) -> Result<ScoreReply, Trouble> {
        match self.score_raced::<Infallible>(request, streamed, patience, None)? {
            Raced::Own(reply) => Ok(*reply),
            Raced::Other(never) => match never {},
        }
    }

    /// The same, with somebody else who may answer first. If they do, the connection must not be used again.
    ///
    /// # Errors
    /// As [`Self::score`].
    pub fn score_raced<T>(
        &mut self,
        request: &ScoreRequest,
        streamed: bool,
        patience: Patience<'_>,
        rival: Option<Rival<'_, T>>,
    ) -> Result<Raced<T>, Trouble> {
        let frame = framed(request)?;
        let limit = patience.until.saturating_duration_since(Instant::now());
        let Self { rows, requests, driver, manner, spin, runtime, .. } = self;
        let call = async {
            if !streamed {
                let mut call = Duplex::open(requests, manner, SCORE, Some(limit)).await?;
                call.send(frame, true)?;
                return only(&mut call).await.map(Some);
            }
            let stream = match rows {
                Some(stream) => stream,
                None => rows.insert(Duplex::open(requests, manner, SCORE_STREAM, None).await?),
            };
            stream.send(frame, false)?;
            stream.next(MESSAGE_MOST).await
        };
        let reply = wait(runtime, patience, driven(driver, *spin, raced(call, rival)));
        let reply = match reply {
            Ok(Raced::Own(Some(reply))) => reply,
            other => {
                // The stream is over, whatever ended it, or a late answer will spoil its order.
                self.rows = None;
                return match other? {
                    Raced::Other(theirs) => Ok(Raced::Other(theirs)),
                    Raced::Own(_) => Err(Trouble::broken("the server ended the stream")),
                };
            }
        };
        self.answered = true;
        self.used = Instant::now();
        let reply = ScoreReply::decode(reply).map_err(Trouble::broken)?;
        told(reply).map(|reply| Raced::Own(Box::new(reply)))
    }

    /// Holds a longer conversation: `talk` is given an open call.
    ///
    /// # Errors
    /// As [`Self::unary`], or what `talk` gives.
    pub fn converse<T>(
        &mut self,
        path: &str,
        limited: bool,
        patience: Patience<'_>,
        talk: impl AsyncFnOnce(&mut Duplex) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let limit = limited.then(|| patience.until.saturating_duration_since(Instant::now()));
        let Self { requests, driver, manner, spin, runtime, .. } = self;
        let call = async {
            let mut call = Duplex::open(requests, manner, path, limit).await?;
            talk(&mut call).await
        };
        wait(runtime, patience, driven(driver, *spin, call))
    }
}

/// The one answer to a unary call; its status stands behind it.
async fn only(call: &mut Duplex) -> Result<Bytes, Trouble> {
    match call.next(MESSAGE_MOST).await? {
        Some(reply) if call.next(MESSAGE_MOST).await?.is_none() => Ok(reply),
        Some(_) => Err(Trouble::broken("the server sent two answers to one request")),
        None => Err(Trouble::broken("the server ended the call without an answer")),
    }
}

/// An answer, or the refusal in its place.
fn told(mut reply: ScoreReply) -> Result<ScoreReply, Trouble> {
    match reply.failure.take() {
        Some(failure) => Err(Trouble::Said(streamed(failure))),
        None => Ok(reply),
    }
}

/// Work and the connection under it, polled together by one thread.
async fn driven<T>(driver: &mut Driver, spin: Duration, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let mut work = pin!(work);
    let mut both = poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        let over = driver.as_mut().poll(cx);
        // Whatever arrived is there now, also the last words of a connection that is over.
        match (work.as_mut().poll(cx), over) {
            (Poll::Ready(done), _) => Poll::Ready(done),
            (Poll::Pending, Poll::Ready(Ok(()))) => Poll::Ready(Err(Trouble::broken("the server closed the connection"))),
            (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(Trouble::broken(error))),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
        }
    });
    if !spin.is_zero() {
        let end = Instant::now() + spin;
        while Instant::now() < end {
            if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(Pin::new(&mut both).poll(cx))).await {
                return done;
            }
            yield_now().await;
        }
    }
    both.await
}

/// Runs work on the calling thread until it ends, the time is over or the caller has enough.
fn wait<T>(runtime: &Runtime, patience: Patience<'_>, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let mut work = pin!(work);
    loop {
        let step = patience.until.min(Instant::now() + ASK_EVERY);
        // Asked outside of the runtime: whoever answers may itself want to score.
        match runtime.block_on(async { timeout_at(step.into(), &mut work).await }) {
            Ok(done) => return done,
            Err(_) if !(patience.go_on)() => return Err(Trouble::Interrupted),
            Err(_) if Instant::now() >= patience.until => return Err(Trouble::Late),
            Err(_) => {}
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("authority", &self.manner.authority).finish_non_exhaustive()
    }
}
