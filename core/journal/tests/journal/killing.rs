//! Writers that are killed at any moment: a child process appends and says what was acknowledged, the parent kills it and counts.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sternpost_journal::writer::{Durability, Fate, Options, Writer};

use super::fixture::*;

const CHILD: &str = "STERNPOST_JOURNAL_CHILD";
const RING: usize = 256;
const BATCH: usize = 64;

fn mode(word: &str) -> Durability {
    match word {
        "off" => Durability::Off,
        "async" => Durability::Async,
        _ => Durability::Group,
    }
}

/// Not a test by itself: what the child runs.
#[test]
fn child() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (word, folder) = told.split_once(' ').unwrap();
    let options = Options { ring: RING, batch_rows: BATCH, segment_bytes: 60_000, ..options(mode(word)) };
    let writer = Writer::open(std::path::Path::new(folder), Numbers, options).unwrap();
    let mut producer = writer.producer().unwrap();
    let mut out = std::io::stdout();
    let mut told = 0;
    for number in 0.. {
        producer.push(number).unwrap();
        let settled = producer.settled();
        if settled > told || number % 16 == 0 {
            assert!((told + 1..=settled).all(|number| producer.fate(number) == Fate::Durable));
            told = settled;
            // Pushed and acknowledged, in one write that is whole or not there.
            let _ = out.write_all(format!("{} {settled}\n", number + 1).as_bytes());
        }
    }
}

/// Kills a child after `wait`; what it said last.
fn kill(word: &str, folder: &Folder, wait: Duration) -> (i64, i64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killing::child", "--nocapture"])
        .env(CHILD, format!("{word} {}", folder.0.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut last = (0, 0);
    let mut begun = None;
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        if let Some((pushed, settled)) = line.trim().split_once(' ')
            && let (Ok(pushed), Ok(settled)) = (pushed.parse(), settled.parse())
        {
            last = (pushed, settled);
            // From its first words on; how long it takes to start is the machine's affair.
            if begun.get_or_insert_with(Instant::now).elapsed() >= wait {
                let _ = child.kill();
            }
        }
        line.clear();
    }
    child.wait().unwrap();
    last
}

fn round(word: &str, seed: u64) {
    let folder = Folder::new();
    let (pushed, settled) = kill(word, &folder, Duration::from_micros(seed.wrapping_mul(2_654_435_761) % 40_000));
    // Before and after recovery alike.
    for recovered in [false, true] {
        if recovered {
            Writer::open(&folder.0, Numbers, options(Durability::Off)).unwrap().close();
        }
        let there = read(&folder.0);
        let count = there.len() as i64;
        assert_eq!(there, (0..count).collect::<Vec<_>>(), "{word}, seed {seed}: not a prefix");
        assert!(count >= settled, "{word}, seed {seed}: {settled} acknowledged and {count} there");
        // The ring, what the writer took from it, and what was pushed after the last words.
        let bound = (RING + 2 * BATCH) as i64;
        assert!(count >= pushed - bound, "{word}, seed {seed}: {pushed} pushed and {count} there");
    }
}

#[test]
fn a_killed_writer_loses_nothing_acknowledged_and_no_more_than_stated() {
    let rounds: u64 = std::env::var("STERNPOST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let first = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    println!("seeds from {first}");
    for seed in first..first + rounds {
        for word in ["off", "async", "group"] {
            round(word, seed);
        }
    }
}
