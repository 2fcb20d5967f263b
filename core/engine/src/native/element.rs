//! What a step reads and writes: typed buffers of a session, one per value of the graph.

use std::marker::PhantomData;

use crate::error::{Error, Result};
use crate::onnx_file::Data;

/// Buffers of one session, by type; each holds a block of rows.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    singles: Vec<Vec<f32>>,
    doubles: Vec<Vec<f64>>,
    wholes: Vec<Vec<i64>>,
    flags: Vec<Vec<bool>>,
}

/// A step over `n` rows.
pub(super) trait Step: Send + Sync {
    fn run(&self, n: usize, buffers: &mut Buffers) -> Result<()>;
}

/// A type that values have.
pub(super) trait Element: Copy + Default + PartialEq + Send + Sync + std::fmt::Debug + 'static {
    fn of(buffers: &Buffers) -> &Vec<Vec<Self>>;
    fn of_mut(buffers: &mut Buffers) -> &mut Vec<Vec<Self>>;
    fn rows(value: &Value) -> Option<Rows<Self>>;
    fn value(rows: Rows<Self>) -> Value;
    fn constants(data: &Data) -> Option<&[Self]>;
}

/// A value of the graph that has one entry per row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rows<T> {
    place: usize,
    /// Numbers per row.
    pub(super) width: usize,
    /// Dimensions: 1 for `[n]`, 2 for `[n, width]`, 3 for `[n, 1, width]`.
    pub(super) rank: usize,
    kind: PhantomData<T>,
}

impl<T> Clone for Rows<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Rows<T> {}

/// A value of the graph that depends on the rows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    Single(Rows<f32>),
    Double(Rows<f64>),
    Whole(Rows<i64>),
    Flag(Rows<bool>),
}

macro_rules! element {
    ($kind:ident, $file:ident, $variant:ident, $data:ident) => {
        impl Element for $kind {
            fn of(buffers: &Buffers) -> &Vec<Vec<Self>> {
                &buffers.$file
            }
            fn of_mut(buffers: &mut Buffers) -> &mut Vec<Vec<Self>> {
                &mut buffers.$file
            }
            fn rows(value: &Value) -> Option<Rows<Self>> {
                if let Value::$variant(rows) = value { Some(*rows) } else { None }
            }
            fn value(rows: Rows<Self>) -> Value {
                Value::$variant(rows)
            }
            fn constants(data: &Data) -> Option<&[Self]> {
                if let Data::$data(values) = data { Some(values) } else { None }
            }
        }
    };
}

element!(f32, singles, Single, F32);
element!(f64, doubles, Double, F64);
element!(i64, wholes, Whole, I64);
element!(bool, flags, Flag, Bool);

impl<T: Element> Rows<T> {
    pub(super) fn new(place: usize, width: usize, rank: usize) -> Self {
        Self { place, width, rank, kind: PhantomData }
    }

    /// The same numbers, seen in another number of dimensions.
    pub(super) fn with_rank(self, rank: usize) -> Self {
        Self { rank, ..self }
    }

    /// The numbers of the first `n` rows.
    pub(super) fn read(self, buffers: &Buffers, n: usize) -> Result<&[T]> {
        T::of(buffers).get(self.place).and_then(|buffer| buffer.get(..n * self.width)).ok_or_else(lost)
    }

    /// Lets `write` fill the numbers of the first `n` rows, while it reads others.
    pub(super) fn write(self, buffers: &mut Buffers, n: usize, write: impl FnOnce(&Buffers, &mut [T]) -> Result<()>) -> Result<()> {
        let mut own = T::of_mut(buffers).get_mut(self.place).map(std::mem::take).unwrap_or_default();
        let done = match own.get_mut(..n * self.width) {
            Some(numbers) => write(buffers, numbers),
            None => Err(lost()),
        };
        if let Some(place) = T::of_mut(buffers).get_mut(self.place) {
            *place = own;
        }
        done
    }
}

fn lost() -> Error {
    Error::Internal("a step of a native model has no buffer".to_owned())
}

impl Value {
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Single(rows) => rows.width,
            Self::Double(rows) => rows.width,
            Self::Whole(rows) => rows.width,
            Self::Flag(rows) => rows.width,
        }
    }

    pub(super) fn rank(&self) -> usize {
        match self {
            Self::Single(rows) => rows.rank,
            Self::Double(rows) => rows.rank,
            Self::Whole(rows) => rows.rank,
            Self::Flag(rows) => rows.rank,
        }
    }

    pub(super) fn with_rank(self, rank: usize) -> Self {
        match self {
            Self::Single(rows) => Self::Single(rows.with_rank(rank)),
            Self::Double(rows) => Self::Double(rows.with_rank(rank)),
            Self::Whole(rows) => Self::Whole(rows.with_rank(rank)),
            Self::Flag(rows) => Self::Flag(rows.with_rank(rank)),
        }
    }

    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Single(_) => "float32",
            Self::Double(_) => "float64",
            Self::Whole(_) => "int64",
            Self::Flag(_) => "bool",
        }
    }
}
