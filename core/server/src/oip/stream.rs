//! The stream of requests: answered in their order, several at a time, one failure at a time.
//!
//! A reader takes the next request only when there is room for its reply, so a client that does not read is not read from. When the client
//! goes away everything of its stream that still runs is dropped.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Instant;

use sternpost_wire::failure::Failure;
use sternpost_wire::inference::{ModelInferRequest, ModelInferResponse, ModelStreamInferResponse};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use super::infer::{Context, infer};
use super::service::Parts;

/// What the reader hands over, in the order of the requests.
enum Item {
    Reply(JoinHandle<ModelStreamInferResponse>),
    /// The stream itself failed.
    End(Status),
}

/// The replies of one stream.
pub struct Replies {
    items: mpsc::Receiver<Item>,
    current: Option<JoinHandle<ModelStreamInferResponse>>,
    reader: AbortHandle,
}

/// Answers a stream of requests; `deadline` is that of the whole call.
pub fn replies<S>(parts: Arc<Parts>, requests: S, deadline: Option<Instant>) -> Replies
where
    S: Stream<Item = Result<ModelInferRequest, Status>> + Send + Unpin + 'static,
{
    // One more is in the hands of `Replies`.
    let (sender, items) = mpsc::channel(parts.options.stream_in_flight.saturating_sub(1).max(1));
    let reader = tokio::spawn(read(parts, requests, deadline, sender)).abort_handle();
    Replies { items, current: None, reader }
}

async fn read<S>(parts: Arc<Parts>, mut requests: S, deadline: Option<Instant>, sender: mpsc::Sender<Item>)
where
    S: Stream<Item = Result<ModelInferRequest, Status>> + Send + Unpin + 'static,
{
    while let Ok(room) = sender.reserve().await {
        match requests.next().await {
            Some(Ok(request)) => {
                let context = Context { arrived: Instant::now(), deadline };
                room.send(Item::Reply(tokio::spawn(reply(parts.clone(), request, context))));
            }
            Some(Err(status)) => {
                room.send(Item::End(status));
                return;
            }
            None => return,
        }
    }
}

async fn reply(parts: Arc<Parts>, request: ModelInferRequest, context: Context) -> ModelStreamInferResponse {
    let (name, id) = (request.model_name.clone(), request.id.clone());
    match infer(&parts, request, context).await {
        Ok(response) => ModelStreamInferResponse { error_message: String::new(), infer_response: Some(response) },
        Err(failure) => {
            // The empty response tells which request it was.
            let response = ModelInferResponse { model_name: name, id, ..ModelInferResponse::default() };
            ModelStreamInferResponse { error_message: told(failure), infer_response: Some(response) }
        }
    }
}

/// Never empty: an empty error is none.
fn told(failure: Failure) -> String {
    if failure.message.is_empty() { failure.reason.word().to_owned() } else { failure.message }
}

impl Stream for Replies {
    type Item = Result<ModelStreamInferResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(current) = &mut this.current {
                let reply = ready!(Pin::new(current).poll(context));
                this.current = None;
                let reply = reply.unwrap_or_else(|error| {
                    let failure = crate::engine_failure::internal(&format!("a request of a stream ended early: {error}"));
                    ModelStreamInferResponse { error_message: failure.message, infer_response: None }
                });
                return Poll::Ready(Some(Ok(reply)));
            }
            match ready!(this.items.poll_recv(context)) {
                Some(Item::Reply(reply)) => this.current = Some(reply),
                Some(Item::End(status)) => return Poll::Ready(Some(Err(status))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        self.reader.abort();
        self.items.close();
        if let Some(reply) = self.current.take() {
            reply.abort();
        }
        while let Ok(item) = self.items.try_recv() {
            if let Item::Reply(reply) = item {
                reply.abort();
            }
        }
    }
}
