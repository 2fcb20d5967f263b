//! The writer: order, durability, policies, rotation, retention, one at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow_array::Array;
use sternpost_journal::Error;
use sternpost_journal::encode::Tables;
use sternpost_journal::layout::Kind;
use sternpost_journal::listing::list;
use sternpost_journal::retention::Retention;
use sternpost_journal::segment::Segment;
use sternpost_journal::writer::{Durability, Fate, Full, NotTaken, Options, Writer};

use super::fixture::*;

const MODES: [Durability; 3] = [Durability::Off, Durability::Async, Durability::Group];

/// Waits for something that another thread does.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited too long until {what}");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_pushed_is_read_in_order_and_sealed() {
    for mode in MODES {
        let folder = Folder::new();
        let writer = Writer::open(&folder.0, Numbers, options(mode)).unwrap();
        let mut producer = writer.producer().unwrap();
        for number in 0..2000 {
            assert_eq!(producer.push(number), Ok(number as u64 + 1));
        }
        let stats = writer.close();
        assert_eq!((stats.entries, stats.appended, stats.durable, stats.lost, stats.dropped), (2000, 2000, 2000, 0, 0), "{stats:?}");
        assert_eq!(stats.fsyncs == 0, mode == Durability::Off, "{stats:?}");
        assert_eq!(producer.fate(2000), Fate::Durable);
        assert_eq!(producer.push(1), Err(NotTaken::Closed(1)));
        assert_eq!(read(&folder.0), (0..2000).collect::<Vec<_>>());
        for (_, path) in list(&folder.0).unwrap().segments {
            let segment = Segment::open(&path).unwrap();
            assert!(segment.is_sealed() && segment.verify().is_empty());
        }
        let on_disk: u64 = list(&folder.0).unwrap().segments.iter().map(|(_, path)| path.metadata().unwrap().len()).sum();
        assert!(stats.bytes <= on_disk && on_disk < stats.bytes + 100, "{} counted, {on_disk} on disk", stats.bytes);
    }
}

#[test]
fn under_group_a_producer_is_told_when_its_entries_are_durable() {
    let folder = Folder::new();
    // An interval that never ends: only the durability makes it write.
    let options = Options { flush_interval: Duration::from_secs(3600), ..options(Durability::Group) };
    let writer = Writer::open(&folder.0, Numbers, options).unwrap();
    let mut producer = writer.producer().unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let counted = calls.clone();
    producer.wake_by(Arc::new(move || assert!(counted.fetch_add(1, Ordering::SeqCst) < 1000)));
    for number in 0..20 {
        let pushed = producer.push(number).unwrap();
        until("the entry is settled", || producer.fate(pushed) != Fate::Pending);
        assert_eq!(producer.fate(pushed), Fate::Durable);
        assert_eq!(read(&folder.0).len() as i64, number + 1);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 20);
    assert!(writer.stats().fsyncs >= 20);
}

#[test]
fn entries_of_many_producers_are_all_there_each_in_its_order() {
    let folder = Folder::new();
    let writer = Writer::open(&folder.0, Numbers, options(Durability::Async)).unwrap();
    std::thread::scope(|scope| {
        for lane in 0..4_i64 {
            let mut producer = writer.producer().unwrap();
            scope.spawn(move || (0..3000).for_each(|number| assert!(producer.push(lane * 10_000 + number).is_ok())));
        }
    });
    writer.close();
    let found = read(&folder.0);
    for lane in 0..4 {
        let own: Vec<_> = found.iter().filter(|number| **number / 10_000 == lane).map(|number| number % 10_000).collect();
        assert_eq!(own, (0..3000).collect::<Vec<_>>());
    }
}

#[test]
fn batches_are_large_when_there_is_traffic() {
    let folder = Folder::new();
    let writer = Writer::open(&folder.0, super::rows::Answers::new(), options(Durability::Async)).unwrap();
    let mut producer = writer.producer().unwrap();
    (0..50_000).for_each(|number| assert!(producer.push(number).is_ok()));
    let stats = writer.close();
    assert_eq!(stats.appended, 50_000);
    assert!(stats.appended / stats.batches >= 256, "{stats:?}");
}

#[test]
fn a_second_writer_is_refused_and_told_who_writes() {
    let folder = Folder::new();
    let writer = Writer::open(&folder.0, Numbers, options(Durability::Off)).unwrap();
    let refused = Writer::open(&folder.0, Numbers, options(Durability::Off)).err().unwrap();
    assert!(matches!(refused, Error::Locked { .. }));
    assert!(refused.to_string().contains(&format!("written by process {}", std::process::id())), "{refused}");
    writer.close();
    Writer::open(&folder.0, Numbers, options(Durability::Off)).unwrap();
}

/// An encoder that waits until it may go on.
struct Held(Arc<AtomicU64>);

impl sternpost_journal::encode::Encode for Held {
    type Entry = i64;

