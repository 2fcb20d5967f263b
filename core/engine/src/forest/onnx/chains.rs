//! Chains of equalities that share their end become one test for membership.
//!
//! `x == 3`, else `x == 5`, else `x == 9`, all with the same subtree behind `yes`: that is how a categorical split is written where an operator
//! has no sets. ONNX Runtime allows the shared subtree; here every node has one parent.

use std::collections::HashMap;

use super::super::{MEMBER_MAX, Set};
use super::nodes::{Branch, Drawn, Test};

/// Joins the chains of one tree. `Err` tells a value that is no category.
pub(super) fn join(drawn: &mut [Drawn], sets: &mut Vec<Set>) -> Result<(), String> {
    for first in 0..drawn.len() {
        let Some(Drawn::Branch(start)) = drawn.get(first).cloned() else { continue };
        let Test::Equal(value) = start.test else { continue };
        let (mut values, mut no) = (vec![value], start.no);
        while let Some(next) = link(drawn, &start, no, first) {
            values.push(next.0);
            if let Some(drawn) = drawn.get_mut(no) {
                *drawn = Drawn::Gone;
            }
            no = next.1;
        }
        // A single comparison needs no set, unless nothing satisfies it.
        if values.len() == 1 && !value.is_nan() {
            continue;
        }
        let test = Test::Member(sets.len() as u32);
        sets.push(set(&values)?);
        if let Some(drawn) = drawn.get_mut(first) {
            *drawn = Drawn::Branch(Branch { test, no, ..start });
        }
    }
    Ok(())
}

/// The value and the `no` of the node at `place`, if it continues the chain that starts at `first`.
fn link(drawn: &[Drawn], start: &Branch, place: usize, first: usize) -> Option<(f64, usize)> {
    match drawn.get(place)? {
        Drawn::Branch(next) if place != first && same_question(start, next) => match next.test {
            Test::Equal(value) => Some((value, next.no)),
            _ => None,
        },
        _ => None,
    }
}

fn same_question(one: &Branch, other: &Branch) -> bool {
    one.feature == other.feature && one.yes == other.yes && one.missing_yes == other.missing_yes
}

/// The set of these values; a NaN equals nothing and so is in no set.
pub(super) fn set(values: &[f64]) -> Result<Set, String> {
    let mut members = Vec::with_capacity(values.len());
    for value in values.iter().filter(|value| !value.is_nan()) {
        let member = *value as u32;
        if f64::from(member) != *value || member > MEMBER_MAX {
            return Err(format!("category {value} is not a whole number from 0 to {MEMBER_MAX}"));
        }
        members.push(member);
    }
    Set::new(members).map_err(|error| error.to_string())
}

/// How often each place is led to, so that what is left of a tree can be counted.
pub(super) fn parents(drawn: &[Drawn]) -> HashMap<usize, usize> {
    let mut parents = HashMap::new();
    for branch in drawn.iter().filter_map(|drawn| if let Drawn::Branch(branch) = drawn { Some(branch) } else { None }) {
        for child in [branch.yes, branch.no] {
            *parents.entry(child).or_insert(0) += 1;
        }
    }
    parents
}
