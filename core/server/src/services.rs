//! Everything that is not a row, as services beside each other on the same port.

use std::sync::Arc;

use sternpost_wire::inference::grpc_inference_service_server::GrpcInferenceServiceServer;
use sternpost_wire::scoring::scoring_server::{Scoring as ScoringService, ScoringServer};
use sternpost_wire::scoring::{Column, DescribeReply, DescribeRequest, ReportReply, ReportRequest, ScoreReply, ScoreRequest};
use sternpost_wire::{DESCRIPTORS, failure};
use tokio_stream::Empty;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_health::pb::health_server::HealthServer;

use crate::batch::Pool;
use crate::catalog::{Registry, Served};
use crate::clock::wall_us;
use crate::config::Config;
use crate::flight::{self, Flight};
use crate::health::Health;
use crate::health_service::Board;
use crate::ipc;
use crate::oip::{self, Inference, Options, TypedResponse};
use crate::operator::Operator;
use crate::remember::{self, Journal};

/// What the services answer from.
pub struct Parts {
    /// What the server was told.
    pub config: Arc<Config>,
    /// What is served.
    pub registry: Arc<Registry>,
    /// Who changes what is served.
    pub operator: Arc<dyn Operator>,
    /// Who scores tables.
    pub pool: Arc<Pool>,
    /// Whether the server is well.
    pub health: Health,
    /// Where callers read that.
    pub board: Board,
    /// What is remembered, if anything.
    pub journal: Option<Arc<Journal>>,
}

/// The services.
pub fn routes(parts: Parts) -> Result<Routes, tonic_reflection::server::Error> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let Parts { config, registry, operator, pool, health: state, board, journal } = parts;
    let most = config.message_bytes;
    let descriptions = ScoringServer::new(Descriptions { registry: registry.clone(), journal })
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Deflate)
        .max_decoding_message_size(most);
    let limits = flight::Limits {
        message_bytes: most,
        idle: config.idle,
        tables: ipc::Limits { rows: config.batch_rows, ..ipc::Limits::default() },
        ..flight::Limits::default()
    };
    let tables = Flight::new(registry.clone(), pool.clone(), pool.clone(), limits).into_server();
    let typed_response = if config.mirror_typed { TypedResponse::Mirror } else { TypedResponse::Raw };
    let options = Options { typed_response, max_rows: config.batch_rows, ..Options::default() };
    let ready = Box::new(move || state.trouble().is_none());
    let inference = GrpcInferenceServiceServer::new(Inference::new(oip::Parts {
        registry,
        scoring: pool.clone(),
        hands: pool,
        operator,
        ready,
        options,
    }))
    .accept_compressed(CompressionEncoding::Gzip)
    .accept_compressed(CompressionEncoding::Deflate)
    .max_decoding_message_size(most)
    .max_encoding_message_size(usize::MAX);
    let routes = Routes::new(HealthServer::new(board))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(descriptions)
        .add_service(inference)
        .add_service(tables);
    Ok(routes)
}

struct Descriptions {
    registry: Arc<Registry>,
    journal: Option<Arc<Journal>>,
}

/// What a bundle expects and gives.
fn description(served: &Served) -> DescribeReply {
    use sternpost_engine::contract::Kind;
    let scorer = &served.scorer;
    let column = |column: &sternpost_engine::contract::Column| Column {
        name: column.name.clone(),
        r#type: column.kind.name().to_owned(),
        nullable: column.nullable,
        unit: column.unit.clone().unwrap_or_default(),
        labels: match &column.kind {
            Kind::Category { labels, .. } => labels.labels().to_vec(),
            _ => Vec::new(),
        },
    };
    DescribeReply {
        bundle: served.name.clone(),
        digest: served.digest().to_owned(),
        schema: served.schema,
        columns: scorer.contract().columns.iter().map(column).collect(),
        task: scorer.shape().map_or("", |shape| shape.task.word()).to_owned(),
        classes: scorer.shape().and_then(|shape| shape.classes.clone()).unwrap_or_default(),
        actions: scorer.policy().actions().map(str::to_owned).collect(),
        features: scorer.feature_names().to_vec(),
        rung: served.rung.into(),
        contract: scorer.contract_json().to_owned(),
        server: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

#[tonic::async_trait]
impl ScoringService for Descriptions {
    type ScoreStreamStream = Empty<Result<ScoreReply, Status>>;

    async fn describe(&self, request: Request<DescribeRequest>) -> Result<Response<DescribeReply>, Status> {
        let catalog = self.registry.catalog();
        let served = catalog.find(&request.get_ref().bundle)?;
        Ok(Response::new(description(served)))
    }

    async fn score(&self, _: Request<ScoreRequest>) -> Result<Response<ScoreReply>, Status> {
        Err(misled())
    }

    async fn score_stream(&self, _: Request<Streaming<ScoreRequest>>) -> Result<Response<Self::ScoreStreamStream>, Status> {
        Err(misled())
    }

    async fn report(&self, request: Request<ReportRequest>) -> Result<Response<ReportReply>, Status> {
        let Some(journal) = &self.journal else {
            let message = "this server keeps no journal, so there is no prediction to add an outcome to; start it with --journal";
            return Err(failure::Failure::new(Code::FailedPrecondition, failure::Reason::Unsupported, message).into());
        };
        journal.keep(remember::read(request.into_inner(), wall_us())?).await?;
        Ok(Response::new(ReportReply {}))
    }
}

/// Rows take the lane, before services are asked.
fn misled() -> Status {
    crate::engine_failure::internal("a row came to the services").into()
}
