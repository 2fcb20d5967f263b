//! The queue without threads: who goes first, who has to go, and what is refused.

use super::*;

const LIMITS: Limits = Limits { jobs: 3, rows: 1000, bytes: 1 << 20 };

fn order(stake: Stake, deadline: Option<Instant>) -> Order {
    Order { stake, deadline, rows: 10, bytes: 100, own: Duration::ZERO }
}

fn names<T: Copy>(queue: &Queue<T>) -> Vec<T> {
    queue.close();
    std::iter::from_fn(|| queue.pop().map(|(_, job)| job)).collect()
}

#[test]
fn stake_goes_before_deadline_and_deadline_before_arrival() {
    let now = Instant::now();
    let at = |s| Some(now + Duration::from_secs(s));
    let queue = Queue::new(Limits { jobs: 99, ..LIMITS }, 1);
    for (name, stake, deadline) in [
        ("shadow", Stake::Shadow, at(1)),
        ("batch, endless", Stake::Batch, None),
        ("batch", Stake::Batch, at(9)),
        ("unspecified", Stake::Unspecified, at(7)),
        ("advise", Stake::Advise, at(8)),
        ("decide, later", Stake::Decide, at(6)),
        ("decide, sooner", Stake::Decide, at(5)),
        ("decide, sooner, second", Stake::Decide, at(5)),
    ] {
        queue.push(order(stake, deadline), now, name).unwrap();
    }
    let expected =
        ["decide, sooner", "decide, sooner, second", "decide, later", "unspecified", "advise", "batch", "batch, endless", "shadow"];
    assert_eq!(names(&queue), expected);
}

#[test]
fn a_higher_stake_takes_the_place_of_the_latest_of_the_lowest() {
    let now = Instant::now();
    let at = |s| Some(now + Duration::from_secs(s));
    let queue = Queue::new(LIMITS, 1);
    queue.push(order(Stake::Batch, at(1)), now, "batch, sooner").unwrap();
    queue.push(order(Stake::Batch, at(2)), now, "batch, later").unwrap();
    queue.push(order(Stake::Shadow, at(1)), now, "shadow").unwrap();
    let lost = |name, stake| queue.push(order(stake, at(3)), now, name).unwrap().evicted;
    assert_eq!(lost("advise", Stake::Advise), [("shadow", Eviction::Displaced(1))]);
    assert_eq!(lost("decide", Stake::Decide), [("batch, later", Eviction::Displaced(1))]);
    // Same stake, and lower: refused, and nobody loses anything.
    assert_eq!(queue.push(order(Stake::Batch, at(0)), now, "batch, urgent").unwrap_err().1, Refusal::Full(1));
    assert_eq!(queue.push(order(Stake::Shadow, None), now, "shadow").unwrap_err().1, Refusal::Full(1));
    assert_eq!(names(&queue), ["decide", "advise", "batch, sooner"]);
}

#[test]
fn several_make_room_together_or_none_does() {
    let now = Instant::now();
    let queue = Queue::new(Limits { jobs: 9, ..LIMITS }, 1);
    let rows = |stake, rows| Order { rows, ..order(stake, None) };
    queue.push(rows(Stake::Decide, 300), now, "decide").unwrap();
    queue.push(rows(Stake::Batch, 300), now, "batch").unwrap();
    queue.push(rows(Stake::Shadow, 300), now, "shadow").unwrap();
    assert_eq!(queue.push(rows(Stake::Advise, 800), now, "too much").unwrap_err().1, Refusal::Full(1));
    let placed = queue.push(rows(Stake::Advise, 700), now, "advise").unwrap();
    assert_eq!(placed.evicted.len(), 2);
    assert_eq!(names(&queue), ["decide", "advise"]);
}

#[test]
fn what_has_expired_makes_room_for_anybody() {
    let start = Instant::now();
    let later = start + Duration::from_secs(10);
    let queue = Queue::new(LIMITS, 1);
    queue.push(order(Stake::Decide, Some(start + Duration::from_secs(1))), start, "expired").unwrap();
    queue.push(order(Stake::Decide, None), start, "first").unwrap();
    queue.push(order(Stake::Decide, None), start, "second").unwrap();
    let placed = queue.push(order(Stake::Shadow, None), later, "shadow").unwrap();
    assert_eq!(placed.evicted, [("expired", Eviction::Expired)]);
    assert_eq!(names(&queue), ["first", "second", "shadow"]);
}

#[test]
fn rows_and_bytes_are_bounded_as_jobs_are_and_come_back() {
    let now = Instant::now();
    let queue = Queue::new(LIMITS, 1);
    let sized = |rows, bytes| Order { rows, bytes, ..order(Stake::Batch, None) };
    assert_eq!(queue.push(sized(1001, 0), now, 0).unwrap_err().1, Refusal::TooLarge);
    assert_eq!(queue.push(sized(0, (1 << 20) + 1), now, 0).unwrap_err().1, Refusal::TooLarge);
    let first = queue.push(sized(1000, 0), now, 1).unwrap().place;
    assert_eq!(queue.push(sized(1, 0), now, 2).unwrap_err().1, Refusal::Full(1));
    assert_eq!((queue.remove(first), queue.remove(first)), (Some(1), None));
    queue.push(sized(0, 1 << 20), now, 3).unwrap();
    assert_eq!(queue.push(sized(0, 1), now, 4).unwrap_err().1, Refusal::Full(1));
    assert_eq!(queue.pop().map(|(_, job)| job), Some(3));
    queue.push(sized(1000, 1 << 20), now, 5).unwrap();
    assert_eq!(queue.clear(), [5]);
    assert_eq!(queue.push(sized(1, 1), now, 6).unwrap_err().1, Refusal::Closed);
    assert_eq!((queue.pop().is_none(), queue.waiting()), (true, (0, false)));
}

#[test]
fn work_that_would_come_too_late_is_refused_at_the_door() {
    let now = Instant::now();
    let ms = Duration::from_millis;
    let queue = Queue::new(Limits { jobs: 99, ..LIMITS }, 2);
    let timed = |stake, deadline: Option<u64>, own| Order { own: ms(own), ..order(stake, deadline.map(|deadline| now + ms(deadline))) };
    queue.push(timed(Stake::Advise, None, 40), now, "long").unwrap();
    // 40 ms over two threads stand before an endless one of the same stake, nothing before a higher stake.
    assert_eq!(queue.push(timed(Stake::Batch, Some(25), 10), now, "late").unwrap_err().1, Refusal::Late(20));
    queue.push(timed(Stake::Batch, Some(30), 10), now, "in time").unwrap();
    queue.push(timed(Stake::Decide, Some(10), 10), now, "decide").unwrap();
    assert_eq!(queue.push(timed(Stake::Decide, Some(9), 10), now, "never").unwrap_err().1, Refusal::Late(-1));
    // What runs counts until it tells of progress.
    assert_eq!(queue.pop().map(|(_, job)| job), Some("decide"));
    assert_eq!(queue.push(timed(Stake::Decide, Some(4), 0), now, "late").unwrap_err().1, Refusal::Late(5));
    queue.progress(nanos(ms(10)));
    queue.push(timed(Stake::Decide, Some(4), 0), now, "next").unwrap();
}
