//! The form that every forest is brought into, and the check that makes it safe to run.
//!
//! The parts are plain and public, so that loaders and tests can put a forest together by hand. Nothing about it is to be believed before
//! [`Forest::check`] has passed; after that every index is in range and every walk from a root ends in a leaf.

use crate::error::{Error, Result};

/// Most tests between a root and a leaf. A deeper chain was made to do harm, or learnt its rows by heart.
pub const TREE_DEPTH_MAX: usize = 4096;
/// Largest number that a [`Set`] can hold.
pub const MEMBER_MAX: u32 = (1 << 20) - 1;

/// How a node's test reads: `value MODE threshold` means yes. A NaN goes to `no` unless [`Node::missing_yes`] is set; only `Neq` sends it to
/// `yes` by itself, as ONNX Runtime has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// At most the threshold.
    Leq,
    /// Below the threshold.
    Lt,
    /// At least the threshold.
    Gte,
    /// Above the threshold.
    Gt,
    /// The threshold itself.
    Eq,
    /// Anything but the threshold.
    Neq,
    /// In the set at this place of [`Forest::sets`]; the threshold is not read.
    Member(u32),
}

/// What inputs, thresholds and sums are computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Single: thresholds, weights and base values are exact f32 values.
    F32,
    /// Double.
    F64,
}

/// How the trees' weights become one number per output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// Added up in tree order.
    Sum,
    /// Their sum divided by the number of trees.
    Average,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

/// What is done with a row's outputs at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Nothing.
    None,
    /// `1 / (1 + exp(-x))`, output by output, as ONNX Runtime has it: for negative numbers it is one minus that of `-x`, which costs small
    /// shares their last digits.
    Logistic,
    /// The same as it is written, so that small shares keep their digits.
    Sigmoid,
    /// Shares of `exp(x)`.
    Softmax,
    /// Shares of `exp(x)` among the outputs that are not zero; zeros stay.
    SoftmaxZero,
    /// The quantile of the normal distribution.
    Probit,
    /// `exp(x)`, output by output.
    Exp,
    /// `sign(x) * x * x`, output by output.
    SignedSquare,
}

/// How a value is read before it is looked for in a [`Set`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// As it is: what is no whole number is in no set.
    #[default]
    Exact,
    /// Rounded down.
    Floor,
    /// Cut off towards zero.
    Truncate,
}

/// Where a branch leads, by place in its own tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    /// To another test.
    Node(u32),
    /// To the end.
    Leaf(u32),
}

/// One test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// Place of the value in the row.
    pub feature: u32,
    /// How it is compared.
    pub mode: Mode,
    /// With what; infinities are allowed, since a split of the missing from all others has one.
    pub threshold: f64,
    /// Whether a NaN goes to `yes`.
    pub missing_yes: bool,
    /// Next if the test holds.
    pub yes: Child,
    /// Next if not.
    pub no: Child,
    /// Training rows seen here; 0 if unknown.
    pub cover: f64,
}

/// The end of a walk: the weights from `first` on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leaf {
    /// Place of the first in [`Forest::weights`].
    pub first: u32,
    /// How many; a leaf without weights adds nothing.
    pub len: u32,
    /// Training rows seen here; 0 if unknown.
    pub cover: f64,
}

/// What a leaf adds to one output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weight {
    /// The output.
    pub output: u32,
    /// How much.
    pub value: f64,
}

/// One tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// Where a walk begins.
    pub root: Child,
    /// Tests in any order.
    pub nodes: Vec<Node>,
    /// Ends in the order in which the source numbers them.
    pub leaves: Vec<Leaf>,
}

/// A set of small whole numbers, for categorical splits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Set {
    words: Vec<u64>,
    reading: Reading,
}

