//! What a call's headers say: where it goes, until when, and who sends it.

use std::cell::RefCell;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use sternpost_wire::failure::Failure;
use tonic::Status;

use crate::deadline;

/// Where a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// One row, one answer: the lane.
    Score,
    /// Rows as they come: the lane.
    ScoreStream,
    /// Everything else: the services.
    Service,
}

const SCORE: &str = "/sternpost.v1.Scoring/Score";
/// One request of the Open Inference Protocol.
pub const INFER: &str = "/inference.GRPCInferenceService/ModelInfer";
const SCORE_STREAM: &str = "/sternpost.v1.Scoring/ScoreStream";
const TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
const OK: HeaderValue = HeaderValue::from_static("0");

impl Way {
    /// Where a path goes.
    pub fn of(path: &str) -> Self {
        match path {
            SCORE => Self::Score,
            SCORE_STREAM => Self::ScoreStream,
            _ => Self::Service,
        }
    }
}

/// Whether a service reads messages from a call for as long as the caller likes; of all others the one message comes at once.
pub fn streams(path: &str) -> bool {
    matches!(
        path,
        "/inference.GRPCInferenceService/ModelStreamInfer"
            | "/arrow.flight.protocol.FlightService/DoExchange"
            | "/arrow.flight.protocol.FlightService/DoPut"
            | "/arrow.flight.protocol.FlightService/Handshake"
    ) || path.starts_with("/grpc.reflection.")
}

/// Refuses what is not gRPC, with the HTTP status that the protocol names.
pub fn check<T>(request: &Request<T>) -> Result<(), StatusCode> {
    if request.method() != Method::POST {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    // Nothing, a message format or a parameter may follow; other letters make it another protocol, such as gRPC-Web.
    let is_grpc = match kind.and_then(|kind| kind.strip_prefix(b"application/grpc")) {
        Some([] | [b'+' | b';' | b' ', ..]) => true,
        Some(_) | None => false,
    };
    if is_grpc { Ok(()) } else { Err(StatusCode::UNSUPPORTED_MEDIA_TYPE) }
}

/// The call's deadline, if it has one.
pub fn deadline(headers: &HeaderMap, now: Instant) -> Option<Instant> {
    deadline::earliest(now, [deadline::asked(headers)])
}

/// Headers of an answer.
pub fn answer() -> Response<()> {
    let mut response = Response::new(());
    response.headers_mut().reserve(1);
    response.headers_mut().insert(header::CONTENT_TYPE, TYPE);
    response
}

/// Trailers of a call that went well.
pub fn fine() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, OK);
    trailers
}

/// Trailers of a call that did not.
pub fn failed(failure: Failure) -> HeaderMap {
    KNOWN.with_borrow_mut(|known| {
        if let Some((_, trailers)) = known.iter().find(|(same, _)| *same == failure) {
            return trailers.clone();
        }
        let trailers = encoded(failure.clone());
        if known.len() == SAME {
            known.remove(0);
        }
        known.push((failure, trailers.clone()));
        trailers
    })
}

/// Failures whose trailers are kept.
const SAME: usize = 8;

thread_local! {
    /// Under pressure the same refusals are sent again and again.
    static KNOWN: RefCell<Vec<(Failure, HeaderMap)>> = const { RefCell::new(Vec::new()) };
}

fn encoded(failure: Failure) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(4);
    if Status::from(failure).add_header(&mut trailers).is_err() {
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("13"));
    }
    trailers
}

/// Headers of a call that failed before anything was answered.
pub fn refusal(failure: Failure) -> Response<()> {
    let mut response = answer();
    response.headers_mut().extend(failed(failure));
    response
}

/// An answer to what is not gRPC.
pub fn plain(status: StatusCode) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_that_begin_alike_are_not_grpc() {
        let checked = |kind: &str| check(&Request::post("/").header(header::CONTENT_TYPE, kind).body(()).unwrap());
        for kind in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8", "application/grpc ; q=1"] {
            assert_eq!(checked(kind), Ok(()), "{kind}");
        }
        for kind in ["application/grpc-web", "application/grpc-web+proto", "application/grpcx", "application/json", ""] {
            assert_eq!(checked(kind), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{kind}");
        }
    }
}
