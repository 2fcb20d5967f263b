//! One inference request, from its message to its response.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use prost::Message;
use sternpost_wire::failure::{Failure, Reason};
use sternpost_wire::inference::infer_parameter::ParameterChoice;
use sternpost_wire::inference::{InferParameter, ModelInferRequest, ModelInferResponse};
use tonic::Code;

use super::service::{Options, Parts, TypedResponse};
use super::wanted::Wanted;
use super::{answer, describe, parameters, tensors, wanted};
use crate::catalog::Served;
use crate::deadline::earliest;
use crate::hands::{Effort, LONG, aside};
use crate::refusal::{bad, quoted};
use crate::scoring::{Batches, Call, Scored, Timing};

/// What is known of a request before its message is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// When the whole request was there.
    pub arrived: Instant,
    /// The deadline of the call that it came in.
    pub deadline: Option<Instant>,
}

/// A request whose inputs were read.
struct Understood {
    wanted: Vec<Wanted>,
    table: Batches,
    typed: bool,
}

/// Scores the rows of a request.
///
/// # Errors
/// Why there is no response.
pub async fn infer(parts: &Parts, request: ModelInferRequest, context: Context) -> Result<ModelInferResponse, Failure> {
    let served = parts.find(&request.model_name, &request.model_version)?;
    let mut response = ModelInferResponse {
        model_name: served.name.clone(),
        model_version: served.version.to_string(),
        id: request.id.clone(),
        ..ModelInferResponse::default()
    };
    let refused = |failure| {
        served.statistics.failed.fetch_add(1, Relaxed);
        failure
    };
    let parameters = parameters::read(&request.parameters).map_err(refused)?;
    let deadline = earliest(context.arrived, [parameters.timeout]).into_iter().chain(context.deadline).min();
    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
        return Err(refused(Failure::new(Code::DeadlineExceeded, Reason::Deadline, "the time limit was over before the rows could run")));
    }
    let by_size = |bytes: usize| Effort { stake: parameters.stake, deadline, bytes: bytes as u64 };
    let size = request.encoded_len();
    let reading = {
        let (served, options) = (served.clone(), parts.options);
        move || understand(options, &served, request)
    };
    let understood = if size > LONG { aside(&*parts.hands, by_size(size), reading).await.flatten() } else { reading() };
    let Understood { wanted, table, typed } = understood.map_err(refused)?;
    let rows = table.rows;
    let call = Call { deadline, stake: parameters.stake, arrived: context.arrived };
    let Scored { batches: scored, timing } = parts.scoring.score(served.clone(), table, call).await?;
    tell(&mut response, &served, timing);
    if parameters.tells_final {
        put(&mut response, "triton_final_response", ParameterChoice::BoolParam(true));
    }
    let size = answer::size(&wanted, served.scorer.shape(), rows);
    let writing = {
        let served = served.clone();
        move || answer::fill(&mut response, &wanted, served.scorer.shape(), &scored, rows, typed).map(|()| response)
    };
    if size > LONG { aside(&*parts.hands, by_size(size), writing).await.flatten() } else { writing() }
}

fn understand(options: Options, served: &Served, request: ModelInferRequest) -> Result<Understood, Failure> {
    let wanted = wanted::read(served.scorer.shape(), &request.outputs)?;
    let typed = options.typed_response == TypedResponse::Mirror && request.raw_input_contents.is_empty();
    let table = tensors::read(served.scorer.contract(), request.inputs, request.raw_input_contents, options.max_rows)?;
    Ok(Understood { wanted, table, typed })
}

/// Which bundle answered, how far it is trusted, and where the time went.
fn tell(response: &mut ModelInferResponse, served: &Served, timing: Timing) {
    let micros = |took: Duration| ParameterChoice::Int64Param(i64::try_from(took.as_micros()).unwrap_or(i64::MAX));
    put(response, "digest", ParameterChoice::StringParam(served.digest().to_owned()));
    put(response, "rung", ParameterChoice::StringParam(describe::rung(served.rung).to_owned()));
    put(response, "binding", ParameterChoice::BoolParam(false));
    put(response, "queue_us", micros(timing.queue));
    put(response, "infer_us", micros(timing.run));
    put(response, "batch_rows", ParameterChoice::Int64Param(i64::try_from(timing.rows).unwrap_or(i64::MAX)));
}

fn put(response: &mut ModelInferResponse, name: &str, choice: ParameterChoice) {
    response.parameters.insert(name.to_owned(), InferParameter { parameter_choice: Some(choice) });
}

impl Parts {
    /// A bundle by name, in the version asked for; any if none is.
    ///
    /// # Errors
    /// As [`crate::catalog::Catalog::find`], and for the version `INVALID_ARGUMENT` or `NOT_FOUND`.
    pub(super) fn find(&self, name: &str, version: &str) -> Result<Arc<Served>, Failure> {
        let catalog = self.registry.catalog();
        let served = catalog.find(name)?;
        match number(version)? {
            Some(version) if version != served.version => Err(Failure::new(
                Code::NotFound,
                Reason::UnknownBundle,
                format!(
                    "Request for unknown model: '{}' version {version} is not found; version {} is served",
                    served.name, served.version
                ),
            )),
            _ => Ok(served.clone()),
        }
    }
}

/// The number of a version; nothing for the empty one.
///
/// # Errors
/// `INVALID_ARGUMENT` for a version that is not a number.
pub fn number(version: &str) -> Result<Option<u64>, Failure> {
    let wrong = || bad(format!("model version {} is not a number", quoted(version)));
    match version {
        "" => Ok(None),
        digits if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse().map(Some).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}
