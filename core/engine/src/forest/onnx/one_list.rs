//! `TreeEnsemble`, version 5: nodes of all trees in one list, leaves in another, single or double precision.

use super::super::{Aggregate, Child, Forest, Leaf, Link, Mode, Node as Split, Precision, Set, Tree, Weight};
use super::{Ensemble, alone, chains, place};
use crate::error::Result;
use crate::onnx_file::{Data, Node, Tensor};

struct Lists<'a> {
    node: &'a Node,
    features: &'a [i64],
    modes: &'a [i64],
    splits: Vec<f64>,
    yes: &'a [i64],
    yes_leaf: &'a [i64],
    no: &'a [i64],
    no_leaf: &'a [i64],
    missing: &'a [i64],
    /// Place in `sets` of every node that asks for membership.
    sets: Vec<Option<u32>>,
    leaves: usize,
}

pub(super) fn ensemble(node: &Node, inputs: usize) -> Result<Ensemble> {
    let needed = |name: &str| node.tensor(name)?.ok_or_else(|| node.wrong(&format!("it has no {name}")));
    let splits = needed("nodes_splits")?;
    let (precision, splits) = numbers(node, splits)?;
    let (of_weights, values) = numbers(node, needed("leaf_weights")?)?;
    if of_weights != precision {
        return Err(node.wrong("its thresholds and weights differ in precision"));
    }
    let Data::I64(modes) = &needed("nodes_modes")?.data else { return Err(node.wrong("its modes are not whole numbers")) };
    let outputs = node.wholes("leaf_targetids")?;
    if outputs.len() != values.len() {
        return Err(node.wrong(&format!("it has {} leaf targets and {} leaf weights", outputs.len(), values.len())));
    }
    let (of_nodes, sets) = sets(node, modes)?;
    let lists = Lists {
        node,
        features: node.wholes("nodes_featureids")?,
        modes,
        splits,
        yes: node.wholes("nodes_truenodeids")?,
        yes_leaf: node.wholes("nodes_trueleafs")?,
        no: node.wholes("nodes_falsenodeids")?,
        no_leaf: node.wholes("nodes_falseleafs")?,
        missing: node.wholes("nodes_missing_value_tracks_true")?,
        sets: of_nodes,
        leaves: values.len(),
    };
    let targets = place(node, "n_targets", node.whole("n_targets")?.unwrap_or(1))? as usize;
    let link = link(node)?;
    let weight = |(output, value): (&i64, f64)| Ok(Weight { output: place(node, "output", *output)?, value });
    let forest = Forest {
        inputs,
        outputs: targets,
        precision,
        aggregate: aggregate(node)?,
        link: if targets == 1 { alone(link) } else { link },
        base: Vec::new(),
        base_first: false,
        scale: 1.0,
        trees: lists.trees(node.wholes("tree_roots")?)?,
        weights: outputs.iter().zip(values).map(weight).collect::<Result<_>>()?,
        sets,
    };
    Ok(Ensemble { forest, pair: None })
}

