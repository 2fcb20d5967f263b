//! One gRPC call on an HTTP/2 connection: messages out, messages in, and the status at its end.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, TE, USER_AGENT};
use http::{Method, Request, StatusCode, Version};
use sternpost_wire::failure::Failure;
use tonic::{Code, Status};

use crate::error::Trouble;
use crate::frame::Incoming;

/// What every call on a connection says about itself.
#[derive(Debug, Clone)]
pub struct Manner {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The host's name.
    pub authority: String,
    /// What stands in `authorization`.
    pub token: Option<HeaderValue>,
}

/// An open call.
pub struct Duplex {
    send: SendStream<Bytes>,
    reply: Reply,
    incoming: Incoming,
}

enum Reply {
    Awaited(ResponseFuture),
    Open(RecvStream),
}

impl Duplex {
    /// Starts a call of the method at `path`.
    ///
    /// # Errors
    /// [`Trouble::Broken`] if the connection takes no more calls.
    pub async fn open(requests: &mut SendRequest<Bytes>, manner: &Manner, path: &str, timeout: Option<Duration>) -> Result<Self, Trouble> {
        poll_fn(|cx| requests.poll_ready(cx)).await.map_err(Trouble::broken)?;
        let mut request = Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(format!("{}://{}{path}", manner.scheme, manner.authority))
            .header(TE, HeaderValue::from_static("trailers"))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
            .header(USER_AGENT, HeaderValue::from_static(concat!("sternpost/", env!("CARGO_PKG_VERSION"))));
        if let Some(token) = &manner.token {
            request = request.header(AUTHORIZATION, token);
        }
        if let Some(timeout) = timeout {
            request = request.header("grpc-timeout", grpc_timeout(timeout));
        }
        let request = request.body(()).map_err(Trouble::broken)?;
        let (response, send) = requests.send_request(request, false).map_err(Trouble::broken)?;
        Ok(Self { send, reply: Reply::Awaited(response), incoming: Incoming::default() })
    }

    /// Sends a framed message; what the other side has no room for yet waits in memory.
    ///
    /// # Errors
    /// [`Trouble::Broken`] if the call is over.
    pub fn send(&mut self, frame: Bytes, last: bool) -> Result<(), Trouble> {
        self.send.send_data(frame, last).map_err(Trouble::broken)
    }

    /// Says that no more messages will be sent.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn finish(&mut self) -> Result<(), Trouble> {
        self.send(Bytes::new(), true)
    }

    /// The next message of at most `limit` bytes; nothing when the call ended well.
    ///
    /// # Errors
    /// [`Trouble::Said`] when it ended with a status, [`Trouble::Broken`] when it did not end as calls do.
    pub async fn next(&mut self, limit: usize) -> Result<Option<Bytes>, Trouble> {
        loop {
            if let Some(message) = self.incoming.next(limit)? {
                return Ok(Some(message));
            }
            match &mut self.reply {
                Reply::Awaited(response) => {
                    let response = response.await.map_err(Trouble::broken)?;
                    if let Some(status) = Status::from_header_map(response.headers()) {
                        return ended(&status);
                    }
                    if response.status() != StatusCode::OK {
                        return Err(Trouble::broken(format!("the server answered with HTTP status {}", response.status())));
                    }
                    self.reply = Reply::Open(response.into_body());
                }
                Reply::Open(body) => match body.data().await {
                    Some(Ok(piece)) => {
                        // The peer may send as much again. An error here means that the connection ends, and then `data` says so.
                        let _ = body.flow_control().release_capacity(piece.len());
                        self.incoming.push(&piece);
                    }
                    Some(Err(error)) => return Err(Trouble::broken(error)),
                    None => {
                        let trailers = body.trailers().await.map_err(Trouble::broken)?;
                        let status = trailers.as_ref().and_then(Status::from_header_map);
                        return match status {
                            Some(status) if status.code() == Code::Ok && self.incoming.is_cut_short() => {
                                Err(Trouble::broken("the call ended inside of a message"))
                            }
                            Some(status) => ended(&status),
                            None => Err(Trouble::broken("the call ended without a status")),
                        };
                    }
                },
            }
        }
    }
}

fn ended(status: &Status) -> Result<Option<Bytes>, Trouble> {
    match status.code() {
        Code::Ok => Ok(None),
        _ => Err(Trouble::Said(Failure::from_status(status))),
    }
}

/// A time limit as the header's value: at most eight digits and a unit; rounded down, so that the server never has more than we do.
fn grpc_timeout(limit: Duration) -> String {
    const MOST: u128 = 99_999_999;
    if limit.as_micros() <= MOST {
        format!("{}u", limit.as_micros())
    } else if limit.as_millis() <= MOST {
        format!("{}m", limit.as_millis())
    } else {
        format!("{}S", u128::from(limit.as_secs()).min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_limit_has_at_most_eight_digits() {
        for (limit, text) in [
            (Duration::from_nanos(1_999), "1u"),
            (Duration::from_secs(99), "99000000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(1_000_000), "1000000S"),
            (Duration::MAX, "99999999S"),
        ] {
            assert_eq!(grpc_timeout(limit), text);
        }
    }
}
