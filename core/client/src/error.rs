//! Why a call has no answer, by the party that has to act.

use sternpost_wire::failure::{Failure, Reason};
use tonic::Code;

/// A call without an answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// No server could be talked to; trying again later may help.
    #[error("{0}")]
    Unreachable(String),
    /// The deadline passed.
    #[error("{0}")]
    Deadline(String),
    /// The server has more to do than it can.
    #[error("{0}")]
    Overloaded(String),
    /// The server understood and said no.
    #[error("{}", .0.message)]
    Refused(Failure),
    /// The client was set up wrongly, or the call is not one.
    #[error("{0}")]
    Usage(String),
    /// Rows or columns do not fit the contract.
    #[error("{0}")]
    Contract(String),
    /// The client was made before a fork and used after it.
    #[error("this client was made before the process forked; make one in the child, after the fork")]
    Forked,
    /// The caller asked to stop.
    #[error("stopped before the end")]
    Interrupted,
    /// The local scorer failed.
    #[error("{0}")]
    Local(sternpost_engine::Error),
    /// A defect of this program or of the server.
    #[error("internal error: {0}; please report it with the call that led here")]
    Internal(String),
}

/// What went wrong with one attempt, before anybody decides what to do about it.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// No connection, or it broke; the request may or may not have arrived.
    Broken(String),
    /// The time for the attempt is over.
    Late,
    /// The server said no.
    Said(Failure),
    /// The caller asked to stop.
    Interrupted,
}

impl Trouble {
    /// What is broken, as a sentence's end.
    pub fn broken(what: impl std::fmt::Display) -> Self {
        Self::Broken(what.to_string())
    }

    /// Whether another attempt may end better.
    pub fn may_be_repeated(&self) -> bool {
        match self {
            Self::Broken(_) => true,
            Self::Said(failure) => {
                matches!(failure.code, Code::Unavailable | Code::ResourceExhausted)
                    && failure.reason != Reason::TooLarge
                    && failure.retry_after_ms.is_none_or(|wait| wait >= 0)
            }
            Self::Late | Self::Interrupted => false,
        }
    }

    /// Whether it speaks against the endpoint's health, as opposed to the request or the caller.
    pub fn is_the_endpoints(&self) -> bool {
        match self {
            Self::Broken(_) | Self::Late => true,
            Self::Said(failure) => matches!(failure.code, Code::Unavailable | Code::Internal | Code::Unknown | Code::DataLoss),
            Self::Interrupted => false,
        }
    }

    /// Whether the server said that it has too much to do.
    pub fn is_overload(&self) -> bool {
        matches!(self, Self::Said(failure) if failure.code == Code::ResourceExhausted && failure.reason != Reason::TooLarge)
    }

    /// Whether the row may have been packed by a description that the server no longer has. A stream carries no reason's word, only a code.
    pub fn is_other_schema(&self) -> bool {
        matches!(self, Self::Said(failure)
            if failure.reason == Reason::OtherSchema || failure.code == Code::FailedPrecondition && failure.reason == Reason::BadRequest)
    }
}

/// A failure that came inside of a stream: the reason is what its code suggests.
pub fn streamed(failure: sternpost_wire::scoring::Failure) -> Failure {
    let code = Code::from_i32(i32::try_from(failure.code).unwrap_or(Code::Unknown as i32));
    let mut read = Failure::from_status(&tonic::Status::new(code, failure.message));
    // On a stream 0 is also what an absent number reads as: then nothing was said about waiting.
    read.retry_after_ms = Some(failure.retry_after_ms).filter(|wait| *wait != 0);
    read
}
