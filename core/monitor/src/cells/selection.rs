//! Which cells a column of numbers gets: about forty of equal mass, and every frequent value one of its own.
//!
//! An edge closes the cell on its left. The edges are
//! - the quantiles k/40 of the reference, by linear interpolation between order statistics (numpy's `linear`, R's type 7), each once;
//! - for every value v with at least 1/40 of the mass, the largest float below v and v itself, so that `(below v, v]` holds v and no other.
//!
//! Every edge remembers its *grid*, the coarsest of 10, 20 and 40 for which these two rules would give it. The rules of 10 and 20 give
//! nothing that those of 40 do not: k/10 and k/20 are of the form k/40, and a value with a tenth of the mass has a fortieth. So the cells of
//! a coarser grid are found by leaving out the finer edges, and every cell of it is a union of cells of 40.

/// The finest grid.
pub const GRID: u8 = 40;
const GRIDS: [u8; 3] = [10, 20, GRID];

/// The edges for sorted finite values (no -0.0), ascending, each with its grid. None for no values.
pub fn edges(sorted: &[f64]) -> Vec<(f64, u8)> {
    if sorted.is_empty() {
        return Vec::new();
    }
    let quantiles = (1..GRID).map(|k| {
        let grid = GRIDS.into_iter().find(|grid| (u32::from(k) * u32::from(*grid)).is_multiple_of(u32::from(GRID))).unwrap_or(GRID);
        (quantile(sorted, f64::from(k) / f64::from(GRID)), grid)
    });
    let mut edges: Vec<(f64, u8)> = quantiles.collect();
    for run in sorted.chunk_by(|a, b| a == b) {
        let heavy = |grid: &u8| run.len() as u128 * u128::from(*grid) >= sorted.len() as u128;
        if let Some(grid) = GRIDS.into_iter().find(heavy) {
            edges.push((run[0], grid));
            edges.push((run[0].next_down(), grid));
        }
    }
    // Below the smallest float there is nothing to tell apart.
    edges.retain(|(edge, _)| edge.is_finite());
    for (edge, _) in &mut edges {
        *edge += 0.0;
    }
    edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    edges.dedup_by(|later, first| later.0 == first.0);
    edges
}

/// A quantile of sorted values, as numpy's `quantile(..., method="linear")` computes it. Where neighbours are too far apart for their
/// difference, it is the lower one.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len().saturating_sub(1)) as f64 * share;
    let low = at as usize;
    let (Some(a), fraction) = (sorted.get(low).copied(), at - low as f64) else { return f64::NAN };
    let b = sorted.get(low + 1).copied().unwrap_or(a);
    let apart = b - a;
    if !apart.is_finite() {
        return a;
    }
    if fraction >= 0.5 { b - apart * (1.0 - fraction) } else { a + apart * fraction }
}
