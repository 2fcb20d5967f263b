//! What a descriptor asks for.
//!
//! A path is a bundle's name. A command is a bundle's name too, or a JSON object:
//! `{"bundle": "flights", "keep": ["id"], "stake": "batch", "timeout_ms": 500}`, where everything may be left out.

use std::time::Duration;

use arrow_flight::FlightDescriptor;
use arrow_flight::flight_descriptor::DescriptorType;
use serde::Deserialize;
use sternpost_wire::failure::Failure;
use sternpost_wire::scoring::Stake;

use crate::refusal::bad;

/// What is to be done with a stream's batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    /// The bundle's name; empty for the only one.
    pub bundle: String,
    /// Columns of the input to carry along, in this order.
    pub keep: Vec<String>,
    /// What hangs on the answers.
    pub stake: Stake,
    /// Within which an answer is of use, from the moment that its batch is there.
    pub timeout: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Command {
    bundle: String,
    keep: Vec<String>,
    stake: Word,
    timeout_ms: Option<u64>,
}

impl Default for Command {
    fn default() -> Self {
        Self { bundle: String::new(), keep: Vec::new(), stake: Word::Batch, timeout_ms: None }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Shadow,
    Batch,
    Advise,
    Decide,
}

impl Order {
    /// Reads a descriptor; none at all asks for the only bundle.
    pub(super) fn read(descriptor: Option<&FlightDescriptor>) -> Result<Self, Failure> {
        let Some(descriptor) = descriptor else { return Ok(Self::of(String::new())) };
        if descriptor.r#type == DescriptorType::Path as i32 {
            return match descriptor.path.as_slice() {
                [] => Ok(Self::of(String::new())),
                [name] => Ok(Self::of(name.clone())),
                path => Err(bad(format!("a path is the name of one bundle, and this one has {} parts", path.len()))),
            };
        }
        let Ok(command) = std::str::from_utf8(&descriptor.cmd) else {
            return Err(bad("the command is not UTF-8; send a bundle's name or a JSON object".to_owned()));
        };
        if !command.trim_start().starts_with('{') {
            return Ok(Self::of(command.to_owned()));
        }
        let read: Command = serde_json::from_str(command).map_err(|error| bad(format!("the command is not understood: {error}")))?;
        let stake = match read.stake {
            Word::Shadow => Stake::Shadow,
            Word::Batch => Stake::Batch,
            Word::Advise => Stake::Advise,
            Word::Decide => Stake::Decide,
        };
        Ok(Self { bundle: read.bundle, keep: read.keep, stake, timeout: read.timeout_ms.map(Duration::from_millis) })
    }

    fn of(bundle: String) -> Self {
        Self { bundle, keep: Vec::new(), stake: Stake::Batch, timeout: None }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn command(text: &str) -> Result<Order, Failure> {
        Order::read(Some(&FlightDescriptor::new_cmd(text.to_owned())))
    }

    #[test]
    fn names_come_by_path_by_command_or_not_at_all() {
        for (descriptor, name) in [
            (None, ""),
            (Some(FlightDescriptor::default()), ""),
            (Some(FlightDescriptor::new_path(Vec::new())), ""),
            (Some(FlightDescriptor::new_path(vec!["flights".to_owned()])), "flights"),
            (Some(FlightDescriptor::new_cmd("flights")), "flights"),
            (Some(FlightDescriptor::new_cmd("")), ""),
            (Some(FlightDescriptor::new_cmd("{}")), ""),
        ] {
            assert_eq!(Order::read(descriptor.as_ref()).unwrap(), Order::of(name.to_owned()), "{descriptor:?}");
        }
        let two = FlightDescriptor::new_path(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(Order::read(Some(&two)).unwrap_err().code, Code::InvalidArgument);
    }

    #[test]
    fn a_command_carries_options_and_unknown_ones_are_refused() {
        let read = command(r#" {"bundle": "flights", "keep": ["id", "at"], "stake": "decide", "timeout_ms": 500}"#).unwrap();
        let keep = vec!["id".to_owned(), "at".to_owned()];
        let timeout = Some(Duration::from_millis(500));
        assert_eq!(read, Order { bundle: "flights".to_owned(), keep, stake: Stake::Decide, timeout });
        for text in [r#"{"bundel": "a"}"#, r#"{"stake": "high"}"#, r#"{"timeout_ms": -1}"#, "{", r#"{"keep": "id"}"#] {
            assert_eq!(command(text).unwrap_err().code, Code::InvalidArgument, "{text}");
        }
        let bytes = FlightDescriptor { cmd: vec![0xff].into(), r#type: DescriptorType::Cmd as i32, ..Default::default() };
        assert!(Order::read(Some(&bytes)).is_err());
    }
}
