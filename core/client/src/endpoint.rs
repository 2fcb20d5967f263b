//! Where a server is: `host:port`, `http://host:port`, `https://host:port` or `unix:/path`.

use std::fmt;
use std::path::PathBuf;

/// One server's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// How it is reached.
    pub place: Place,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// A host's name or address and a port.
    Tcp(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// An address that cannot be read, with what would be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not an address: {why}; write host:port, http://host:port, https://host:port or unix:/path")]
pub struct NotAnEndpoint {
    text: String,
    why: &'static str,
}

impl Endpoint {
    /// Reads one address.
    ///
    /// # Errors
    /// [`NotAnEndpoint`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self, NotAnEndpoint> {
        let wrong = |why| NotAnEndpoint { text: text.to_owned(), why };
        if let Some(path) = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:")) {
            if path.is_empty() {
                return Err(wrong("the path is missing"));
            }
            return Ok(Self { place: Place::Unix(PathBuf::from(path)), tls: false });
        }
        let (rest, tls) = match text.split_once("://") {
            None => (text, false),
            Some(("http" | "grpc", rest)) => (rest, false),
            Some(("https" | "grpcs", rest)) => (rest, true),
            Some(_) => return Err(wrong("the scheme is unknown")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) || rest.contains(char::is_whitespace) {
            return Err(wrong("only a host and a port have a place"));
        }
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once("]:").ok_or_else(|| wrong("the port is missing"))?,
            None => rest.rsplit_once(':').ok_or_else(|| wrong("the port is missing"))?,
        };
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        if !rest.starts_with('[') && host.contains(':') {
            return Err(wrong("an IPv6 address stands in brackets"));
        }
        match port.parse() {
            Ok(port) if port > 0 => Ok(Self { place: Place::Tcp(host.to_owned(), port), tls }),
            _ => Err(wrong("the port is not a number from 1 to 65535")),
        }
    }

    /// Reads several addresses; one that is given twice counts once.
    ///
    /// # Errors
    /// [`NotAnEndpoint`] for the first that cannot be read, or for none at all.
    pub fn parse_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, NotAnEndpoint> {
        let mut all = Vec::new();
        for text in texts {
            let endpoint = Self::parse(text.trim())?;
            if !all.contains(&endpoint) {
                all.push(endpoint);
            }
        }
        if all.is_empty() { Err(NotAnEndpoint { text: String::new(), why: "there is none" }) } else { Ok(all) }
    }

    /// What stands in `:authority`.
    pub(crate) fn authority(&self) -> String {
        match &self.place {
            Place::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Place::Tcp(host, port) => format!("{host}:{port}"),
            Place::Unix(_) => "localhost".to_owned(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(..) if self.tls => write!(f, "https://{}", self.authority()),
            Place::Tcp(..) => f.write_str(&self.authority()),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_told_again() {
        for (text, told) in [
            ("localhost:8500", "localhost:8500"),
            ("http://10.0.0.1:80/", "10.0.0.1:80"),
            ("https://scores.example:443", "https://scores.example:443"),
            ("[::1]:8500", "[::1]:8500"),
            ("unix:/run/s.sock", "unix:/run/s.sock"),
            ("unix:///run/s.sock", "unix:/run/s.sock"),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(endpoint.to_string(), told);
            assert_eq!(Endpoint::parse(told).unwrap(), endpoint);
        }
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (text, why) in [
            ("localhost", "the port is missing"),
            (":8500", "the host is missing"),
            ("a:0", "the port is not a number from 1 to 65535"),
            ("a:70000", "the port is not a number from 1 to 65535"),
            ("ftp://a:1", "the scheme is unknown"),
            ("a:1/path", "only a host and a port have a place"),
            ("::1:8500", "an IPv6 address stands in brackets"),
            ("unix:", "the path is missing"),
            ("", "the port is missing"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap_err().why, why, "{text}");
        }
        assert!(Endpoint::parse_all([]).is_err());
    }

    #[test]
    fn the_same_address_counts_once() {
        assert_eq!(Endpoint::parse_all(["a:1", "http://a:1", "b:1"]).unwrap().len(), 2);
    }
}
