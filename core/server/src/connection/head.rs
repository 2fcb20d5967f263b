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

/// Refuses what is not gRPC, with the HTTP status that the protocol names.
pub fn check<T>(request: &Request<T>) -> Result<(), StatusCode> {
    if request.method() != Method::POST {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let is_grpc = request.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
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
    KNOWN.with_borrow_mut(|known| match known {
        Some((same, trailers)) if *same == failure => trailers.clone(),
        _ => known.insert((failure.clone(), encoded(failure))).1.clone(),
    })
}

thread_local! {
    /// Under pressure the same refusal is sent again and again.
    static KNOWN: RefCell<Option<(Failure, HeaderMap)>> = const { RefCell::new(None) };
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
