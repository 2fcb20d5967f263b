//! Telling a server what really happened after a prediction.

use sternpost_wire::scoring::{ReportReply, ReportRequest};

use crate::breaker::Outcome;
use crate::client::Client;
use crate::connection::Patience;
use crate::error::{Error, Trouble};
use crate::remote::Flight;
use crate::tries::Tries;

const REPORT: &str = "/sternpost.v1.Scoring/Report";

impl Client {
    /// Tells an outcome.
    ///
    /// # Errors
    /// Why it could not be told; telling it again is harmless.
    pub fn report(&self, request: &ReportRequest, patience: Patience<'_>) -> Result<(), Error> {
        let inner = self.inner()?;
        let tell = |flight: &Flight<'_>, patience| -> Result<(), Trouble> {
            let mut held = flight.remote.pool.take(patience)?;
            let told: Result<ReportReply, _> = held.get()?.unary(REPORT, request, patience);
            if matches!(told, Ok(_) | Err(Trouble::Said(_))) {
                held.keep();
            }
            told.map(|_| ())
        };
        let mut tries = Tries::new(inner, patience, true);
        loop {
            let flight = tries.next().map_err(|end| end.told(inner, patience).0)?;
            match tell(&flight, tries.share(&flight)) {
                Ok(()) => {
                    flight.ends(Outcome::Good);
                    return Ok(());
                }
                Err(trouble) => tries.failed(flight, trouble),
            }
        }
    }
}
