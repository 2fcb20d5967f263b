//! Who may call what: bearer tokens and client certificates, by class of call.
//!
//! Health and reflection tell nothing about bundles and are open to whoever can connect.

use http::{HeaderMap, header};
use rustls::pki_types::{CertificateDer, ServerName};
use sternpost_wire::failure::{Failure, Reason};
use tonic::Code;

use crate::config;

/// The other end of a connection, as far as its certificate tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caller {
    /// Whether its certificate has one of the administrators' names.
    pub admin: bool,
}

/// The rules in force.
#[derive(Debug, Clone, Default)]
pub struct Access {
    rules: config::Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Open,
    Score,
    Admin,
}

fn class(path: &str) -> Class {
    match path {
        "/inference.GRPCInferenceService/RepositoryModelLoad" | "/inference.GRPCInferenceService/RepositoryModelUnload" => Class::Admin,
        _ if path.starts_with("/grpc.health.") || path.starts_with("/grpc.reflection.") => Class::Open,
        _ => Class::Score,
    }
}

impl Access {
    /// Rules as they were configured.
    pub fn new(rules: config::Access) -> Self {
        Self { rules }
    }

    /// The other end of a connection that showed a certificate, which was verified already.
    pub fn caller(&self, certificate: Option<&CertificateDer<'_>>) -> Caller {
        let named = |certificate: &CertificateDer<'_>| {
            let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return false };
            let names = self.rules.admin_names.iter().filter_map(|name| ServerName::try_from(name.as_str()).ok());
            names.into_iter().any(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
        };
        Caller { admin: certificate.is_some_and(named) }
    }

    /// Lets a call pass or says why not.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` without a known token, `PERMISSION_DENIED` with one that does not suffice.
    pub fn check(&self, path: &str, headers: &HeaderMap, caller: &Caller) -> Result<(), Failure> {
        let rules = &self.rules;
        let class = class(path);
        let closed = match class {
            Class::Open => false,
            Class::Score => !rules.score_tokens.is_empty(),
            // Whoever guards scoring guards administration too, even if nobody was named for it.
            Class::Admin => !(rules.score_tokens.is_empty() && rules.admin_tokens.is_empty() && rules.admin_names.is_empty()),
        };
        if !closed || caller.admin {
            return Ok(());
        }
        let token = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let known = |tokens: &[String]| token.is_some_and(|token| tokens.iter().any(|known| same(known.as_bytes(), token)));
        if known(&rules.admin_tokens) || (class == Class::Score && known(&rules.score_tokens)) {
            return Ok(());
        }
        if class == Class::Admin && known(&rules.score_tokens) {
            return Err(Failure::new(Code::PermissionDenied, Reason::NotAllowed, "this token may score, not change what is served"));
        }
        Err(Failure::new(Code::Unauthenticated, Reason::NotAllowed, "a known bearer token is needed in authorization"))
    }
}

/// The token of a bearer; the scheme's word may be written in any case.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_first_chunk::<7>()?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// Comparison in a time that does not tell where two texts differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORE: &str = "/sternpost.v1.Scoring/Score";
    const LOAD: &str = "/inference.GRPCInferenceService/RepositoryModelLoad";
    const HEALTH: &str = "/grpc.health.v1.Health/Check";

    fn code(access: &Access, path: &str, token: Option<&str>) -> Code {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        access.check(path, &headers, &Caller::default()).err().map_or(Code::Ok, |failure| failure.code)
    }

    #[test]
    fn the_scheme_has_no_case_and_the_token_has() {
        for (value, token) in
            [("Bearer a", Some("a")), ("bearer A", Some("A")), ("BEARER ", Some("")), ("Bearer", None), ("Basic: a", None)]
        {
            assert_eq!(bearer(value.as_bytes()), token.map(str::as_bytes), "{value}");
        }
    }

    #[test]
    fn each_class_has_its_tokens() {
        let open = Access::default();
        assert_eq!([SCORE, LOAD, HEALTH].map(|path| code(&open, path, None)), [Code::Ok; 3]);
        let rules = config::Access { score_tokens: vec!["s".into()], admin_tokens: vec!["a".into()], admin_names: vec![] };
        let closed = Access::new(rules);
        assert_eq!([SCORE, LOAD, HEALTH].map(|path| code(&closed, path, None)), [Code::Unauthenticated, Code::Unauthenticated, Code::Ok]);
        assert_eq!([SCORE, LOAD, HEALTH].map(|path| code(&closed, path, Some("s"))), [Code::Ok, Code::PermissionDenied, Code::Ok]);
        assert_eq!([SCORE, LOAD, HEALTH].map(|path| code(&closed, path, Some("a"))), [Code::Ok; 3]);
        assert_eq!(code(&closed, SCORE, Some("sa")), Code::Unauthenticated);
        let only_score = Access::new(config::Access { score_tokens: vec!["s".into()], ..config::Access::default() });
        assert_eq!(code(&only_score, LOAD, None), Code::Unauthenticated);
        assert_eq!(only_score.check(LOAD, &HeaderMap::new(), &Caller { admin: true }), Ok(()));
    }
}
