//! One byte stream, whatever carries it: TCP, a Unix socket, TLS over TCP.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::endpoint::{Endpoint, Place};
use crate::error::Trouble;

/// A connected byte stream.
#[derive(Debug)]
pub enum Io {
    /// Plain TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

/// How connections are encrypted.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Whom to trust, and who we are.
    pub config: Arc<ClientConfig>,
    /// The name that the server's certificate must have, if not the host's.
    pub server_name: Option<String>,
}

impl Io {
    /// Connects.
    ///
    /// # Errors
    /// [`Trouble::Broken`] with what the system or the other side said.
    pub async fn connect(endpoint: &Endpoint, tls: Option<&Tls>) -> Result<Self, Trouble> {
        let told = |error: io::Error| Trouble::broken(format!("{endpoint} cannot be reached: {error}"));
        match &endpoint.place {
            Place::Unix(path) => Ok(Self::Unix(UnixStream::connect(path).await.map_err(told)?)),
            Place::Tcp(host, port) => {
                let tcp = TcpStream::connect((host.as_str(), *port)).await.map_err(told)?;
                tcp.set_nodelay(true).map_err(told)?;
                if !endpoint.tls {
                    return Ok(Self::Tcp(tcp));
                }
                let Some(tls) = tls else {
                    return Err(Trouble::broken(format!("{endpoint} is encrypted and no certificates to trust were given")));
                };
                let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
                let name = ServerName::try_from(name).map_err(|error| Trouble::broken(format!("{endpoint}: {error}")))?;
                let stream = TlsConnector::from(tls.config.clone()).connect(name, tcp).await;
                Ok(Self::Tls(Box::new(stream.map_err(told)?)))
            }
        }
    }
}

/// The same call on whichever stream it is; all of them are `Unpin`.
macro_rules! each {
    ($io:expr, $stream:ident => $call:expr) => {
        match $io.get_mut() {
            Io::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Io::Unix(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Io::Tls(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_shutdown(cx))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
