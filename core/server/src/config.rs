//! What a server is told when it starts. Every bound has a default that a small machine survives.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::lane::Limits;
use crate::remember;
use crate::traces;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A socket file, made at the start and removed at the end.
    Unix(PathBuf),
}

impl Address {
    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Reads `HOST:PORT` with a numeric host or `localhost`, or `unix:PATH`.
    ///
    /// # Errors
    /// A sentence for whoever typed it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err("unix: needs a path, as in unix:/run/scoring.sock".to_owned())
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        let numeric = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
        numeric
            .parse()
            .map(Self::Tcp)
            .map_err(|_| format!("{text} is not an address; give HOST:PORT with a numeric host, as in 127.0.0.1:8500, or unix:PATH"))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Certificates and keys, as files that are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM chain.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
    /// PEM authorities for client certificates; with it, a client without one is turned away.
    pub client_authorities: Option<PathBuf>,
}

/// Who may call what. Empty lists let everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Bearer tokens that may score and describe.
    pub score_tokens: Vec<String>,
    /// Bearer tokens that may also load and unload.
    pub admin_tokens: Vec<String>,
    /// Names in client certificates that may load and unload.
    pub admin_names: Vec<String>,
}

/// Everything a server is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where gRPC is spoken.
    pub listen: Vec<Address>,
    /// Where health and metrics are served over HTTP/1.1, if anywhere.
    pub http: Option<SocketAddr>,
    /// Threads that read, score single rows and write.
    pub threads: usize,
    /// Threads that score batches.
    pub batch_threads: usize,
    /// Bounds of each thread's row lane.
    pub limits: Limits,
    /// Open connections.
    pub connections: usize,
    /// Concurrent calls of a connection.
    pub streams: u32,
    /// Bytes of a row request.
    pub row_bytes: usize,
    /// Bytes of any other message.
    pub message_bytes: usize,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// Time for a connection's first bytes, TLS included, and for a request's whole body.
    pub patience: Duration,
    /// A connection without calls is closed after this.
    pub idle: Duration,
    /// Transport security.
    pub tls: Option<TlsFiles>,
    /// Who may call what.
    pub access: Access,
    /// Whether to listen publicly without transport security.
    pub insecure: bool,
    /// Whether threads look for work without pause instead of sleeping. For processors that do nothing else.
    pub busy_poll: bool,
    /// Whether protocol tensors are answered typed when the request was.
    pub mirror_typed: bool,
    /// Where spans go, if anywhere.
    pub traces: Option<traces::Settings>,
    /// Where what is answered is remembered, if anywhere.
    pub journal: Option<remember::Settings>,
}

impl Config {
    /// The defaults for a number of processors.
    pub fn new(processors: usize) -> Self {
        Self {
            listen: Vec::new(),
            http: None,
            threads: processors.max(1),
            batch_threads: processors.max(1),
            limits: Limits::default(),
            connections: 10_000,
            streams: 256,
            row_bytes: 4 << 20,
            message_bytes: 64 << 20,
            batch_rows: 1 << 20,
            patience: Duration::from_secs(10),
            idle: Duration::from_secs(600),
            tls: None,
            access: Access::default(),
            insecure: false,
            busy_poll: false,
            mirror_typed: true,
            traces: None,
            journal: None,
        }
    }
}
