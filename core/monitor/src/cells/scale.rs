//! Edges in order, and the cell of a number: how many edges lie below it.
//!
//! A number is first put on a coarse ruler of equal steps, where a table says how many edges lie on earlier steps; only the few edges on its
//! own step are compared. The ruler is a chain of rounded operations that never turn a larger number into an earlier step, and edges are put
//! on it by the same chain: an edge on an earlier step is below the number, one on a later step is not. So the answer is that of comparing
//! with every edge, for every float. Where too many edges crowd on one step, a branch-free binary search takes its place.

use sternpost_engine::wide::wide;

/// Most edges that a scale may have.
pub const MOST_EDGES: usize = 250;
/// Values that are placed at once.
pub(crate) const STRETCH: usize = 256;
/// Most steps of a ruler.
const STEPS: usize = 4096;
const RULERS: [usize; 7] = [64, 128, 256, 512, 1024, 2048, STEPS];
/// Compares that a value may need after the table; more, and searching is quicker.
const FEW: usize = 2;
pub(crate) const SEVERAL: usize = 4;
const PADDED: usize = 256 + SEVERAL;
/// Adding it rounds a small number that is not negative to an integer, which then stands in the low bits.
const ROUND: f64 = 4_503_599_627_370_496.0;

/// The edges of a column's cells: cell k is what lies above edge k-1 and not above edge k; the first and the last have no end.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    edges: Vec<f64>,
    grids: Vec<u8>,
    /// The edges, then infinities, so that reading ahead of any number of edges that a byte holds always finds something.
    padded: Box<[f64; PADDED]>,
    /// Where searching begins: half of the power of two above the number of edges.
    half: usize,
    ruler: Option<Ruler>,
}

#[derive(Debug, Clone, PartialEq)]
struct Ruler {
    low: f64,
    per: f64,
    last: f64,
    /// Edges on earlier steps, by step; as many places as the longest ruler has, so that none needs to be asked for.
    starts: Box<[u8; STEPS]>,
    compares: usize,
}

impl Scale {
    /// A scale of ascending finite edges (at most [`MOST_EDGES`]; further ones are left out) with their grids.
    pub fn of(mut edges: Vec<(f64, u8)>) -> Self {
        edges.truncate(MOST_EDGES);
        let (edges, grids): (Vec<f64>, Vec<u8>) = edges.into_iter().unzip();
        let mut padded = Box::new([f64::INFINITY; PADDED]);
        padded.iter_mut().zip(&edges).for_each(|(place, edge)| *place = *edge);
        let ruler = Ruler::fitting(&edges);
        Self { half: (edges.len() + 1).next_power_of_two() / 2, padded, edges, grids, ruler }
    }

    /// The edges, ascending.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The coarsest grid that each edge belongs to.
    pub fn grids(&self) -> &[u8] {
        &self.grids
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.edges.len() + 1
    }

    /// Whether each cell holds one value only.
    pub fn points(&self) -> Vec<bool> {
        let mut points = vec![false];
        points.extend(self.edges.windows(2).map(|pair| pair[0].next_up() == pair[1]));
        points.resize(self.cells(), false);
        points
    }

    /// For every cell its cell among those of a coarser grid.
    pub fn groups(&self, grid: u8) -> Vec<usize> {
        let mut group = 0;
        let mut groups = vec![0];
        for own in &self.grids {
            group += usize::from(*own <= grid);
            groups.push(group);
        }
        groups
    }

    /// The cell of a finite number. For others it means nothing.
    #[inline(always)]
    pub fn place(&self, value: f64) -> usize {
        match &self.ruler {
            Some(ruler) => ruler.count(&self.padded, ruler.step(value), value),
            None => self.search(value),
        }
    }

    /// Adds one to the cell of every finite value; gives whether there were others, which are left out.
    pub fn count(&self, values: &[f64], counts: &mut [u32]) -> bool {
        let mut others = false;
        for values in values.chunks(STRETCH) {
            let strange = any_infinite_or_nan(values);
            others |= strange;
            match &self.ruler {
                _ if strange => {
                    values.iter().filter(|value| value.is_finite()).for_each(|value| add(counts, self.place(*value)));
                }
                Some(ruler) if values.len() > 8 => {
                    let mut steps = [0u16; STRETCH];
                    ruler_steps(values, ruler.low, ruler.per, ruler.last, &mut steps);
                    let steps = steps.iter().zip(values);
                    if ruler.compares <= FEW {
                        steps.for_each(|(step, value)| add(counts, ruler.count_few(&self.padded, usize::from(*step), *value)));
                    } else {
                        steps.for_each(|(step, value)| add(counts, ruler.count_several(&self.padded, usize::from(*step), *value)));
                    }
                }
                _ => values.iter().for_each(|value| add(counts, self.place(*value))),
            }
        }
        others
    }