/// A forest.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    /// Width of a row.
    pub inputs: usize,
    /// Numbers that a row gives.
    pub outputs: usize,
    /// What all of it is computed in.
    pub precision: Precision,
    /// How trees add up.
    pub aggregate: Aggregate,
    /// What happens to the sums.
    pub link: Link,
    /// One per output, or none at all.
    pub base: Vec<f64>,
    /// Whether the sum starts from the base; otherwise it is added at the end, as ONNX Runtime does.
    pub base_first: bool,
    /// Factor on the sum of the trees, before the base is added at the end; 1 changes nothing.
    pub scale: f64,
    /// The trees, in the order in which they add up.
    pub trees: Vec<Tree>,
    /// All leaves' weights.
    pub weights: Vec<Weight>,
    /// Sets of categorical splits.
    pub sets: Vec<Set>,
}

impl Set {
    /// The set of these numbers.
    ///
    /// # Errors
    /// `Error::Model` for a number beyond [`MEMBER_MAX`].
    pub fn new(members: impl IntoIterator<Item = u32>) -> Result<Self> {
        let mut words = Vec::new();
        for member in members {
            if member > MEMBER_MAX {
                return Err(Error::Model(format!("category {member} is beyond {MEMBER_MAX}; number the categories from 0 on")));
            }
            let place = member as usize / 64;
            if words.len() <= place {
                words.resize(place + 1, 0_u64);
            }
            if let Some(word) = words.get_mut(place) {
                *word |= 1 << (member % 64);
            }
        }
        Ok(Self { words, reading: Reading::Exact })
    }

    /// The same set, which reads values in another way.
    #[must_use]
    pub fn reading(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    /// Whether a value, once read, is one of them; what is no whole number then, negative or too large is not.
    pub fn contains(&self, value: f64) -> bool {
        let value = match self.reading {
            Reading::Exact => value,
            Reading::Floor => value.floor(),
            Reading::Truncate => value.trunc(),
        };
        let number = value as u32;
        // Also false for a NaN, which is cast to 0.
        f64::from(number) == value && self.words.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// The members in ascending order.
    pub fn members(&self) -> impl Iterator<Item = u32> + '_ {
        let bits = |(place, word): (usize, &u64)| {
            let word = *word;
            (0..64_u32).filter(move |bit| word >> bit & 1 == 1).map(move |bit| place as u32 * 64 + bit)
        };
        self.words.iter().enumerate().flat_map(bits)
    }
}

impl Forest {
    /// Whether a value goes to `yes`: the meaning that every kernel has to agree with.
    pub fn says_yes(&self, node: &Node, value: f64) -> bool {
        if value.is_nan() {
            return node.missing_yes || node.mode == Mode::Neq;
        }
        match node.mode {
            Mode::Leq => value <= node.threshold,
            Mode::Lt => value < node.threshold,
            Mode::Gte => value >= node.threshold,
            Mode::Gt => value > node.threshold,
            Mode::Eq => value == node.threshold,
            Mode::Neq => value != node.threshold,
            Mode::Member(set) => self.sets.get(set as usize).is_some_and(|set| set.contains(value)),
        }
    }

    /// Checks all that kernels rely on.
    ///
    /// # Errors
    /// `Error::Model` that names the tree and the node: a child, feature, set, output or weight out of range; a cycle, a shared subtree, or a
    /// part that no walk reaches; a tree deeper than [`TREE_DEPTH_MAX`]; a threshold, weight or base that is NaN, or in single precision no
    /// f32; no inputs, outputs or trees at all.
    pub fn check(&self) -> Result<()> {
        if self.inputs == 0 || self.outputs == 0 || self.trees.is_empty() {
            let (inputs, outputs, trees) = (self.inputs, self.outputs, self.trees.len());
            return wrong(format!("it has {inputs} inputs, {outputs} outputs and {trees} trees; each must be at least 1"));
        }
        if !self.base.is_empty() && self.base.len() != self.outputs {
            return wrong(format!("it has {} base values for {} outputs", self.base.len(), self.outputs));
        }
        if let Some(base) = self.base.iter().find(|base| !self.holds(**base)) {
            return wrong(format!("base value {base} is not a {} number", self.precision.word()));
        }
        if !self.scale.is_finite() || !self.holds(self.scale) {
            return wrong(format!("its scale {} is not a finite {} number", self.scale, self.precision.word()));
        }
        for (place, weight) in self.weights.iter().enumerate() {
            if weight.output as usize >= self.outputs {
                return wrong(format!("weight {place} is for output {} of {}", weight.output, self.outputs));
            }
            if !self.holds(weight.value) {
                return wrong(format!("weight {place} is {}; that is not a {} number", weight.value, self.precision.word()));
            }
        }
        self.trees.iter().enumerate().try_for_each(|(number, tree)| self.check_tree(number, tree))
    }

