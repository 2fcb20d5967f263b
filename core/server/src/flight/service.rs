//! The service as tonic calls it.

use std::sync::Arc;
use std::time::Instant;

use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse, PollInfo,
    PutResult, SchemaResult, Ticket,
};
use sternpost_wire::failure::Failure;
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Iter, iter};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::Limits;
use super::answer::{Summary, Written};
use super::describe;
use super::order::Order;
use super::session::Session;
use crate::catalog::Registry;
use crate::deadline::{asked, earliest};
use crate::engine_failure::internal;
use crate::hands::Hands;
use crate::refusal::unsupported;
use crate::scoring::Scoring;

/// Answers that wait for their reader, beside what the connection itself holds.
const ANSWERS: usize = 1;

/// Flight over the bundles of a registry.
pub struct Flight {
    registry: Arc<Registry>,
    scoring: Arc<dyn Scoring>,
    hands: Arc<dyn Hands>,
    limits: Limits,
}

type Listed<T> = Iter<std::vec::IntoIter<Result<T, Status>>>;

impl Flight {
    /// A service that finds bundles in `registry`, has their rows scored by `scoring` and large messages read and written by `hands`.
    pub fn new(registry: Arc<Registry>, scoring: Arc<dyn Scoring>, hands: Arc<dyn Hands>, limits: Limits) -> Self {
        Self { registry, scoring, hands, limits }
    }

    /// The same, to be added to tonic's routes.
    pub fn into_server(self) -> FlightServiceServer<Self> {
        let limit = self.limits.message_bytes;
        FlightServiceServer::new(self).max_decoding_message_size(limit)
    }

    fn session(&self, metadata: &MetadataMap) -> Session {
        let deadline = earliest(Instant::now(), [asked(metadata.as_ref())]);
        let (registry, scoring, hands) = (self.registry.clone(), self.scoring.clone(), self.hands.clone());
        Session { registry, scoring, hands, limits: self.limits, deadline }
    }

    fn described<T>(
        &self,
        request: &Request<FlightDescriptor>,
        describe: impl FnOnce(&crate::catalog::Served) -> Result<T, Failure>,
    ) -> Result<Response<T>, Status> {
        let order = Order::read(Some(request.get_ref()))?;
        Ok(Response::new(describe(self.registry.catalog().find(&order.bundle)?)?))
    }
}

/// Lets a stream run and sends what ends it early as its status. It has a task of its own, so that not even a panic ends a stream as if it
/// were complete.
fn spawn<T: Send + 'static>(work: impl Future<Output = Result<(), Failure>> + Send + 'static, out: Sender<Result<T, Status>>) {
    tokio::spawn(async move {
        let ended = tokio::spawn(work).await.unwrap_or_else(|error| Err(internal(&error.to_string())));
        if let Err(failure) = ended {
            // Nobody there: the caller went away meanwhile.
            let _ = out.send(Err(failure.into())).await;
        }
    });
}

#[tonic::async_trait]
impl FlightService for Flight {
    type HandshakeStream = Listed<HandshakeResponse>;
    type ListFlightsStream = Listed<FlightInfo>;
    type DoGetStream = Listed<FlightData>;
    type DoPutStream = ReceiverStream<Result<PutResult, Status>>;
    type DoExchangeStream = ReceiverStream<Result<FlightData, Status>>;
    type DoActionStream = Listed<arrow_flight::Result>;
    type ListActionsStream = Listed<ActionType>;

    async fn do_exchange(&self, request: Request<Streaming<FlightData>>) -> Result<Response<Self::DoExchangeStream>, Status> {
        let session = self.session(request.metadata());
        let (out, answers) = channel(ANSWERS);
        let batches = Written::new(out.clone(), self.hands.clone());
        spawn(session.run(request.into_inner(), batches), out);
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>, Status> {
        let session = self.session(request.metadata());
        let (out, answers) = channel(ANSWERS);
        spawn(session.run(request.into_inner(), Summary::new(out.clone())), out);
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn list_flights(&self, _: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        let bundles = self.registry.catalog();
        let listed: Vec<_> = bundles.bundles().iter().map(|served| describe::info(served).map_err(Status::from)).collect();
        Ok(Response::new(iter(listed)))
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        self.described(&request, describe::info)
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        self.described(&request, |served| Ok(SchemaResult { schema: describe::schema_message(served)?.0 }))
    }

    async fn list_actions(&self, _: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        Ok(Response::new(iter(Vec::new())))
    }

    async fn handshake(&self, _: Request<Streaming<HandshakeRequest>>) -> Result<Response<Self::HandshakeStream>, Status> {
        Err(unsupported("there is no handshake; a credential travels in the header of every call").into())
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        Err(unsupported("nothing here takes long enough to be polled; call GetFlightInfo").into())
    }

    async fn do_get(&self, _: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        Err(unsupported("nothing is stored here; send rows with DoExchange and read their scores").into())
    }

    async fn do_action(&self, _: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        Err(unsupported("there are no actions; score rows with DoExchange").into())
    }
}
