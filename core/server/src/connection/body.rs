//! A call's incoming data as the body that the services read; what they have read makes room for more. A message that says it is too large
//! ends the call before its bytes come, and a stream from which nothing is on its way ends with the server.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};
use sternpost_wire::failure::{Failure, Reason};
use tokio::sync::watch;
use tokio::time::Sleep;
use tonic::{Code, Status};

use crate::refusal::draining;

/// The data of one call.
pub struct Incoming {
    stream: RecvStream,
    data_done: bool,
    sizes: Sizes,
    /// When a request that has to come at once is given up.
    given_up: Option<Pin<Box<Sleep>>>,
    /// When the server is about to end.
    leaving: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    cut: Arc<AtomicBool>,
}

/// What a call's data may ask for.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a message.
    pub message_bytes: usize,
    /// Time for all of it; nothing for a call that goes on as long as its caller likes.
    pub patience: Option<Duration>,
    /// Turns true when a call that waits for its caller alone is to end; nothing for a call whose one message comes at once.
    pub leaving: Option<watch::Receiver<bool>>,
}

/// Follows gRPC's frames through the data, however it is cut, and looks at nothing but their lengths.
struct Sizes {
    most: usize,
    head: [u8; HEAD],
    /// Bytes of the head that have come.
    known: usize,
    /// Bytes of the message that have not.
    left: usize,
}

const HEAD: usize = 5;

impl Sizes {
    fn new(most: usize) -> Self {
        Self { most, head: [0; HEAD], known: 0, left: 0 }
    }

    /// Whether part of a message has come and the rest has not.
    fn is_within(&self) -> bool {
        self.known > 0 || self.left > 0
    }

    fn pass(&mut self, mut data: &[u8]) -> Result<(), Failure> {
        while !data.is_empty() {
            if self.left > 0 {
                let taken = self.left.min(data.len());
                self.left -= taken;
                data = &data[taken..];
                continue;
            }
            let taken = (HEAD - self.known).min(data.len());
            let (head, rest) = data.split_at(taken);
            self.head[self.known..self.known + taken].copy_from_slice(head);
            self.known += taken;
            data = rest;
            if self.known == HEAD {
                let [_, length @ ..] = self.head;
                self.left = u32::from_be_bytes(length) as usize;
                self.known = 0;
                if self.left > self.most {
                    let message = format!("a message of {} bytes is larger than the {} that are taken here", self.left, self.most);
                    return Err(Failure::new(Code::ResourceExhausted, Reason::TooLarge, message).retry_after(-1));
                }
            }
        }
        Ok(())
    }
}

impl Incoming {
    /// The body behind a received stream.
    pub fn new(stream: RecvStream, limits: Limits) -> Self {
        let given_up = limits.patience.map(|patience| Box::pin(tokio::time::sleep(patience)));
        let leaving = limits.leaving.map(|mut leaving| {
            let told = async move {
                // A server that is gone is about to end as well.
                let _ = leaving.wait_for(|leaving| *leaving).await;
            };
            Box::pin(told) as Pin<Box<dyn Future<Output = ()> + Send>>
        });
        Self { stream, data_done: false, sizes: Sizes::new(limits.message_bytes), given_up, leaving, cut: Arc::default() }
    }

    /// Turns true when the body is ended because the server is.
    pub fn cut(&self) -> Arc<AtomicBool> {
        self.cut.clone()
    }

    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.cut.load(Ordering::Relaxed) && self.leaving.as_mut().is_some_and(|leaving| leaving.as_mut().poll(cx).is_ready()) {
            self.leaving = None;
            self.cut.store(true, Ordering::Relaxed);
        }
        self.cut.load(Ordering::Relaxed) && !self.sizes.is_within()
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let broken = |error: h2::Error| Status::cancelled(format!("the request broke off: {error}"));
        if !self.data_done {
            let Poll::Ready(data) = self.stream.poll_data(cx) else {
                if self.given_up.as_mut().is_some_and(|given_up| given_up.as_mut().poll(cx).is_ready()) {
                    let failure = Failure::new(Code::DeadlineExceeded, Reason::Deadline, "the request was not complete in time");
                    return Poll::Ready(Some(Err(failure.into())));
                }
                if self.is_cut(cx) {
                    return Poll::Ready(Some(Err(draining().into())));
                }
                return Poll::Pending;
            };
            match data {
                Some(Ok(data)) => {
                    // Fails only for more than was received.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    let passed = self.sizes.pass(&data);
                    return Poll::Ready(Some(passed.map(|()| Frame::data(data)).map_err(Status::from)));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(broken(error)))),
                None => self.data_done = true,
            }
        }
        Poll::Ready(match std::task::ready!(self.stream.poll_trailers(cx)) {
            Ok(Some(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(None) => None,
            Err(error) => Some(Err(broken(error))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_seen_however_it_is_cut() {
        let frame = |length: u32, bytes: usize| [&[0], length.to_be_bytes().as_slice(), &vec![0xff; bytes]].concat();
        let fine = [frame(3, 3), frame(0, 0), frame(10, 10)].concat();
        let large = [fine.clone(), frame(11, 0)].concat();
        for step in 1..=large.len() {
            let all = |bytes: &[u8]| {
                let mut sizes = Sizes::new(10);
                bytes.chunks(step).try_for_each(|piece| sizes.pass(piece))
            };
            assert_eq!(all(&fine), Ok(()), "in pieces of {step}");
            let refused = all(&large).unwrap_err();
            assert_eq!((refused.code, refused.reason, refused.retry_after_ms), (Code::ResourceExhausted, Reason::TooLarge, Some(-1)));
        }
    }
}
