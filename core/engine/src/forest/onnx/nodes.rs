//! `TreeEnsembleRegressor` and `TreeEnsembleClassifier`, versions 1 and 3: parallel lists, one entry per node, leaves among them.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::super::{Aggregate, Child, Forest, Leaf, Link, Mode, Node as Split, Precision, Set, Tree, Weight};
use super::{Ensemble, Pair, aggregate, alone, chains, link, place};
use crate::error::Result;
use crate::onnx_file::Node;

/// One entry of the lists.
#[derive(Debug, Clone)]
pub(super) enum Drawn {
    Branch(Branch),
    End,
    /// Part of a chain that another entry stands for.
    Gone,
}

/// A test, with places in the tree's part of the lists.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    pub(super) feature: u32,
    pub(super) test: Test,
    pub(super) missing_yes: bool,
    pub(super) yes: usize,
    pub(super) no: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Test {
    Threshold(Mode, f64),
    Equal(f64),
    Member(u32),
}

/// The lists of an operator, all of the same length but the optional ones.
struct Lists<'a> {
    node: &'a Node,
    trees: &'a [i64],
    ids: &'a [i64],
    features: &'a [i64],
    modes: &'a [String],
    values: &'a [f32],
    yes: &'a [i64],
    no: &'a [i64],
    missing: &'a [i64],
}

/// What leaves add: tree, node, output and weight.
struct Added<'a> {
    trees: &'a [i64],
    ids: &'a [i64],
    outputs: &'a [i64],
    values: &'a [f32],
}

pub(super) fn regressor(node: &Node, inputs: usize) -> Result<Ensemble> {
    let outputs = node.whole("n_targets")?.unwrap_or(0);
    let outputs = place(node, "n_targets", outputs)? as usize;
    let added = Added::of(node, "target")?;
    let base = node.singles("base_values")?;
    let link = link(node)?;
    let link = if outputs == 1 { alone(link) } else { link };
    let forest = Lists::of(node)?.forest(&added, inputs, outputs, base, aggregate(node)?, link)?;
    // ONNX Runtime reads one weight of every leaf then, whether it is there or not.
    if outputs == 1 && forest.trees.iter().flat_map(|tree| &tree.leaves).any(|leaf| leaf.len != 1) {
        return Err(node.wrong("a leaf of a single target has no weight, or more than one"));
    }
    Ok(Ensemble { forest, pair: None })
}

pub(super) fn classifier(node: &Node, inputs: usize) -> Result<Ensemble> {
    let classes = node.texts("classlabels_strings")?.len().max(node.wholes("classlabels_int64s")?.len());
    let added = Added::of(node, "class")?;
    let base = node.singles("base_values")?;
    let (lists, link) = (Lists::of(node)?, link(node)?);
    let used: BTreeSet<i64> = added.outputs.iter().copied().collect();
    let forest = |outputs, link| lists.forest(&added, inputs, outputs, base, Aggregate::Sum, link);
    if classes == 2 && used.len() == 1 {
        if !used.contains(&0) || link == Link::Probit || base.len() > 1 {
            return Err(node.wrong("two classes of which one has weights, in a form that has no stated meaning"));
        }
        let pair = match link {
            _ if added.values.iter().all(|value| *value >= 0.0) => Pair::Share,
            Link::Logistic => Pair::Logistic,
            _ => Pair::Sign,
        };
        return Ok(Ensemble { forest: forest(1, Link::None)?, pair: Some(pair) });
    }
    if classes < 2 {
        return Err(node.wrong(&format!("it has {classes} classes; at least 2 are needed")));
    }
    let forest = forest(classes, link)?;
    if classes == 2 {
        let both = |leaf: &Leaf| {
            let weights = forest.weights.get(leaf.first as usize..leaf.first as usize + leaf.len as usize).unwrap_or_default();
            [0, 1].iter().all(|class| weights.iter().any(|weight| weight.output == *class))
        };
        if !base.is_empty() || !forest.trees.iter().flat_map(|tree| &tree.leaves).all(both) {
            return Err(node.wrong("two classes with base values, or with leaves that know one of them only, have no stated meaning"));
        }
    }
    Ok(Ensemble { forest, pair: None })
}

impl<'a> Added<'a> {
    fn of(node: &'a Node, kind: &str) -> Result<Self> {
        let added = Self {
            trees: node.wholes(&format!("{kind}_treeids"))?,
            ids: node.wholes(&format!("{kind}_nodeids"))?,
            outputs: node.wholes(&format!("{kind}_ids"))?,
            values: node.singles(&format!("{kind}_weights"))?,
        };
        let count = added.values.len();
        if [added.trees.len(), added.ids.len(), added.outputs.len()].iter().any(|len| *len != count) {
            return Err(node.wrong(&format!("its lists of weights do not have {count} entries each")));
        }
        Ok(added)
    }
}

