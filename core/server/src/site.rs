//! What all connections of one thread share: its lane, the services, the rules, and the phase of the server's life.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use bytes::BytesMut;
use sternpost_wire::failure::Failure;
use tokio::sync::watch;
use tonic::service::Routes;

use crate::access::Access;
use crate::config::Config;
use crate::connection::{Asked, Judge, Ledger, Refusals};
use crate::lane::{Arrival, Inbox, Lane};
use crate::traces::Tracer;

/// Bytes of unfinished row requests that a thread holds at most, whoever sends them.
const UNFINISHED_BYTES: usize = 64 << 20;

/// Where a server stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It takes calls.
    Serving,
    /// It finishes what it has.
    Draining,
    /// It is over; what is left is cut off.
    Ended,
}

/// One thread's share of the server.
pub struct Site {
    /// What the server was told.
    pub config: Arc<Config>,
    /// Who may call what.
    pub access: Arc<Access>,
    /// Everything that is not a row.
    pub routes: Routes,
    /// What callers have begun to send and not finished.
    pub ledger: Rc<Ledger>,
    /// The way of spans, if anybody wants them.
    pub tracer: Option<Rc<Tracer>>,
    lane: RefCell<Lane>,
    runner: RefCell<Option<Waker>>,
    phase: Cell<Phase>,
    leaving: watch::Sender<bool>,
    inboxes: RefCell<Vec<Weak<Inbox>>>,
    refusals: RefCell<Refusals>,
    /// When the lane's last two runs began; the same moment twice if it had nothing to do before.
    runs: Cell<[Instant; 2]>,
}

impl Site {
    /// A site around a thread's lane.
    pub fn new(config: Arc<Config>, access: Arc<Access>, routes: Routes, lane: Lane, tracer: Option<Rc<Tracer>>) -> Self {
        Self {
            config,
            access,
            routes,
            ledger: Rc::new(Ledger::new(UNFINISHED_BYTES)),
            tracer,
            lane: RefCell::new(lane),
            runner: RefCell::new(None),
            phase: Cell::new(Phase::Serving),
            leaving: watch::Sender::new(false),
            inboxes: RefCell::default(),
            refusals: RefCell::default(),
            runs: Cell::new([Instant::now(); 2]),
        }
    }

    /// Asks the lane.
    ///
    /// # Errors
    /// The refusal, to be sent.
    pub fn ask(&self, arrival: &Arrival<'_>) -> Result<(), Failure> {
        self.lane.borrow_mut().take(arrival)?;
        if let Some(runner) = self.runner.borrow_mut().take() {
            self.runs.set([arrival.arrived; 2]);
            runner.wake();
        }
        Ok(())
    }

    /// Runs what waits in the lane, for ever.
    pub async fn run(&self) {
        loop {
            std::future::poll_fn(|cx| {
                if self.lane.borrow().is_idle() {
                    *self.runner.borrow_mut() = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
            let [_, last] = self.runs.get();
            self.runs.set([last, Instant::now()]);
            // A panic has answered its requests by dropping them; the lane goes on.
            if catch_unwind(AssertUnwindSafe(|| self.lane.borrow_mut().run())).is_err() {
                tracing::error!("a block of rows panicked");
            }
            if !self.lane.borrow().is_idle() {
                // Let connections read, write and bring more in between.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Sends answers as the journal has them; returns at once where none ever waits for it.
    pub async fn acknowledge(&self) {
        let Some(settled) = self.lane.borrow().settled() else { return };
        loop {
            settled.notified().await;
            self.lane.borrow_mut().acknowledge();
        }
    }

    /// Proves that this thread still scores as it should, takes over what is newly served, and wakes connections to look at their clocks.
    pub fn tick(&self, now_ms: u64) {
        let right = catch_unwind(AssertUnwindSafe(|| {
            let mut lane = self.lane.borrow_mut();
            lane.catalog();
            lane.probe(now_ms)
        }));
        if !matches!(right, Ok(true)) {
            tracing::error!("a golden row did not get its score");
        }
        self.wake_all();
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Turns true when the server begins to end.
    pub fn leaving(&self) -> watch::Receiver<bool> {
        self.leaving.subscribe()
    }

    /// Goes on to a later phase and lets every connection know.
    pub fn enter(&self, phase: Phase) {
        if phase > self.phase.get() {
            self.phase.set(phase);
            self.leaving.send_replace(true);
            self.wake_all();
        }
    }

    /// An inbox for a new connection.
    pub fn new_inbox(&self) -> Rc<Inbox> {
        let inbox = Rc::new(Inbox::default());
        self.inboxes.borrow_mut().push(Rc::downgrade(&inbox));
        inbox
    }

    fn wake_all(&self) {
        self.inboxes.borrow_mut().retain(|inbox| inbox.upgrade().inspect(|inbox| inbox.rouse()).is_some());
    }
}

impl Judge for Site {
    fn is_pressed(&self) -> bool {
        self.lane.borrow().is_pressed()
    }

    fn came_after(&self, empty: Instant) -> Instant {
        // A socket that had something before the last run but one would have been read since.
        empty.max(self.runs.get()[0])
    }

    fn turns_away(&self, asked: &Asked<'_>, stream: u32, out: &mut BytesMut) -> bool {
        let refused = self.lane.borrow_mut().turns_away(asked);
        refused.inspect(|refused| self.refusals.borrow_mut().write(*refused, stream, out)).is_some()
    }
}
