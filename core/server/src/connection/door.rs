//! The door of a connection: what its caller sends passes here before HTTP/2 is made of it, and under pressure requests that the lane would
//! turn away are turned away here, for a tenth of what it costs to take them in and refuse them.
//!
//! A request is refused here only if it is there as a whole, in one piece, and its headers are, byte for byte, those of an earlier call that
//! was let through to the lane on this connection. The lane decides as it decides on all others, so its callers cannot tell the difference.
//! Everything else passes unread. HTTP/2 never hears of a refused call: its stream was idle and is closed when a later one begins.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};

use super::http2::{self, DATA, END_HEADERS, END_STREAM, HEAD, HEADERS, Head};

/// What a client says before its first frame.
const PREFACE: usize = 24;
/// Headers of so many bytes at most are remembered.
const BLOCK_BYTES: usize = 512;
/// So many different headers are remembered.
const BLOCKS: usize = 4;
/// So many calls with the same headers are remembered until one of them is known to go to the lane.
const STREAMS: usize = 256;
/// What may have lain unread for so long is looked at more closely, whatever waits in the lane.
const STALE: Duration = Duration::from_millis(2);
/// Refusals of so many bytes may wait to be sent before nothing more is read.
const UNSENT_BYTES: usize = 64 << 10;
/// Bytes that were read here and not by HTTP/2, before their room is given back to the caller.
const OWED_BYTES: usize = 64 << 10;

/// Who decides at the door.
pub trait Judge {
    /// Whether so much waits that requests may have to be turned away.
    fn is_pressed(&self) -> bool;

    /// Since when at most a request has lain in a socket that was empty when it was last looked at, then.
    fn came_after(&self, empty: Instant) -> Instant;

    /// Whether a message is turned away; if so, the refusal is written to `out` as a frame of its stream.
    fn turns_away(&self, asked: &Asked<'_>, stream: u32, out: &mut BytesMut) -> bool;
}

/// A request at the door.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The encoded message, without its gRPC frame.
    pub message: &'a [u8],
    /// Since when it may have been waiting to be read: a caller's time began to run then.
    pub since: Instant,
    /// Now.
    pub now: Instant,
    /// The time limit of its headers.
    pub timeout: Option<Duration>,
    /// Rows that were let pass before it and do not count as waiting yet.
    pub rows: usize,
}

/// A connection's door.
pub struct Door {
    judge: Rc<dyn Judge>,
    /// Bytes until the next frame begins; the frame that they belong to is passing.
    left: usize,
    passing: Passing,
    /// A frame's head of which not all has come.
    held: BytesMut,
    /// Calls whose headers are known.
    known: Vec<Known>,
    /// Headers of calls that went on, of which nobody has said yet where to.
    candidate: Option<Candidate>,
    /// The latest stream that HTTP/2 knows, and the latest that was refused here.
    passed: u32,
    refused: u32,
    /// Rows that were let pass since the lane was last asked.
    rows: usize,
    owed: usize,
    out: BytesMut,
    open: bool,
    /// When the socket was last found empty, and since when what is read now may have waited in it.
    empty: Instant,
    since: Option<Instant>,
}

#[derive(Debug, Default)]
enum Passing {
    #[default]
    Anything,
    /// Headers of a stream, in one frame, as far as they have come.
    Headers(u32, Vec<u8>),
    /// Nothing of it goes on.
    Dropped,
}

struct Candidate {
    block: Vec<u8>,
    streams: VecDeque<u32>,
}

struct Known {
    block: Vec<u8>,
    timeout: Option<Duration>,
}

impl Door {
    /// A door before the first byte.
    pub fn new(judge: Rc<dyn Judge>) -> Self {
        Self {
            judge,
            left: PREFACE,
            passing: Passing::Anything,
            held: BytesMut::new(),
            known: Vec::new(),
            candidate: None,
            passed: 0,
            refused: 0,
            rows: 0,
            owed: 0,
            out: BytesMut::new(),
            open: true,
            empty: Instant::now(),
            since: None,
        }
    }

    /// The lane has been asked about all that passed.
    pub fn turn(&mut self) {
        self.rows = 0;
    }

    /// A call with such headers goes to the lane, so others with the same ones may be refused here. `stream` is the one that showed them.
    pub fn learn(&mut self, stream: u32, timeout: Option<Duration>) {
        if let Some(Candidate { block, .. }) = self.candidate.take_if(|candidate| candidate.streams.contains(&stream)) {
            if self.known.len() == BLOCKS {
                self.known.remove(0);
            }
            self.known.push(Known { block, timeout });
        }
    }

    /// Refuses nothing from now on: what begins now is for HTTP/2 to judge.
    pub fn stand_open(&mut self) {
        self.open = false;
    }

    /// What is to be sent before anything else.
    pub fn unsent(&mut self) -> &mut BytesMut {
        &mut self.out
    }

    /// Whether so much is unsent that nothing more should be read.
    pub fn is_clogged(&self) -> bool {
        self.out.len() > UNSENT_BYTES
    }

    /// Nothing more is there to be read.
    pub fn found_empty(&mut self, now: Instant) {
        self.empty = now;
        self.since = None;
    }

