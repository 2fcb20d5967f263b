//! A connection with its bytes on the way in and out.

use crate::options::Options;
use crate::protocol::{Call, Done, Protocol};
use crate::rows::Rows;
use crate::socket::Socket;

const ROOM: usize = 256 * 1024;

pub struct Link {
    socket: Socket,
    protocol: Protocol,
    out: Vec<u8>,
    input: Vec<u8>,
    filled: usize,
    /// Why the connection ended, if it did.
    ended: Option<String>,
    /// Calls on their way.
    pub busy: usize,
    /// Nothing is sent before this.
    pub paused_until: u64,
}

impl Link {
    /// Connects and says hello.
    pub fn connect(options: &Options, longest: usize, blocking: bool) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("{}: {error}", options.target);
        let socket = Socket::connect(&options.target, blocking).map_err(told)?;
        let mut link = Self {
            socket,
            protocol: Protocol::new(options, longest),
            out: Vec::new(),
            input: vec![0; ROOM],
            filled: 0,
            ended: None,
            busy: 0,
            paused_until: 0,
        };
        link.protocol.start(&mut link.out);
        link.flush(&mut Vec::new());
        Ok(link)
    }

    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    pub fn ended(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    /// Whether it may be asked for more calls at all.
    pub fn is_usable(&self) -> bool {
        self.ended.is_none() && self.protocol.is_usable()
    }

    /// Whether a call can leave now.
    pub fn has_room(&self, now: u64) -> bool {
        self.ended.is_none() && now >= self.paused_until && self.out.len() < ROOM && self.protocol.has_room()
    }

    /// Bytes that the socket did not take yet.
    pub fn is_stuck(&self) -> bool {
        !self.out.is_empty() && self.ended.is_none()
    }

    /// Writes a call for the next flush.
    pub fn send(&mut self, call: Call, rows: &Rows) -> u32 {
        self.busy += 1;
        self.protocol.send(call, rows, &mut self.out)
    }

    /// Gives a call up, if it has not ended.
    pub fn cancel(&mut self, name: u32) -> Option<Call> {
        let call = self.protocol.cancel(name, &mut self.out)?;
        self.busy -= 1;
        Some(call)
    }

    /// Hands what was written to the socket.
    pub fn flush(&mut self, done: &mut Vec<Done>) {
        let mut written = 0;
        while written < self.out.len() && self.ended.is_none() {
            match self.socket.write(&self.out[written..]) {
                Ok(Some(count)) => written += count,
                Ok(None) => break,
                Err(error) => self.end(error.to_string(), done),
            }
        }
        self.out.drain(..written);
    }

    /// Reads once; what ended is appended to `done`.
    pub fn read(&mut self, done: &mut Vec<Done>) {
        let before = done.len();
        if self.ended.is_some() {
            return;
        }
        if self.filled == self.input.len() {
            self.input.resize(2 * self.filled, 0);
        }
        match self.socket.read(&mut self.input[self.filled..]) {
            Ok(Some(0)) => self.end("closed by the server".to_owned(), done),
            Ok(Some(count)) => {
                self.filled += count;
                match self.protocol.take(&self.input[..self.filled], &mut self.out, done) {
                    Ok(taken) => {
                        self.input.copy_within(taken..self.filled, 0);
                        self.filled -= taken;
                    }
                    Err(error) => self.end(error, done),
                }
            }
            Ok(None) => {}
            Err(error) => self.end(error.to_string(), done),
        }
        self.busy -= done.len() - before;
    }

    fn end(&mut self, why: String, done: &mut Vec<Done>) {
        self.ended.get_or_insert(why);
        self.protocol.gone(done);
    }
}
