//! Bytes that changed, files that end early, files that are not ours.

use std::path::Path;

use proptest::prelude::*;
use sternpost_journal::Error;
use sternpost_journal::encode::Tables;
use sternpost_journal::listing::list;
use sternpost_journal::segment::{Segment, Trouble};
use sternpost_journal::writer::{Durability, Writer};

use super::fixture::*;

/// A sealed segment of `batches` batches of `rows` numbers.
fn sealed(batches: i64, rows: i64) -> Vec<u8> {
    let folder = Folder::new();
    let writer = Writer::open(&folder.0, Tables, options(Durability::Off)).unwrap();
    let mut producer = writer.producer().unwrap();
    (0..batches).for_each(|part| assert!(producer.push(table(numbers(part * rows..(part + 1) * rows))).is_ok()));
    writer.close();
    std::fs::read(&list(&folder.0).unwrap().segments[0].1).unwrap()
}

fn found(segment: &Segment) -> Vec<i64> {
    use arrow_array::cast::AsArray;
    let values = |batch: sternpost_journal::Result<arrow_array::RecordBatch>| {
        batch.unwrap().column(0).as_primitive::<arrow_array::types::Int64Type>().values().to_vec()
    };
    segment.read().flat_map(values).collect()
}

/// What one changed byte does: it is noticed; everything before it is there, and everything after its frame too.
fn noticed(bytes: &[u8], at: usize, flip: u8, batches: i64, rows: i64) {
    let mut changed = bytes.to_vec();
    changed[at] ^= flip;
    let segment = match Segment::from_bytes(Path::new("s"), changed) {
        Ok(segment) => segment,
        Err(error) => {
            // Header or schema: nothing can be read, and the error says where.
            assert!(matches!(error, Error::Damaged { .. } | Error::Version { .. }), "{error}");
            assert!(error.to_string().contains("at byte") || matches!(error, Error::Version { .. }), "{error}");
            return;
        }
    };
    let findings = segment.verify();
    assert_eq!(findings.len(), 1, "byte {at} changed by {flip}: {findings:?}");
    let finding = &findings[0];
    assert!((finding.offset..finding.offset + finding.bytes).contains(&(at as u64)), "byte {at}: {finding:?}");
    let (all, there): (Vec<_>, Vec<_>) = ((0..batches * rows).collect(), found(&segment));
    match finding.rows_lost {
        Some(lost) => {
            assert_eq!(there.len() as u64 + lost, all.len() as u64, "byte {at}");
            assert!(lost == 0 || lost == rows as u64, "byte {at}");
        }
        // The end itself is damaged.
        None => assert_eq!((there.len(), segment.is_sealed()), (all.len(), false), "byte {at}"),
    }
    assert!(there.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn every_byte_of_a_small_segment_is_watched() {
    let bytes = sealed(3, 4);
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            noticed(&bytes, at, flip, 3, 4);
        }
    }
}

#[test]
fn bytes_of_a_large_segment_are_watched() {
    let bytes = sealed(40, 3000);
    assert!(bytes.len() > 1_000_000);
    for step in 0..400 {
        noticed(&bytes, step * (bytes.len() / 400) + step % 7, 1 << (step % 8), 40, 3000);
    }
}

#[test]
fn a_segment_cut_anywhere_keeps_every_whole_batch_and_the_next_writer_says_what_was_cut() {
    let bytes = sealed(3, 4);
    let folder = Folder::new();
    let path = folder.0.join("outcomes-all-0000000001.segment");
    for end in 0..bytes.len() {
        let _ = std::fs::remove_dir_all(&folder.0);
        std::fs::create_dir_all(&folder.0).unwrap();
        std::fs::write(&path, &bytes[..end]).unwrap();
        let before = match Segment::open(&path) {
            Ok(segment) => {
                assert!(!segment.is_sealed());
                assert!(segment.findings().iter().all(|finding| finding.trouble == Trouble::Torn), "{end}: {:?}", segment.findings());
                Some(found(&segment))
            }
            Err(Error::Damaged { .. }) => None,
            Err(error) => panic!("{error}"),
        };
        let writer = Writer::open(&folder.0, Tables, options(Durability::Async)).unwrap();
        let told = writer.recovered().to_vec();
        writer.close();
        let Some(before) = before else {
            assert!(told[0].unreadable.is_some());
            assert_eq!(std::fs::read(&path).unwrap(), &bytes[..end], "what cannot be read is left alone");
            continue;
        };
        assert_eq!(before, (0..before.len() as i64).collect::<Vec<_>>());
        let after = list(&folder.0).unwrap();
        match after.segments.first() {
            Some((_, path)) => {
                let segment = Segment::open(path).unwrap();
                assert!(segment.is_sealed() && segment.verify().is_empty());
                assert_eq!(found(&segment), before);
            }
            None => assert!(before.is_empty()),
        }
        // Whatever was cut is beside it, byte for byte.
        let aside = after.torn.first().map(|path| std::fs::read(path).unwrap()).unwrap_or_default();
        assert!(bytes[..end].ends_with(&aside));
        assert_eq!(told.first().map_or(0, |told| told.bytes_cut), aside.len() as u64);
        // A second look finds nothing to do.
        assert!(
            Writer::open(&folder.0, Tables, options(Durability::Off)).unwrap().recovered().iter().all(|told| told.unreadable.is_some())
        );
    }
}