    /// What was held back of the bytes before, to be put before the next ones.
    pub fn held(&mut self) -> &mut BytesMut {
        &mut self.held
    }

    /// Looks at bytes that came, and moves those that pass to the front; how many they are.
    pub fn sift(&mut self, bytes: &mut [u8], now: Instant) -> usize {
        let (mut at, mut kept) = (0, 0);
        let since = *self.since.get_or_insert_with(|| self.judge.came_after(self.empty));
        let pressed = self.open && !self.known.is_empty() && (self.judge.is_pressed() || now.saturating_duration_since(since) > STALE);
        while at < bytes.len() {
            let rest = &bytes[at..];
            let taken = if self.left > 0 {
                self.go_on(rest)
            } else {
                let Some((head, payload)) = Head::read(rest) else {
                    self.held.extend_from_slice(rest);
                    break;
                };
                if let Some(len) = self.refusable(head, payload, pressed.then_some(since), now) {
                    at += len;
                    continue;
                }
                self.begin(head, payload);
                HEAD
            };
            if !matches!(self.passing, Passing::Dropped) {
                bytes.copy_within(at..at + taken, kept);
                kept += taken;
            }
            at += taken;
            if self.left == 0 {
                self.end();
            }
        }
        kept
    }

    /// The length of a request that was refused.
    fn refusable(&mut self, head: Head, payload: &[u8], since: Option<Instant>, now: Instant) -> Option<usize> {
        let since = since?;
        if head.kind != HEADERS || head.flags != END_HEADERS || head.stream <= self.passed.max(self.refused) {
            return None;
        }
        let (block, rest) = payload.split_at_checked(head.len)?;
        let known = self.known.iter().find(|known| known.block == block)?;
        let (data, rest) = Head::read(rest)?;
        if (data.kind, data.flags, data.stream) != (DATA, END_STREAM, head.stream) {
            return None;
        }
        // gRPC's own head: not compressed, and a length.
        let ([0, length @ ..], message) = rest.get(..data.len)?.split_first_chunk::<5>()? else { return None };
        if u32::from_be_bytes(*length) as usize != message.len() {
            return None;
        }
        let asked = Asked { message, since, now, timeout: known.timeout, rows: self.rows };
        if !self.judge.turns_away(&asked, head.stream, &mut self.out) {
            self.rows += 1;
            return None;
        }
        self.refused = head.stream;
        self.owed += data.len;
        if self.owed >= OWED_BYTES {
            Head { len: 4, kind: http2::WINDOW, flags: 0, stream: 0 }.write(&mut self.out);
            self.out.extend_from_slice(&(self.owed as u32).to_be_bytes());
            self.owed = 0;
        }
        Some(2 * HEAD + head.len + data.len)
    }

    fn begin(&mut self, head: Head, payload: &[u8]) {
        self.left = head.len;
        let of_refused = head.stream > self.passed && head.stream <= self.refused;
        self.passing = match head.kind {
            // A last word on a call of which HTTP/2 never heard.
            http2::RESET | http2::WINDOW | http2::PRIORITY if of_refused => Passing::Dropped,
            HEADERS | http2::CONTINUATION => {
                self.passed = self.passed.max(head.stream);
                let whole = head.kind == HEADERS && head.flags & !END_STREAM == END_HEADERS;
                if whole && self.known.iter().any(|known| payload.get(..head.len) == Some(&known.block)) {
                    Passing::Anything
                } else if whole && head.len <= BLOCK_BYTES {
                    Passing::Headers(head.stream, Vec::new())
                } else {
                    self.forget();
                    Passing::Anything
                }
            }
            _ => Passing::Anything,
        };
    }

    fn go_on(&mut self, bytes: &[u8]) -> usize {
        let taken = self.left.min(bytes.len());
        self.left -= taken;
        if let Passing::Headers(_, block) = &mut self.passing {
            block.extend_from_slice(&bytes[..taken]);
        }
        taken
    }

    fn end(&mut self) {
        if let Passing::Headers(stream, block) = std::mem::take(&mut self.passing)
            && !self.known.iter().any(|known| known.block == block)
        {
            if http2::leaves_table(&block) {
                self.suppose(stream, block);
            } else {
                self.forget();
            }
        }
    }

    fn suppose(&mut self, stream: u32, block: Vec<u8>) {
        match &mut self.candidate {
            // Which of them HTTP/2 takes is its own affair.
            Some(candidate) if candidate.block == block => {
                if candidate.streams.len() == STREAMS {
                    candidate.streams.pop_front();
                }
                candidate.streams.push_back(stream);
            }
            _ => self.candidate = Some(Candidate { block, streams: [stream].into() }),
        }
    }

    /// The table has changed, and with it what bytes mean.
    fn forget(&mut self) {
        self.known.clear();
        self.candidate = None;
    }

    /// Takes what was sent off the front of what is unsent.
    pub fn sent(&mut self, bytes: usize) {
        self.out.advance(bytes.min(self.out.len()));
    }
}

#[cfg(test)]
#[path = "door_tests.rs"]
mod tests;
