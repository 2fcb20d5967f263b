//! The single-row lane of one thread: what waits, in which order it runs, and what is turned away.
//!
//! A lane belongs to one thread, with workspaces and model sessions of its own, so a row on its way asks nobody for anything. Requests that
//! are there together run together as one block; nothing ever waits for company. Blocks of any size give the same bits.

mod admission;
mod answer;
mod ids;
mod named;
mod pace;
mod queue;
mod run;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sternpost_engine::worker::Worker;
use sternpost_wire::failure::{Failure, Reason};
use sternpost_wire::request::{RowRef, ScoreRequestRef};
use sternpost_wire::scoring::Stake;
use tokio::sync::Notify;
use tonic::Code;

use crate::catalog::{Catalog, Registry, Served, View};
use crate::connection::Asked;
use crate::remember::{Pen, check_entity};

pub use admission::{Limits, Refused};
pub use answer::{Answer, Inbox};
use ids::Ids;
pub use ids::check as check_id;
use pace::Pace;
pub use queue::Place;
use queue::{Queue, Waiting};

/// Rows that run together at most. A block of so many rows takes well below a millisecond, which bounds what a newcomer waits for.
pub const BLOCK_ROWS: usize = 32;

/// Rows that wait when newcomers are looked at more closely: two blocks, which every answer that is possible at all can wait for.
const PRESSED_ROWS: usize = 2 * BLOCK_ROWS;

/// Bytes of a piece of memory that answers are written into while a journal keeps them.
const KEPT_FRAMES: usize = 64 << 10;

/// What others may know of a lane.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Milliseconds on the server's clock when the lane last scored its probes.
    pub probed_ms: AtomicU64,
    /// Rows that wait.
    pub waiting: AtomicU64,
    /// Requests turned away.
    pub shed: AtomicU64,
    /// Requests whose deadline passed while they waited.
    pub expired: AtomicU64,
}

/// One thread's lane.
pub struct Lane {
    view: View,
    desks: Vec<Desk>,
    queue: Queue,
    limits: Limits,
    ids: Ids,
    pace: Pace,
    pulse: Arc<Pulse>,
    frames: bytes::BytesMut,
    /// Where answered rows are remembered, if anywhere.
    pen: Option<Pen>,
    /// Goes round, so that not all who are refused come back at once.
    turn: Cell<u32>,
}

/// A bundle as this thread scores it.
struct Desk {
    served: Arc<Served>,
    worker: Worker,
}

/// A request as it came off a connection.
pub struct Arrival<'a> {
    /// The encoded message, without its gRPC frame.
    pub message: &'a Bytes,
    /// When it was whole.
    pub arrived: Instant,
    /// The earliest deadline known from the call itself.
    pub deadline: Option<Instant>,
    /// Where the answer goes.
    pub inbox: &'a Rc<Inbox>,
    /// Which answer of that connection it is.
    pub ticket: u64,
}

/// What hangs on an answer, and when it ceases to be of use.
fn terms(request: &ScoreRequestRef<'_>, now: Instant, deadline: Option<Instant>) -> (Stake, Option<Instant>) {
    let own = (request.timeout_us > 0).then(|| now.checked_add(Duration::from_micros(request.timeout_us))).flatten();
    let stake = match Stake::try_from(request.stake) {
        Ok(Stake::Unspecified) | Err(_) => Stake::Advise,
        Ok(stake) => stake,
    };
    (stake, own.into_iter().chain(deadline).min())
}

impl Lane {
    /// A lane over a registry's bundles.
    ///
    /// # Errors
    /// `INTERNAL` if a model session cannot be opened.
    pub fn new(registry: Arc<Registry>, limits: Limits, pulse: Arc<Pulse>) -> Result<Self, Failure> {
        let view = View::new(registry);
        let mut lane = Self {
            view,
            desks: Vec::new(),
            queue: Queue::default(),
            limits,
            ids: Ids::new(),
            pace: Pace::default(),
            pulse,
            frames: bytes::BytesMut::new(),
            pen: None,
            turn: Cell::new(0),
        };
        lane.settle()?;
        Ok(lane)
    }

    /// Remembers every row that is answered from now on.
    pub fn remember(&mut self, pen: Pen) {
        // Answers are then kept for a while, so one allocation has to do for many.
        self.frames = bytes::BytesMut::with_capacity(KEPT_FRAMES);
        self.pen = Some(pen);
    }

    /// Tells when [`Self::acknowledge`] has something to do; nothing where answers never wait for the disk.
    pub fn settled(&self) -> Option<Arc<Notify>> {
        self.pen.as_ref().and_then(Pen::settled)
    }

    /// Sends the answers that the disk has by now.
    pub fn acknowledge(&mut self) {
        if let Some(pen) = &mut self.pen {
            pen.settle();
        }
    }

