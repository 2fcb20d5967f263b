//! One segment as it is read: what it says of itself, its good batches, and what is wrong with it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::header::Header;
use crate::layout::Kind;
use crate::message;
pub use crate::scan::{Finding, Trouble};
use crate::scan::{Scan, scan};

/// Where the columns of the bundle stand in a table of decisions.
const BUNDLE_PLACE: usize = 2;

/// A segment in memory, as it was when it was opened.
pub struct Segment {
    path: PathBuf,
    header: Header,
    bytes: Buffer,
    scan: Scan,
    schema: SchemaRef,
}

impl Segment {
    /// Reads a segment, also one that is being written: then up to its last good frame.
    ///
    /// # Errors
    /// `Error::Io`; `Error::Damaged` or `Error::Version` if nothing of it can be read.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = std::fs::File::open(path).map_err(Error::io(path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::io(path))?;
        Self::from_bytes(path, bytes)
    }

    /// The same from bytes.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let (header, start) = Header::decode(&bytes, path)?;
        let mut scan = scan(&bytes, start, header.salt);
        let bytes = Buffer::from_vec(bytes);
        let first = scan.frames.first().filter(|frame| frame.start == start + crate::frame::FRAME && frame.rows == 0);
        let schema = first.and_then(|frame| message::schema(bytes.get(frame.start..frame.end())?));
        let Some(schema) = schema else {
            let lost =
                if scan.sealed || scan.rows > 0 { format!("{} rows are lost", scan.sequence) } else { "its rows are lost".to_owned() };
            let what = format!("its schema cannot be read, at byte {start}; {lost}");
            return Err(Error::Damaged { path: path.to_owned(), what });
        };
        scan.frames.remove(0);
        Ok(Self { path: path.to_owned(), header, bytes, scan, schema })
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Rows that can be read.
    pub fn rows(&self) -> u64 {
        self.scan.rows
    }

    /// Batches that can be read.
    pub fn batches(&self) -> usize {
        self.scan.frames.len()
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether its writer finished it.
    pub fn is_sealed(&self) -> bool {
        self.scan.sealed
    }

    /// What is wrong with it.
    pub fn findings(&self) -> &[Finding] {
        &self.scan.findings
    }

    pub(crate) fn scan(&self) -> &Scan {
        &self.scan
    }

    pub(crate) fn raw(&self) -> &[u8] {
        &self.bytes
    }

    /// The schema of its batches: what was written, and for decisions the bundle's name and digest, which the header holds once.
    pub fn schema(&self) -> SchemaRef {
        if self.header.kind != Kind::Decisions {
            return self.schema.clone();
        }
        let mut fields: Vec<Arc<Field>> = self.schema.fields().iter().cloned().collect();
        let place = BUNDLE_PLACE.min(fields.len());
        let constant = |name: &str| Arc::new(Field::new(name, DataType::Utf8, false));
        fields.splice(place..place, [constant("bundle"), constant("digest")]);
        Arc::new(Schema::new(fields))
    }

    /// Its good batches, in order.
    ///
    /// # Errors
    /// Each may be `Error::Damaged`: its checksum is right and it still is no batch of the schema.
    pub fn read(&self) -> impl Iterator<Item = Result<RecordBatch>> + '_ {
        let schema = self.schema();
        self.scan.frames.iter().map(move |frame| {
            let damaged = || Error::Damaged {
                path: self.path.clone(),
                what: format!("the frame at byte {} holds no batch of {} rows", frame.start - crate::frame::FRAME, frame.rows),
            };
            let message = self.bytes.slice_with_length(frame.start, frame.len);
            let batch = message::batch(&message, &self.schema, frame.rows).ok_or_else(damaged)?;
            if self.header.kind != Kind::Decisions {
                return Ok(batch);
            }
            let constant = |text: &str| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, batch.num_rows()))) as ArrayRef;
            let mut columns = batch.columns().to_vec();
            let place = BUNDLE_PLACE.min(columns.len());
            columns.splice(place..place, [constant(&self.header.bundle), constant(&self.header.digest)]);
            RecordBatch::try_new(schema.clone(), columns).map_err(|_| damaged())
        })
    }

    /// Decodes every batch and adds what does not decode to the findings.
    pub fn verify(&self) -> Vec<Finding> {
        let mut findings = self.scan.findings.clone();
        for (batch, frame) in self.read().zip(&self.scan.frames) {
            if batch.is_err() {
                findings.push(Finding {
                    trouble: Trouble::Damaged,
                    offset: (frame.start - crate::frame::FRAME) as u64,
                    bytes: (frame.len + crate::frame::FRAME) as u64,
                    rows_lost: Some(u64::from(frame.rows)),
                    what: "the frame is good but holds no batch".to_owned(),
                });
            }
        }
        findings
    }
}
