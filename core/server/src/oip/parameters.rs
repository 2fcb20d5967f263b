//! What a request says beside its rows: time limit and priority.
use crate::refusal::{bad, quoted};

use std::collections::HashMap;
use std::time::Duration;

use sternpost_wire::failure::Failure;
use sternpost_wire::inference::InferParameter;
use sternpost_wire::inference::infer_parameter::ParameterChoice;
use sternpost_wire::scoring::Stake;

/// A request's parameters, as far as they mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// From the request's arrival, the time within which an answer is of use.
    pub timeout: Option<Duration>,
    /// What hangs on the answer.
    pub stake: Stake,
    /// Whether a stream's replies say that they are the last for their request. Every reply is.
    pub tells_final: bool,
}

/// Reads a request's parameters. Unknown ones are ignored, but for those that another server reserves for itself: who sends one expects
/// something.
///
/// # Errors
/// `INVALID_ARGUMENT` with the parameter at fault.
pub fn read(parameters: &HashMap<String, InferParameter>) -> Result<Parameters, Failure> {
    let mut read = Parameters { timeout: None, stake: Stake::Advise, tells_final: false };
    for (name, parameter) in parameters {
        match name.as_str() {
            "timeout" => read.timeout = Some(whole(name, parameter)?).filter(|us| *us > 0).map(Duration::from_micros),
            "priority" => read.stake = stake(whole(name, parameter)?),
            "triton_enable_empty_final_response" => match parameter.parameter_choice {
                Some(ParameterChoice::BoolParam(tells)) => read.tells_final = tells,
                _ => return Err(bad(format!("parameter '{name}' is {}; a bool is expected", spelled(parameter)))),
            },
            name if name.starts_with("triton_") => {
                return Err(bad(format!("parameter {} is reserved and not known here; leave it out", quoted(name))));
            }
            _ => {}
        }
    }
    Ok(read)
}

/// 1 is the highest priority and 0 the default.
fn stake(priority: u64) -> Stake {
    match priority {
        1 => Stake::Decide,
        0 | 2 => Stake::Advise,
        3 => Stake::Batch,
        _ => Stake::Shadow,
    }
}

/// A number that is not negative. Older clients send some as int64 that newer ones send as uint64.
pub fn whole(name: &str, parameter: &InferParameter) -> Result<u64, Failure> {
    let number = match parameter.parameter_choice {
        Some(ParameterChoice::Int64Param(number)) => u64::try_from(number).ok(),
        Some(ParameterChoice::Uint64Param(number)) => Some(number),
        _ => return Err(bad(format!("parameter '{name}' is {}; an integer is expected", spelled(parameter)))),
    };
    number.ok_or_else(|| bad(format!("parameter '{name}' is negative")))
}

fn spelled(parameter: &InferParameter) -> &'static str {
    match parameter.parameter_choice {
        Some(ParameterChoice::BoolParam(_)) => "a bool",
        Some(ParameterChoice::Int64Param(_)) => "an int64",
        Some(ParameterChoice::StringParam(_)) => "a string",
        Some(ParameterChoice::DoubleParam(_)) => "a double",
        Some(ParameterChoice::Uint64Param(_)) => "a uint64",
        None => "nothing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(name: &str, choice: ParameterChoice) -> Result<Parameters, Failure> {
        read(&HashMap::from([(name.to_owned(), InferParameter { parameter_choice: Some(choice) })]))
    }

    #[test]
    fn priorities_become_stakes() {
        let cases =
            [(0, Stake::Advise), (1, Stake::Decide), (2, Stake::Advise), (3, Stake::Batch), (4, Stake::Shadow), (u64::MAX, Stake::Shadow)];
        for (priority, stake) in cases {
            assert_eq!(read_one("priority", ParameterChoice::Uint64Param(priority)).unwrap().stake, stake, "{priority}");
            if let Ok(priority) = i64::try_from(priority) {
                assert_eq!(read_one("priority", ParameterChoice::Int64Param(priority)).unwrap().stake, stake, "{priority}");
            }
        }
    }

    #[test]
    fn a_timeout_is_microseconds_and_none_is_none() {
        let timeout = |us| read_one("timeout", ParameterChoice::Int64Param(us)).map(|read| read.timeout);
        assert_eq!(timeout(1500).unwrap(), Some(Duration::from_micros(1500)));
        assert_eq!(timeout(i64::MAX).unwrap(), Some(Duration::from_micros(i64::MAX as u64)));
        assert_eq!(timeout(0).unwrap(), None);
        assert!(timeout(-1).unwrap_err().message.contains("'timeout' is negative"));
    }

    #[test]
    fn what_is_not_understood_is_ignored_only_where_nobody_expects_anything() {
        for name in ["sequence_id", "sequence_start", "headers", "binary_data_output", "anything"] {
            let read = read_one(name, ParameterChoice::StringParam("x".to_owned())).unwrap();
            assert_eq!(read, Parameters { timeout: None, stake: Stake::Advise, tells_final: false });
        }
        assert!(read_one("triton_whatever", ParameterChoice::BoolParam(true)).is_err());
        assert!(read_one("triton_enable_empty_final_response", ParameterChoice::BoolParam(true)).unwrap().tells_final);
        assert!(read_one("triton_enable_empty_final_response", ParameterChoice::Int64Param(1)).is_err());
        assert!(read_one("timeout", ParameterChoice::StringParam("1s".to_owned())).is_err());
        assert!(read_one("priority", ParameterChoice::DoubleParam(1.0)).is_err());
    }
}
