//! Running what waits: one block of one bundle at a time, highest stake first, expired work never.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use sternpost_engine::violation;
use sternpost_engine::worker::Outcome;
use sternpost_wire::failure::{Failure, Reason};
use sternpost_wire::packed;
use sternpost_wire::reply::ScoreReplyRef;
use sternpost_wire::request::{RowRef, ScoreRequestRef};
use sternpost_wire::scoring::Source;
use tonic::Code;

use super::admission::Refused;
use super::queue::Waiting;
use super::{Answer, BLOCK_ROWS, Desk, Lane};
use crate::engine_failure;
use crate::remember::{Answered, Pen};

/// gRPC's own five bytes before every message: not compressed, and the length.
const FRAME: usize = 5;

/// How long blocks run one after the other before connections read and write again. Reading more while rows wait makes nobody's answer come
/// sooner, and every look at the connections costs what scoring a few rows does.
const STRETCH: Duration = Duration::from_micros(500);

impl Lane {
    /// Runs blocks until nothing waits or it is time to look at the connections, and answers their requests.
    pub fn run(&mut self) {
        let begun = Instant::now();
        let mut start = begun;
        while !self.queue.is_empty() && start - begun < STRETCH {
            self.run_block(start);
            start = Instant::now();
        }
        self.pace.ran(begun, start, self.queue.is_empty());
    }

    fn run_block(&mut self, start: Instant) {
        let mut block: [Option<Waiting>; BLOCK_ROWS] = [const { None }; BLOCK_ROWS];
        let mut rows = 0;
        let desk = self.queue.next_desk();
        while rows < BLOCK_ROWS && self.queue.next_desk() == desk {
            let Some(waiting) = self.queue.pop() else { break };
            if waiting.deadline.is_some_and(|deadline| deadline <= start) {
                self.pulse.expired.fetch_add(1, Ordering::Relaxed);
                if let Some(desk) = self.desks.get(waiting.desk) {
                    desk.served.statistics.failed.fetch_add(1, Ordering::Relaxed);
                }
                waiting.place.answer(Answer::Failure(Refused::Expired.into()));
                continue;
            }
            block[rows] = Some(waiting);
            rows += 1;
        }
        self.pulse.waiting.store(self.queue.len() as u64, Ordering::Relaxed);
        let Some(desk) = desk.and_then(|desk| self.desks.get_mut(desk)).filter(|_| rows > 0) else { return };
        self.pace.served(rows);
        score(desk, &mut self.ids, &mut self.frames, self.pen.as_mut(), &mut block[..rows], start);
    }
}

fn score(
    desk: &mut Desk,
    ids: &mut super::Ids,
    frames: &mut BytesMut,
    mut pen: Option<&mut Pen>,
    block: &mut [Option<Waiting>],
    start: Instant,
) {
    let Desk { served, worker } = desk;
    let scorer = &served.scorer;
    worker.workspace.reset(block.len());
    let mut torn = 0;
    for (row, place) in block.iter_mut().enumerate() {
        let Some(waiting) = place else { continue };
        let rows = &mut worker.workspace.rows;
        // Decoded when it was taken in; decoding borrows, so doing it again is cheaper than keeping it.
        let filled = match ScoreRequestRef::decode(&waiting.message).map(|request| request.row) {
            Ok(RowRef::Packed(_, values)) => packed::unpack(scorer.contract(), values, row, rows)
                .map_err(|error| Failure::new(Code::InvalidArgument, Reason::BadRequest, error.to_string())),
            Ok(RowRef::Named(values)) => super::named::unpack(scorer.contract(), values, row, rows),
            _ => Err(Failure::new(Code::InvalidArgument, Reason::BadRequest, "the request has no row")),
        };
        if let Err(failure) = filled {
            // Half a row stands there: out of the block with it.
            rows.findings.discard(row);
            torn += 1;
            served.statistics.failed.fetch_add(1, Ordering::Relaxed);
            if let Some(waiting) = place.take() {
                waiting.place.answer(Answer::Failure(failure));
            }
        }
    }
    let scored = scorer.score_block(worker);
    let took = start.elapsed();
    let end = start + took;
    let block_done = match scored {
        Ok(done) => done,
        Err(error) => {
            let failure = engine_failure::failure(&error);
            for waiting in block.iter_mut().filter_map(Option::take) {
                served.statistics.failed.fetch_add(1, Ordering::Relaxed);
                waiting.place.answer(Answer::Failure(failure.clone()));
            }
            return;
        }
    };
    let at_us = crate::clock::wall_us();
    let now_ms = at_us.unsigned_abs() / 1000;
    let refused = (block_done.len - block_done.kept.len()).saturating_sub(torn);
    served.statistics.run((block.len() - torn) as u64, refused as u64, took, now_ms);
    let mut outcomes = scorer.outcomes(&block_done).peekable();
    let block_rows = block.len() as u32;
    for (row, place) in block.iter_mut().enumerate() {
        let outcome = outcomes.next_if(|outcome| outcome.row == row);
        let Some(waiting) = place.take() else { continue };
        let unscored = outcome.is_some_and(|outcome| outcome.score.is_none());
        let mut reasons = Vec::new();
        if unscored || !block_done.marks.is_empty() {
            let marks = block_done.marks.iter().filter(|mark| mark.row == row).copied().chain(unscored.then_some(Outcome::NOT_FINITE));
            reasons = marks.map(|mark| violation::reason(scorer.contract(), scorer.feature_names(), &mark)).collect();
        }
        let score = outcome.and_then(|outcome| outcome.score);
        let classes = scorer.shape().and_then(|shape| shape.classes.as_deref()).unwrap_or_default();
        let given = ScoreRequestRef::decode(&waiting.message).map_or("", |request| request.id);
        let queued = start.saturating_duration_since(waiting.arrived);
        let reply = ScoreReplyRef {
            prediction_id: if given.is_empty() { ids.next(now_ms) } else { given },
            score,
            scores: outcome.map_or(&[], |outcome| outcome.scores),
            label: outcome.and_then(|outcome| outcome.class).and_then(|class| classes.get(class)).map_or("", String::as_str),
            action: scorer.policy().action(score).unwrap_or_default(),
            binding: false,
            source: if score.is_some() { Source::Model } else { Source::None },
            rung: served.rung,
            reasons: &reasons,
            digest: served.digest(),
            queue_ns: queued.as_nanos() as u64,
            score_ns: took.as_nanos() as u64,
            block_rows,
        };
        served.statistics.answer(queued, end.saturating_duration_since(waiting.arrived));
        let frame = framed(frames, &reply);
        match &mut pen {
            None => waiting.place.answer(Answer::Reply(frame)),
            Some(pen) => {
                let Waiting { message: request, place, .. } = waiting;
                pen.answer(Answered { served: served.clone(), request, reply: frame, at_us }, place);
            }
        }
    }
}

/// A reply as one gRPC frame. The buffer is handed out piece by piece and taken back when the pieces are gone.
fn framed(frames: &mut BytesMut, reply: &ScoreReplyRef<'_>) -> bytes::Bytes {
    frames.reserve(512);
    frames.put_bytes(0, FRAME);
    reply.encode(frames);
    let len = (frames.len() - FRAME) as u32;
    frames[1..FRAME].copy_from_slice(&len.to_be_bytes());
    frames.split().freeze()
}
