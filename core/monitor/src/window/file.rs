//! A window as an Arrow IPC file: a row for each column. `docs/monitoring-format.md` is the written form of what stands here.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, UInt64Builder};
use arrow_array::{Array, Decimal128Array, ListArray, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field};
use sternpost_engine::rule::Rule;

use super::{RULES, RowCounts, Window};
use crate::arrow_file::{self, Fault, column, number, word};
use crate::error::{Error, Result};
use crate::moments::Moments;
use crate::reference::file::{SUM, list, sums};
use crate::reference::{Column, Reference};

const FORMAT: &str = "1";

fn fields() -> Vec<Field> {
    vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("role", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, false),
        list("counts", DataType::UInt64),
        Field::new("sum", SUM, false),
        Field::new("squares", SUM, false),
        Field::new("clipped", DataType::UInt64, false),
        list("broken", DataType::UInt64),
    ]
}

fn rules() -> String {
    Rule::ALL.map(Rule::name).join(",")
}

fn damaged(fault: &str) -> Error {
    Error::Damaged(format!("the window cannot be read: {fault}; get the file again"))
}

impl Window {
    /// The window as a file, the same bytes for equal windows of one version.
    ///
    /// # Errors
    /// `Error::Data` if it cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let columns = self.reference.columns();
        let mut counts = ListBuilder::new(UInt64Builder::new());
        let mut broken = ListBuilder::new(UInt64Builder::new());
        for place in 0..columns.len() {
            counts.values().append_slice(self.counts(place));
            counts.append(true);
            broken.values().append_slice(self.broken(place));
            broken.append(true);
        }
        let texts = |of: fn(&Column) -> &str| Arc::new(StringArray::from_iter_values(columns.iter().map(of))) as Arc<dyn Array>;
        let arrays: Vec<Arc<dyn Array>> = vec![
            texts(|column| &column.name),
            texts(|column| column.role.word()),
            texts(|column| column.cells.kind()),
            Arc::new(counts.finish()),
            sums(self.moments.iter().map(|moments| moments.sum))?,
            sums(self.moments.iter().map(|moments| moments.squares as i128))?,
            Arc::new(UInt64Array::from_iter_values(self.moments.iter().map(|moments| moments.clipped))),
            Arc::new(broken.finish()),
        ];
        let mut about = vec![
            ("sternpost.window", FORMAT.to_owned()),
            ("reference", self.reference.hex()),
            ("seen", self.rows.seen.to_string()),
            ("refused", self.rows.refused.to_string()),
            ("scored", self.rows.scored.to_string()),
            ("dropped", self.rows.dropped.to_string()),
            ("rules", rules()),
            ("replicas", serde_json::Value::from_iter(self.replicas.iter().cloned()).to_string()),
        ];
        if let Some((start, end)) = self.span {
            about.extend([("start", start.to_string()), ("end", end.to_string())]);
        }
        let about: HashMap<String, String> = about.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        arrow_file::write(fields(), about, arrays).map_err(|fault| Error::Data(format!("the window cannot be written: {fault}")))
    }

    /// The window in a file's bytes.
    ///
    /// # Errors
    /// `Error::Damaged` for anything that [`Self::to_bytes`] cannot have given, `Error::Mismatch` for a window of another reference.
    pub fn from_bytes(bytes: &[u8], reference: &Arc<Reference>) -> Result<Self> {
        let batch = arrow_file::read(bytes, &fields()).map_err(|fault| damaged(&fault))?;
        let found = word(&batch, "reference").map_err(|fault| damaged(&fault))?;
        if found != reference.hex() {
            let found: String = found.chars().take(12).collect();
            let message = format!(
                "the window belongs to the reference {found} and not to {:.12}; give the bundle it was counted for",
                reference.hex()
            );
            return Err(Error::Mismatch(message));
        }
        let window = parse(&batch, reference).map_err(|fault| damaged(&fault))?;
        window.check().map_err(|fault| damaged(&fault))?;
        Ok(window)
    }
}

fn parse(batch: &RecordBatch, reference: &Arc<Reference>) -> std::result::Result<Window, Fault> {
    let format = word(batch, "sternpost.window")?;
    if format != FORMAT {
        return Err(format!("it is of format {format}, and this version reads format {FORMAT}"));
    }
    if word(batch, "rules")? != rules() {
        return Err("it knows other rules".to_owned());
    }
    let mut window = Window::empty(reference.clone());
    window.rows = RowCounts {
        seen: number(batch, "seen")?,
        refused: number(batch, "refused")?,
        scored: number(batch, "scored")?,
        dropped: number(batch, "dropped")?,
    };
    let about = batch.schema_ref().metadata();
    window.span = match (about.get("start"), about.get("end")) {
        (None, None) => None,
        _ => Some((number(batch, "start")?, number(batch, "end")?)).filter(|(start, end)| start <= end),
    };
    let replicas: Vec<String> =
        serde_json::from_str(word(batch, "replicas")?).map_err(|_| "its replicas are no list of names".to_owned())?;
    window.replicas = BTreeSet::from_iter(replicas);
    let names = column::<StringArray>(batch, "name")?;
    let roles = column::<StringArray>(batch, "role")?;
    let watched = reference.columns();
    let own = watched.iter().map(|column| (Some(column.name.as_str()), Some(column.role.word())));
    if !names.iter().zip(roles.iter()).eq(own) {
        return Err("its columns are not those of its reference".to_owned());
    }
    let (counts, broken) = (Lists::of(batch, "counts")?, Lists::of(batch, "broken")?);
    let sums = column::<Decimal128Array>(batch, "sum")?.values();
    let squares = column::<Decimal128Array>(batch, "squares")?.values();
    let clipped = column::<UInt64Array>(batch, "clipped")?.values();
    for (place, watched) in watched.iter().enumerate() {
        let (counts, broken) = (counts.at(place), broken.at(place));
        let (own, Some(own_broken)) =
            (window.counts.get_mut(reference.span(place)), window.broken.get_mut(place * RULES..(place + 1) * RULES))
        else {
            continue;
        };
        let own = own.unwrap_or_default();
        if counts.len() != own.len() || broken.len() != RULES {
            return Err(format!("column {}: it has {} counts for {} cells", watched.name, counts.len(), own.len()));
        }
        own.copy_from_slice(counts);
        own_broken.copy_from_slice(broken);
        let parts = (window.moments.get_mut(place), sums.get(place), squares.get(place), clipped.get(place));
        if let (Some(moments), Some(sum), Some(squares), Some(clipped)) = parts {
            let squares = u128::try_from(*squares).map_err(|_| "a sum of squares is negative".to_owned())?;
            *moments = Moments { sum: *sum, squares, clipped: *clipped };
        }
    }
    Ok(window)
}

/// A column of lists of counts.
struct Lists<'a> {
    ends: &'a [i32],
    values: &'a [u64],
}

impl<'a> Lists<'a> {
    fn of(batch: &'a RecordBatch, name: &str) -> std::result::Result<Self, Fault> {
        let lists = column::<ListArray>(batch, name)?;
        let values =
            lists.values().as_any().downcast_ref::<UInt64Array>().ok_or_else(|| format!("its column {name} is of another type"))?;
        Ok(Self { ends: lists.value_offsets(), values: values.values() })
    }

    fn at(&self, row: usize) -> &'a [u64] {
        let end = |row: usize| self.ends.get(row).and_then(|end| usize::try_from(*end).ok());
        end(row).zip(end(row + 1)).and_then(|(start, end)| self.values.get(start..end)).unwrap_or_default()
    }
}
