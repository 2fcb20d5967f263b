//! The floor: tonic as its generator writes it, our messages, no scoring. Every call gets the same answer.
//!
//! `tonic-echo 127.0.0.1:PORT | unix:PATH` prints one line with its address when it is ready.

use std::pin::Pin;

use sternpost_wire::scoring::scoring_server::{Scoring, ScoringServer};
use sternpost_wire::scoring::{DescribeReply, DescribeRequest, ReportReply, ReportRequest, Rung, ScoreReply, ScoreRequest, Source, Timing};
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

struct Echo;

fn answer() -> ScoreReply {
    ScoreReply {
        prediction_id: "0123456789abcdef01234567".to_owned(),
        score: Some(0.5),
        action: "decline".to_owned(),
        source: Source::Model.into(),
        rung: Rung::Off.into(),
        digest: "0".repeat(64),
        timing: Some(Timing { queue_ns: 9_000, score_ns: 9_000, block_rows: 1 }),
        ..ScoreReply::default()
    }
}

#[tonic::async_trait]
impl Scoring for Echo {
    type ScoreStreamStream = Pin<Box<dyn Stream<Item = Result<ScoreReply, Status>> + Send>>;

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeReply>, Status> {
        Err(Status::unimplemented("the floor describes nothing"))
    }

    async fn score(&self, _: Request<ScoreRequest>) -> Result<Response<ScoreReply>, Status> {
        Ok(Response::new(answer()))
    }

    async fn score_stream(&self, rows: Request<Streaming<ScoreRequest>>) -> Result<Response<Self::ScoreStreamStream>, Status> {
        Ok(Response::new(Box::pin(rows.into_inner().map(|row| row.map(|_| answer())))))
    }

    async fn report(&self, _: Request<ReportRequest>) -> Result<Response<ReportReply>, Status> {
        Err(Status::unimplemented("the floor learns nothing"))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::args().nth(1).ok_or("tonic-echo 127.0.0.1:PORT | unix:PATH")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::builder()
            .max_concurrent_streams(1024)
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(1 << 20)
            .add_service(ScoringServer::new(Echo));
        if let Some(path) = target.strip_prefix("unix:") {
            let listener = tokio::net::UnixListener::bind(path)?;
            println!("{{\"listen\":[\"{target}\"]}}");
            server.serve_with_incoming(UnixListenerStream::new(listener)).await?;
        } else {
            let listener = tokio::net::TcpListener::bind(&target).await?;
            println!("{{\"listen\":[\"{}\"]}}", listener.local_addr()?);
            let incoming =
                TcpListenerStream::new(listener).map(|socket| socket.and_then(|socket| socket.set_nodelay(true).map(|()| socket)));
            server.serve_with_incoming(incoming).await?;
        }
        Ok(())
    })
}