#[test]
fn damage_in_an_open_segment_does_not_take_the_rows_after_it() {
    let bytes = sealed(3, 4);
    let whole = Segment::from_bytes(Path::new("s"), bytes.clone()).unwrap();
    let end = bytes.len() - 56;
    let folder = Folder::new();
    let path = folder.0.join("outcomes-all-0000000001.segment");
    let mut open = bytes[..end].to_vec();
    // Within the second batch, and a piece of a frame at the end.
    open[end / 2 + 100] ^= 4;
    open.extend_from_slice(&bytes[end..end + 10]);
    std::fs::write(&path, &open).unwrap();
    let writer = Writer::open(&folder.0, Tables, options(Durability::Async)).unwrap();
    let told = writer.recovered()[0].clone();
    assert_eq!((told.rows, told.bytes_cut), (8, 10));
    let segment = Segment::open(&path).unwrap();
    assert!(segment.is_sealed());
    assert_eq!(segment.findings().len(), 1);
    assert_eq!((segment.findings()[0].rows_lost, segment.rows()), (Some(4), whole.rows() - 4));
}

#[test]
fn other_files_are_told_and_left_alone() {
    let folder = Folder::new();
    std::fs::write(folder.0.join("notes.txt"), "mine").unwrap();
    std::fs::write(folder.0.join("outcomes-all-0000000001.segment"), "").unwrap();
    std::fs::write(folder.0.join("events-all-0000000001.segment"), vec![0; 4096]).unwrap();
    std::fs::write(folder.0.join("outcomes-all-0000000002.part"), "half").unwrap();
    let writer = Writer::open(&folder.0, Tables, options(Durability::Off)).unwrap();
    assert_eq!(writer.recovered().iter().filter(|told| told.unreadable.is_some()).count(), 2);
    let mut producer = writer.producer().unwrap();
    producer.push(table(numbers(0..3))).unwrap();
    writer.close();
    let after = list(&folder.0).unwrap();
    assert_eq!(after.foreign, ["notes.txt"]);
    assert!(after.parts.is_empty());
    assert_eq!(Segment::open(&folder.0.join("outcomes-all-0000000002.segment")).unwrap().rows(), 3);
}

#[test]
fn a_newer_format_is_told_apart_from_damage() {
    let mut bytes = sealed(1, 4);
    bytes[8] = 2;
    assert!(matches!(Segment::from_bytes(Path::new("s"), bytes.clone()), Err(Error::Damaged { .. })));
    let json = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..20]), &bytes[24..24 + json]);
    bytes[20..24].copy_from_slice(&crc.to_le_bytes());
    let refused = Segment::from_bytes(Path::new("s"), bytes).err().unwrap();
    assert!(refused.to_string().contains("written in format 2"), "{refused}");
}

#[test]
fn a_frame_inside_a_text_is_never_taken_for_one() {
    // A text that is a whole segment: if the frame around it is damaged, its frames must not be read.
    let inner = sealed(1, 4);
    let text: String = inner.iter().map(|byte| char::from(byte & 0x7f)).collect();
    let batch = |text: &str| {
        let column = arrow_array::StringArray::from_iter_values([text]);
        arrow_array::RecordBatch::try_from_iter([("t", std::sync::Arc::new(column) as arrow_array::ArrayRef)]).unwrap()
    };
    let folder = Folder::new();
    let writer = Writer::open(&folder.0, Tables, options(Durability::Off)).unwrap();
    let mut producer = writer.producer().unwrap();
    producer.push(table(batch(&text))).unwrap();
    writer.close();
    let path = list(&folder.0).unwrap().segments[0].1.clone();
    let mut bytes = std::fs::read(&path).unwrap();
    let place = bytes.windows(4).rposition(|word| word == b"SPJM").unwrap();
    bytes[place + 30] ^= 1;
    assert_eq!(Segment::from_bytes(&path, bytes).unwrap().rows(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the bytes, reading ends with rows or an error.
    #[test]
    fn no_bytes_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
        mend in any::<bool>(),
    ) {
        let mut bytes = sealed_once().to_vec();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if mend {
            mend_checksums(&mut bytes);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(segment) = Segment::from_bytes(Path::new("s"), bytes) {
            segment.read().for_each(drop);
            segment.verify();
        }
    }
}

fn sealed_once() -> &'static [u8] {
    static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    BYTES.get_or_init(|| sealed(2, 5))
}

/// Makes checksums right again where frames can still be followed, so that damage reaches the Arrow reader.
fn mend_checksums(bytes: &mut [u8]) {
    let word = |bytes: &[u8], at: usize| bytes.get(at..at + 4).map_or(0, |word| u32::from_le_bytes(word.try_into().unwrap()));
    let salt = word(bytes, 16);
    let mut at = 24 + word(bytes, 12) as usize;
    while at + 24 <= bytes.len() {
        let Some(end) = (at + 24).checked_add(word(bytes, at + 4) as usize).filter(|end| *end <= bytes.len()) else { break };
        let crc = crc32c::crc32c_append(crc32c::crc32c_append(salt, &bytes[at..at + 20]), &bytes[at + 24..end]);
        bytes[at + 20..at + 24].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
}
