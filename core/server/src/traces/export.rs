//! The thread that talks to the collector: OTLP over HTTP/1.1, a batch at a time, and never for long.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Counts, Settings, Span, otlp};

/// Time for others to join the first span of a batch.
const GATHERING: Duration = Duration::from_millis(200);
const BATCH: usize = 512;
/// Time for the collector to take a batch.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a collector listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    authority: String,
    address: String,
    path: String,
}

impl Endpoint {
    /// Reads `http://HOST[:PORT][/PATH]`; without a path it is `/v1/traces`.
    ///
    /// # Errors
    /// A sentence for whoever typed it.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = || format!("{url} is not the address of a collector; give http://HOST:PORT, as in http://127.0.0.1:4318");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(format!("{url}: spans are sent over http alone; run a collector beside the server and give its address"));
            }
            _ => return Err(wrong()),
        }
        let authority = uri.authority().filter(|authority| !authority.host().is_empty()).ok_or_else(wrong)?;
        let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
        let path = match uri.path() {
            "" | "/" => "/v1/traces",
            path => path,
        };
        Ok(Self { authority: authority.to_string(), address, path: path.to_owned() })
    }
}

/// Starts the thread. It ends when nobody can hand over spans any more and the last are sent.
pub fn start(settings: Settings, spans: Receiver<Span>, counts: Arc<Counts>) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    std::thread::Builder::new().name("sternpost-traces".to_owned()).spawn(move || run(&runtime, &settings, &spans, &counts))
}

fn run(runtime: &tokio::runtime::Runtime, settings: &Settings, spans: &Receiver<Span>, counts: &Counts) {
    let mut well = true;
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(first) = spans.recv() {
        batch.push(first);
        std::thread::sleep(GATHERING);
        loop {
            batch.extend(spans.try_iter().take(BATCH - batch.len()));
            let body = Bytes::from(otlp::body(&settings.service, &batch));
            let sent = runtime.block_on(async { tokio::time::timeout(PATIENCE, send(&settings.endpoint, body)).await });
            match sent.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()))) {
                Ok(()) => {
                    counts.sent.fetch_add(batch.len() as u64, Ordering::Relaxed);
                    if !well {
                        tracing::info!("the collector takes spans again");
                    }
                    well = true;
                }
                Err(error) => {
                    // What came meanwhile would fare no better, and would only wait for as long.
                    let waiting = spans.try_iter().count();
                    counts.lost.fetch_add((batch.len() + waiting) as u64, Ordering::Relaxed);
                    if well {
                        tracing::warn!(
                            "the collector at {} takes no spans: {error}; they are counted and lost",
                            settings.endpoint.authority
                        );
                    }
                    well = false;
                }
            }
            let full = batch.len() == BATCH;
            batch.clear();
            if !full {
                break;
            }
            match spans.try_recv() {
                Ok(next) => batch.push(next),
                Err(_) => break,
            }
        }
    }
}

async fn send(endpoint: &Endpoint, body: Bytes) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let stream = TcpStream::connect(&endpoint.address).await.map_err(|error| said(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| said(&error))?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(&endpoint.path)
        .header(header::HOST, &endpoint.authority)
        .header(header::CONTENT_TYPE, "application/x-protobuf")
        .body(Full::new(body))
        .map_err(|error| said(&error))?;
    let talk = async {
        let response = sender.send_request(request).await.map_err(|error| said(&error))?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answers {status}")) }
    };
    let mut connection = std::pin::pin!(connection);
    let mut talk = std::pin::pin!(talk);
    tokio::select! {
        biased;
        said = &mut talk => said,
        // The answer may be there although the connection has ended.
        _ = &mut connection => talk.await,
    }
}