    /// What others may know.
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// Whether anything waits.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes a request in, or says at once why not.
    ///
    /// # Errors
    /// The refusal, for the caller to send.
    pub fn take(&mut self, arrival: &Arrival<'_>) -> Result<(), Failure> {
        if self.view.refresh() {
            self.settle()?;
        }
        let request = ScoreRequestRef::decode(arrival.message)
            .map_err(|error| Failure::new(Code::InvalidArgument, Reason::BadRequest, format!("the request cannot be read: {error}")))?;
        ids::check(request.id)?;
        check_entity(request.entity)?;
        let desk = self.desk(request.bundle)?;
        let served = &self.desks[desk].served;
        let refused = |failure| {
            served.statistics.failed.fetch_add(1, Ordering::Relaxed);
            Err(failure)
        };
        if let RowRef::Packed(schema, _) = request.row
            && schema != served.schema
        {
            let message = format!("bundle {} has another schema than the row was packed by; describe it again", served.name);
            return refused(Failure::new(Code::FailedPrecondition, Reason::OtherSchema, message));
        }
        if request.row == RowRef::Absent {
            return refused(Failure::new(Code::InvalidArgument, Reason::BadRequest, "the request has no row; give packed or named values"));
        }
        let (stake, deadline) = terms(&request, arrival.arrived, arrival.deadline);
        if let Err(refusal) = self.admit(stake, arrival.message.len(), arrival.arrived, deadline, 0) {
            self.pulse.shed.fetch_add(1, Ordering::Relaxed);
            return refused(refusal.into());
        }
        self.queue.push(Waiting {
            message: arrival.message.clone(),
            desk,
            stake,
            arrived: arrival.arrived,
            deadline,
            place: Place::new(arrival.inbox.clone(), arrival.ticket),
        });
        self.pulse.waiting.store(self.queue.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Why a request at the door would be refused for want of time or room, and counts it as refused; nothing if it would not, or if
    /// anything else is to be said of it.
    pub fn turns_away(&mut self, asked: &Asked<'_>) -> Option<Refused> {
        let request = ScoreRequestRef::decode(asked.message).ok()?;
        let desk = self.desk(request.bundle).ok()?;
        let deadline = asked.timeout.and_then(|timeout| asked.since.checked_add(timeout));
        let (stake, deadline) = terms(&request, asked.since, deadline);
        // That it lay there for so long is a guess: at its worst there is no time left, and never that none was left before.
        let deadline = deadline.map(|deadline| deadline.max(asked.now + Duration::from_nanos(1)));
        let refused = self.admit(stake, asked.message.len(), asked.now, deadline, asked.rows).err()?;
        self.pulse.shed.fetch_add(1, Ordering::Relaxed);
        self.desks.get(desk)?.served.statistics.failed.fetch_add(1, Ordering::Relaxed);
        Some(refused)
    }

    /// Whether so much waits that looking closer at who comes is worth while.
    pub fn is_pressed(&self) -> bool {
        self.queue.len() >= PRESSED_ROWS
    }

    fn admit(&self, stake: Stake, bytes: usize, now: Instant, deadline: Option<Instant>, rows: usize) -> Result<(), Refused> {
        let predicted = self.pace.of_rows(self.queue.ahead_of(stake) + rows + 1);
        self.turn.set(self.turn.get().wrapping_add(13));
        self.limits.admit((self.queue.len() + rows, self.queue.bytes()), stake, bytes, predicted, now, deadline, self.turn.get())
    }

    /// The current catalog.
    pub fn catalog(&mut self) -> &Catalog {
        if self.view.refresh() && self.settle().is_err() {
            tracing::error!("a lane could not take over a bundle");
        }
        self.view.catalog()
    }

    fn desk(&self, name: &str) -> Result<usize, Failure> {
        match self.desks.as_slice() {
            [_] if name.is_empty() => Ok(0),
            desks => match desks.iter().position(|desk| desk.served.name == name) {
                Some(place) => Ok(place),
                // The catalog knows why not.
                None => match self.view.catalog().find(name) {
                    Err(failure) => Err(failure),
                    Ok(_) => Err(Failure::new(Code::Unavailable, Reason::NotReady, format!("bundle {name} is being taken over"))),
                },
            },
        }
    }

    /// Makes the desks those of the catalog. What waits runs first, by the bundles that it came for.
    fn settle(&mut self) -> Result<(), Failure> {
        while !self.queue.is_empty() {
            self.run();
        }
        let wanted = self.view.catalog().bundles().to_vec();
        let mut desks = Vec::with_capacity(wanted.len());
        for served in wanted {
            // A bundle that stays keeps its buffers.
            let same = self.desks.iter().position(|desk| Arc::ptr_eq(&desk.served, &served));
            if let Some(place) = same {
                desks.push(self.desks.swap_remove(place));
                continue;
            }
            desks.push(Desk { worker: served.worker()?, served });
        }
        for Desk { served, worker, .. } in std::mem::replace(&mut self.desks, desks) {
            served.retire(worker);
        }
        Ok(())
    }

    /// Scores every bundle's probe and tells the pulse; false if one came out otherwise than it should.
    pub fn probe(&mut self, now_ms: u64) -> bool {
        let right = self.desks.iter_mut().all(|desk| desk.served.probe(&mut desk.worker));
        if right {
            self.pulse.probed_ms.store(now_ms, Ordering::Relaxed);
        }
        right
    }
}
