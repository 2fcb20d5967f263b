//! An outcome that a caller tells, checked before it is kept.

use sternpost_engine::contract::{EXACT_INT, INSTANTS};
use sternpost_wire::failure::Failure;
use sternpost_wire::scoring::ReportRequest;
use sternpost_wire::scoring::value::Kind;

use super::entry::Told;
use crate::lane::check_id;
use crate::refusal::bad;

const SOURCE_BYTES: usize = 64;
const LABEL_BYTES: usize = 1024;
/// Bytes of the name of whom a row or an outcome is about.
pub const ENTITY_BYTES: usize = 256;

/// Reads a report that came at `at_us`.
///
/// # Errors
/// `INVALID_ARGUMENT` that names the field and what it has to be.
pub fn read(report: ReportRequest, at_us: i64) -> Result<Told, Failure> {
    check_id(&report.prediction_id)?;
    check_entity(&report.entity)?;
    if report.prediction_id.is_empty() && (report.entity.is_empty() || report.happened_at_us.is_none()) {
        return Err(bad("a report has a prediction_id, or else entity and happened_at_us; give one of the two"));
    }
    if report.source.len() > SOURCE_BYTES {
        return Err(bad(format!("source has {} bytes; give at most {SOURCE_BYTES}", report.source.len())));
    }
    if report.revision < 0 {
        return Err(bad(format!("revision is {}; give 0 or more", report.revision)));
    }
    for (name, micros) in [("known_at_us", Some(report.known_at_us)), ("happened_at_us", report.happened_at_us)] {
        if let Some(micros) = micros.filter(|micros| !(INSTANTS.0..=INSTANTS.1).contains(micros)) {
            return Err(bad(format!("{name} is {micros}, outside of the years 1 to 9999; give microseconds since 1970 in UTC")));
        }
    }
    match report.outcome.as_ref().and_then(|outcome| outcome.kind.as_ref()) {
        Some(Kind::Number(number)) if number.is_finite() => {}
        Some(Kind::Integer(integer)) if integer.unsigned_abs() <= EXACT_INT => {}
        Some(Kind::Flag(_)) => {}
        Some(Kind::Text(text)) if !text.is_empty() && text.len() <= LABEL_BYTES => {}
        Some(Kind::Text(text)) => {
            return Err(bad(format!("the outcome's label has {} bytes; give 1 to {LABEL_BYTES}", text.len())));
        }
        Some(Kind::Number(number)) => return Err(bad(format!("the outcome is {number}; give a finite number"))),
        Some(Kind::Integer(integer)) => return Err(bad(format!("the outcome is {integer}, beyond 2^53; give it as a number or a label"))),
        Some(Kind::Null(_)) | None => return Err(bad("the report has no outcome; give 0 or 1, a number, or a label")),
    }
    Ok(Told { report, at_us })
}

/// Refuses a name that is too long to keep with every row.
pub fn check_entity(entity: &str) -> Result<(), Failure> {
    if entity.len() <= ENTITY_BYTES {
        return Ok(());
    }
    Err(bad(format!("entity has {} bytes; give at most {ENTITY_BYTES}", entity.len())))
}

#[cfg(test)]
mod tests {
    use sternpost_wire::scoring::Value;

    use super::*;

    fn report(outcome: Option<Kind>) -> ReportRequest {
        let outcome = Some(Value { kind: outcome });
        ReportRequest { prediction_id: "a".to_owned(), outcome, ..ReportRequest::default() }
    }

    #[test]
    fn an_outcome_is_a_number_or_a_label_within_limits() {
        for good in [Kind::Number(0.5), Kind::Integer(-3), Kind::Flag(true), Kind::Text("paid".to_owned())] {
            assert!(read(report(Some(good)), 1).is_ok());
        }
        let wrong = [
            (None, "no outcome"),
            (Some(Kind::Null(true)), "no outcome"),
            (Some(Kind::Number(f64::NAN)), "finite"),
            (Some(Kind::Integer(i64::MAX)), "2^53"),
            (Some(Kind::Text(String::new())), "0 bytes"),
            (Some(Kind::Text("x".repeat(LABEL_BYTES + 1))), "1025 bytes"),
        ];
        for (outcome, says) in wrong {
            let told = read(report(outcome), 1).err().map(|failure| failure.message).unwrap_or_default();
            assert!(told.contains(says), "{told}");
        }
    }

    #[test]
    fn whom_it_is_about_must_be_said_one_way_or_the_other() {
        let nobody = ReportRequest { prediction_id: String::new(), ..report(Some(Kind::Flag(true))) };
        assert!(read(nobody.clone(), 1).is_err());
        let about = ReportRequest { entity: "person-1".to_owned(), ..nobody };
        assert!(read(about.clone(), 1).is_err());
        assert!(read(ReportRequest { happened_at_us: Some(5), ..about.clone() }, 1).is_ok());
        assert!(read(ReportRequest { happened_at_us: Some(i64::MAX), ..about.clone() }, 1).is_err());
        assert!(read(ReportRequest { happened_at_us: Some(5), entity: "x".repeat(257), ..about }, 1).is_err());
    }
}