impl<'a> Lists<'a> {
    fn of(node: &'a Node) -> Result<Self> {
        for name in ["nodes_values_as_tensor", "nodes_hitrates_as_tensor", "base_values_as_tensor"] {
            if node.attributes.contains_key(name) {
                return Err(node.wrong(&format!("{name}: ONNX Runtime does not run this operator in double precision")));
            }
        }
        let lists = Self {
            node,
            trees: node.wholes("nodes_treeids")?,
            ids: node.wholes("nodes_nodeids")?,
            features: node.wholes("nodes_featureids")?,
            modes: node.texts("nodes_modes")?,
            values: node.singles("nodes_values")?,
            yes: node.wholes("nodes_truenodeids")?,
            no: node.wholes("nodes_falsenodeids")?,
            missing: node.wholes("nodes_missing_value_tracks_true")?,
        };
        let count = lists.ids.len();
        let others = [lists.trees.len(), lists.features.len(), lists.modes.len(), lists.values.len(), lists.yes.len(), lists.no.len()];
        if others.iter().any(|len| *len != count) || !(lists.missing.is_empty() || lists.missing.len() == count) {
            return Err(node.wrong(&format!("its lists of nodes do not have {count} entries each")));
        }
        Ok(lists)
    }

    fn forest(&self, added: &Added<'_>, inputs: usize, outputs: usize, base: &[f32], aggregate: Aggregate, link: Link) -> Result<Forest> {
        let (mut trees, mut sets) = (Vec::new(), Vec::new());
        let mut leaves: HashMap<(i64, i64), (usize, usize)> = HashMap::new();
        let mut seen = BTreeSet::new();
        for range in self.ranges() {
            let id = self.trees.get(range.start).copied().unwrap_or_default();
            if !seen.insert(id) {
                return Err(self.node.wrong(&format!("the nodes of tree {id} are not together")));
            }
            let (tree, ends) = self.tree(id, range, &mut sets)?;
            leaves.extend(ends.into_iter().enumerate().map(|(leaf, end)| ((id, end), (trees.len(), leaf))));
            trees.push(tree);
        }
        let weights = self.weights(added, &leaves, &mut trees)?;
        Ok(Forest {
            inputs,
            outputs,
            precision: Precision::F32,
            aggregate,
            link,
            base: base.iter().copied().map(f64::from).collect(),
            base_first: false,
            scale: 1.0,
            trees,
            weights,
            sets,
        })
    }

    /// Stretches of one tree each.
    fn ranges(&self) -> Vec<Range<usize>> {
        let mut first = 0;
        self.trees
            .chunk_by(|one, other| one == other)
            .map(|tree| {
                let range = first..first + tree.len();
                first = range.end;
                range
            })
            .collect()
    }

    /// One tree, and the ids of its leaves in order.
    fn tree(&self, id: i64, range: Range<usize>, sets: &mut Vec<Set>) -> Result<(Tree, Vec<i64>)> {
        let wrong = |node: i64, text: String| self.node.wrong(&format!("tree {id}, node {node}: {text}"));
        let mut places = HashMap::with_capacity(range.len());
        for (place, node) in self.ids.get(range.clone()).unwrap_or_default().iter().enumerate() {
            if places.insert(*node, place).is_some() {
                return Err(wrong(*node, "it is there twice".to_owned()));
            }
        }
        let mut drawn = Vec::with_capacity(range.len());
        for at in range.clone() {
            let Some(entry) = self.entry(at) else { return Err(self.node.wrong("its lists do not fit each other")) };
            let child = |child: i64| {
                places.get(&child).copied().ok_or_else(|| wrong(entry.id, format!("it leads to node {child}, which is not there")))
            };
            if entry.mode == "LEAF" {
                drawn.push(Drawn::End);
                continue;
            }
            let value = f64::from(entry.value);
            let test = match entry.mode {
                "BRANCH_LEQ" => Test::Threshold(Mode::Leq, value),
                "BRANCH_LT" => Test::Threshold(Mode::Lt, value),
                "BRANCH_GTE" => Test::Threshold(Mode::Gte, value),
                "BRANCH_GT" => Test::Threshold(Mode::Gt, value),
                "BRANCH_EQ" => Test::Equal(value),
                "BRANCH_NEQ" => Test::Threshold(Mode::Neq, value),
                other => return Err(wrong(entry.id, format!("mode {other:?} is not known"))),
            };
            let feature = u32::try_from(entry.feature).map_err(|_| wrong(entry.id, format!("feature {} is no column", entry.feature)))?;
            let (yes, no) = (child(entry.yes)?, child(entry.no)?);
            drawn.push(Drawn::Branch(Branch { feature, test, missing_yes: entry.missing, yes, no }));
        }
        chains::join(&mut drawn, sets).map_err(|flaw| self.node.wrong(&format!("tree {id}: {flaw}")))?;
        let ids = self.ids.get(range).unwrap_or_default();
        settle(&drawn, ids).map_err(|(node, text)| wrong(node, text))
    }

