//! An HTTP/2 server on a port of its own that does one thing after the other, and ends with its owner.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use h2::SendStream;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use prost::Message;
use sternpost_client::endpoint::Endpoint;
use sternpost_wire::scoring::{ScoreReply, ScoreRequest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tonic::Code;

/// What is done for the next row.
#[derive(Debug, Clone, Copy)]
pub enum Does {
    /// The row's id comes back.
    Answer,
    /// A status, with milliseconds to wait.
    Refuse(Code, i64),
    /// Nothing at all.
    Nothing,
    /// An answer of HTTP's.
    Http(u16),
    /// Half of a message, and the end.
    Half,
    /// No row is waited for: the connection is ended politely.
    GoAway,
    /// No row is waited for: the socket is closed.
    HangUp,
}

/// The running server.
pub struct Server {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

type Script = Arc<Mutex<std::collections::VecDeque<Does>>>;

impl Server {
    pub fn start(does: Vec<Does>) -> Self {
        let script: Script = Arc::new(Mutex::new(does.into()));
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap().port()).unwrap();
                let accept = async {
                    loop {
                        let (socket, _) = listener.accept().await.unwrap();
                        tokio::spawn(serve(socket, script.clone()));
                    }
                };
                tokio::select! { () = accept => {}, _ = stopped => {} }
            });
        };
        let thread = std::thread::spawn(run);
        Self { port: told.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::parse(&format!("127.0.0.1:{}", self.port)).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().map(std::thread::JoinHandle::join);
    }
}

fn next(script: &Script) -> Option<Does> {
    script.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

fn ahead(script: &Script) -> Option<Does> {
    script.lock().unwrap_or_else(PoisonError::into_inner).front().copied()
}

async fn serve(socket: TcpStream, script: Script) {
    let mut connection = h2::server::handshake(socket).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(call(request, respond, script.clone()));
        // Lets the call's frames out.
        let quiet = tokio::time::sleep(std::time::Duration::from_millis(30));
        tokio::pin!(quiet);
        loop {
            tokio::select! {
                () = &mut quiet => break,
                more = connection.accept() => match more {
                    Some(Ok((request, respond))) => { tokio::spawn(call(request, respond, script.clone())); }
                    _ => return,
                },
            }
        }
        match ahead(&script) {
            Some(Does::HangUp) => return,
            Some(Does::GoAway) => connection.graceful_shutdown(),
            _ => {}
        }
    }
}

async fn call(request: Request<h2::RecvStream>, mut respond: SendResponse<Bytes>, script: Script) {
    let streamed = request.uri().path().ends_with("ScoreStream");
    let mut body = request.into_body();
    let (mut bytes, mut out): (BytesMut, Option<SendStream<Bytes>>) = (BytesMut::new(), None);
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
        bytes.extend_from_slice(&piece);
        while let Some(len) = bytes.get(1..5).map(|len| u32::from_be_bytes(len.try_into().unwrap()) as usize) {
            if bytes.len() < 5 + len {
                break;
            }
            let message = bytes.split_to(5 + len).split_off(5);
            let row = ScoreRequest::decode(message).unwrap();
            let Some(does) = next(&script) else { return };
            let ok = || Response::builder().status(200).header("content-type", "application/grpc");
            match does {
                Does::Answer | Does::Half => {
                    let reply = ScoreReply { prediction_id: row.id, ..ScoreReply::default() };
                    let mut frame = BytesMut::new();
                    frame.put_u8(0);
                    frame.put_u32(reply.encoded_len() as u32);
                    reply.encode(&mut frame).unwrap();
                    let send = out.get_or_insert_with(|| respond.send_response(ok().body(()).unwrap(), false).unwrap());
                    if matches!(does, Does::Half) {
                        frame.truncate(6);
                    }
                    send.send_data(frame.freeze(), false).unwrap();
                    if !streamed || matches!(does, Does::Half) {
                        let mut trailers = HeaderMap::new();
                        trailers.insert("grpc-status", 0.into());
                        send.send_trailers(trailers).unwrap();
                        return;
                    }
                }
                Does::Refuse(code, wait) => {
                    let response = ok().header("grpc-status", code as i32).header("grpc-retry-pushback-ms", wait);
                    respond.send_response(response.body(()).unwrap(), true).unwrap();
                    return;
                }
                Does::Http(status) => {
                    respond.send_response(Response::builder().status(status).body(()).unwrap(), true).unwrap();
                    return;
                }
                Does::Nothing | Does::GoAway | Does::HangUp => std::future::pending().await,
            }
        }
    }
}
