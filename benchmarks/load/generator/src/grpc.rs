//! One gRPC connection as its client sees it: calls on streams of their own, or rows on long-lived ones.

use std::collections::{HashMap, VecDeque};

use crate::frames::{self, Frame};
use crate::heads::{self, Head, Heads};
use crate::options::{Call as Kind, Options};
use crate::protocol::{Call, Done, End};
use crate::reply::{self, Answer};
use crate::rows::Rows;

const WINDOW: u32 = 0x7fff_ffff;
const FIRST_WINDOW: u32 = 65_535;
// Bytes read before the server is given as many more.
const RENEW: u32 = 1 << 29;
const UNKNOWN: u16 = 2;

#[derive(Default)]
struct Stream {
    calls: VecDeque<Call>,
    /// The beginning of a message that a frame did not end.
    partial: Vec<u8>,
    answer: Answer,
    http: Option<u16>,
    window: i64,
    read: u32,
}

pub struct Grpc {
    kind: Kind,
    first: Vec<u8>,
    next: Vec<u8>,
    headed: bool,
    heads: Heads,
    /// Bytes that a window must have for any row.
    need: i64,
    open: HashMap<u32, Stream>,
    /// Long-lived streams, the one to be used next in front.
    lanes: VecDeque<u32>,
    next_stream: u32,
    window: i64,
    first_window: i64,
    most: usize,
    wanted: usize,
    read: u32,
    leaving: bool,
    block: Option<(u32, u8, Vec<u8>)>,
}

impl Grpc {
    pub fn new(options: &Options, longest: usize) -> Self {
        let (first, next) = heads::requests(options.call, options.deadline_ms.filter(|_| options.call != Kind::Stream));
        Self {
            kind: options.call,
            first,
            next,
            headed: false,
            heads: Heads::new(),
            need: longest as i64 + 5,
            open: HashMap::new(),
            lanes: VecDeque::new(),
            next_stream: 1,
            window: i64::from(FIRST_WINDOW),
            first_window: i64::from(FIRST_WINDOW),
            most: usize::MAX,
            wanted: options.streams,
            read: 0,
            leaving: false,
            block: None,
        }
    }

