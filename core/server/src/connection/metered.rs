//! A stream that hands out only so much at a time, so that one connection with a full socket cannot keep its thread from all others, nor all of
//! them together keep the lane from answering.

use std::cell::Cell;
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What may still be read in this turn.
#[derive(Debug, Default)]
pub struct Meter {
    left: Cell<usize>,
    starved: Cell<bool>,
}

impl Meter {
    /// Lets so many bytes in, to the end of the read that reaches it.
    pub fn allow(&self, bytes: usize) {
        self.left.set(bytes);
        self.starved.set(false);
    }

    /// Whether something was kept waiting. Nobody is woken for that; the connection has to come back by itself.
    pub fn is_starved(&self) -> bool {
        self.starved.get()
    }
}

/// A stream under a meter.
#[derive(Debug)]
pub struct Metered<T> {
    io: T,
    meter: Rc<Meter>,
}

impl<T> Metered<T> {
    /// A stream and the meter that it reads under.
    pub fn new(io: T, meter: Rc<Meter>) -> Self {
        Self { io, meter }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if self.meter.left.get() == 0 {
            self.meter.starved.set(true);
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        let bytes = buf.filled().len().saturating_sub(before);
        self.meter.left.set(self.meter.left.get().saturating_sub(bytes));
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_with_the_read_that_reaches_the_bound() {
        let meter = Rc::new(Meter::default());
        let mut metered = Metered::new([7u8; 100].as_slice(), meter.clone());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut turn = |allowed: usize| {
            meter.allow(allowed);
            let mut read = 0;
            loop {
                let mut bytes = [0; 30];
                let mut buf = ReadBuf::new(&mut bytes);
                match Pin::new(&mut metered).poll_read(&mut cx, &mut buf) {
                    Poll::Ready(Ok(())) if !buf.filled().is_empty() => read += buf.filled().len(),
                    _ => return (read, meter.is_starved()),
                }
            }
        };
        assert_eq!(turn(31), (60, true));
        assert_eq!(turn(1000), (40, false));
    }
}
