use clap::Parser;

use super::*;
use crate::rows;

const HEAD: &[u8] = b"\x88";
const OK: &[u8] = b"\0\x0bgrpc-status\x010";

fn options(more: &[&str]) -> Options {
    Options::parse_from([&["sternpost-load", "unix:none", "--rows", "none"], more].concat())
}

fn call(row: u32) -> Call {
    Call { row, intended: 0 }
}

fn score(bits: f64) -> Vec<u8> {
    [&[0x11], &bits.to_le_bytes()[..]].concat()
}

fn reply(stream: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    frames::put(frames::HEADERS, frames::END_HEADERS, stream, HEAD, &mut bytes);
    frames::put_message(stream, 0, &score(0.5), &mut bytes);
    frames::put(frames::HEADERS, frames::END_HEADERS | frames::END_STREAM, stream, OK, &mut bytes);
    bytes
}

fn sent(grpc: &mut Grpc, calls: u32) -> Vec<u8> {
    let (rows, mut out) = (rows::of(&[(b"row", 0), (b"other", 0), (b"third", 0)]), Vec::new());
    grpc.start(&mut out);
    (0..calls).for_each(|row| {
        assert!(grpc.has_room());
        grpc.send(call(row), &rows, &mut out);
    });
    out
}

#[test]
fn a_call_ends_with_its_status_and_score_however_its_bytes_are_cut() {
    let bytes = reply(1);
    for cut in 0..bytes.len() {
        let (mut grpc, mut done, mut out) = (Grpc::new(&options(&[]), 3), Vec::new(), Vec::new());
        sent(&mut grpc, 1);
        let taken = grpc.take(&bytes[..cut], &mut out, &mut done).unwrap();
        grpc.take(&bytes[taken..], &mut out, &mut done).unwrap();
        let answer = Answer { score: Some(0.5), failure: None };
        assert_eq!(done, [Done { call: call(0), end: End::Status(0), answer, pushback: None }]);
    }
}

#[test]
fn what_comes_after_a_goaway_was_not_taken_and_the_rest_is_lost_with_the_connection() {
    let (mut grpc, mut done, mut out, mut bytes) = (Grpc::new(&options(&[]), 3), Vec::new(), Vec::new(), Vec::new());
    sent(&mut grpc, 3);
    frames::put(frames::GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0], &mut bytes);
    bytes.extend(reply(1));
    grpc.take(&bytes, &mut out, &mut done).unwrap();
    assert!(!grpc.is_usable());
    grpc.gone(&mut done);
    let ends: Vec<_> = done.iter().map(|done| (done.call.row, done.end)).collect();
    assert_eq!(ends, [(2, End::NotTaken), (0, End::Status(0)), (1, End::Lost)]);
}

#[test]
fn a_refusal_says_how_long_to_wait_and_a_cancelled_call_is_forgotten() {
    let (mut grpc, mut done, mut out, mut bytes) = (Grpc::new(&options(&["--deadline-ms", "5"]), 3), Vec::new(), Vec::new(), Vec::new());
    sent(&mut grpc, 2);
    assert_eq!(grpc.cancel(3, &mut out), Some(call(1)));
    assert_eq!(out, b"\0\0\x04\x03\0\0\0\0\x03\0\0\0\x08");
    let refusal = b"\x88\0\x0bgrpc-status\x018\0\x16grpc-retry-pushback-ms\x0211";
    frames::put(frames::HEADERS, frames::END_HEADERS | frames::END_STREAM, 1, refusal, &mut bytes);
    bytes.extend(reply(3));
    grpc.take(&bytes, &mut out, &mut done).unwrap();
    assert_eq!(done, [Done { call: call(0), end: End::Status(8), answer: Answer::default(), pushback: Some(11) }]);
}

#[test]
fn windows_and_the_number_of_streams_are_kept() {
    let (mut grpc, mut out, mut bytes) = (Grpc::new(&options(&[]), 40_000), Vec::new(), Vec::new());
    let rows = rows::of(&[(&[7; 40_000], 0)]);
    grpc.send(call(0), &rows, &mut out);
    assert!(!grpc.has_room());
    frames::put(frames::WINDOW, 0, 0, &40_000u32.to_be_bytes(), &mut bytes);
    grpc.take(&bytes, &mut out, &mut Vec::new()).unwrap();
    assert!(grpc.has_room());
    frames::put(frames::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1], &mut bytes);
    grpc.take(&bytes, &mut out, &mut Vec::new()).unwrap();
    assert!(!grpc.has_room());
}

#[test]
fn rows_of_a_stream_are_answered_in_order_and_a_failure_is_the_rows_own() {
    let (mut grpc, mut done, mut out) = (Grpc::new(&options(&["--call", "stream"]), 5), Vec::new(), Vec::new());
    sent(&mut grpc, 3);
    let mut bytes = Vec::new();
    frames::put_message(1, 0, &score(0.25), &mut bytes);
    frames::put_message(1, 0, b"\x62\x02\x08\x08", &mut bytes);
    frames::put(frames::HEADERS, frames::END_HEADERS | frames::END_STREAM, 1, OK, &mut bytes);
    grpc.take(&bytes, &mut out, &mut done).unwrap();
    let ends: Vec<_> = done.iter().map(|done| (done.call.row, done.end, done.answer.score)).collect();
    assert_eq!(ends[..2], [(0, End::Status(0), Some(0.25)), (1, End::Status(8), None)]);
    assert_eq!((ends[2].0, ends[2].1), (2, End::Lost));
    assert!(!grpc.is_usable());
}
