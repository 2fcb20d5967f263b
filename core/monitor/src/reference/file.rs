//! The reference as an Arrow IPC file: a row for each column. `docs/monitoring-format.md` is the written form of what stands here.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, ListBuilder, StringBuilder, UInt8Builder, UInt64Builder};
use arrow_array::{
    Array, BooleanArray, Decimal128Array, Float64Array, Int32Array, ListArray, RecordBatch, StringArray, UInt8Array, UInt64Array,
};
use arrow_schema::{DataType, Field};

use super::column::{Column, Role};
use crate::arrow_file::{self, Fault, column, number, word};
use crate::cells::{Cells, Labels, MOST_EDGES, OWN_LABELS, Scale};
use crate::error::{Error, Result};
use crate::moments::{FixedPoint, Moments};

const FORMAT: &str = "1";
/// The type of exact sums.
pub(crate) const SUM: DataType = DataType::Decimal128(38, 0);

pub(crate) fn damaged(fault: &str) -> Error {
    Error::Damaged(format!("the reference cannot be read: {fault}; get the file again, or build it anew"))
}

/// A list of values of a type.
pub(crate) fn list(name: &str, kind: DataType) -> Field {
    Field::new(name, DataType::List(Arc::new(Field::new("item", kind, true))), false)
}

fn fields() -> Vec<Field> {
    vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("role", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, false),
        list("edges", DataType::Float64),
        list("grids", DataType::UInt8),
        list("labels", DataType::Utf8),
        list("own", DataType::Boolean),
        list("counts", DataType::UInt64),
        list("means", DataType::Float64),
        Field::new("min", DataType::Float64, true),
        Field::new("max", DataType::Float64, true),
        Field::new("centre", DataType::Float64, false),
        Field::new("exponent", DataType::Int32, false),
        Field::new("sum", SUM, false),
        Field::new("squares", SUM, false),
        Field::new("clipped", DataType::UInt64, false),
    ]
}

pub(super) fn write(columns: &[Column], rows: u64, nan_is_null: bool) -> Result<Vec<u8>> {
    let mut edges = ListBuilder::new(Float64Builder::new());
    let mut grids = ListBuilder::new(UInt8Builder::new());
    let mut labels = ListBuilder::new(StringBuilder::new());
    let mut own = ListBuilder::new(BooleanBuilder::new());
    let mut counts = ListBuilder::new(UInt64Builder::new());
    let mut means = ListBuilder::new(Float64Builder::new());
    for column in columns {
        if let Some(scale) = column.cells.scale() {
            edges.values().append_slice(scale.edges());
            grids.values().append_slice(scale.grids());
        }
        if let Cells::Category(known) = &column.cells {
            known.known().iter().for_each(|label| labels.values().append_value(label));
            known.own().for_each(|is| own.values().append_value(is));
        }
        counts.values().append_slice(&column.counts);
        column.means.iter().for_each(|mean| means.values().append_option(*mean));
        edges.append(true);
        grids.append(true);
        labels.append(true);
        own.append(true);
        counts.append(true);
        means.append(true);
    }
    let texts = |of: fn(&Column) -> &str| Arc::new(StringArray::from_iter_values(columns.iter().map(of))) as Arc<dyn Array>;
    let ends = |of: fn(&Column) -> Option<f64>| Arc::new(Float64Array::from_iter(columns.iter().map(of))) as Arc<dyn Array>;
    let sums = |of: fn(&Column) -> i128| sums(columns.iter().map(of));
    let arrays: Vec<Arc<dyn Array>> = vec![
        texts(|column| &column.name),
        texts(|column| column.role.word()),
        texts(|column| column.cells.kind()),
        Arc::new(edges.finish()),
        Arc::new(grids.finish()),
        Arc::new(labels.finish()),
        Arc::new(own.finish()),
        Arc::new(counts.finish()),
        Arc::new(means.finish()),
        ends(|column| column.min),
        ends(|column| column.max),
        ends(|column| Some(column.fixed.centre)),
        Arc::new(Int32Array::from_iter_values(columns.iter().map(|column| column.fixed.exponent))),
        sums(|column| column.moments.sum)?,
        sums(|column| column.moments.squares as i128)?,
        Arc::new(UInt64Array::from_iter_values(columns.iter().map(|column| column.moments.clipped))),
    ];
    let about = [
        ("sternpost.reference", FORMAT.to_owned()),
        ("rows", rows.to_string()),
        ("nan", if nan_is_null { "null" } else { "cell" }.to_owned()),
    ];
    let about: HashMap<String, String> = about.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    arrow_file::write(fields(), about, arrays).map_err(|fault| Error::Data(format!("the reference cannot be written: {fault}")))
}

/// Exact sums as a column.
pub(crate) fn sums(values: impl Iterator<Item = i128>) -> Result<Arc<dyn Array>> {
    let sums = Decimal128Array::from_iter_values(values).with_data_type(SUM);
    Ok(Arc::new(sums))
}

