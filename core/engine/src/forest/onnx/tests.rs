use super::*;
use crate::forest::{Mode, Precision, Weight};
use crate::onnx_file::written::node;
use crate::onnx_file::{Attribute, Data, Tensor};

type Settings = Vec<(&'static str, Attribute)>;

fn wholes(values: &[i64]) -> Attribute {
    Attribute::Wholes(values.to_vec())
}

fn texts(values: &[&str]) -> Attribute {
    Attribute::Texts(values.iter().map(|value| (*value).to_owned()).collect())
}

fn numbers(values: &[f64]) -> Attribute {
    Attribute::Tensor(Tensor { dims: vec![values.len()], data: Data::F64(values.to_vec()) })
}

/// Two trees: `x0 <= 0.5` with leaves 1 and 2, and a leaf of 4 alone.
fn lists(kind: &str) -> Settings {
    let of = |name: &str| -> &'static str { Box::leak(format!("{kind}_{name}").into_boxed_str()) };
    vec![
        ("nodes_treeids", wholes(&[0, 0, 0, 7])),
        ("nodes_nodeids", wholes(&[0, 1, 2, 0])),
        ("nodes_featureids", wholes(&[0, 0, 0, 0])),
        ("nodes_modes", texts(&["BRANCH_LEQ", "LEAF", "LEAF", "LEAF"])),
        ("nodes_values", Attribute::Singles(vec![0.5, 0.0, 0.0, 0.0])),
        ("nodes_truenodeids", wholes(&[1, 0, 0, 0])),
        ("nodes_falsenodeids", wholes(&[2, 0, 0, 0])),
        ("nodes_missing_value_tracks_true", wholes(&[1, 0, 0, 0])),
        (of("treeids"), wholes(&[0, 0, 7])),
        (of("nodeids"), wholes(&[2, 1, 0])),
        (of("ids"), wholes(&[0, 0, 0])),
        (of("weights"), Attribute::Singles(vec![2.0, 1.0, 4.0])),
        ("post_transform", Attribute::Text("LOGISTIC".to_owned())),
        ("base_values", Attribute::Singles(vec![0.25])),
    ]
}

fn with(mut settings: Settings, name: &'static str, value: Attribute) -> Settings {
    settings.retain(|(known, _)| *known != name);
    settings.push((name, value));
    settings
}

fn read(op: &str, settings: &Settings) -> Result<Ensemble> {
    Ensemble::read(&node(&format!("ai.onnx.ml:{op}"), &["X"], &["label", "Y"], settings), 2)
}

fn regressor() -> Settings {
    with(lists("target"), "n_targets", Attribute::Whole(1))
}

fn classifier() -> Settings {
    with(lists("class"), "classlabels_int64s", wholes(&[0, 1]))
}

#[test]
fn lists_become_trees() {
    let Ensemble { forest, pair } = read("TreeEnsembleRegressor", &regressor()).unwrap();
    assert_eq!((forest.inputs, forest.outputs, forest.precision, pair), (2, 1, Precision::F32, None));
    assert_eq!((forest.base.as_slice(), forest.base_first, forest.aggregate), ([0.25].as_slice(), false, Aggregate::Sum));
    assert_eq!(forest.link, Link::None, "ONNX Runtime ignores it for one target");
    assert_eq!(forest.trees.len(), 2);
    let root = forest.trees[0].nodes[0];
    assert_eq!((root.mode, root.threshold, root.missing_yes), (Mode::Leq, 0.5, true));
    let weights = |tree: usize, leaf: usize| forest.weights[forest.trees[tree].leaves[leaf].first as usize];
    assert_eq!([weights(0, 0), weights(0, 1), weights(1, 0)].map(|weight| weight.value), [1.0, 2.0, 4.0]);
}

#[test]
fn two_classes_with_weights_for_one_are_a_pair() {
    let of = |settings: Settings| read("TreeEnsembleClassifier", &settings).unwrap();
    assert_eq!(of(classifier()).pair, Some(Pair::Share), "all weights are positive");
    let negative = with(classifier(), "class_weights", Attribute::Singles(vec![2.0, -1.0, 4.0]));
    assert_eq!(of(negative.clone()).pair, Some(Pair::Logistic));
    let plain = with(negative, "post_transform", Attribute::Text("NONE".to_owned()));
    assert_eq!(of(plain.clone()).pair, Some(Pair::Sign));
    assert_eq!(of(plain).forest.outputs, 1);
    let three = with(classifier(), "classlabels_int64s", wholes(&[0, 1, 2]));
    let three = with(three, "base_values", Attribute::Singles(vec![0.0, 0.5, 1.0]));
    let three = of(three);
    assert_eq!((three.pair, three.forest.outputs, three.forest.link), (None, 3, Link::Logistic));
}

#[test]
fn a_chain_of_equalities_is_a_set() {
    // x1 == 3, else x1 == 5, else x1 == NaN; all to leaf 3, the last one's no to leaf 4.
    let chain = |values: [f32; 3]| -> Settings {
        vec![
            ("nodes_treeids", wholes(&[0; 5])),
            ("nodes_nodeids", wholes(&[0, 1, 2, 3, 4])),
            ("nodes_featureids", wholes(&[1, 1, 1, 0, 0])),
            ("nodes_modes", texts(&["BRANCH_EQ", "BRANCH_EQ", "BRANCH_EQ", "LEAF", "LEAF"])),
            ("nodes_values", Attribute::Singles(vec![values[0], values[1], values[2], 0.0, 0.0])),
            ("nodes_truenodeids", wholes(&[3, 3, 3, 0, 0])),
            ("nodes_falsenodeids", wholes(&[1, 2, 4, 0, 0])),
            ("target_treeids", wholes(&[0, 0])),
            ("target_nodeids", wholes(&[3, 4])),
            ("target_ids", wholes(&[0, 0])),
            ("target_weights", Attribute::Singles(vec![1.0, 2.0])),
            ("n_targets", Attribute::Whole(1)),
        ]
    };
    let forest = read("TreeEnsembleRegressor", &chain([3.0, 5.0, f32::NAN])).unwrap().forest;
    assert_eq!((forest.trees[0].nodes.len(), forest.trees[0].leaves.len()), (1, 2));
    assert_eq!(forest.trees[0].nodes[0].mode, Mode::Member(0));
    assert_eq!(forest.sets[0].members().collect::<Vec<_>>(), [3, 5]);
    let said = read("TreeEnsembleRegressor", &chain([3.0, 5.5, 7.0])).unwrap_err().to_string();
    assert!(said.contains("category 5.5"), "{said}");
    let mut apart = chain([3.0, 5.0, 7.0]);
    apart = with(apart, "nodes_featureids", wholes(&[1, 0, 1, 0, 0]));
    let said = read("TreeEnsembleRegressor", &apart).unwrap_err().to_string();
    assert!(said.contains("node 3: 3 branches lead to it"), "{said}");
}

#[test]
fn lists_that_no_tree_has_are_refused_and_named() {
    let floats = |values: &[f32]| Attribute::Singles(values.to_vec());
    let cases: [(&'static str, Attribute, &str); 16] = [
        ("nodes_nodeids", wholes(&[0, 1, 1, 0]), "tree 0, node 1: it is there twice"),
        ("nodes_truenodeids", wholes(&[9, 0, 0, 0]), "tree 0, node 0: it leads to node 9, which is not there"),
        ("nodes_truenodeids", wholes(&[0, 0, 0, 0]), "tree 0, node 0: 1 branches lead to it"),
        ("nodes_truenodeids", wholes(&[2, 0, 0, 0]), "tree 0, node 1: 0 branches lead to it"),
        ("nodes_values", floats(&[f32::NAN, 0.0, 0.0, 0.0]), "tree 0, node 0: threshold NaN"),
        ("nodes_values", floats(&[0.5, 0.0, 0.0]), "do not have 4 entries each"),
        ("nodes_modes", texts(&["BRANCH_XOR", "LEAF", "LEAF", "LEAF"]), "mode \"BRANCH_XOR\" is not known"),
        ("nodes_featureids", wholes(&[2, 0, 0, 0]), "feature 2 is not one of 2 inputs"),
        ("nodes_featureids", wholes(&[-1, 0, 0, 0]), "feature -1 is no column"),
        ("nodes_treeids", wholes(&[0, 7, 0, 7]), "node 0: it leads to node 1, which is not there"),
        ("nodes_treeids", wholes(&[7, 0, 0, 7]), "node 0: it leads to node 1, which is not there"),
        ("target_nodeids", wholes(&[0, 1, 0]), "tree 0, node 0: it has a weight and is not a leaf"),
        ("target_ids", wholes(&[0, 3, 0]), "weight 0 is for output 3 of 1"),
        ("target_ids", wholes(&[0, -3, 0]), "output -3 is not a place in a list"),
        ("target_weights", floats(&[2.0, 1.0]), "weights do not have 2 entries each"),
        ("target_weights", floats(&[2.0, f32::NAN, 4.0]), "is NaN"),
    ];
    for (name, value, told) in cases {
        let said = read("TreeEnsembleRegressor", &with(regressor(), name, value)).unwrap_err().to_string();
        assert!(said.contains(told) && said.contains("TreeEnsembleRegressor that makes \"label\""), "{told}: {said}");
    }
    let empty = with(Vec::new(), "n_targets", Attribute::Whole(1));
    assert!(read("TreeEnsembleRegressor", &empty).unwrap_err().to_string().contains("0 trees"));
    let said = read("TreeEnsembleClassifier", &with(classifier(), "class_ids", wholes(&[1, 1, 1]))).unwrap_err().to_string();
    assert!(said.contains("no stated meaning"), "{said}");
}

/// Two trees in one list: `x0 < 0.1` and `x1 in {1, 4}` behind it; and a leaf alone.
fn one_list() -> Settings {
    vec![
        ("nodes_featureids", wholes(&[0, 1, 0])),
        ("nodes_modes", Attribute::Tensor(Tensor { dims: vec![3], data: Data::I64(vec![1, 6, 0]) })),
        ("nodes_splits", numbers(&[0.1, f64::NAN, 0.0])),
        ("nodes_truenodeids", wholes(&[1, 0, 2])),
        ("nodes_trueleafs", wholes(&[0, 1, 1])),
        ("nodes_falsenodeids", wholes(&[1, 2, 2])),
        ("nodes_falseleafs", wholes(&[1, 1, 1])),
        ("tree_roots", wholes(&[0, 2])),
        ("leaf_targetids", wholes(&[0, 1, 0])),
        ("leaf_weights", numbers(&[0.3, 0.7, 1.0])),
        ("membership_values", numbers(&[1.0, 4.0, f64::NAN])),
        ("n_targets", Attribute::Whole(2)),
        ("post_transform", Attribute::Whole(2)),
    ]
}

#[test]
fn one_list_of_nodes_becomes_trees() {
    let forest = read("TreeEnsemble", &one_list()).unwrap().forest;
    assert_eq!((forest.precision, forest.link, forest.trees.len()), (Precision::F64, Link::Softmax, 2));
    assert_eq!(forest.trees[0].nodes.iter().map(|node| node.mode).collect::<Vec<_>>(), [Mode::Lt, Mode::Member(0)]);
    assert_eq!((forest.trees[1].nodes.len(), forest.trees[1].leaves.len()), (0, 1));
    assert_eq!(forest.weights[1], Weight { output: 1, value: 0.7 });
    let cases: [(&'static str, Attribute, &str); 7] = [
        ("tree_roots", wholes(&[0, 0]), "node 0: two branches lead to it"),
        ("tree_roots", wholes(&[0]), "node 2: no tree leads to it"),
        ("tree_roots", wholes(&[0, 3]), "node 3: it is not there"),
        ("nodes_truenodeids", wholes(&[0, 0, 2]), "node 0: two branches lead to it, or a branch leads back"),
        ("nodes_falsenodeids", wholes(&[1, 3, 2]), "leaf 3: it is not there"),
        ("membership_values", numbers(&[]), "node 1: its set of values is not there"),
        ("nodes_splits", numbers(&[f64::NAN, 0.0, 0.0]), "node 0: threshold NaN"),
    ];
    for (name, value, told) in cases {
        let said = read("TreeEnsemble", &with(one_list(), name, value)).unwrap_err().to_string();
        assert!(said.contains(told), "{told}: {said}");
    }
}

/// Numbers of good lists changed at random: a checked forest or an error, never a panic or an endless walk. The seed is the round's number.
#[test]
fn damaged_lists_are_trees_or_refused() {
    let mut read_again = 0;
    for round in 0..4_000_u32 {
        let mut state = round.wrapping_mul(2_654_435_761).wrapping_add(1);
        let mut next = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        let (op, mut settings) = match round % 3 {
            0 => ("TreeEnsembleRegressor", regressor()),
            1 => ("TreeEnsembleClassifier", classifier()),
            _ => ("TreeEnsemble", one_list()),
        };
        for _ in 0..=next(3) {
            let place = next(settings.len());
            let number = [0, 1, 2, 3, -1, 1 << 40][next(6)];
            match &mut settings[place].1 {
                Attribute::Wholes(all) if next(8) == 0 => drop(all.pop()),
                Attribute::Wholes(all) if !all.is_empty() => {
                    let place = next(all.len());
                    all[place] = number;
                }
                Attribute::Singles(all) if !all.is_empty() => all[0] = [f32::NAN, f32::INFINITY, -1.0][next(3)],
                Attribute::Whole(value) => *value = number,
                _ => {}
            }
        }
        if let Ok(ensemble) = read(op, &settings) {
            ensemble.forest.check().unwrap();
            read_again += 1;
        }
    }
    assert!(read_again > 100, "{read_again} damaged lists were trees: nothing was tried");
}
