//! Folders that go away, batches, and entries that are numbers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch, StringArray};
use sternpost_engine::spec::BundleName;
use sternpost_journal::encode::{Encode, Table};
use sternpost_journal::layout::Kind;
use sternpost_journal::listing::list;
use sternpost_journal::segment::Segment;
use sternpost_journal::streams::Streams;
use sternpost_journal::writer::{Durability, Full, Options};

static FOLDERS: AtomicU64 = AtomicU64::new(0);

/// A folder of a test's own.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        let name = format!("sternpost-journal-{}-{}", std::process::id(), FOLDERS.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Entries that are numbers, in the stream of outcomes.
pub struct Numbers;

pub fn numbers(range: std::ops::Range<i64>) -> RecordBatch {
    let texts = StringArray::from_iter_values(range.clone().map(|number| format!("row {number}")));
    RecordBatch::try_from_iter([
        ("n", Arc::new(Int64Array::from_iter_values(range)) as arrow_array::ArrayRef),
        ("text", Arc::new(texts) as arrow_array::ArrayRef),
    ])
    .unwrap()
}

impl Encode for Numbers {
    type Entry = i64;

    fn encode(&mut self, entry: i64, streams: &mut Streams) -> sternpost_journal::Result<()> {
        if entry < 0 {
            return Err(sternpost_journal::Error::Usage(format!("{entry} is below 0")));
        }
        streams.batch(table(numbers(entry..entry + 1)));
        Ok(())
    }
}

pub fn table(batch: RecordBatch) -> Table {
    Table { kind: Kind::Outcomes, bundle: BundleName::default(), batch }
}

pub fn options(durability: Durability) -> Options {
    let flush_interval = Duration::from_millis(5);
    Options { durability, full: Full::Wait(Duration::from_secs(20)), flush_interval, ..Options::default() }
}

/// All numbers that are in a journal, in order of segments and rows.
pub fn read(folder: &Path) -> Vec<i64> {
    let mut found = Vec::new();
    for (_, path) in list(folder).unwrap().segments {
        for batch in Segment::open(&path).unwrap().read() {
            let batch = batch.unwrap();
            found.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
        }
    }
    found
}
