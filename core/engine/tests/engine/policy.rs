//! Which action a score gets, on and around the borders.

use serde_json::json;
use sternpost_engine::policy::Policy;

fn policy() -> Policy {
    Policy::from_value(json!({"bands": [{"below": 0.3, "action": "on_time"}, {"below": null, "action": "late"}], "refused": "ask"}))
        .expect("right")
}

#[test]
fn the_first_band_above_the_score_wins() {
    let policy = policy();
    assert_eq!(policy.action(Some(0.3f64.next_down())), Some("on_time"));
    assert_eq!(policy.action(Some(0.3)), Some("late"));
    assert_eq!(policy.action(Some(f64::MAX)), Some("late"));
    assert_eq!(policy.action(None), Some("ask"));
    assert_eq!(policy.actions().collect::<Vec<_>>(), ["on_time", "late", "ask"]);
}

#[test]
fn without_a_policy_scores_have_no_action_and_refusals_are_reviewed() {
    assert_eq!(Policy::default().action(Some(0.5)), None);
    assert_eq!(Policy::default().action(None), Some("review"));
    let only_refusals = Policy::from_value(json!({"bands": [], "refused": "ask"})).expect("right");
    assert_eq!((only_refusals.action(Some(0.5)), only_refusals.action(None)), (None, Some("ask")));
}

#[test]
fn bands_that_leave_a_gap_or_overlap_are_refused() {
    for (bands, told) in [
        (json!([{"below": 0.5, "action": "a"}]), "last band ends at 0.5"),
        (json!([{"below": 0.5, "action": "a"}, {"below": 0.5, "action": "b"}, {"below": null, "action": "c"}]), "order the bands"),
        (json!([{"below": null, "action": "a"}, {"below": null, "action": "b"}]), "order the bands"),
    ] {
        let error = Policy::from_value(json!({"bands": bands, "refused": "r"})).expect_err("must be refused").to_string();
        assert!(error.contains(told), "{error}");
    }
}
