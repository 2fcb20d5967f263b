use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use sternpost_wire::failure::{Failure, Reason};
use sternpost_wire::inference as oip;
use sternpost_wire::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use sternpost_wire::inference::grpc_inference_service_server::GrpcInferenceServiceServer;
use sternpost_wire::inference::infer_parameter::ParameterChoice;
use sternpost_wire::scoring::Stake;
use tonic::{Code, Request, Status};

use super::super::service::{Options, TypedResponse};
use super::{Counting, World, asked, input, parameter, request, typed, world};
use crate::catalog::Trouble;
use crate::scoring::Timing;

pub type Client = GrpcInferenceServiceClient<GrpcInferenceServiceServer<super::Inference>>;

/// A client of the service with every message encoded and decoded, but no connection between.
pub fn client(world: &World) -> Client {
    GrpcInferenceServiceClient::new(GrpcInferenceServiceServer::new(world.inference.clone()))
}

fn plain() -> World {
    world("binary", Counting::default(), Options::default())
}

fn code<T: std::fmt::Debug>(result: Result<T, Status>) -> Code {
    result.unwrap_err().code()
}

fn whole(response: &oip::ModelInferResponse, name: &str) -> i64 {
    match response.parameters[name].parameter_choice {
        Some(ParameterChoice::Int64Param(number)) => number,
        ref other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test]
async fn raw_rows_are_scored() {
    let world = plain();
    let response = client(&world).model_infer(request(3)).await.unwrap().into_inner();
    assert_eq!((response.model_name.as_str(), response.model_version.as_str(), response.id.as_str()), ("ride", "1", "r1"));
    let scores: Vec<_> = response.raw_output_contents[0].chunks(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(scores, [0.5, 1.5, 2.5]);
    assert_eq!(response.parameters["binding"], parameter(ParameterChoice::BoolParam(false)));
    assert_eq!(response.parameters["rung"], parameter(ParameterChoice::StringParam("advise".to_owned())));
    assert_eq!(response.parameters["digest"], parameter(ParameterChoice::StringParam("d1gest".to_owned())));
    assert_eq!(whole(&response, "batch_rows"), 3);
    assert!(whole(&response, "queue_us") >= 0 && whole(&response, "infer_us") >= 0);
    assert!(!response.parameters.contains_key("triton_final_response"));
}

#[tokio::test]
async fn a_row_that_the_contract_refuses_has_reasons() {
    let mut request = request(2);
    request.raw_input_contents[0] = [f64::NAN, -1.0].map(f64::to_le_bytes).concat().into();
    request.outputs = vec![asked("reasons"), asked("action")];
    let response = client(&plain()).model_infer(request).await.unwrap().into_inner();
    assert_eq!(response.raw_output_contents[0], super::framed(&["nan:distance", "ge:distance"]));
    assert_eq!(response.raw_output_contents[1], super::framed(&["review", "review"]));
}

#[tokio::test]
async fn nulls_are_said_by_a_mask() {
    let mut masked = request(2);
    masked.inputs.push(input("fare.null", "BOOL", &[2, 1]));
    masked.raw_input_contents.push(vec![1, 0].into());
    // The value under a null is nobody's: the least number is refused elsewhere.
    masked.raw_input_contents[1] = [i64::MIN, 5].map(i64::to_le_bytes).concat().into();
    masked.outputs = vec![asked("reasons")];
    let mut unmasked = masked.clone();
    unmasked.raw_input_contents[7] = vec![0, 0].into();
    let response = client(&plain()).model_infer(masked).await.unwrap().into_inner();
    assert_eq!(response.raw_output_contents[0], super::framed(&["", ""]));
    let response = client(&plain()).model_infer(unmasked).await.unwrap().into_inner();
    assert_eq!(response.raw_output_contents[0], super::framed(&["range:fare", ""]));
}

#[tokio::test]
async fn numbers_come_back_as_they_were_sent_unless_always_raw() {
    for (typed_response, is_typed) in [(TypedResponse::Mirror, true), (TypedResponse::Raw, false)] {
        let world = world("multiclass", Counting::default(), Options { typed_response, ..Options::default() });
        let asked = oip::ModelInferRequest { inputs: typed(2), raw_input_contents: Vec::new(), ..request(2) };
        let response = client(&world).model_infer(asked).await.unwrap().into_inner();
        assert_eq!(response.raw_output_contents.is_empty(), is_typed);
        assert!(response.outputs.iter().all(|output| output.contents.is_some() == is_typed));
        let response = client(&world).model_infer(request(2)).await.unwrap().into_inner();
        assert_eq!(response.raw_output_contents.len(), 5);
    }
}

#[tokio::test]
async fn no_rows_are_a_request() {
    let response = client(&plain()).model_infer(request(0)).await.unwrap().into_inner();
    assert_eq!((response.outputs[0].shape.as_slice(), response.raw_output_contents[0].len()), ([0, 1].as_slice(), 0));
}

#[tokio::test]
async fn large_messages_are_read_and_written_aside() {
    let world = plain();
    client(&world).model_infer(request(100)).await.unwrap();
    assert!(world.hands.0.lock().unwrap().is_empty());
    let response = client(&world).model_infer(request(10_000)).await.unwrap().into_inner();
    assert_eq!((response.outputs[0].shape[0], response.raw_output_contents[0].len()), (10_000, 80_000));
    assert!(world.hands.0.lock().unwrap().iter().all(|bytes| *bytes > 200_000));
    assert_eq!(world.hands.0.lock().unwrap().len(), 2, "once to read, once to write");
    let mut wrong = request(10_000);
    wrong.inputs[0].name = "distanz".to_owned();
    assert_eq!(code(client(&world).model_infer(wrong).await), Code::InvalidArgument);
}

#[tokio::test]
async fn where_the_time_went_is_told_by_who_knows() {
    let timing = Timing { queue: Duration::from_micros(12), run: Duration::from_micros(345), rows: 77 };
    let world = world("binary", Counting { timing: Some(timing), ..Counting::default() }, Options::default());
    let response = client(&world).model_infer(request(2)).await.unwrap().into_inner();
    let told = ["queue_us", "infer_us", "batch_rows"].map(|name| whole(&response, name));
    assert_eq!(told, [12, 345, 77]);
}

#[tokio::test]
async fn the_earlier_limit_and_the_stake_go_along() {
    let world = plain();
    let mut client = client(&world);
    let limited = |timeout: Option<i64>, priority: u64| {
        let mut request = request(1);
        request.parameters.insert("priority".to_owned(), parameter(ParameterChoice::Uint64Param(priority)));
        if let Some(timeout) = timeout {
            request.parameters.insert("timeout".to_owned(), parameter(ParameterChoice::Int64Param(timeout)));
        }
        request
    };
    let start = Instant::now();
    for (timeout, of_call) in
        [(Some(60_000_000), None), (Some(60_000_000), Some("1H")), (Some(3_600_000_000), Some("60S")), (None, Some("1M"))]
    {
        let mut request = Request::new(limited(timeout, 1));
        if let Some(of_call) = of_call {
            request.metadata_mut().insert("grpc-timeout", of_call.parse().unwrap());
        }
        client.model_infer(request).await.unwrap();
        let call = world.scoring.calls.lock().unwrap().pop().unwrap();
        let left = call.deadline.unwrap().duration_since(start);
        assert!(left >= Duration::from_secs(60) && left < Duration::from_secs(90), "{left:?}");
        assert_eq!(call.stake, Stake::Decide);
    }
    client.model_infer(request(1)).await.unwrap();
    let call = world.scoring.calls.lock().unwrap().pop().unwrap();
    assert_eq!((call.deadline, call.stake), (None, Stake::Advise));
    let mut late = Request::new(limited(None, 0));
    late.metadata_mut().insert("grpc-timeout", "1n".parse().unwrap());
    assert_eq!(code(client.model_infer(late).await), Code::DeadlineExceeded);
    assert!(world.scoring.calls.lock().unwrap().is_empty(), "it never ran");
}

#[tokio::test]
async fn names_and_versions_have_their_codes() {
    let world = plain();
    let mut client = client(&world);
    let named =
        |name: &str, version: &str| oip::ModelInferRequest { model_name: name.to_owned(), model_version: version.to_owned(), ..request(1) };
    for (name, version, expected) in [
        ("ride", "1", Code::Ok),
        ("", "", Code::Ok),
        ("ride", "2", Code::NotFound),
        ("ride", "one", Code::InvalidArgument),
        ("ride", "+1", Code::InvalidArgument),
        ("ride", "99999999999999999999999", Code::InvalidArgument),
        ("walk", "", Code::NotFound),
    ] {
        let code = client.model_infer(named(name, version)).await.map_or_else(|status| status.code(), |_| Code::Ok);
        assert_eq!(code, expected, "{name} {version}");
    }
    let status = client.model_infer(named("walk", "")).await.unwrap_err();
    assert!(status.message().starts_with("Request for unknown model: 'walk' is not found"));
    let status = client.model_infer(named("ride", "7")).await.unwrap_err();
    assert!(status.message().contains("version 7 is not found; version 1 is served"));
}

#[tokio::test]
async fn a_refusal_is_counted_and_carries_its_reason() {
    let world = world("binary", Counting::default(), Options { max_rows: 2, ..Options::default() });
    let status = client(&world).model_infer(request(3)).await.unwrap_err();
    let failure = Failure::from_status(&status);
    assert_eq!((failure.code, failure.reason, failure.retry_after_ms), (Code::ResourceExhausted, Reason::TooLarge, Some(-1)));
    let catalog = world.registry.catalog();
    assert_eq!(catalog.bundles()[0].statistics.failed.load(Relaxed), 1);
}

#[tokio::test]
async fn readiness() {
    let world = plain();
    let mut client = client(&world);
    assert!(client.server_live(oip::ServerLiveRequest {}).await.unwrap().into_inner().live);
    assert!(client.server_ready(oip::ServerReadyRequest {}).await.unwrap().into_inner().ready);
    world.registry.trouble(Trouble { name: "torn".to_owned(), reason: "cut short".to_owned() });
    let asked = |name: &str, version: &str| oip::ModelReadyRequest { name: name.to_owned(), version: version.to_owned() };
    for (name, version, ready) in [("ride", "", true), ("ride", "1", true), ("ride", "2", false), ("torn", "", false)] {
        assert_eq!(client.model_ready(asked(name, version)).await.unwrap().into_inner().ready, ready, "{name} {version}");
    }
    assert_eq!(code(client.model_ready(asked("walk", "")).await), Code::NotFound);
    world.registry.withdraw("ride").unwrap();
    assert!(!client.model_ready(asked("ride", "")).await.unwrap().into_inner().ready, "known, and unloaded");
    assert_eq!(code(client.model_ready(asked("ride", "x")).await), Code::InvalidArgument);
    assert_eq!(code(client.model_infer(request(1)).await), Code::Unavailable);
    let mut request = request(1);
    request.model_name = "torn".to_owned();
    assert_eq!(code(client.model_infer(request).await), Code::Unavailable);
}

#[tokio::test]
async fn descriptions_and_counts() {
    let world = plain();
    let mut client = client(&world);
    let name = || "ride".to_owned();
    assert_eq!(client.server_metadata(oip::ServerMetadataRequest {}).await.unwrap().into_inner().name, "sternpost");
    let metadata = client.model_metadata(oip::ModelMetadataRequest { name: name(), version: "1".to_owned() }).await.unwrap().into_inner();
    assert_eq!(metadata.inputs.len(), 7);
    let config = client.model_config(oip::ModelConfigRequest { name: name(), version: String::new() }).await.unwrap().into_inner();
    assert_eq!(config.config.unwrap().max_batch_size, 1 << 20);
    let catalog = world.registry.catalog();
    let statistics = &catalog.bundles()[0].statistics;
    statistics.run(40, 2, Duration::from_micros(9), 1_700_000_000_123);
    statistics.answer(Duration::from_micros(4), Duration::from_micros(20));
    for name in ["ride", ""] {
        let request = oip::ModelStatisticsRequest { name: name.to_owned(), version: String::new() };
        let stats = client.model_statistics(request).await.unwrap().into_inner().model_stats;
        let inference = stats[0].inference_stats.unwrap();
        assert_eq!((stats.len(), stats[0].inference_count, stats[0].execution_count), (1, 40, 1));
        assert_eq!(
            (stats[0].last_inference, inference.success.unwrap()),
            (1_700_000_000_123, oip::StatisticDuration { count: 1, ns: 20_000 })
        );
        assert_eq!((inference.queue.unwrap().ns, inference.compute_infer.unwrap().ns), (4_000, 9_000));
    }
    for name in ["walk"] {
        assert_eq!(
            code(client.model_metadata(oip::ModelMetadataRequest { name: name.to_owned(), version: String::new() }).await),
            Code::NotFound
        );
        assert_eq!(
            code(client.model_config(oip::ModelConfigRequest { name: name.to_owned(), version: String::new() }).await),
            Code::NotFound
        );
        let request = oip::ModelStatisticsRequest { name: name.to_owned(), version: String::new() };
        assert_eq!(code(client.model_statistics(request).await), Code::NotFound);
    }
}

#[tokio::test]
async fn the_operator_is_asked_to_load_and_unload() {
    let world = plain();
    let mut client = client(&world);
    let ours = oip::RepositoryModelLoadRequest { model_name: "ride".to_owned(), ..Default::default() };
    let loaded = client.repository_model_load(ours).await.unwrap().into_inner();
    assert_eq!((loaded.model_name.as_str(), loaded.is_loaded), ("ride", true));
    let theirs = oip::RepositoryModelUnloadRequest { repository_name: "ride".to_owned(), ..Default::default() };
    let unloaded = client.repository_model_unload(theirs).await.unwrap().into_inner();
    assert_eq!((unloaded.model_name.as_str(), unloaded.is_unloaded), ("ride", true));
    let unknown = oip::RepositoryModelLoadRequest { model_name: "walk".to_owned(), ..Default::default() };
    assert_eq!(code(client.repository_model_load(unknown).await), Code::NotFound);
    assert_eq!(*world.operator.0.lock().unwrap(), ["load ride", "unload ride", "load walk"]);
    let index = client.repository_index(oip::RepositoryIndexRequest::default()).await.unwrap().into_inner();
    assert_eq!(index.models.len(), 1);
}

#[tokio::test]
async fn memory_is_not_mapped_and_settings_are_only_read() {
    let mut client = client(&plain());
    assert!(
        client.system_shared_memory_status(oip::SystemSharedMemoryStatusRequest::default()).await.unwrap().into_inner().regions.is_empty()
    );
    assert!(client.cuda_shared_memory_status(oip::CudaSharedMemoryStatusRequest::default()).await.unwrap().into_inner().regions.is_empty());
    let codes = [
        code(client.system_shared_memory_register(oip::SystemSharedMemoryRegisterRequest::default()).await),
        code(client.system_shared_memory_unregister(oip::SystemSharedMemoryUnregisterRequest::default()).await),
        code(client.cuda_shared_memory_register(oip::CudaSharedMemoryRegisterRequest::default()).await),
        code(client.cuda_shared_memory_unregister(oip::CudaSharedMemoryUnregisterRequest::default()).await),
    ];
    assert_eq!(codes, [Code::Unimplemented; 4]);
    let mut trace = oip::TraceSettingRequest::default();
    assert!(client.trace_setting(trace.clone()).await.unwrap().into_inner().settings.is_empty());
    trace.settings.insert("trace_level".to_owned(), Default::default());
    assert_eq!(code(client.trace_setting(trace).await), Code::Unimplemented);
    let mut log = oip::LogSettingsRequest::default();
    assert!(client.log_settings(log.clone()).await.unwrap().into_inner().settings.is_empty());
    log.settings.insert("log_info".to_owned(), Default::default());
    assert_eq!(code(client.log_settings(log).await), Code::Unimplemented);
}
