//! Disks that fail: full for a while, refusing to flush, losing their power.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sternpost_journal::disk::{Disk, DiskFile};
use sternpost_journal::writer::{Durability, Fate, Full, Options, Writer};

use super::fixture::*;

/// A file's path, its bytes, and how many of them were flushed.
type Held = (PathBuf, Vec<u8>, usize);

#[derive(Clone, Default)]
struct Faults {
    /// Bytes that are still free; nothing for a disk without an end.
    room: Arc<Mutex<Option<usize>>>,
    /// Flushes that fail from now on.
    bad_flushes: Arc<AtomicU64>,
    /// What each file holds, and how much of it was flushed.
    files: Arc<Mutex<Vec<Held>>>,
}

struct Faulty(Faults);

struct FaultyFile(Faults, usize);

impl Faults {
    /// Takes as many of `bytes` as there is room for.
    fn take(&self, bytes: &[u8]) -> (usize, io::Result<()>) {
        match self.room.lock().unwrap().as_mut() {
            Some(room) if *room < bytes.len() => (std::mem::take(room), Err(io::Error::from(io::ErrorKind::StorageFull))),
            Some(room) => {
                *room -= bytes.len();
                (bytes.len(), Ok(()))
            }
            None => (bytes.len(), Ok(())),
        }
    }

    /// Writes what survived into a folder: all, or what was flushed and a piece of the rest.
    fn settle(&self, folder: &Path, power_lost: Option<u64>) {
        for (path, bytes, flushed) in self.files.lock().unwrap().iter() {
            let len = power_lost.map_or(bytes.len(), |salt| flushed + salt as usize % (bytes.len() - flushed + 1));
            let mut kept = bytes[..len].to_vec();
            // Of what was not flushed a page may have been written and the one before it not.
            if let Some(salt) = power_lost.filter(|salt| salt % 3 == 0) {
                let from = flushed + (salt as usize / 7) % (len - flushed + 1);
                kept[from..len].iter_mut().take(512).for_each(|byte| *byte = 0);
            }
            std::fs::write(folder.join(path.file_name().unwrap()), kept).unwrap();
        }
    }
}

impl Disk for Faulty {
    fn create(&mut self, path: &Path, bytes: &[u8], durable: bool) -> io::Result<Box<dyn DiskFile>> {
        self.0.take(bytes).1?;
        let mut files = self.0.files.lock().unwrap();
        files.push((path.to_owned(), bytes.to_vec(), if durable { bytes.len() } else { 0 }));
        Ok(Box::new(FaultyFile(self.0.clone(), files.len() - 1)))
    }

