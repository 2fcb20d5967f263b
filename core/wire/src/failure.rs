//! How a refusal travels: a gRPC code, a sentence, when to try again, and a word that programs can tell apart.
//!
//! `RESOURCE_EXHAUSTED` alone does not say whether the server is busy or the message too large, so the reason goes along as
//! `google.rpc.ErrorInfo` in `grpc-status-details-bin`, and the time to wait as `grpc-retry-pushback-ms`, where negative means never.

use prost::Message;
use tonic::{Code, Status};

/// Name of the trailer with the milliseconds to wait.
pub const PUSHBACK: &str = "grpc-retry-pushback-ms";
const DOMAIN: &str = "sternpost";

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The gRPC code.
    pub code: Code,
    /// What programs can tell apart.
    pub reason: Reason,
    /// What a person reads.
    pub message: String,
    /// Milliseconds to wait before a repetition; negative for never; nothing if the sender does not know.
    pub retry_after_ms: Option<i64>,
}

/// The word for a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The request itself is wrong.
    BadRequest,
    /// No bundle has that name.
    UnknownBundle,
    /// The row was packed by another description.
    OtherSchema,
    /// The bundle is not ready to answer.
    NotReady,
    /// More waits than can be answered in time.
    Overloaded,
    /// The answer could not be there before the deadline.
    Deadline,
    /// A limit on sizes was passed.
    TooLarge,
    /// The server is about to end.
    Draining,
    /// Who calls is not known, or may not.
    NotAllowed,
    /// The server does not do this.
    Unsupported,
    /// A defect.
    Internal,
}

impl Reason {
    const ALL: [Self; 11] = [
        Self::BadRequest,
        Self::UnknownBundle,
        Self::OtherSchema,
        Self::NotReady,
        Self::Overloaded,
        Self::Deadline,
        Self::TooLarge,
        Self::Draining,
        Self::NotAllowed,
        Self::Unsupported,
        Self::Internal,
    ];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::BadRequest => "BAD_REQUEST",
            Self::UnknownBundle => "UNKNOWN_BUNDLE",
            Self::OtherSchema => "OTHER_SCHEMA",
            Self::NotReady => "NOT_READY",
            Self::Overloaded => "OVERLOADED",
            Self::Deadline => "DEADLINE",
            Self::TooLarge => "TOO_LARGE",
            Self::Draining => "DRAINING",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::Unsupported => "UNSUPPORTED",
            Self::Internal => "INTERNAL",
        }
    }
}

impl Failure {
    /// A failure without a word on repetition.
    pub fn new(code: Code, reason: Reason, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), retry_after_ms: None }
    }

    /// The same with the milliseconds to wait.
    #[must_use]
    pub fn retry_after(mut self, milliseconds: i64) -> Self {
        self.retry_after_ms = Some(milliseconds);
        self
    }

    /// The failure that a status from the other side tells; a status without our details gets the reason that its code suggests.
    pub fn from_status(status: &Status) -> Self {
        let word = Details::decode(status.details()).ok().and_then(|details| {
            let info = details.details.into_iter().find(|any| any.type_url == INFO_URL)?;
            Some(ErrorInfo::decode(info.value.as_slice()).ok()?.reason)
        });
        let known = word.and_then(|word| Reason::ALL.into_iter().find(|reason| reason.word() == word));
        let suggested = match status.code() {
            Code::NotFound => Reason::UnknownBundle,
            Code::Unavailable => Reason::NotReady,
            Code::ResourceExhausted => Reason::Overloaded,
            Code::DeadlineExceeded => Reason::Deadline,
            Code::Unauthenticated | Code::PermissionDenied => Reason::NotAllowed,
            Code::Unimplemented => Reason::Unsupported,
            Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => Reason::BadRequest,
            _ => Reason::Internal,
        };
        let retry_after_ms = status.metadata().get(PUSHBACK).and_then(|value| value.to_str().ok()).map(|text| text.parse().unwrap_or(-1));
        Self { code: status.code(), reason: known.unwrap_or(suggested), message: status.message().to_owned(), retry_after_ms }
    }

    /// The encoded `google.rpc.Status` for `grpc-status-details-bin`.
    pub fn details(&self) -> Vec<u8> {
        let info = ErrorInfo { reason: self.reason.word().to_owned(), domain: DOMAIN.to_owned() };
        let details = vec![Any { type_url: INFO_URL.to_owned(), value: info.encode_to_vec() }];
        Details { code: self.code as i32, message: self.message.clone(), details }.encode_to_vec()
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let mut status = Self::with_details(failure.code, failure.message.clone(), failure.details().into());
        if let Some(milliseconds) = failure.retry_after_ms {
            status.metadata_mut().insert(PUSHBACK, milliseconds.into());
        }
        status
    }
}

const INFO_URL: &str = "type.googleapis.com/google.rpc.ErrorInfo";

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct Details {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.ErrorInfo`, without its metadata.
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_arrives() {
        for reason in Reason::ALL {
            for retry_after_ms in [None, Some(0), Some(250), Some(-1)] {
                let failure = Failure { code: Code::ResourceExhausted, reason, message: "busy: 12 µs".to_owned(), retry_after_ms };
                assert_eq!(Failure::from_status(&Status::from(failure.clone())), failure);
            }
        }
    }

    #[test]
    fn a_foreign_status_gets_the_reason_of_its_code() {
        let failure = Failure::from_status(&Status::unavailable("gone"));
        assert_eq!((failure.reason, failure.retry_after_ms), (Reason::NotReady, None));
    }
}
