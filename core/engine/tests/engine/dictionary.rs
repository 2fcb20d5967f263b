//! The dictionary against a hash map, with labels that share prefixes, differ in one byte, hold zero bytes or stand at buffer ends.

use std::collections::HashMap;

use proptest::collection::{hash_set, vec};
use proptest::prelude::*;
use sternpost_engine::UNSEEN_CODE;
use sternpost_engine::dictionary::Dictionary;

fn label() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c\u{0}]{0,3}", "[ab]{7,9}", "[ab]{15,17}", "\\PC{0,24}"]
}

proptest! {
    #[test]
    fn codes_are_those_of_a_hash_map(labels in hash_set(label(), 0..300), asked in vec(label(), 0..300)) {
        let labels: Vec<String> = labels.into_iter().collect();
        let dictionary = Dictionary::new(&labels).expect("distinct labels");
        let map: HashMap<&[u8], i32> = labels.iter().enumerate().map(|(code, label)| (label.as_bytes(), code as i32)).collect();
        let asked: Vec<&String> = labels.iter().chain(&asked).collect();
        let data: Vec<u8> = asked.iter().flat_map(|label| label.bytes()).collect();
        let mut start = 0;
        for label in asked {
            let expected = map.get(label.as_bytes()).copied().unwrap_or(UNSEEN_CODE);
            prop_assert_eq!(dictionary.code(label.as_bytes()), expected);
            prop_assert_eq!(dictionary.code_at(&data, start, label.len()), expected);
            start += label.len();
        }
    }
}

#[test]
fn zero_bytes_and_lengths_tell_labels_apart() {
    let labels = ["".to_owned(), "\0".to_owned(), "\0\0".to_owned(), "a".to_owned(), "a\0".to_owned()];
    let dictionary = Dictionary::new(&labels).expect("distinct labels");
    for (code, label) in labels.iter().enumerate() {
        assert_eq!(dictionary.code(label.as_bytes()), code as i32);
    }
    assert_eq!(dictionary.code(b"\0\0\0"), UNSEEN_CODE);
}

#[test]
fn places_outside_of_the_buffer_are_unseen() {
    let dictionary = Dictionary::new(&["ab".to_owned()]).expect("distinct labels");
    assert_eq!(dictionary.code_at(b"xxab", 2, 2), 0);
    assert_eq!(dictionary.code_at(b"xxab", 3, 2), UNSEEN_CODE);
    assert_eq!(dictionary.code_at(b"xxab", 9, 2), UNSEEN_CODE);
    assert_eq!(dictionary.code_at(b"xxab", 2, usize::MAX), UNSEEN_CODE);
}

#[test]
fn a_label_listed_twice_is_named() {
    assert_eq!(Dictionary::new(&["x".to_owned(), "x".to_owned()]).expect_err("twice"), "x");
}
