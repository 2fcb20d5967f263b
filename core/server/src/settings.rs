//! The server's configuration as JSON, for whoever starts it from another language. What is not said keeps its default.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use sternpost_journal::ring::Full;
use sternpost_journal::writer::Durability;

use crate::config::{Access, Address, Config, TlsFiles};
use crate::remember;
use crate::traces;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    listen: Vec<String>,
    http: Option<String>,
    threads: Option<usize>,
    batch_threads: Option<usize>,
    queue_rows: Option<usize>,
    queue_bytes: Option<usize>,
    queue_wait_ms: Option<u64>,
    connections: Option<usize>,
    streams: Option<u32>,
    row_bytes: Option<usize>,
    message_bytes: Option<usize>,
    batch_rows: Option<usize>,
    patience_ms: Option<u64>,
    idle_ms: Option<u64>,
    tls: Option<Tls>,
    traces: Option<Traces>,
    #[serde(default)]
    score_tokens: Vec<String>,
    #[serde(default)]
    admin_tokens: Vec<String>,
    #[serde(default)]
    admin_names: Vec<String>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    busy_poll: bool,
    #[serde(default)]
    raw_answers: bool,
    journal: Option<Kept>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    client_authorities: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Traces {
    url: String,
    share: f64,
    service: String,
}

impl Traces {
    fn checked(self) -> Result<traces::Settings, String> {
        if !(0.0..=1.0).contains(&self.share) {
            return Err(format!("the share of traces is {}; give a number from 0 to 1", self.share));
        }
        Ok(traces::Settings { endpoint: traces::Endpoint::parse(&self.url)?, share: self.share, service: self.service })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    folder: PathBuf,
    durability: Option<Durability>,
    full: Option<WhenFull>,
    keep_s: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WhenFull {
    Drop,
    Wait,
    Refuse,
}

/// How long a row thread waits for room in the journal.
const JOURNAL_WAIT: Duration = Duration::from_millis(100);

impl Kept {
    fn settings(self) -> Result<remember::Settings, String> {
        let durability = self.durability.unwrap_or(Durability::Async);
        let full = match (self.full, durability) {
            // Whoever asked that nothing be answered before it is kept asked for this too.
            (Some(WhenFull::Refuse), _) | (None, Durability::Group) => Full::Refuse,
            (Some(WhenFull::Wait), _) => Full::Wait(JOURNAL_WAIT),
            (Some(WhenFull::Drop) | None, _) => Full::Drop,
        };
        let keep = self.keep_s.map(Duration::try_from_secs_f64).transpose();
        let keep = keep.map_err(|error| format!("the journal's keep_s is not a time: {error}"))?;
        Ok(remember::Settings { folder: self.folder, durability, full, keep })
    }
}

impl Config {
    /// Reads the JSON form; `processors` is how many this process may use.
    ///
    /// # Errors
    /// A sentence with the setting and what is wrong with it.
    pub fn from_json(json: &str, processors: usize) -> Result<Self, String> {
        let read: Settings = serde_json::from_str(json).map_err(|error| format!("the server's settings cannot be read: {error}"))?;
        let mut config = Self::new(processors);
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        config.listen = read.listen.iter().map(|text| Address::parse(text)).collect::<Result<_, _>>()?;
        if config.listen.is_empty() {
            return Err("a server needs at least one address to listen on, as in 127.0.0.1:8500".to_owned());
        }
        config.http = match read.http.as_deref().map(Address::parse).transpose()? {
            Some(Address::Tcp(address)) => Some(address),
            Some(Address::Unix(_)) => return Err("metrics are served over TCP; give HOST:PORT".to_owned()),
            None => None,
        };
        set(&mut config.threads, read.threads);
        set(&mut config.batch_threads, read.batch_threads);
        set(&mut config.limits.rows, read.queue_rows);
        set(&mut config.limits.bytes, read.queue_bytes);
        set(&mut config.limits.wait, read.queue_wait_ms.map(Duration::from_millis));
        set(&mut config.connections, read.connections);
        set(&mut config.streams, read.streams);
        set(&mut config.row_bytes, read.row_bytes);
        set(&mut config.message_bytes, read.message_bytes);
        set(&mut config.batch_rows, read.batch_rows);
        set(&mut config.patience, read.patience_ms.map(Duration::from_millis));
        set(&mut config.idle, read.idle_ms.map(Duration::from_millis));
        config.tls = read.tls.map(|Tls { certificate, key, client_authorities }| TlsFiles { certificate, key, client_authorities });
        config.traces = read.traces.map(Traces::checked).transpose()?;
        config.access = Access { score_tokens: read.score_tokens, admin_tokens: read.admin_tokens, admin_names: read.admin_names };
        config.insecure = read.insecure;
        config.busy_poll = read.busy_poll;
        config.mirror_typed = !read.raw_answers;
        config.journal = read.journal.map(Kept::settings).transpose()?;
        let at_least_one = [
            ("threads", config.threads),
            ("batch_threads", config.batch_threads),
            ("queue_rows", config.limits.rows),
            ("connections", config.connections),
            ("streams", config.streams as usize),
            ("row_bytes", config.row_bytes),
            ("message_bytes", config.message_bytes),
            ("batch_rows", config.batch_rows),
        ];
        match at_least_one.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(format!("{name} is 0; give at least 1")),
            None => Ok(config),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_kept_and_what_is_wrong_is_told() {
        let config =
            Config::from_json(r#"{"listen": ["localhost:0", "unix:/run/s.sock"], "http": "127.0.0.1:1", "queue_wait_ms": 7}"#, 3).unwrap();
        assert_eq!((config.threads, config.listen.len(), config.limits.wait), (3, 2, Duration::from_millis(7)));
        let told = |json: &str| Config::from_json(json, 1).unwrap_err();
        assert!(told(r#"{"listen": []}"#).contains("at least one address"));
        assert!(told(r#"{"listen": ["here"]}"#).contains("here is not an address"));
        assert!(told(r#"{"listen": ["localhost:0"], "threads": 0}"#).contains("threads is 0"));
        assert!(told(r#"{"listen": ["localhost:0"], "treads": 1}"#).contains("treads"));
        assert!(
            told(r#"{"listen": ["localhost:0"], "traces": {"url": "http://c:1", "share": 2.0, "service": "s"}}"#).contains("from 0 to 1")
        );
    }
}