impl Lists<'_> {
    fn trees(&self, roots: &[i64]) -> Result<Vec<Tree>> {
        let count = self.splits.len();
        let others = [self.features, self.modes, self.yes, self.yes_leaf, self.no, self.no_leaf];
        if others.iter().any(|list| list.len() != count) || !(self.missing.is_empty() || self.missing.len() == count) {
            return Err(self.node.wrong(&format!("its lists of nodes do not have {count} entries each")));
        }
        let mut seen = vec![false; count];
        let trees: Vec<Tree> = roots.iter().map(|root| self.tree(*root, &mut seen)).collect::<Result<_>>()?;
        match seen.iter().position(|seen| !seen) {
            Some(left) => Err(self.node.wrong(&format!("node {left}: no tree leads to it"))),
            None => Ok(trees),
        }
    }

    /// Follows one tree from its root. A leaf is written once per branch that leads to it; all of them have the same weight.
    fn tree(&self, root: i64, seen: &mut [bool]) -> Result<Tree> {
        let mut tree = Tree { root: Child::Node(0), nodes: Vec::new(), leaves: Vec::new() };
        let mut open = vec![(root, None)];
        while let Some((id, parent)) = open.pop() {
            let (split, ends) = self.split(id)?;
            match usize::try_from(id).ok().and_then(|id| seen.get_mut(id)) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(self.node.wrong(&format!("node {id}: two branches lead to it, or a branch leads back"))),
            }
            // A tree that is nothing but a leaf is written as a node with the same leaf on both sides.
            if let (None, [(true, yes), (true, no)]) = (parent, ends)
                && yes == no
            {
                tree.root = Child::Leaf(0);
                tree.leaves.push(self.leaf(yes)?);
                return Ok(tree);
            }
            let here = tree.nodes.len();
            if let Some((parent, side)) = parent
                && let Some(parent) = tree.nodes.get_mut::<usize>(parent)
            {
                let parent: &mut Split = parent;
                *(if side { &mut parent.yes } else { &mut parent.no }) = Child::Node(here as u32);
            }
            tree.nodes.push(split);
            for (side, (is_leaf, next)) in [true, false].into_iter().zip(ends) {
                if !is_leaf {
                    open.push((next, Some((here, side))));
                    continue;
                }
                let child = Child::Leaf(tree.leaves.len() as u32);
                tree.leaves.push(self.leaf(next)?);
                if let Some(node) = tree.nodes.last_mut() {
                    *(if side { &mut node.yes } else { &mut node.no }) = child;
                }
            }
        }
        Ok(tree)
    }

    /// A node without its children, and where `yes` and `no` lead: whether to a leaf, and to which.
    fn split(&self, id: i64) -> Result<(Split, [(bool, i64); 2])> {
        let gone = || self.node.wrong(&format!("node {id}: it is not there"));
        let at = usize::try_from(id).map_err(|_| gone())?;
        let of = |list: &[i64]| list.get(at).copied().ok_or_else(gone);
        let threshold = self.splits.get(at).copied().ok_or_else(gone)?;
        let wrong = |text: &str| self.node.wrong(&format!("node {id}: {text}"));
        let mode = match (of(self.modes)?, self.sets.get(at).copied().flatten()) {
            (0, _) => Mode::Leq,
            (1, _) => Mode::Lt,
            (2, _) => Mode::Gte,
            (3, _) => Mode::Gt,
            (4, _) => Mode::Eq,
            (5, _) => Mode::Neq,
            (6, Some(set)) => Mode::Member(set),
            (other, _) => return Err(wrong(&format!("mode {other} is not known"))),
        };
        if threshold.is_nan() && !matches!(mode, Mode::Member(_)) {
            return Err(wrong("threshold NaN is not a number"));
        }
        let feature = u32::try_from(of(self.features)?).map_err(|_| wrong("its feature is no column"))?;
        let missing_yes = self.missing.get(at).is_some_and(|missing| *missing != 0);
        let ends = [(of(self.yes_leaf)? != 0, of(self.yes)?), (of(self.no_leaf)? != 0, of(self.no)?)];
        let unset = Child::Node(u32::MAX);
        Ok((Split { feature, mode, threshold, missing_yes, yes: unset, no: unset, cover: 0.0 }, ends))
    }

    fn leaf(&self, id: i64) -> Result<Leaf> {
        match u32::try_from(id) {
            Ok(first) if (first as usize) < self.leaves => Ok(Leaf { first, len: 1, cover: 0.0 }),
            _ => Err(self.node.wrong(&format!("leaf {id}: it is not there"))),
        }
    }
}

fn numbers(node: &Node, tensor: &Tensor) -> Result<(Precision, Vec<f64>)> {
    match &tensor.data {
        Data::F32(values) => Ok((Precision::F32, values.iter().copied().map(f64::from).collect())),
        Data::F64(values) => Ok((Precision::F64, values.clone())),
        _ => Err(node.wrong("its thresholds or weights are neither float32 nor float64")),
    }
}

/// For every node its place in the sets, which are written one after another, each ended by a NaN.
fn sets(node: &Node, modes: &[i64]) -> Result<(Vec<Option<u32>>, Vec<Set>)> {
    let values = match node.tensor("membership_values")? {
        Some(tensor) => numbers(node, tensor)?.1,
        None => Vec::new(),
    };
    let mut written = values.split(|value| value.is_nan());
    let (mut of_nodes, mut sets) = (Vec::with_capacity(modes.len()), Vec::new());
    for (at, mode) in modes.iter().enumerate() {
        if *mode != 6 {
            of_nodes.push(None);
            continue;
        }
        let wrong = |text: &str| node.wrong(&format!("node {at}: {text}"));
        let values = written.next().filter(|values| !values.is_empty()).ok_or_else(|| wrong("its set of values is not there"))?;
        of_nodes.push(Some(sets.len() as u32));
        sets.push(chains::set(values).map_err(|flaw| wrong(&flaw))?);
    }
    Ok((of_nodes, sets))
}

fn aggregate(node: &Node) -> Result<Aggregate> {
    Ok(match node.whole("aggregate_function")?.unwrap_or(1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => return Err(node.wrong(&format!("aggregate function {other} is not known"))),
    })
}

/// As ONNX Runtime numbers them, not as the operator's text does.
fn link(node: &Node) -> Result<Link> {
    Ok(match node.whole("post_transform")?.unwrap_or(0) {
        0 => Link::None,
        1 => Link::Logistic,
        2 => Link::Softmax,
        3 => Link::SoftmaxZero,
        4 => Link::Probit,
        other => return Err(node.wrong(&format!("post transform {other} is not known"))),
    })
}