    fn check_tree(&self, number: usize, tree: &Tree) -> Result<()> {
        for (place, node) in tree.nodes.iter().enumerate() {
            let wrong = |text: String| wrong(format!("tree {number}, node {place}: {text}"));
            if node.feature as usize >= self.inputs {
                return wrong(format!("feature {} is not one of {} inputs", node.feature, self.inputs));
            }
            match node.mode {
                Mode::Member(set) if set as usize >= self.sets.len() => {
                    return wrong(format!("set {set} is not one of {}", self.sets.len()));
                }
                Mode::Member(_) => {}
                _ if !self.holds(node.threshold) => {
                    return wrong(format!("threshold {} is not a {} number", node.threshold, self.precision.word()));
                }
                _ => {}
            }
            if !covers(node.cover) {
                return wrong(format!("cover {} is not a number of rows", node.cover));
            }
        }
        for (place, leaf) in tree.leaves.iter().enumerate() {
            let end = u64::from(leaf.first) + u64::from(leaf.len);
            if end > self.weights.len() as u64 {
                return wrong(format!("tree {number}, leaf {place}: its weights end at {end} of {}", self.weights.len()));
            }
            if !covers(leaf.cover) {
                return wrong(format!("tree {number}, leaf {place}: cover {} is not a number of rows", leaf.cover));
            }
        }
        check_walks(number, tree)
    }

    /// Whether this precision holds a value exactly; no precision holds a NaN.
    fn holds(&self, value: f64) -> bool {
        match self.precision {
            Precision::F32 => f64::from(value as f32) == value,
            Precision::F64 => !value.is_nan(),
        }
    }
}

impl Precision {
    /// The word for it in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::F32 => "single-precision",
            Self::F64 => "double-precision",
        }
    }
}

/// Follows every branch once: each node and each leaf is reached exactly once, or the tree is no tree.
fn check_walks(number: usize, tree: &Tree) -> Result<()> {
    let mut nodes = vec![false; tree.nodes.len()];
    let mut leaves = vec![false; tree.leaves.len()];
    let mut open = vec![(tree.root, None, 0)];
    while let Some((child, parent, depth)) = open.pop() {
        let (kind, place, seen) = match child {
            Child::Node(place) => ("node", place, nodes.get_mut(place as usize)),
            Child::Leaf(place) => ("leaf", place, leaves.get_mut(place as usize)),
        };
        let from = || parent.map_or_else(|| "the root".to_owned(), |parent: u32| format!("node {parent}"));
        match seen {
            None => return wrong(format!("tree {number}, {}: it leads to {kind} {place}, which is not there", from())),
            Some(seen) if *seen => {
                return wrong(format!("tree {number}, {}: it leads to {kind} {place}, to which another branch leads already", from()));
            }
            Some(seen) => *seen = true,
        }
        if let Child::Node(place) = child
            && let Some(node) = tree.nodes.get(place as usize)
        {
            if depth == TREE_DEPTH_MAX {
                return wrong(format!("tree {number}, node {place}: it is more than {TREE_DEPTH_MAX} tests deep; limit the tree's depth"));
            }
            open.push((node.yes, Some(place), depth + 1));
            open.push((node.no, Some(place), depth + 1));
        }
    }
    for (kind, seen) in [("node", &nodes), ("leaf", &leaves)] {
        if let Some(place) = seen.iter().position(|seen| !seen) {
            return wrong(format!("tree {number}: no branch leads to {kind} {place}"));
        }
    }
    Ok(())
}

fn covers(rows: f64) -> bool {
    rows >= 0.0 && rows.is_finite()
}

fn wrong(text: String) -> Result<()> {
    Err(Error::Model(format!("the forest cannot be run: {text}")))
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