    /// Where a ruler begins, its steps in one and its last step; the edges on earlier steps for each step; the edges with infinities behind
    /// them. Nothing for a scale without a ruler. See [`step`] and [`below`].
    pub(crate) fn ruler(&self) -> Option<([f64; 3], &[u8], &[f64])> {
        let Ruler { low, per, last, starts, .. } = self.ruler.as_ref()?;
        let steps = starts.get(..=*last as usize)?;
        Some(([*low, *per, *last], steps, self.padded.get(..self.edges.len() + SEVERAL)?))
    }

    fn search(&self, value: f64) -> usize {
        let mut base = 0;
        let mut half = self.half;
        while half > 0 {
            let below = self.padded.get(base + half - 1).is_some_and(|edge| *edge < value);
            base += if below { half } else { 0 };
            half /= 2;
        }
        base
    }
}

#[inline(always)]
fn add(counts: &mut [u32], cell: usize) {
    if let Some(count) = counts.get_mut(cell) {
        *count += 1;
    }
}

/// How many of these edges lie below a number.
#[inline(always)]
pub(crate) fn below(edges: &[f64], value: f64) -> usize {
    edges.iter().map(|edge| usize::from(*edge < value)).sum()
}

/// Which step of a ruler a number stands on.
#[inline(always)]
pub(crate) fn step(value: f64, low: f64, per: f64, last: f64) -> u64 {
    let along = (value - low) * per;
    let along = if along > 0.0 { along } else { 0.0 };
    let along = if along < last { along } else { last };
    (along + ROUND).to_bits() & 0xffff
}

wide! {
    fn ruler_steps(values: &[f64], low: f64, per: f64, last: f64, steps: &mut [u16; STRETCH]) {
        for (place, value) in steps.iter_mut().zip(values) {
            *place = step(*value, low, per, last) as u16;
        }
    }
}

wide! {
    fn any_infinite_or_nan(values: &[f64]) -> bool {
        let mut finite = 0u64;
        for value in values {
            finite += u64::from(value.abs() < f64::INFINITY);
        }
        finite != values.len() as u64
    }
}

impl Ruler {
    /// The shortest ruler on which few edges share a step; nothing if there is none.
    fn fitting(edges: &[f64]) -> Option<Self> {
        let (low, high) = (*edges.first()?, *edges.last()?);
        let rulers = RULERS.into_iter().filter_map(|steps| {
            let last = (steps - 1) as f64;
            let per = if high > low { last / (high - low) } else { 1.0 };
            if !(per.is_finite() && per > 0.0) {
                return None;
            }
            let on: Vec<usize> = edges.iter().map(|edge| step(*edge, low, per, last) as usize).collect();
            let mut starts = Box::new([0; STEPS]);
            for (step, start) in starts.iter_mut().enumerate() {
                *start = on.partition_point(|on| *on < step) as u8;
            }
            let compares = on.chunk_by(|a, b| a == b).map(<[usize]>::len).max()?;
            Some(Self { low, per, last, starts, compares })
        });
        let rulers: Vec<Self> = rulers.collect();
        let few = rulers.iter().position(|ruler| ruler.compares <= FEW);
        let best = few.or_else(|| rulers.iter().position(|ruler| ruler.compares <= SEVERAL))?;
        rulers.into_iter().nth(best)
    }

    #[inline(always)]
    fn step(&self, value: f64) -> usize {
        step(value, self.low, self.per, self.last) as usize
    }

    #[inline(always)]
    fn count(&self, edges: &[f64; PADDED], step: usize, value: f64) -> usize {
        if self.compares <= FEW { self.count_few(edges, step, value) } else { self.count_several(edges, step, value) }
    }

    #[inline(always)]
    fn count_few(&self, edges: &[f64; PADDED], step: usize, value: f64) -> usize {
        self.compared::<FEW>(edges, step, value)
    }

    #[inline(always)]
    fn count_several(&self, edges: &[f64; PADDED], step: usize, value: f64) -> usize {
        self.compared::<SEVERAL>(edges, step, value)
    }

    #[inline(always)]
    fn compared<const N: usize>(&self, edges: &[f64; PADDED], step: usize, value: f64) -> usize {
        let start = usize::from(self.starts[step % STEPS]);
        start + below(&edges[start..start + N], value)
    }
}