    fn remove(&mut self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (taken, done) = self.0.take(bytes);
        self.0.files.lock().unwrap()[self.1].1.extend_from_slice(&bytes[..taken]);
        done
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.0.bad_flushes.load(Ordering::SeqCst) > 0 {
            return Err(io::Error::other("the disk does not answer"));
        }
        let file = &mut self.0.files.lock().unwrap()[self.1];
        file.2 = file.1.len();
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.files.lock().unwrap()[self.1].1.truncate(len as usize);
        Ok(())
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited too long until {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_full_disk_is_told_and_counted_and_writing_resumes_by_itself() {
    for mode in [Durability::Off, Durability::Async, Durability::Group] {
        let (folder, faults) = (Folder::new(), Faults::default());
        let options = Options { patience: Duration::from_millis(30), ..options(mode) };
        let writer = Writer::open_on(Box::new(Faulty(faults.clone())), &folder.0, Numbers, options).unwrap();
        let mut producer = writer.producer().unwrap();
        let mut fates = Vec::new();
        let mut send = |producer: &mut sternpost_journal::writer::Producer<i64>, range: std::ops::Range<i64>| {
            for number in range {
                let pushed = producer.push(number).unwrap();
                fates.push((number, pushed));
            }
            producer.flush();
            let last = producer.pushed();
            until("it is settled", || producer.fate(last) != Fate::Pending);
        };
        send(&mut producer, 0..100);
        *faults.room.lock().unwrap() = Some(50);
        send(&mut producer, 100..200);
        let stats = writer.stats();
        assert!(stats.alarm && stats.lost > 0 && stats.errors > 0, "{stats:?}");
        assert!(stats.last_error.unwrap().contains("storage"));
        assert!(producer.alarm());
        *faults.room.lock().unwrap() = None;
        send(&mut producer, 200..300);
        assert!(!writer.stats().alarm);
        let stats = writer.close();
        faults.settle(&folder.0, None);
        let there = read(&folder.0);
        assert!((0..100).chain(200..300).all(|number| there.contains(&number)));
        for (number, pushed) in fates {
            // Never said to be there without being there.
            assert!(producer.fate(pushed) == Fate::Lost || there.contains(&number), "{number}");
        }
        assert!(stats.lost >= 300 - there.len() as u64);
    }
}

#[test]
fn within_its_patience_a_full_disk_loses_nothing() {
    let (folder, faults) = (Folder::new(), Faults::default());
    let options = Options { patience: Duration::from_secs(60), ring: 64, full: Full::Drop, ..options(Durability::Group) };
    let writer = Writer::open_on(Box::new(Faulty(faults.clone())), &folder.0, Numbers, options).unwrap();
    let mut producer = writer.producer().unwrap();
    *faults.room.lock().unwrap() = Some(2000);
    let mut taken = Vec::new();
    // Scoring goes on: the ring takes what it can, and the rest is counted.
    let mut number = 0;
    while writer.stats().dropped == 0 {
        if producer.push(number).is_ok() {
            taken.push(number);
        }
        number += 1;
    }
    until("the alarm is raised", || writer.stats().alarm);
    *faults.room.lock().unwrap() = None;
    let stats = writer.close();
    faults.settle(&folder.0, None);
    assert_eq!((stats.lost, stats.alarm), (0, false), "{stats:?}");
    assert_eq!(read(&folder.0), taken);
}

#[test]
fn a_flush_that_fails_is_never_acknowledged_and_its_segment_not_used_again() {
    let (folder, faults) = (Folder::new(), Faults::default());
    let writer = Writer::open_on(Box::new(Faulty(faults.clone())), &folder.0, Numbers, options(Durability::Group)).unwrap();
    let mut producer = writer.producer().unwrap();
    let settled = |producer: &sternpost_journal::writer::Producer<i64>, number| {
        until("it is settled", || producer.fate(number) != Fate::Pending);
        producer.fate(number)
    };
    let first = producer.push(1).unwrap();
    assert_eq!(settled(&producer, first), Fate::Durable);
    faults.bad_flushes.store(1, Ordering::SeqCst);
    let second = producer.push(2).unwrap();
    assert_eq!(settled(&producer, second), Fate::Lost);
    assert!(writer.stats().alarm);
    faults.bad_flushes.store(0, Ordering::SeqCst);
    let third = producer.push(3).unwrap();
    assert_eq!(settled(&producer, third), Fate::Durable);
    assert_eq!(faults.files.lock().unwrap().len(), 2);
    assert!(!writer.stats().alarm);
}

#[test]
fn a_loss_of_power_takes_nothing_that_was_acknowledged() {
    for salt in 0..200_u64 {
        let (folder, kept, faults) = (Folder::new(), Folder::new(), Faults::default());
        let mode = if salt % 2 == 0 { Durability::Group } else { Durability::Async };
        let options = Options { segment_bytes: 30_000, ..options(mode) };
        let writer = Writer::open_on(Box::new(Faulty(faults.clone())), &folder.0, Numbers, options).unwrap();
        let mut producer = writer.producer().unwrap();
        let pushes = 20 + salt as i64 * 3;
        (0..pushes).for_each(|number| assert!(producer.push(number).is_ok()));
        if salt % 4 < 2 {
            until("a part is settled", || producer.settled() > 0);
        }
        let acknowledged = producer.settled() as i64;
        // What the disk holds at this moment is at least what was acknowledged before it.
        faults.settle(&kept.0, Some(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20));
        drop(writer);
        let again = Writer::open(&kept.0, Numbers, super::fixture::options(Durability::Off)).unwrap();
        again.close();
        let there = read(&kept.0);
        assert!(there.len() as i64 >= acknowledged, "salt {salt}: {acknowledged} acknowledged, {} there", there.len());
        assert_eq!(there[..acknowledged as usize], (0..acknowledged).collect::<Vec<_>>(), "salt {salt}");
    }
}
