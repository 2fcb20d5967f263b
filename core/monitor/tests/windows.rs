//! Windows add up and come apart exactly, in any order and through files.

use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use proptest::prelude::*;
use sternpost_monitor::error::Error;
use sternpost_monitor::reference::{Reference, Role};
use sternpost_monitor::tally::{reference_of, tally};
use sternpost_monitor::window::{RowCounts, Window};

type Row = (Option<f64>, Option<bool>, Option<&'static str>);

fn table(rows: &[Row]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("number", Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.0)))),
        ("flag", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| row.1)))),
        ("label", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.2)))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn made(scale: f64) -> Arc<Reference> {
    let rows: Vec<Row> =
        (0..400).map(|row| (Some(f64::from(row % 97) * scale), Some(row % 3 == 0), Some(["a", "b"][row as usize % 2]))).collect();
    let table = table(&rows);
    Arc::new(reference_of(&table.schema(), &[table], 1, &|| true).expect("a reference"))
}

fn reference() -> &'static Arc<Reference> {
    static MADE: OnceLock<Arc<Reference>> = OnceLock::new();
    MADE.get_or_init(|| made(0.7))
}

fn window(rows: &[Row], start: i64, replica: &str) -> Window {
    let table = table(rows);
    let (mut window, told) = tally(reference(), Role::Input, &table.schema(), &[table], 1, &|| true).expect("counts");
    assert_eq!(told, []);
    let seen = rows.len() as u64;
    window.rows = RowCounts { seen, refused: seen / 3, scored: seen - seen / 3, dropped: 2 };
    window.span = Some((start, start + 10));
    window.replicas = [replica.to_owned()].into();
    window
}

fn row() -> impl Strategy<Value = Row> {
    let number = prop_oneof![Just(None), any::<f64>().prop_map(Some), (-10.0..90.0).prop_map(Some), Just(Some(0.7 * 13.0))];
    let label = prop_oneof![Just(None), Just(Some("a")), Just(Some("b")), Just(Some("never seen"))];
    (number, any::<Option<bool>>(), label)
}

fn parts() -> impl Strategy<Value = Vec<Vec<Row>>> {
    prop::collection::vec(prop::collection::vec(row(), 0..60), 1..6)
}

fn bytes(window: &Window) -> Vec<u8> {
    window.to_bytes().expect("writes")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn parts_add_up_to_the_whole_in_any_order((rows, order) in parts().prop_flat_map(|rows| {
        let order = Just((0..rows.len()).collect::<Vec<_>>()).prop_shuffle();
        (Just(rows), order)
    })) {
        let windows: Vec<Window> = rows.iter().enumerate().map(|(place, rows)| window(rows, place as i64, ["x", "y"][place % 2])).collect();
        let total = Window::merged(reference().clone(), &windows).expect("of one reference");
        let shuffled = Window::merged(reference().clone(), order.iter().map(|place| &windows[*place])).expect("of one reference");
        prop_assert!(bytes(&total) == bytes(&shuffled));
        // By twos, through files.
        let pairs: Vec<Window> = windows.chunks(2).map(|pair| {
            let pair = Window::merged(reference().clone(), pair).expect("of one reference");
            Window::from_bytes(&bytes(&pair), reference()).expect("reads")
        }).collect();
        prop_assert!(Window::merged(reference().clone(), pairs.iter().rev()).expect("of one reference") == total);
        // Counts are those of all rows in one table.
        let whole = window(&rows.concat(), 0, "x");
        for column in 0..reference().columns().len() {
            prop_assert_eq!(total.counts(column), whole.counts(column));
            prop_assert_eq!(total.moments(column), whole.moments(column));
            prop_assert_eq!(total.counts(column).iter().sum::<u64>(), total.rows.seen);
        }
    }

    #[test]
    fn what_was_added_can_be_taken_away(rows in parts()) {
        let windows: Vec<Window> = rows.iter().map(|rows| window(rows, 0, "x")).collect();
        let total = Window::merged(reference().clone(), &windows).expect("of one reference");
        let rest = Window::merged(reference().clone(), &windows[1..]).expect("of one reference");
        let left = total.without(&windows[0]).expect("a part");
        prop_assert_eq!(left.rows, rest.rows);
        for column in 0..reference().columns().len() {
            prop_assert_eq!(left.counts(column), rest.counts(column));
            prop_assert_eq!(left.moments(column), rest.moments(column));
        }
        if windows[0].rows.seen > 0 {
            prop_assert!(matches!(rest.without(&total), Err(Error::Mismatch(_))));
        }
    }

    #[test]
    fn a_damaged_file_is_refused_or_says_something_possible(rows in prop::collection::vec(row(), 1..40), at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut file = bytes(&window(&rows, 0, "x"));
        let place = at.index(file.len());
        file[place] ^= flip;
        if let Ok(read) = Window::from_bytes(&file, reference()) {
            let rows = read.rows;
            prop_assert!(rows.refused + rows.scored <= rows.seen);
            prop_assert!((0..3).all(|column| read.counts(column).iter().sum::<u64>() <= rows.seen));
        }
    }
}

#[test]
fn windows_of_two_references_are_not_added() {
    let other = Window::empty(made(0.9));
    let mut own = window(&[(Some(1.0), None, None)], 5, "x");
    let before = own.clone();
    let told = own.absorb(&other).expect_err("of another reference").to_string();
    assert!(told.contains("windows of two bundles cannot be added"), "{told}");
    assert_eq!(own, before);
    // Nor a total that no 64 bits count; the window stays what it was.
    let mut full = own.clone();
    full.rows.seen = u64::MAX;
    assert!(own.absorb(&full).is_err());
    assert_eq!(own, before);
}
