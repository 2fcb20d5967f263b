//! Health as `grpc.health.v1` has it told: `Check` knows a name or does not; `Watch` stays with any name, known or not, until the server ends.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use sternpost_wire::failure::{Failure, Reason};
use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::refusal::{draining, quoted};

/// What is known of every name.
#[derive(Debug, Default)]
struct Known {
    names: BTreeMap<String, ServingStatus>,
    ends: bool,
}

/// Where health is written. Clones write to the same board.
#[derive(Debug, Clone)]
pub struct Board(Arc<watch::Sender<Arc<Known>>>);

impl Board {
    /// A board on which `names` do not serve yet.
    pub fn new(names: &[&str]) -> Self {
        let names = names.iter().map(|name| ((*name).to_owned(), ServingStatus::NotServing)).collect();
        Self(Arc::new(watch::Sender::new(Arc::new(Known { names, ends: false }))))
    }

    /// What is known from now on. A name that was known and is not given does not serve any more. Who watches is told what is new to him.
    pub fn tell(&self, serving: &BTreeMap<String, bool>) {
        self.change(|known| {
            known.names.values_mut().for_each(|status| *status = ServingStatus::NotServing);
            let status = |well: bool| if well { ServingStatus::Serving } else { ServingStatus::NotServing };
            known.names.extend(serving.iter().map(|(name, well)| (name.clone(), status(*well))));
        });
    }

    /// Ends every watch, once it has told the last.
    pub fn end(&self) {
        self.change(|known| known.ends = true);
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        self.0.send_if_modified(|known| {
            let mut next = Known { names: known.names.clone(), ends: known.ends };
            change(&mut next);
            let other = next.names != known.names || next.ends != known.ends;
            if other {
                *known = Arc::new(next);
            }
            other
        });
    }
}

/// One caller's watch of one name.
#[derive(Debug)]
pub struct Watched {
    name: String,
    board: WatchStream<Arc<Known>>,
    told: Option<ServingStatus>,
    ends: bool,
    over: bool,
}

impl Stream for Watched {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.over {
                return Poll::Ready(None);
            }
            if this.ends {
                this.over = true;
                return Poll::Ready(Some(Err(draining().into())));
            }
            let Some(known) = ready!(Pin::new(&mut this.board).poll_next(cx)) else { return Poll::Ready(None) };
            this.ends = known.ends;
            let status = known.names.get(&this.name).copied().unwrap_or(ServingStatus::ServiceUnknown);
            if this.told.replace(status) != Some(status) {
                return Poll::Ready(Some(Ok(answer(status))));
            }
        }
    }
}

#[tonic::async_trait]
impl Health for Board {
    type WatchStream = Watched;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let name = &request.get_ref().service;
        let known = self.0.borrow().names.get(name).copied();
        match known {
            Some(status) => Ok(Response::new(answer(status))),
            None => {
                let name = quoted(name);
                let message = format!("there is nothing named {name} here; ask for a bundle, a service, or the server by an empty name");
                Err(Failure::new(Code::NotFound, Reason::UnknownBundle, message).into())
            }
        }
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let board = WatchStream::new(self.0.subscribe());
        Ok(Response::new(Watched { name: request.into_inner().service, board, told: None, ends: false, over: false }))
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
