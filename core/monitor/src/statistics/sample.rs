//! A raw sample: sorted once, used by every statistic over raw values.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// The values of one column: sorted, missing ones counted apart.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    sorted: Vec<f64>,
    missing: u64,
}

impl Sample {
    /// From values in any order; NaN counts as missing, infinities are values.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut missing = 0;
        let keep = |value: &f64| {
            missing += u64::from(value.is_nan());
            !value.is_nan()
        };
        // -0.0 + 0.0 is 0.0: both zeros are one value.
        let mut sorted: Vec<f64> = values.into_iter().filter(keep).map(|value| value + 0.0).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Self { sorted, missing }
    }

    /// From the chunks of an Arrow column of float64 or float32; nulls count as missing. None for another type.
    pub fn from_arrow(chunks: &[ArrayRef]) -> Option<Self> {
        let mut values = Vec::with_capacity(chunks.iter().map(|chunk| chunk.len()).sum());
        let mut null = 0;
        for chunk in chunks {
            null += chunk.null_count() as u64;
            match chunk.data_type() {
                DataType::Float64 => values.extend(chunk.as_primitive::<Float64Type>().iter().flatten()),
                DataType::Float32 => values.extend(chunk.as_primitive::<Float32Type>().iter().flatten().map(f64::from)),
                _ => return None,
            }
        }
        let sample = Self::new(values);
        Some(Self { missing: sample.missing + null, ..sample })
    }

    /// Every value, ascending, infinities included.
    pub fn sorted(&self) -> &[f64] {
        &self.sorted
    }

    /// The finite values, ascending.
    pub fn finite(&self) -> &[f64] {
        let first = self.sorted.partition_point(|&value| value == f64::NEG_INFINITY);
        let end = self.sorted.partition_point(|&value| value < f64::INFINITY);
        self.sorted.get(first..end).unwrap_or_default()
    }

    /// How many were null or NaN.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Mean of the finite values.
    pub fn mean(&self) -> Option<f64> {
        let values = self.finite();
        let n = values.len() as f64;
        (!values.is_empty()).then(|| {
            let sum: f64 = values.iter().sum();
            if sum.is_finite() { sum / n } else { values.iter().map(|value| value / n).sum() }
        })
    }

    /// Standard deviation of the finite values, divisor n.
    pub fn sd(&self) -> Option<f64> {
        let mean = self.mean()?;
        let values = self.finite();
        let scale = values.iter().fold(0.0_f64, |largest, value| largest.max((value - mean).abs()));
        if scale == 0.0 || !scale.is_finite() {
            return Some(scale);
        }
        let squares: f64 = values.iter().map(|value| ((value - mean) / scale).powi(2)).sum();
        Some(scale * (squares / values.len() as f64).sqrt())
    }

    /// A quantile of the finite values by linear interpolation, as numpy's default.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let values = self.finite();
        let place = share.clamp(0.0, 1.0) * values.len().checked_sub(1)? as f64;
        let low = *values.get(place.floor() as usize)?;
        let high = *values.get(place.ceil() as usize)?;
        Some(low + (high - low) * (place - place.floor()))
    }

    /// The distance between the quartiles of the finite values.
    pub fn iqr(&self) -> Option<f64> {
        Some(self.quantile(0.75)? - self.quantile(0.25)?)
    }

    /// How many different values there are.
    pub fn distinct(&self) -> usize {
        self.sorted.chunk_by(|a, b| a == b).count()
    }
}
