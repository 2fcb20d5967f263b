//! One segment while it is written.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use sha2::{Digest, Sha256};
use sternpost_engine::spec::BundleName;

use crate::disk::{Disk, DiskFile};
use crate::error::{Error, Result};
use crate::frame::{self, PAYLOAD_MAX};
use crate::header::Header;
use crate::layout::Name;
use crate::message::Messages;

/// A segment that takes batches.
pub struct Appending {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    messages: Messages,
    schema: SchemaRef,
    bundle: BundleName,
    salt: u32,
    hash: Sha256,
    rows: u64,
    bytes: u64,
    begun: Instant,
    unsynced: bool,
    frame: Vec<u8>,
}

/// Microseconds since 1970, by the wall clock; a clock before that says 0.
pub(crate) fn wall_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

impl Appending {
    /// Begins a segment: its header and schema are on the disk, under its name, when this returns.
    ///
    /// # Errors
    /// `Error::Io`, or `Error::Usage` for a schema that a journal does not take.
    pub fn begin(disk: &mut dyn Disk, folder: &Path, name: &Name, bundle: &BundleName, schema: &Schema, durable: bool) -> Result<Self> {
        let path = folder.join(name.file());
        let salt = RandomState::new().build_hasher().finish() as u32;
        let header = Header {
            kind: name.kind,
            bundle: bundle.name.clone(),
            digest: bundle.digest.clone(),
            number: name.number,
            created_us: wall_us(),
            writer: format!("sternpost {}", env!("CARGO_PKG_VERSION")),
            columns: schema.fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type())).collect(),
            salt,
        };
        let (messages, schema_message) = Messages::new(schema)?;
        let mut bytes = header.encode()?;
        frame::write(frame::MESSAGE, salt, 0, 0, &schema_message, &mut bytes);
        let file = disk.create(&path, &bytes, durable).map_err(Error::io(&path))?;
        let mut hash = Sha256::new();
        hash.update(&bytes);
        Ok(Self {
            path,
            file,
            messages,
            schema: schema.clone().into(),
            bundle: bundle.clone(),
            salt,
            hash,
            rows: 0,
            bytes: bytes.len() as u64,
            begun: Instant::now(),
            unsynced: !durable,
            frame: Vec::new(),
        })
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Rows in it.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes in it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When it was begun.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// Whether a batch of this schema and bundle belongs here.
    pub fn fits(&self, schema: &Schema, bundle: &BundleName) -> bool {
        self.bundle == *bundle && *self.schema == *schema
    }

    /// Appends a batch as one frame; on an error nothing of it stays, or the segment must not be used again (`Err(Broken)`).
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append(&mut self, batch: &RecordBatch) -> std::result::Result<u64, AppendError> {
        let payload = self.messages.batch(batch).map_err(AppendError::Unwritable)?;
        let rows = u32::try_from(batch.num_rows()).ok().filter(|_| payload.len() <= PAYLOAD_MAX);
        let Some(rows) = rows else {
            let message = format!(
                "a batch has {} rows and {} bytes; at most {PAYLOAD_MAX} bytes are taken at a time",
                batch.num_rows(),
                payload.len()
            );
            return Err(AppendError::Unwritable(Error::Usage(message)));
        };
        self.frame.clear();
        frame::write(frame::MESSAGE, self.salt, self.rows, rows, &payload, &mut self.frame);
        self.messages.reuse(payload);
        if let Err(source) = self.file.append(&self.frame) {
            return Err(match self.file.truncate(self.bytes) {
                Ok(()) => AppendError::Again(source),
                Err(_) => AppendError::Broken(source),
            });
        }
        self.hash.update(&self.frame);
        self.rows += u64::from(rows);
        self.bytes += self.frame.len() as u64;
        self.unsynced = true;
        Ok(self.frame.len() as u64)
    }

    /// Makes what was appended durable; tells whether the disk was asked.
    ///
    /// # Errors
    /// The system's. The segment must not be used again: what the system kept of it is unknown.
    pub fn sync(&mut self) -> io::Result<bool> {
        if !self.unsynced {
            return Ok(false);
        }
        self.file.sync()?;
        self.unsynced = false;
        Ok(true)
    }

    /// Writes the end.
    ///
    /// # Errors
    /// The system's; the segment then stays as one that was left by its writer.
    pub fn seal(mut self, durable: bool) -> Result<()> {
        let end = end_frame(self.salt, self.rows, self.hash.clone());
        self.file.append(&end).map_err(Error::io(&self.path))?;
        if durable { self.file.sync().map_err(Error::io(&self.path)) } else { Ok(()) }
    }
}

/// The last frame of a segment.
pub(crate) fn end_frame(salt: u32, rows: u64, hash: Sha256) -> Vec<u8> {
    let mut end = Vec::new();
    frame::write(frame::END, salt, rows, 0, &hash.finalize(), &mut end);
    end
}

/// Why a batch was not appended.
#[derive(Debug)]
pub enum AppendError {
    /// The disk refused, the segment is as before.
    Again(io::Error),
    /// The disk refused, and half a frame may stand there.
    Broken(io::Error),
    /// The batch is at fault; trying again is of no use.
    Unwritable(Error),
}
