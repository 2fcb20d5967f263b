//! One HTTP/2 connection as one task: rows go straight to the thread's lane, everything else to the services.
//!
//! Rows start no task and take no lock of ours: the connection reads them, the lane scores what several connections brought together, and the
//! connection writes the answers, all on one thread.

mod body;
mod calls;
mod door;
mod frames;
pub(crate) mod head;
pub(crate) mod http2;
mod lifeline;
mod metered;
mod refusals;
mod service_call;
mod stream_call;
mod unary_call;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::access::Caller;
use crate::deadline;
use crate::lane::{Answer, Inbox};
use crate::site::{Phase, Site};
use crate::traces::{Begun, Path, Tracer};
use body::Limits;
use calls::{Call, Calls};
use door::Door;
pub(crate) use door::{Asked, Judge};
pub(crate) use frames::{Ledger, Message};
use head::Way;
use lifeline::Lifeline;
use metered::{Meter, Metered};
pub(crate) use refusals::Refusals;
use stream_call::StreamCall;
use unary_call::UnaryCall;

/// Bytes that a call may have in flight towards us, and a connection with all of its calls.
const CALL_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 2 << 20;
/// Bytes that a connection may read before others have their turn: some dozens of rows, or a good piece of a table.
const TURN_BYTES: usize = 8 << 10;
/// How long a connection without calls waits for the other side's last word before it is closed without it: calls that were sent before our
/// word arrived come in this time. A client that reads only while it calls says that word never.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes of headers that are taken.
const HEADER_BYTES: u32 = 16 << 10;
/// Calls that a caller may break off faster than we notice before it is taken for an attacker. Callers whose deadlines pass break off many at once
/// just when we are slowest to notice.
const RESETS: usize = 4096;

/// Serves a connection until either side ends it.
pub async fn serve<T: AsyncRead + AsyncWrite + Unpin>(io: T, site: Rc<Site>, caller: Caller) {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(CALL_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(site.config.streams)
        .max_header_list_size(HEADER_BYTES)
        .max_concurrent_reset_streams(RESETS)
        .max_pending_accept_reset_streams(RESETS);
    let meter = Rc::new(Meter::new(Door::new(site.clone())));
    let handshake = builder.handshake(Metered::new(io, meter.clone()));
    let Ok(Ok(mut h2)) = tokio::time::timeout(site.config.patience, handshake).await else { return };
    let (inbox, active) = (site.new_inbox(), Instant::now());
    let lifeline = Lifeline::new(h2.ping_pong(), active);
    let (calls, answers) = (Calls::default(), Vec::new());
    Connection { h2, meter, site, caller, inbox, calls, answers, leaving: None, active, lifeline }.await;
}

struct Connection<T> {
    h2: h2::server::Connection<Metered<T>, Bytes>,
    meter: Rc<Meter>,
    site: Rc<Site>,
    caller: Caller,
    inbox: Rc<Inbox>,
    calls: Calls,
    answers: Vec<(u64, Answer)>,
    /// Since when it takes no new calls.
    leaving: Option<Instant>,
    active: Instant,
    lifeline: Lifeline,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Connection<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.inbox.wake(cx.waker());
        if !this.stays() {
            return Poll::Ready(());
        }
        this.deliver();
        this.meter.allow(TURN_BYTES);
        loop {
            match this.h2.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => this.start(request, respond),
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        let now = Instant::now();
        if this.calls.advance(&this.site, &this.inbox, now, cx) {
            this.active = now;
        }
        if this.meter.came() {
            this.lifeline.hear(now);
        } else if !this.lifeline.holds(now, this.site.config.idle, this.site.config.patience) {
            return Poll::Ready(());
        }
        this.meter.door.borrow_mut().turn();
        if this.meter.is_starved() {
            // After the others, and after the lane.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Whether there is more to do here: looks at the server's phase and at how long nothing happened.
    fn stays(&mut self) -> bool {
        let phase = self.site.phase();
        if phase == Phase::Ended {
            return false;
        }
        let busy = self.h2.has_streams();
        match self.leaving {
            Some(since) => {
                let quiet = since.max(self.active).elapsed();
                if !busy && quiet > FAREWELL {
                    // Names the last call that was taken, so a caller knows that a later one was not.
                    self.h2.abrupt_shutdown(Reason::NO_ERROR);
                }
                // Nor does a dead or hostile side read that.
                busy || quiet <= self.site.config.patience
            }
            None => {
                let idle = !busy && self.active.elapsed() > self.site.config.idle;
                if phase == Phase::Draining || idle {
                    self.leaving = Some(Instant::now());
                    self.meter.door.borrow_mut().stand_open();
                    self.h2.graceful_shutdown();
                    self.calls.leave();
                }
                true
            }
        }
    }

    fn start(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        if let Err(status) = head::check(&request) {
            let _ = respond.send_response(head::plain(status), true);
            return;
        }
        let path = request.uri().path();
        if let Err(failure) = self.site.access.check(path, request.headers(), &self.caller) {
            let _ = respond.send_response(head::refusal(failure), true);
            return;
        }
        let deadline = head::deadline(request.headers(), Instant::now());
        let ledger = self.site.ledger.clone();
        match Way::of(path) {
            Way::Score => {
                self.meter.door.borrow_mut().learn(respond.stream_id().as_u32(), deadline::asked(request.headers()));
                let trace = self.trace(Path::Score, request.headers());
                self.calls.add(Call::Unary(UnaryCall::new(request, respond, deadline, ledger, trace)));
            }
            Way::ScoreStream => {
                if let Some(call) = StreamCall::new(request, respond, deadline, ledger, self.site.tracer.as_ref()) {
                    self.calls.add(Call::Stream(call));
                }
            }
            Way::Service => {
                let (routes, config) = (self.site.routes.clone(), &self.site.config);
                let streams = head::streams(path);
                let (patience, leaving) = ((!streams).then_some(config.patience), streams.then(|| self.site.leaving()));
                let limits = Limits { message_bytes: config.message_bytes, patience, leaving };
                let trace = if path == head::INFER { self.trace(Path::ModelInfer, request.headers()) } else { None };
                tokio::task::spawn_local(service_call::serve(routes, request, respond, deadline, limits, trace));
            }
        }
    }

    fn trace(&self, path: Path, headers: &HeaderMap) -> Option<Box<Begun>> {
        let tracer = self.site.tracer.as_ref()?;
        tracer.begin(path, Tracer::parent(headers).as_ref()).map(Box::new)
    }

    fn deliver(&mut self) {
        self.inbox.take(&mut self.answers);
        for (ticket, answer) in self.answers.drain(..) {
            self.calls.deliver(ticket, answer);
        }
    }
}
