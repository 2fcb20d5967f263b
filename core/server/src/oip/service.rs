//! The service: each call of the protocol, in a line or two.

use std::sync::Arc;
use std::time::Instant;

use sternpost_wire::failure::Failure;
use sternpost_wire::inference as oip;
use sternpost_wire::inference::grpc_inference_service_server::GrpcInferenceService;
use tonic::{Code, Request, Response, Status, Streaming};

use super::infer::{Context, infer, number};
use super::stream::{Replies, replies};
use super::{describe, repository, stats};
use crate::catalog::Registry;
use crate::deadline::{Arrived, asked, earliest};
use crate::hands::Hands;
use crate::operator::Operator;
use crate::refusal::unsupported;
use crate::scoring::Scoring;

/// Where numbers of a response stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TypedResponse {
    /// In typed contents if the request's did, else raw.
    #[default]
    Mirror,
    /// Always raw.
    Raw,
}

/// What an operator may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Where numbers of a response stand.
    pub typed_response: TypedResponse,
    /// Most rows of a request.
    pub max_rows: usize,
    /// Most requests of one stream that are worked on at a time, at least two.
    pub stream_in_flight: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { typed_response: TypedResponse::Mirror, max_rows: 1 << 20, stream_in_flight: 32 }
    }
}

/// What the service works with.
pub struct Parts {
    /// What is served.
    pub registry: Arc<Registry>,
    /// Who scores.
    pub scoring: Arc<dyn Scoring>,
    /// Who reads and writes large messages.
    pub hands: Arc<dyn Hands>,
    /// Who may change what is served.
    pub operator: Arc<dyn Operator>,
    /// Whether the server as a whole is ready.
    pub ready: Box<dyn Fn() -> bool + Send + Sync>,
    /// What was set.
    pub options: Options,
}

/// The protocol's service.
#[derive(Clone)]
pub struct Inference(Arc<Parts>);

type Answer<T> = Result<Response<T>, Status>;

fn answer<T>(result: Result<T, Failure>) -> Answer<T> {
    result.map(Response::new).map_err(Status::from)
}

impl Inference {
    /// A service of parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The parts, for a stream that outlives the call.
    pub(super) fn parts(&self) -> Arc<Parts> {
        self.0.clone()
    }

