//! A connection against a small server in the same process that misbehaves as told.

#![allow(clippy::unwrap_used)] // a test that finds nothing where something must be has failed

mod server;

use std::time::{Duration, Instant};

use sternpost_client::connection::{Connection, Patience, Setup};
use sternpost_client::error::Trouble;
use sternpost_wire::failure::Reason;
use sternpost_wire::scoring::{ScoreRequest, Stake};
use tonic::Code;

use server::{Does, Server};

fn patience<'a>(ms: u64) -> Patience<'a> {
    Patience { until: Instant::now() + Duration::from_millis(ms), go_on: &|| true }
}

fn request(id: &str) -> ScoreRequest {
    ScoreRequest { id: id.to_owned(), stake: Stake::Advise.into(), ..ScoreRequest::default() }
}

fn connected(does: &[Does]) -> (Server, Connection) {
    let server = Server::start(does.to_vec());
    let connection = Connection::open(&server.endpoint(), &Setup::default(), patience(5_000)).unwrap();
    (server, connection)
}

#[test]
fn rows_are_answered_in_their_order_either_way() {
    for streamed in [true, false] {
        let (_server, mut connection) = connected(&[Does::Answer; 3]);
        for id in ["a", "b", "c"] {
            assert!(connection.usable());
            assert_eq!(connection.score(&request(id), streamed, patience(5_000)).unwrap().prediction_id, id);
        }
    }
}

#[test]
fn a_refusal_is_told_and_the_connection_stays_good() {
    let (_server, mut connection) = connected(&[Does::Refuse(Code::ResourceExhausted, 70), Does::Answer]);
    let refused = connection.score(&request("a"), false, patience(5_000)).unwrap_err();
    let Trouble::Said(failure) = refused else { panic!("{refused:?}") };
    assert_eq!((failure.code, failure.reason, failure.retry_after_ms), (Code::ResourceExhausted, Reason::Overloaded, Some(70)));
    assert_eq!(connection.score(&request("b"), false, patience(5_000)).unwrap().prediction_id, "b");
}

#[test]
fn a_late_answer_is_not_waited_for() {
    for streamed in [true, false] {
        let (_server, mut connection) = connected(&[Does::Nothing]);
        let begun = Instant::now();
        assert_eq!(connection.score(&request("a"), streamed, patience(60)).unwrap_err(), Trouble::Late);
        assert!((60..600).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_caller_who_has_enough_is_heard() {
    let (_server, mut connection) = connected(&[Does::Nothing]);
    let until = Instant::now() + Duration::from_secs(20);
    let refused = connection.score(&request("a"), true, Patience { until, go_on: &|| false });
    assert_eq!(refused.unwrap_err(), Trouble::Interrupted);
}

#[test]
fn a_server_that_goes_away_is_noticed_before_the_next_row() {
    for does in [Does::GoAway, Does::HangUp] {
        let (_server, mut connection) = connected(&[Does::Answer, does]);
        connection.score(&request("a"), false, patience(5_000)).unwrap();
        assert!(connection.has_answered());
        let end = Instant::now() + Duration::from_secs(5);
        while connection.usable() {
            assert!(Instant::now() < end, "{does:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn what_is_not_grpc_is_told() {
    let (_server, mut connection) = connected(&[Does::Http(503)]);
    let told = connection.score(&request("a"), false, patience(5_000)).unwrap_err();
    assert!(matches!(&told, Trouble::Broken(why) if why.contains("503")), "{told:?}");
}

#[test]
fn a_stream_that_ends_in_the_middle_is_broken() {
    let (_server, mut connection) = connected(&[Does::Half]);
    let told = connection.score(&request("a"), true, patience(5_000)).unwrap_err();
    assert!(matches!(told, Trouble::Broken(_)), "{told:?}");
}

#[test]
fn nobody_there_is_told_at_once() {
    let endpoint = { Server::start(vec![]).endpoint() };
    std::thread::sleep(Duration::from_millis(50));
    let told = Connection::open(&endpoint, &Setup::default(), patience(5_000)).unwrap_err();
    assert!(matches!(&told, Trouble::Broken(why) if why.contains("cannot be reached")), "{told:?}");
}