pub(super) fn read(bytes: &[u8]) -> Result<(Vec<Column>, u64, bool)> {
    let read = || {
        let batch = arrow_file::read(bytes, &fields())?;
        let format = word(&batch, "sternpost.reference")?;
        if format != FORMAT {
            return Err(format!("it is of format {format}, and this version reads format {FORMAT}"));
        }
        let nan_is_null = match word(&batch, "nan")? {
            "null" => true,
            "cell" => false,
            other => return Err(format!("its nan is {other:?}, expected null or cell")),
        };
        let columns = (0..batch.num_rows()).map(|row| one(&batch, row)).collect::<std::result::Result<Vec<_>, Fault>>()?;
        Ok((columns, number(&batch, "rows")?, nan_is_null))
    };
    read().map_err(|fault: Fault| damaged(&fault))
}

fn one(batch: &RecordBatch, row: usize) -> std::result::Result<Column, Fault> {
    let text = |name: &str| Ok::<_, Fault>(column::<StringArray>(batch, name)?.value(row).to_owned());
    let float = |name: &str| {
        let values = column::<Float64Array>(batch, name)?;
        Ok::<_, Fault>((!values.is_null(row)).then(|| values.value(row)))
    };
    let name = text("name")?;
    let fault = |fault: &str| format!("column {name}: {fault}");
    let (role, kind) = (text("role")?, text("kind")?);
    let role = Role::from_word(&role).ok_or_else(|| fault(&format!("its role is {role:?}")))?;
    let edges = listed::<Float64Array>(batch, "edges", row)?;
    let grids = listed::<UInt8Array>(batch, "grids", row)?;
    let labels = listed::<StringArray>(batch, "labels", row)?;
    let own = listed::<BooleanArray>(batch, "own", row)?;
    let no_edges = edges.is_empty() && grids.is_empty();
    let no_labels = labels.is_empty() && own.is_empty();
    let cells = match kind.as_str() {
        "numeric" | "score" if no_labels => {
            let edges: Vec<(f64, u8)> = edges.values().iter().copied().zip(grids.values().iter().copied()).collect();
            let ascending = edges.is_sorted_by(|a, b| a.0 < b.0) && edges.iter().all(|(edge, _)| edge.is_finite());
            if !ascending || edges.len() != grids.len() || edges.len() > MOST_EDGES {
                return Err(fault(&format!("its edges are not at most {MOST_EDGES} finite numbers in ascending order, each with a grid")));
            }
            if kind == "numeric" {
                Cells::Numeric(Scale::of(edges))
            } else {
                let score = Cells::score();
                let same = score.scale().is_some_and(|fixed| fixed.edges().iter().copied().zip(fixed.grids().iter().copied()).eq(edges));
                if same { score } else { return Err(fault("its cells are not those of scores")) }
            }
        }
        "category" if no_edges => {
            let labels: Vec<String> = (0..labels.len()).map(|place| labels.value(place).to_owned()).collect();
            let own: Vec<bool> = own.values().iter().collect();
            let mut seen = std::collections::HashSet::new();
            if own.len() != labels.len()
                || own.iter().filter(|own| **own).count() > OWN_LABELS
                || !labels.iter().all(|label| seen.insert(label))
            {
                return Err(fault("its labels are not one for each cell, each once"));
            }
            Cells::Category(Labels::with_own(labels, &own))
        }
        "flag" if no_edges && no_labels => Cells::Flag,
        "presence" if no_edges && no_labels => Cells::Presence,
        _ => return Err(fault(&format!("its kind is {kind:?}, or its cells are of another"))),
    };
    let means = listed::<Float64Array>(batch, "means", row)?;
    let fixed = FixedPoint {
        centre: float("centre")?.ok_or_else(|| fault("it has no centre"))?,
        exponent: column::<Int32Array>(batch, "exponent")?.value(row),
    };
    Ok(Column {
        role,
        cells,
        counts: listed::<UInt64Array>(batch, "counts", row)?.values().to_vec(),
        means: means.iter().collect(),
        min: float("min")?,
        max: float("max")?,
        fixed,
        moments: moments(batch, row)?,
        name,
    })
}

/// The exact sums of a row.
pub(crate) fn moments(batch: &RecordBatch, row: usize) -> std::result::Result<Moments, Fault> {
    let squares = column::<Decimal128Array>(batch, "squares")?.value(row);
    Ok(Moments {
        sum: column::<Decimal128Array>(batch, "sum")?.value(row),
        squares: u128::try_from(squares).map_err(|_| "a sum of squares is negative".to_owned())?,
        clipped: column::<UInt64Array>(batch, "clipped")?.value(row),
    })
}

/// The values of a row's list.
pub(crate) fn listed<T: Array + Clone + 'static>(batch: &RecordBatch, name: &str, row: usize) -> std::result::Result<T, Fault> {
    let values = column::<ListArray>(batch, name)?.value(row);
    values.as_any().downcast_ref().cloned().ok_or_else(|| format!("its column {name} is of another type"))
}