    /// Whether a bundle can answer: an unknown name is an error, a known one that cannot answer is not.
    fn model_is_ready(&self, name: &str, version: &str) -> Result<bool, Failure> {
        let version = number(version)?;
        match self.0.registry.catalog().find(name) {
            Ok(served) => Ok(version.is_none_or(|version| version == served.version)),
            Err(failure) if failure.code == Code::Unavailable => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    fn statistics(&self, name: &str, version: &str) -> Result<Vec<oip::ModelStatistics>, Failure> {
        if name.is_empty() {
            return Ok(self.0.registry.catalog().bundles().iter().map(|served| stats::of(served)).collect());
        }
        Ok(vec![stats::of(self.0.find(name, version)?.as_ref())])
    }

    async fn load(&self, request: oip::RepositoryModelLoadRequest) -> Result<oip::RepositoryModelLoadResponse, Failure> {
        let name = repository::target(&request.repository_name, &request.model_name, &request.parameters, &[])?;
        self.0.operator.load(name).await?;
        Ok(oip::RepositoryModelLoadResponse { model_name: name.to_owned(), is_loaded: true })
    }

    async fn unload(&self, request: oip::RepositoryModelUnloadRequest) -> Result<oip::RepositoryModelUnloadResponse, Failure> {
        // No bundle depends on another, so whether dependents go along does not matter.
        let name = repository::target(&request.repository_name, &request.model_name, &request.parameters, &["unload_dependents"])?;
        self.0.operator.unload(name).await?;
        Ok(oip::RepositoryModelUnloadResponse { model_name: name.to_owned(), is_unloaded: true })
    }
}

/// When a call was whole and when it is over.
fn context<T>(request: &Request<T>) -> Context {
    let arrived = request.extensions().get::<Arrived>().map_or_else(Instant::now, |Arrived(arrived)| *arrived);
    Context { arrived, deadline: earliest(arrived, [asked(request.metadata().as_ref())]) }
}

fn no_shared_memory<T>() -> Answer<T> {
    Err(unsupported("memory of clients is not mapped; send tensors in the message").into())
}

fn no_settings(is_read: bool) -> Result<(), Status> {
    if is_read { Ok(()) } else { Err(unsupported("settings cannot be changed through this protocol").into()) }
}

#[tonic::async_trait]
impl GrpcInferenceService for Inference {
    type ModelStreamInferStream = Replies;

    async fn server_live(&self, _: Request<oip::ServerLiveRequest>) -> Answer<oip::ServerLiveResponse> {
        answer(Ok(oip::ServerLiveResponse { live: true }))
    }

    async fn server_ready(&self, _: Request<oip::ServerReadyRequest>) -> Answer<oip::ServerReadyResponse> {
        answer(Ok(oip::ServerReadyResponse { ready: (self.0.ready)() }))
    }

    async fn model_ready(&self, request: Request<oip::ModelReadyRequest>) -> Answer<oip::ModelReadyResponse> {
        let request = request.into_inner();
        answer(self.model_is_ready(&request.name, &request.version).map(|ready| oip::ModelReadyResponse { ready }))
    }

    async fn server_metadata(&self, _: Request<oip::ServerMetadataRequest>) -> Answer<oip::ServerMetadataResponse> {
        answer(Ok(describe::server()))
    }

    async fn model_metadata(&self, request: Request<oip::ModelMetadataRequest>) -> Answer<oip::ModelMetadataResponse> {
        let request = request.into_inner();
        answer(self.0.find(&request.name, &request.version).map(|served| describe::metadata(&served)))
    }

    async fn model_infer(&self, request: Request<oip::ModelInferRequest>) -> Answer<oip::ModelInferResponse> {
        let context = context(&request);
        answer(infer(&self.0, request.into_inner(), context).await)
    }

    async fn model_stream_infer(&self, request: Request<Streaming<oip::ModelInferRequest>>) -> Answer<Replies> {
        let deadline = context(&request).deadline;
        answer(Ok(replies(self.parts(), request.into_inner(), deadline)))
    }

    async fn model_config(&self, request: Request<oip::ModelConfigRequest>) -> Answer<oip::ModelConfigResponse> {
        let request = request.into_inner();
        let config = self.0.find(&request.name, &request.version).map(|served| describe::config(&served, self.0.options.max_rows));
        answer(config.map(|config| oip::ModelConfigResponse { config: Some(config) }))
    }

    async fn model_statistics(&self, request: Request<oip::ModelStatisticsRequest>) -> Answer<oip::ModelStatisticsResponse> {
        let request = request.into_inner();
        answer(self.statistics(&request.name, &request.version).map(|model_stats| oip::ModelStatisticsResponse { model_stats }))
    }

    async fn repository_index(&self, request: Request<oip::RepositoryIndexRequest>) -> Answer<oip::RepositoryIndexResponse> {
        let index = repository::index(&self.0.registry.catalog(), request.get_ref());
        answer(index.map(|models| oip::RepositoryIndexResponse { models }))
    }

    async fn repository_model_load(&self, request: Request<oip::RepositoryModelLoadRequest>) -> Answer<oip::RepositoryModelLoadResponse> {
        answer(self.load(request.into_inner()).await)
    }

    async fn repository_model_unload(
        &self,
        request: Request<oip::RepositoryModelUnloadRequest>,
    ) -> Answer<oip::RepositoryModelUnloadResponse> {
        answer(self.unload(request.into_inner()).await)
    }

    async fn system_shared_memory_status(
        &self,
        _: Request<oip::SystemSharedMemoryStatusRequest>,
    ) -> Answer<oip::SystemSharedMemoryStatusResponse> {
        answer(Ok(oip::SystemSharedMemoryStatusResponse::default()))
    }

    async fn system_shared_memory_register(
        &self,
        _: Request<oip::SystemSharedMemoryRegisterRequest>,
    ) -> Answer<oip::SystemSharedMemoryRegisterResponse> {
        no_shared_memory()
    }

    async fn system_shared_memory_unregister(
        &self,
        _: Request<oip::SystemSharedMemoryUnregisterRequest>,
    ) -> Answer<oip::SystemSharedMemoryUnregisterResponse> {
        no_shared_memory()
    }

    async fn cuda_shared_memory_status(
        &self,
        _: Request<oip::CudaSharedMemoryStatusRequest>,
    ) -> Answer<oip::CudaSharedMemoryStatusResponse> {
        answer(Ok(oip::CudaSharedMemoryStatusResponse::default()))
    }

    async fn cuda_shared_memory_register(
        &self,
        _: Request<oip::CudaSharedMemoryRegisterRequest>,
    ) -> Answer<oip::CudaSharedMemoryRegisterResponse> {
        no_shared_memory()
    }

    async fn cuda_shared_memory_unregister(
        &self,
        _: Request<oip::CudaSharedMemoryUnregisterRequest>,
    ) -> Answer<oip::CudaSharedMemoryUnregisterResponse> {
        no_shared_memory()
    }

    async fn trace_setting(&self, request: Request<oip::TraceSettingRequest>) -> Answer<oip::TraceSettingResponse> {
        no_settings(request.get_ref().settings.is_empty())?;
        answer(Ok(oip::TraceSettingResponse::default()))
    }

    async fn log_settings(&self, request: Request<oip::LogSettingsRequest>) -> Answer<oip::LogSettingsResponse> {
        no_settings(request.get_ref().settings.is_empty())?;
        answer(Ok(oip::LogSettingsResponse::default()))
    }
}
