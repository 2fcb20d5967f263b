//! The lane with fake work: barriers and channels decide when a job ends, never the clock.

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use sternpost_wire::scoring::Stake;

use super::*;

const LIMITS: Limits = Limits { jobs: 2, rows: 1000, bytes: 1000 };

fn order(stake: Stake) -> Order {
    Order { stake, deadline: None, rows: 1, bytes: 1, own: Duration::ZERO }
}

fn wait<T>(pending: Pending<T>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(pending)
}

/// A lane of one thread that is held by a job until the sender is dropped.
fn held() -> (Lane, Pending<()>, Sender<()>) {
    let lane = Lane::start(1, LIMITS, || {}).unwrap();
    let (release, held) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let holder = lane.submit(order(Stake::Decide), move |_| {
        begun.send(()).unwrap();
        let _ = held.recv();
        Ok(())
    });
    begins.recv().unwrap();
    (lane, holder.unwrap(), release)
}

fn told(lane: &Lane, stake: Stake, name: &'static str, told: &Sender<&'static str>) -> Result<Pending<&'static str>, Failure> {
    let told = told.clone();
    lane.submit(order(stake), move |_| {
        told.send(name).unwrap();
        Ok(name)
    })
}

fn all(names: Receiver<&'static str>) -> Vec<&'static str> {
    names.into_iter().collect()
}

#[test]
fn jobs_run_by_stake_and_the_displaced_is_answered() {
    let (lane, holder, release) = held();
    let (tell, names) = mpsc::channel();
    let shadow = told(&lane, Stake::Shadow, "shadow", &tell).unwrap();
    let batch = told(&lane, Stake::Batch, "batch", &tell).unwrap();
    let decide = told(&lane, Stake::Decide, "decide", &tell).unwrap();
    let failure = wait(shadow).unwrap_err();
    assert_eq!((failure.code, failure.reason), (Code::ResourceExhausted, Reason::Overloaded));
    assert!(failure.retry_after_ms.is_some_and(|wait| wait > 0));
    let refused = told(&lane, Stake::Batch, "batch, second", &tell).unwrap_err();
    assert_eq!((refused.code, refused.retry_after_ms), (Code::ResourceExhausted, Some(1)));
    drop((release, tell));
    assert_eq!((wait(holder), wait(decide), wait(batch)), (Ok(()), Ok("decide"), Ok("batch")));
    assert_eq!(all(names), ["decide", "batch"]);
}

#[test]
fn a_dropped_future_frees_its_place_and_its_job_never_runs() {
    let (lane, holder, release) = held();
    let (tell, names) = mpsc::channel();
    let gone = told(&lane, Stake::Batch, "gone", &tell).unwrap();
    let stays = told(&lane, Stake::Batch, "stays", &tell).unwrap();
    assert!(told(&lane, Stake::Batch, "refused", &tell).is_err());
    drop(gone);
    let comes = told(&lane, Stake::Batch, "comes", &tell).unwrap();
    drop((release, tell));
    assert_eq!((wait(holder), wait(stays), wait(comes)), (Ok(()), Ok("stays"), Ok("comes")));
    assert_eq!(all(names), ["stays", "comes"]);
}

#[test]
fn a_running_job_sees_that_its_caller_went_away() {
    let lane = Lane::start(1, LIMITS, || {}).unwrap();
    let (begun, begins) = mpsc::channel();
    let (tell, sees) = mpsc::channel();
    let pending = lane.submit(order(Stake::Batch), move |watch| {
        begun.send(()).unwrap();
        while watch.go_on() {
            std::thread::yield_now();
        }
        tell.send(watch.why().code).unwrap();
        Ok(())
    });
    begins.recv().unwrap();
    drop(pending);
    assert_eq!(sees.recv(), Ok(Code::Cancelled));
}

#[test]
fn expired_work_is_refused_at_the_door_and_at_the_thread() {
    let (lane, holder, release) = held();
    let past = Order { deadline: Some(Instant::now()), ..order(Stake::Decide) };
    assert_eq!(lane.submit(past, |_| Ok(())).unwrap_err().code, Code::DeadlineExceeded);
    assert_eq!(lane.inline(past.deadline, |_| Ok(())).unwrap_err().code, Code::DeadlineExceeded);
    let soon = Instant::now() + Duration::from_millis(1);
    let pending = lane.submit(Order { deadline: Some(soon), ..past }, |_| -> Result<(), Failure> { panic!("ran after its deadline") });
    while Instant::now() < soon {
        std::thread::yield_now();
    }
    drop(release);
    assert_eq!(wait(holder), Ok(()));
    // On a busy machine the deadline may have passed before the queue saw it.
    assert_eq!(pending.and_then(wait).unwrap_err().code, Code::DeadlineExceeded);
}

#[test]
fn a_panic_is_answered_and_the_thread_goes_on() {
    let lane = Lane::start(1, LIMITS, || {}).unwrap();
    let pending = lane.submit(order(Stake::Batch), |_| -> Result<(), Failure> { panic!("/secret") }).unwrap();
    let failure = wait(pending).unwrap_err();
    assert_eq!(failure.code, Code::Internal);
    assert!(!failure.message.contains("secret"));
    assert_eq!(wait(lane.submit(order(Stake::Batch), |_| Ok(7)).unwrap()), Ok(7));
    assert_eq!(lane.inline(None, |_| -> Result<(), Failure> { panic!("/secret") }).unwrap_err().code, Code::Internal);
}

#[test]
fn a_closed_lane_ends_what_waits_and_a_stopped_one_answers_it() {
    let (lane, holder, release) = held();
    let (tell, names) = mpsc::channel();
    let waits = told(&lane, Stake::Batch, "waits", &tell).unwrap();
    lane.close();
    assert_eq!(told(&lane, Stake::Decide, "late", &tell).unwrap_err().reason, Reason::Draining);
    drop((release, tell));
    lane.join();
    assert_eq!((wait(holder), wait(waits), all(names)), (Ok(()), Ok("waits"), vec!["waits"]));

    let (lane, holder, release) = held();
    let waits = lane.submit(order(Stake::Batch), |_| Ok(())).unwrap();
    lane.stop();
    assert_eq!(wait(waits).unwrap_err().code, Code::Unavailable);
    drop(release);
    lane.join();
    assert_eq!(wait(holder), Ok(()));
}

#[test]
fn what_was_predicted_is_given_back_when_the_job_ends() {
    let lane = Lane::start(1, LIMITS, || {}).unwrap();
    let long = Order { own: Duration::from_secs(10), ..order(Stake::Batch) };
    let pending = lane.submit(long, |watch| {
        watch.progress(1_000_000_000);
        Ok(())
    });
    wait(pending.unwrap()).unwrap();
    // One more job through the same thread, so that the first has ended altogether.
    wait(lane.submit(order(Stake::Batch), |_| Ok(())).unwrap()).unwrap();
    let tight = Order { deadline: Some(Instant::now() + Duration::from_secs(5)), ..order(Stake::Batch) };
    wait(lane.submit(tight, |_| Ok(())).unwrap()).unwrap();
}
