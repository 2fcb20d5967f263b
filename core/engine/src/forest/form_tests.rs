use super::*;

fn node(yes: Child, no: Child) -> Node {
    Node { feature: 0, mode: Mode::Leq, threshold: 0.5, missing_yes: false, yes, no, cover: 0.0 }
}

fn leaf(first: u32) -> Leaf {
    Leaf { first, len: 1, cover: 0.0 }
}

/// One tree: `x0 <= 0.5`, then `x0 <= 0.5` again below `no`, three leaves.
fn forest() -> Forest {
    let nodes = vec![node(Child::Leaf(0), Child::Node(1)), node(Child::Leaf(1), Child::Leaf(2))];
    Forest {
        inputs: 2,
        outputs: 1,
        precision: Precision::F32,
        aggregate: Aggregate::Sum,
        link: Link::None,
        base: vec![0.25],
        base_first: false,
        scale: 1.0,
        trees: vec![Tree { root: Child::Node(0), nodes, leaves: vec![leaf(0), leaf(1), leaf(2)] }],
        weights: vec![Weight { output: 0, value: 1.0 }; 3],
        sets: vec![Set::new([1, 3]).unwrap()],
    }
}

#[test]
fn a_forest_that_is_one_passes() {
    forest().check().unwrap();
    let lone = Tree { root: Child::Leaf(0), nodes: Vec::new(), leaves: vec![leaf(0)] };
    Forest { trees: vec![lone], ..forest() }.check().unwrap();
    let mut infinite = forest();
    infinite.trees[0].nodes[0].threshold = f64::INFINITY;
    infinite.check().unwrap();
    let mut double = Forest { precision: Precision::F64, ..forest() };
    double.trees[0].nodes[0].threshold = 0.1;
    double.check().unwrap();
}

#[test]
fn what_a_kernel_could_not_survive_is_refused_and_named() {
    type Damage = fn(&mut Forest);
    let cases: [(Damage, &str); 19] = [
        (|f| f.inputs = 0, "0 inputs"),
        (|f| f.outputs = 0, "0 outputs"),
        (|f| f.trees.clear(), "0 trees"),
        (|f| f.base.push(1.0), "2 base values"),
        (|f| f.base[0] = f64::NAN, "base value NaN"),
        (|f| f.scale = f64::INFINITY, "scale inf"),
        (|f| f.weights[1].output = 1, "weight 1 is for output 1"),
        (|f| f.weights[2].value = 0.1, "weight 2 is 0.1"),
        (|f| f.trees[0].nodes[1].feature = 2, "tree 0, node 1: feature 2"),
        (|f| f.trees[0].nodes[1].threshold = f64::NAN, "tree 0, node 1: threshold NaN"),
        (|f| f.trees[0].nodes[1].threshold = 0.1, "tree 0, node 1: threshold 0.1"),
        (|f| f.trees[0].nodes[0].mode = Mode::Member(1), "tree 0, node 0: set 1"),
        (|f| f.trees[0].nodes[0].cover = -1.0, "tree 0, node 0: cover -1"),
        (|f| f.trees[0].leaves[2].len = 2, "tree 0, leaf 2: its weights end at 4 of 3"),
        (|f| f.trees[0].leaves[2].first = u32::MAX, "tree 0, leaf 2"),
        (|f| f.trees[0].nodes[1].no = Child::Leaf(3), "tree 0, node 1: it leads to leaf 3, which is not there"),
        (|f| f.trees[0].nodes[1].no = Child::Node(0), "tree 0, node 1: it leads to node 0, to which another"),
        (|f| f.trees[0].nodes[1].no = Child::Leaf(0), "tree 0, node 0: it leads to leaf 0, to which another"),
        (|f| f.trees[0].nodes[0].no = Child::Leaf(1), "no branch leads to node 1"),
    ];
    for (damage, told) in cases {
        let mut forest = forest();
        damage(&mut forest);
        let said = forest.check().unwrap_err().to_string();
        assert!(said.contains(told), "{told}: {said}");
    }
}

