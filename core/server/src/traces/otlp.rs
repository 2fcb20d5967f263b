//! Spans as the OpenTelemetry Protocol has them (opentelemetry-proto 1, `collector/trace/v1`): those fields that are filled here.

use prost::Message as _;
use sternpost_wire::scoring::{ScoreReply, Source};
use tonic::Code;

use super::{Outcome, Span};

#[derive(Clone, PartialEq, prost::Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Told>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Told {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 3")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Int(i64),
}

const SERVER: i32 = 2;
const ERROR: i32 = 2;
/// gRPC's own five bytes before every message.
const FRAME: usize = 5;

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(Value::Text(value.into())) }) }
}

fn int(key: &str, value: u64) -> KeyValue {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(Value::Int(value)) }) }
}

/// A batch of spans as the body of a request.
pub fn body(service: &str, spans: &[Span]) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let resource = Resource { attributes: vec![text("service.name", service), text("service.version", version)] };
    let scope = Scope { name: "sternpost".to_owned(), version: version.to_owned() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans: spans.iter().map(told).collect() }];
    Export { resource_spans: vec![ResourceSpans { resource: Some(resource), scope_spans }] }.encode_to_vec()
}

fn told(span: &Span) -> Told {
    let mut attributes = vec![text("rpc.system", "grpc")];
    if let Some((service, method)) = span.path.name().split_once('/') {
        attributes.extend([text("rpc.service", service), text("rpc.method", method)]);
    }
    let code = match &span.outcome {
        Outcome::Failed(code) => *code as u32,
        Outcome::Replied(frame) => match frame.get(FRAME..).map(ScoreReply::decode) {
            Some(Ok(reply)) => described(reply, &mut attributes),
            _ => Code::Internal as u32,
        },
    };
    attributes.push(int("rpc.grpc.status_code", u64::from(code)));
    Told {
        trace_id: span.trace.to_be_bytes().to_vec(),
        span_id: span.id.to_be_bytes().to_vec(),
        parent_span_id: span.parent.map(|parent| parent.to_be_bytes().to_vec()).unwrap_or_default(),
        name: span.path.name().to_owned(),
        kind: SERVER,
        start_time_unix_nano: span.began_ns,
        end_time_unix_nano: span.began_ns.saturating_add(span.took_ns),
        attributes,
        status: is_ours(code).then_some(Status { code: ERROR }),
    }
}

/// What a reply tells, and its code.
fn described(reply: ScoreReply, attributes: &mut Vec<KeyValue>) -> u32 {
    if let Some(failure) = reply.failure {
        return failure.code;
    }
    let source = Source::try_from(reply.source).unwrap_or_default();
    attributes.push(text("sternpost.bundle.digest", reply.digest));
    attributes.push(text("sternpost.prediction_id", reply.prediction_id));
    attributes.push(text("sternpost.source", source.as_str_name().trim_start_matches("SOURCE_").to_ascii_lowercase()));
    if let Some(timing) = reply.timing {
        attributes.push(int("sternpost.queue_ns", timing.queue_ns));
        attributes.push(int("sternpost.score_ns", timing.score_ns));
        attributes.push(int("sternpost.block_rows", u64::from(timing.block_rows)));
    }
    Code::Ok as u32
}

/// Codes that OpenTelemetry takes for a server's own error; of the others the caller is the cause.
fn is_ours(code: u32) -> bool {
    [Code::Unknown, Code::DeadlineExceeded, Code::Unimplemented, Code::Internal, Code::Unavailable, Code::DataLoss]
        .iter()
        .any(|ours| *ours as u32 == code)
}
