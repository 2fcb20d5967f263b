//! A stream that hands out only so much at a time, so that one connection with a full socket cannot keep its thread from all others, nor all of
//! them together keep the lane from answering. What it reads passes the connection's door; what the door says is written between two frames.

use std::cell::{Cell, RefCell};
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::door::Door;
use super::http2::Boundaries;

/// Bytes that are read at once.
const READ: usize = 16 << 10;

/// Bytes that were refused at the door count for so much less than others.
const CHEAPER: usize = 16;

thread_local! {
    /// Where all connections of a thread read: what is there passes on before the next one's turn.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// What may still be read in this turn, and the door.
pub struct Meter {
    left: Cell<usize>,
    starved: Cell<bool>,
    came: Cell<bool>,
    /// What is at the door.
    pub door: RefCell<Door>,
}

impl Meter {
    /// A meter that lets everything in.
    pub fn new(door: Door) -> Self {
        Self { left: Cell::new(usize::MAX), starved: Cell::default(), came: Cell::default(), door: RefCell::new(door) }
    }

    /// Lets so many bytes in, to the end of the read that reaches it.
    pub fn allow(&self, bytes: usize) {
        self.left.set(bytes);
        self.starved.set(false);
    }

    /// Whether anything came since this was last asked.
    pub fn came(&self) -> bool {
        self.came.take()
    }

    /// Whether something was kept waiting. Nobody is woken for that; the connection has to come back by itself.
    pub fn is_starved(&self) -> bool {
        self.starved.get() && !self.door.borrow().is_clogged()
    }
}

/// A stream under a meter.
pub struct Metered<T> {
    io: T,
    meter: Rc<Meter>,
    /// What has passed the door and was not asked for yet.
    passed: BytesMut,
    written: Boundaries,
}

impl<T> Metered<T> {
    /// A stream and the meter that it reads under.
    pub fn new(io: T, meter: Rc<Meter>) -> Self {
        Self { io, meter, passed: BytesMut::new(), written: Boundaries::default() }
    }
}

impl<T: AsyncRead + Unpin> Metered<T> {
    /// Reads once; true at the end of the stream.
    fn read(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<Result<bool>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut door = self.meter.door.borrow_mut();
            let held = door.held().len();
            let Some((front, back)) = scratch.split_at_mut_checked(held) else { return Poll::Ready(Ok(true)) };
            front.copy_from_slice(door.held());
            let mut buf = ReadBuf::new(back);
            let Poll::Ready(came) = Pin::new(&mut self.io).poll_read(cx, &mut buf) else {
                door.found_empty(Instant::now());
                return Poll::Pending;
            };
            came?;
            let (read, full) = (buf.filled().len(), buf.remaining() == 0);
            door.held().clear();
            if read == 0 {
                return Poll::Ready(Ok(true));
            }
            self.meter.came.set(true);
            let now = Instant::now();
            let kept = door.sift(&mut scratch[..held + read], now);
            if !full {
                door.found_empty(now);
            }
            // What went no further cost little.
            let cost = kept + (held + read - kept) / CHEAPER;
            self.meter.left.set(self.meter.left.get().saturating_sub(cost));
            let asked = kept.min(out.remaining());
            out.put_slice(&scratch[..asked]);
            self.passed.extend_from_slice(&scratch[asked..kept]);
            Poll::Ready(Ok(false))
        })
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buf.filled().len();
        loop {
            if !self.passed.is_empty() {
                let now = self.passed.len().min(buf.remaining());
                buf.put_slice(&self.passed[..now]);
                self.passed.advance(now);
                if self.passed.is_empty() {
                    // Ten thousand idle connections hold nothing.
                    self.passed = BytesMut::new();
                }
            }
            if buf.filled().len() > before || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if self.meter.left.get() == 0 || self.meter.door.borrow().is_clogged() {
                self.meter.starved.set(true);
                return Poll::Pending;
            }
            // Everything that came may have been kept at the door.
            if ready!(self.read(cx, buf))? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> Metered<T> {
    /// Sends what the door has to say, if a frame may stand here.
    fn poll_door(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.written.is_between() {
            let mut door = self.meter.door.borrow_mut();
            if door.unsent().is_empty() {
                break;
            }
            let sent = ready!(Pin::new(&mut self.io).poll_write(cx, door.unsent()))?;
            if sent == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            door.sent(sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        ready!(self.poll_door(cx))?;
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.written.pass(&buf[..written.min(buf.len())]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_door(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_door(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        ready!(self.poll_door(cx))?;
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs))?;
        let mut left = written;
        for buf in bufs {
            let here = left.min(buf.len());
            self.written.pass(&buf[..here]);
            left -= here;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::super::door::{Asked, Judge};
    use super::*;

    struct Calm;

    impl Judge for Calm {
        fn is_pressed(&self) -> bool {
            false
        }

        fn came_after(&self, empty: Instant) -> Instant {
            empty
        }

        fn turns_away(&self, _: &Asked<'_>, _: u32, _: &mut BytesMut) -> bool {
            false
        }
    }

    #[test]
    fn a_turn_ends_with_the_read_that_reaches_the_bound() {
        let meter = Rc::new(Meter::new(Door::new(Rc::new(Calm))));
        let mut metered = Metered::new([7u8; 3 * READ - 5].as_slice(), meter.clone());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut turn = |allowed: usize| {
            meter.allow(allowed);
            let mut read = 0;
            loop {
                let mut bytes = [0; 3000];
                let mut buf = ReadBuf::new(&mut bytes);
                match Pin::new(&mut metered).poll_read(&mut cx, &mut buf) {
                    Poll::Ready(Ok(())) if !buf.filled().is_empty() => read += buf.filled().len(),
                    _ => return (read, meter.is_starved()),
                }
            }
        };
        assert_eq!(turn(READ + 1), (2 * READ, true));
        assert_eq!(turn(2 * READ), (READ - 5, false));
    }
}