#[test]
fn a_chain_may_be_as_deep_as_the_bound_and_no_deeper() {
    for (depth, fits) in [(TREE_DEPTH_MAX, true), (TREE_DEPTH_MAX + 1, false), (100_000, false)] {
        let next = |place: usize| if place + 1 < depth { Child::Node(place as u32 + 1) } else { Child::Leaf(depth as u32) };
        let nodes = (0..depth).map(|place| node(Child::Leaf(place as u32), next(place))).collect();
        let leaves = vec![leaf(0); depth + 1];
        let chain = Forest { trees: vec![Tree { root: Child::Node(0), nodes, leaves }], ..forest() };
        let checked = chain.check();
        assert_eq!(checked.is_ok(), fits, "{depth}: {checked:?}");
        assert!(fits || checked.unwrap_err().to_string().contains("tree 0, node 4096"), "{depth}");
    }
}

#[test]
fn a_test_reads_as_it_says() {
    let forest = forest();
    let above = f64::from(0.5_f32.next_up());
    let values = [0.5_f64.next_down(), 0.5, above, f64::INFINITY, f64::NEG_INFINITY, -0.0];
    let expected = [
        (Mode::Leq, [true, true, false, false, true, true]),
        (Mode::Lt, [true, false, false, false, true, true]),
        (Mode::Gte, [false, true, true, true, false, false]),
        (Mode::Gt, [false, false, true, true, false, false]),
        (Mode::Eq, [false, true, false, false, false, false]),
        (Mode::Neq, [true, false, true, true, true, true]),
    ];
    for (mode, answers) in expected {
        let node = Node { mode, ..node(Child::Leaf(0), Child::Leaf(1)) };
        assert_eq!(values.map(|value| forest.says_yes(&node, value)), answers, "{mode:?}");
        assert_eq!(forest.says_yes(&node, f64::NAN), mode == Mode::Neq, "{mode:?}");
        assert!(forest.says_yes(&Node { missing_yes: true, ..node }, f64::NAN), "{mode:?}");
    }
    let zero = Node { mode: Mode::Eq, threshold: 0.0, ..node(Child::Leaf(0), Child::Leaf(1)) };
    assert!(forest.says_yes(&zero, -0.0));
}

#[test]
fn a_set_holds_whole_numbers_only() {
    let forest = forest();
    let node = Node { mode: Mode::Member(0), ..node(Child::Leaf(0), Child::Leaf(1)) };
    let yes = [1.0, 3.0];
    let no = [0.0, 2.0, 1.5, -1.0, 64.0, 1e300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    assert!(yes.iter().all(|value| forest.says_yes(&node, *value)));
    assert!(no.iter().all(|value| !forest.says_yes(&node, *value)));
    assert!(forest.says_yes(&Node { missing_yes: true, ..node }, f64::NAN));
    assert_eq!(Set::new([130, 0, 63, 64, 130]).unwrap().members().collect::<Vec<_>>(), [0, 63, 64, 130]);
    assert!(Set::new([0]).unwrap().contains(-0.0));
    assert!(Set::new([MEMBER_MAX]).unwrap().contains(f64::from(MEMBER_MAX)));
    assert!(Set::new([MEMBER_MAX + 1]).unwrap_err().to_string().contains("1048576"));
}

#[test]
fn a_set_reads_fractions_as_its_library_does() {
    let cases = [(Reading::Exact, [false; 3]), (Reading::Floor, [true, false, false]), (Reading::Truncate, [true, true, false])];
    for (reading, expected) in cases {
        let set = Set::new([0, 3]).unwrap().reading(reading);
        assert_eq!([3.9, -0.9, f64::NAN].map(|value| set.contains(value)), expected, "{reading:?}");
        assert!(set.contains(3.0) && !set.contains(4.0) && !set.contains(-1.0) && !set.contains(f64::INFINITY), "{reading:?}");
    }
}
