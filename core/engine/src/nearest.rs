//! The known name that somebody probably meant.

/// The candidate with the fewest edits to `name`, if that is at most a third of its length (and at least one is allowed).
pub fn name<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (edits(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

fn edits(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let change = previous[column] + usize::from(a != b);
            current.push(change.min(previous[column + 1] + 1).min(current[column] + 1));
        }
        previous = current;
    }
    previous[right.len()]
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn close_names_are_found_and_far_ones_are_not() {
        let known = ["wind_speed_mph", "carrier"];
        assert_eq!(name("windspeed_mph", known), Some("wind_speed_mph"));
        assert_eq!(name("Carrier", known), Some("carrier"));
        assert_eq!(name("humidity", known), None);
    }
}