    fn entry(&self, at: usize) -> Option<Entry<'a>> {
        Some(Entry {
            id: *self.ids.get(at)?,
            feature: *self.features.get(at)?,
            mode: self.modes.get(at)?,
            value: *self.values.get(at)?,
            yes: *self.yes.get(at)?,
            no: *self.no.get(at)?,
            missing: self.missing.get(at).is_some_and(|missing| *missing == 1),
        })
    }

    /// The weights in the order of the leaves, each leaf's own in the order of the list.
    fn weights(&self, added: &Added<'_>, leaves: &HashMap<(i64, i64), (usize, usize)>, trees: &mut [Tree]) -> Result<Vec<Weight>> {
        let mut all = Vec::with_capacity(added.values.len());
        for (((tree, id), output), value) in added.trees.iter().zip(added.ids).zip(added.outputs).zip(added.values) {
            let Some(leaf) = leaves.get(&(*tree, *id)) else {
                return Err(self.node.wrong(&format!("tree {tree}, node {id}: it has a weight and is not a leaf")));
            };
            all.push((*leaf, Weight { output: place(self.node, "output", *output)?, value: f64::from(*value) }));
        }
        all.sort_by_key(|(leaf, _)| *leaf);
        for (first, ((tree, leaf), _)) in all.iter().enumerate() {
            if let Some(leaf) = trees.get_mut(*tree).and_then(|tree| tree.leaves.get_mut(*leaf)) {
                if leaf.len == 0 {
                    leaf.first = place(self.node, "weight", first as i64)?;
                }
                leaf.len += 1;
            }
        }
        Ok(all.into_iter().map(|(_, weight)| weight).collect())
    }
}

struct Entry<'a> {
    id: i64,
    feature: i64,
    mode: &'a str,
    value: f32,
    yes: i64,
    no: i64,
    missing: bool,
}

/// The tree of what is left of the lists, with the ids of its leaves; or the node that is wrong.
fn settle(drawn: &[Drawn], ids: &[i64]) -> std::result::Result<(Tree, Vec<i64>), (i64, String)> {
    let parents = chains::parents(drawn);
    let mut children = Vec::with_capacity(drawn.len());
    let (mut nodes, mut leaves) = (0, 0);
    for (place, (drawn, id)) in drawn.iter().zip(ids).enumerate() {
        let count = parents.get(&place).copied().unwrap_or(0);
        let wanted = usize::from(place != 0);
        children.push(match drawn {
            Drawn::Gone => None,
            _ if count != wanted => return Err((*id, format!("{count} branches lead to it; {wanted} can be run"))),
            Drawn::Branch(_) => {
                nodes += 1;
                Some(Child::Node(nodes - 1))
            }
            Drawn::End => {
                leaves += 1;
                Some(Child::Leaf(leaves - 1))
            }
        });
    }
    let child = |place: usize, id: i64| match children.get(place) {
        Some(Some(child)) => Ok(*child),
        _ => Err((id, "it leads into the middle of a chain of equalities".to_owned())),
    };
    let first = ids.first().copied().unwrap_or_default();
    let mut tree = Tree { root: child(0, first)?, nodes: Vec::with_capacity(nodes as usize), leaves: Vec::with_capacity(leaves as usize) };
    let mut ends = Vec::with_capacity(leaves as usize);
    for (drawn, id) in drawn.iter().zip(ids) {
        match drawn {
            Drawn::Gone => {}
            Drawn::End => {
                tree.leaves.push(Leaf { first: 0, len: 0, cover: 0.0 });
                ends.push(*id);
            }
            Drawn::Branch(branch) => {
                let (mode, threshold) = match branch.test {
                    Test::Threshold(mode, value) => (mode, value),
                    Test::Equal(value) => (Mode::Eq, value),
                    Test::Member(set) => (Mode::Member(set), 0.0),
                };
                if threshold.is_nan() {
                    return Err((*id, "threshold NaN is not a number".to_owned()));
                }
                let (yes, no) = (child(branch.yes, *id)?, child(branch.no, *id)?);
                let (feature, missing_yes) = (branch.feature, branch.missing_yes);
                tree.nodes.push(Split { feature, mode, threshold, missing_yes, yes, no, cover: 0.0 });
            }
        }
    }
    Ok((tree, ends))
}