    pub fn start(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(frames::PREFACE);
        // ENABLE_PUSH 0, INITIAL_WINDOW_SIZE as large as it may be.
        frames::put(frames::SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff], out);
        frames::put(frames::WINDOW, 0, 0, &(WINDOW - FIRST_WINDOW).to_be_bytes(), out);
        if self.kind == Kind::Stream {
            for _ in 0..self.wanted {
                let lane = self.open_stream(out);
                self.lanes.push_back(lane);
            }
        }
    }

    pub fn is_usable(&self) -> bool {
        !self.leaving && (self.kind != Kind::Stream || !self.lanes.is_empty())
    }

    pub fn has_room(&self) -> bool {
        let stream = |lane: &u32| self.open.get(lane).is_some_and(|stream| stream.window >= self.need);
        let here = if self.kind == Kind::Stream { self.lanes.front().is_some_and(stream) } else { self.open.len() < self.most };
        here && self.is_usable() && self.window >= self.need
    }

    pub fn send(&mut self, call: Call, rows: &Rows, out: &mut Vec<u8>) -> u32 {
        let body = rows.body(call.row);
        let (name, flags) = if self.kind == Kind::Stream {
            self.lanes.rotate_left(1);
            (self.lanes.back().copied().unwrap_or_default(), 0)
        } else {
            (self.open_stream(out), frames::END_STREAM)
        };
        frames::put_message(name, flags, body, out);
        let size = 5 + body.len() as i64;
        self.window -= size;
        if let Some(stream) = self.open.get_mut(&name) {
            stream.window -= size;
            stream.calls.push_back(call);
        }
        name
    }

    pub fn cancel(&mut self, name: u32, out: &mut Vec<u8>) -> Option<Call> {
        if self.kind == Kind::Stream {
            return None;
        }
        let call = self.open.remove(&name)?.calls.pop_front();
        frames::put(frames::RESET, 0, name, &frames::CANCEL.to_be_bytes(), out);
        call
    }

    pub fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>, done: &mut Vec<Done>) -> Result<usize, String> {
        let mut taken = 0;
        while let Some((frame, length)) = Frame::first(&bytes[taken..]) {
            self.frame(&frame, out, done)?;
            taken += length;
        }
        Ok(taken)
    }

    pub fn gone(&mut self, done: &mut Vec<Done>) {
        self.leaving = true;
        for (_, stream) in self.open.drain() {
            done.extend(stream.calls.into_iter().map(|call| Done::without_answer(call, End::Lost)));
        }
    }

    fn open_stream(&mut self, out: &mut Vec<u8>) -> u32 {
        let name = self.next_stream;
        self.next_stream += 2;
        frames::put(frames::HEADERS, frames::END_HEADERS, name, if self.headed { &self.next } else { &self.first }, out);
        self.headed = true;
        self.open.insert(name, Stream { window: self.first_window, ..Stream::default() });
        name
    }

    fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>, done: &mut Vec<Done>) -> Result<(), String> {
        match frame.kind {
            frames::DATA => self.data(frame, out, done),
            frames::HEADERS if frame.flags & frames::END_HEADERS == 0 => {
                self.block = Some((frame.stream, frame.flags, frame.content().to_vec()));
            }
            frames::HEADERS => self.head(frame.stream, frame.flags, frame.content(), done)?,
            frames::CONTINUATION => {
                let (stream, flags, mut block) = self.block.take().ok_or("the server continues headers that it did not begin")?;
                block.extend_from_slice(frame.payload);
                match frame.flags & frames::END_HEADERS {
                    0 => self.block = Some((stream, flags, block)),
                    _ => self.head(stream, flags, &block, done)?,
                }
            }
            frames::RESET => {
                let end = if frame.number(0) == frames::REFUSED { End::NotTaken } else { End::Lost };
                self.end(frame.stream, end, None, done);
            }
            frames::SETTINGS if frame.flags & frames::ACK == 0 => self.settings(frame.payload, out),
            frames::PING if frame.flags & frames::ACK == 0 => frames::put(frames::PING, frames::ACK, 0, frame.payload, out),
            frames::GOAWAY => {
                self.leaving = true;
                let last = frame.number(0);
                let after: Vec<u32> = self.open.keys().copied().filter(|stream| *stream > last).collect();
                after.into_iter().for_each(|stream| self.end(stream, End::NotTaken, None, done));
            }
            frames::WINDOW => {
                let more = i64::from(frame.number(0));
                match frame.stream {
                    0 => self.window += more,
                    stream => self.open.get_mut(&stream).into_iter().for_each(|stream| stream.window += more),
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn data(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>, done: &mut Vec<Done>) {
        let size = frame.payload.len() as u32;
        renew(0, &mut self.read, size, out);
        if let Some(stream) = self.open.get_mut(&frame.stream) {
            if self.kind == Kind::Stream {
                renew(frame.stream, &mut stream.read, size, out);
            }
            stream.messages(self.kind, frame.content(), done);
        }
        if frame.flags & frames::END_STREAM != 0 {
            self.end(frame.stream, End::Status(UNKNOWN), None, done);
        }
    }

    fn head(&mut self, stream: u32, flags: u8, block: &[u8], done: &mut Vec<Done>) -> Result<(), String> {
        let Head { http, grpc, pushback } = self.heads.read(block)?;
        let Some(open) = self.open.get_mut(&stream) else { return Ok(()) };
        open.http = http.or(open.http);
        if flags & frames::END_STREAM != 0 {
            let status = grpc.or(open.http.filter(|http| *http != 200)).unwrap_or(UNKNOWN);
            self.end(stream, End::Status(status), pushback, done);
        }
        Ok(())
    }

    fn end(&mut self, stream: u32, end: End, pushback: Option<i64>, done: &mut Vec<Done>) {
        let Some(ended) = self.open.remove(&stream) else { return };
        self.lanes.retain(|lane| *lane != stream);
        // Rows that wait on a stream whose end is "OK" have no answer either.
        let end = if self.kind == Kind::Stream && end == End::Status(0) { End::Lost } else { end };
        done.extend(ended.calls.into_iter().map(|call| Done { call, end, answer: ended.answer, pushback }));
    }

    fn settings(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        for setting in payload.chunks_exact(6) {
            let value = u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]);
            match setting[1] {
                3 => self.most = value as usize,
                4 => {
                    let more = i64::from(value) - self.first_window;
                    self.first_window = i64::from(value);
                    self.open.values_mut().for_each(|stream| stream.window += more);
                }
                _ => {}
            }
        }
        frames::put(frames::SETTINGS, frames::ACK, 0, &[], out);
    }
}

impl Stream {
    /// Reads the messages of a frame, whole or in parts.
    fn messages(&mut self, kind: Kind, content: &[u8], done: &mut Vec<Done>) {
        let joined;
        let mut content = content;
        if !self.partial.is_empty() {
            self.partial.extend_from_slice(content);
            joined = std::mem::take(&mut self.partial);
            content = &joined;
        }
        while let Some(([_, length @ ..], rest)) = content.split_first_chunk::<5>() {
            let Some((message, rest)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize) else { break };
            content = rest;
            self.answer = reply::read(kind, message);
            if kind == Kind::Stream
                && let Some(call) = self.calls.pop_front()
            {
                done.push(Done { call, end: End::Status(self.answer.failure.unwrap_or(0)), answer: self.answer, pushback: None });
            }
        }
        self.partial = content.to_vec();
    }
}

fn renew(stream: u32, read: &mut u32, size: u32, out: &mut Vec<u8>) {
    *read += size;
    if *read >= RENEW {
        frames::put(frames::WINDOW, 0, stream, &read.to_be_bytes(), out);
        *read = 0;
    }
}

#[cfg(test)]
#[path = "grpc_tests.rs"]
mod tests;
