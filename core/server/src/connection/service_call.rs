//! Calls that the services answer: health, reflection, the Open Inference Protocol, Flight, descriptions. Each is a task of its own, ended
//! when its caller goes away or its time is over.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use sternpost_wire::failure::{Failure, Reason as Why};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower_service::Service;

use super::body::{Incoming, Limits};
use super::head;
use crate::refusal::draining;
use crate::traces::Begun;

/// Answers one call.
pub async fn serve(
    routes: Routes,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    deadline: Option<Instant>,
    limits: Limits,
    trace: Option<Box<Begun>>,
) {
    let (parts, stream) = request.into_parts();
    let incoming = Incoming::new(stream, limits);
    let cut = incoming.cut();
    let request = Request::from_parts(parts, Body::new(incoming));
    let answered = {
        let answer = answer(routes, request, &mut respond, &cut);
        match deadline {
            None => answer.await,
            // A service that is quick would still answer, but nobody waits any more.
            Some(deadline) if deadline <= Instant::now() => Err(None),
            Some(deadline) => tokio::time::timeout_at(deadline.into(), answer).await.unwrap_or(Err(None)),
        }
    };
    match answered {
        Ok(code) => {
            if let Some(trace) = trace {
                trace.ended(code);
            }
        }
        // Too late: before the headers that can still be said; after them only the stream can be cut.
        Err(None) => {
            if let Some(trace) = trace {
                trace.ended(Code::DeadlineExceeded);
            }
            let failure = Failure::new(Code::DeadlineExceeded, Why::Deadline, "the deadline passed before the answer was complete");
            if respond.send_response(head::refusal(failure), true).is_err() {
                respond.send_reset(Reason::CANCEL);
            }
        }
        Err(Some(reason)) => respond.send_reset(reason),
    }
}

/// The code that was sent. `Err(None)` is reserved for the deadline.
async fn answer(
    mut routes: Routes,
    request: Request<Body>,
    respond: &mut SendResponse<Bytes>,
    cut: &AtomicBool,
) -> Result<Code, Option<Reason>> {
    let response = {
        let mut call = pin!(routes.call(request));
        poll_fn(|cx| {
            // A caller that went away wants nothing any more.
            if let std::task::Poll::Ready(reset) = respond.poll_reset(cx) {
                return std::task::Poll::Ready(Err(Some(reset.unwrap_or(Reason::CANCEL))));
            }
            call.as_mut().poll(cx).map(|response| response.map_err(|never| match never {}))
        })
        .await?
    };
    let (parts, mut body) = response.into_parts();
    let at_once = body.is_end_stream();
    let early = code(&parts.headers);
    let mut stream = respond.send_response(Response::from_parts(parts, ()), at_once).map_err(|_| Some(Reason::CANCEL))?;
    if at_once {
        return Ok(early);
    }
    loop {
        let frame = poll_fn(|cx| {
            if stream.poll_reset(cx).is_ready() {
                return std::task::Poll::Ready(None);
            }
            std::pin::Pin::new(&mut body).poll_frame(cx).map(Some)
        });
        match frame.await {
            None => return Err(Some(Reason::CANCEL)),
            Some(None) => return stream.send_data(Bytes::new(), true).map(|()| early).map_err(|_| Some(Reason::CANCEL)),
            Some(Some(Err(_))) => return Err(Some(Reason::INTERNAL_ERROR)),
            Some(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => send(&mut stream, data).await?,
                Err(frame) => {
                    let mut trailers = frame.into_trailers().unwrap_or_default();
                    // A service that takes the end of its caller's words for his wish says that all is well, and more may be under way.
                    if cut.load(Ordering::Relaxed) && trailers.get(Status::GRPC_STATUS).is_some_and(|code| code == "0") {
                        trailers = head::failed(draining());
                    }
                    let told = code(&trailers);
                    return stream.send_trailers(trailers).map(|()| told).map_err(|_| Some(Reason::CANCEL));
                }
            },
        }
    }
}

fn code(headers: &HeaderMap) -> Code {
    headers.get(Status::GRPC_STATUS).map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

/// Sends as the other side makes room, so that a slow reader holds up its own call and no memory.
async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), Option<Reason>> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = match stream.capacity() {
            0 => match poll_fn(|cx| stream.poll_capacity(cx)).await {
                Some(Ok(room)) => room,
                _ => return Err(Some(Reason::CANCEL)),
            },
            room => room,
        };
        let piece = data.split_to(room.min(data.len()));
        stream.send_data(piece, false).map_err(|_| Some(Reason::CANCEL))?;
    }
    Ok(())
}