    fn encode(&mut self, entry: i64, streams: &mut sternpost_journal::streams::Streams) -> sternpost_journal::Result<()> {
        until("the encoder may go on", || self.0.load(Ordering::SeqCst) > 0);
        Numbers.encode(entry, streams)
    }
}

#[test]
fn a_full_ring_is_met_as_the_policy_says_and_counted() {
    for (full, told) in
        [(Full::Drop, NotTaken::Dropped), (Full::Wait(Duration::from_millis(1)), NotTaken::Dropped), (Full::Refuse, NotTaken::Refused(100))]
    {
        let folder = Folder::new();
        let go = Arc::new(AtomicU64::new(0));
        let writer = Writer::open(&folder.0, Held(go.clone()), Options { ring: 4, full, ..options(Durability::Off) }).unwrap();
        let mut producer = writer.producer().unwrap();
        let mut taken = 0;
        // The writer holds what it took first and the ring four more.
        let refused = loop {
            match producer.push(100) {
                Ok(_) => taken += 1,
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused, told);
        go.store(1, Ordering::SeqCst);
        let stats = writer.close();
        assert_eq!((stats.dropped, stats.appended), (1, taken), "{stats:?}");
    }
}

#[test]
fn an_entry_that_cannot_be_encoded_costs_itself_only() {
    let folder = Folder::new();
    let writer = Writer::open(&folder.0, Numbers, options(Durability::Group)).unwrap();
    let mut producer = writer.producer().unwrap();
    for number in [1, -2, 3] {
        producer.push(number).unwrap();
    }
    let stats = writer.close();
    assert_eq!((stats.appended, stats.lost), (2, 1), "{stats:?}");
    assert!(stats.last_error.unwrap().contains("-2 is below 0"));
    assert_eq!([1, 2, 3].map(|number| producer.fate(number)), [Fate::Durable, Fate::Lost, Fate::Durable]);
    assert_eq!(read(&folder.0), [1, 3]);
}

#[test]
fn segments_rotate_by_size_and_the_oldest_are_deleted_but_never_an_open_one() {
    let folder = Folder::new();
    let write = |retention| {
        let options = Options { segment_bytes: 20_000, retention, ..options(Durability::Off) };
        let writer = Writer::open(&folder.0, Tables, options).unwrap();
        let mut producer = writer.producer().unwrap();
        (0..100).for_each(|part| assert!(producer.push(table(numbers(part * 50..part * 50 + 50))).is_ok()));
        writer.close();
    };
    write(Retention::default());
    let all = list(&folder.0).unwrap().segments;
    assert!(all.len() > 5);
    assert_eq!(read(&folder.0), (0..5000).collect::<Vec<_>>());
    let bytes = |segments: &[(sternpost_journal::layout::Name, std::path::PathBuf)]| -> u64 {
        segments.iter().map(|(_, path)| path.metadata().unwrap().len()).sum()
    };
    let open = all.first().unwrap().1.clone();
    let keep = Retention { bytes: Some(bytes(&all[3..])), age: None };
    let deleted = sternpost_journal::retention::retain(&mut sternpost_journal::disk::Files, &folder.0, keep, &[&open]).unwrap();
    let left = list(&folder.0).unwrap().segments;
    assert_eq!(left.len() as u64 + deleted, all.len() as u64);
    assert_eq!(left[0], all[0], "the open one stays");
    assert_eq!(left[1..], all[all.len() - left.len() + 1..], "the oldest went");
    assert!(bytes(&left) <= keep.bytes.unwrap());
    let keep = Retention { bytes: None, age: Some(Duration::ZERO) };
    sternpost_journal::retention::retain(&mut sternpost_journal::disk::Files, &folder.0, keep, &[&open]).unwrap();
    assert_eq!(list(&folder.0).unwrap().segments, all[..1]);
    // Numbers go on from what is there.
    assert_eq!(list(&folder.0).unwrap().next_number(Kind::Outcomes, "all"), 2);
}

#[test]
fn another_schema_begins_another_segment_and_a_dictionary_is_refused() {
    let folder = Folder::new();
    let writer = Writer::open(&folder.0, Tables, options(Durability::Off)).unwrap();
    let mut producer = writer.producer().unwrap();
    producer.push(table(numbers(0..3))).unwrap();
    producer.push(table(numbers(3..5).project(&[0]).unwrap())).unwrap();
    let labels: arrow_array::DictionaryArray<arrow_array::types::Int8Type> = ["x"].into_iter().collect();
    producer.push(table(arrow_array::RecordBatch::try_from_iter([("n", Arc::new(labels) as Arc<dyn Array>)]).unwrap())).unwrap();
    let stats = writer.close();
    assert_eq!((stats.appended, stats.lost), (5, 1), "{stats:?}");
    assert!(stats.last_error.unwrap().contains("cast the dictionary"));
    assert_eq!(list(&folder.0).unwrap().segments.len(), 2);
    assert_eq!(read(&folder.0), [0, 1, 2, 3, 4]);
}
