//! Names: what kinds of things are remembered, and how their files are called.

use serde::{Deserialize, Serialize};

/// What a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Answers about rows, under one bundle.
    Decisions,
    /// What really happened.
    Outcomes,
    /// Changes of rungs and bundles.
    Events,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Decisions, Self::Outcomes, Self::Events];

    /// Its word, in file names and descriptions.
    pub fn word(self) -> &'static str {
        match self {
            Self::Decisions => "decisions",
            Self::Outcomes => "outcomes",
            Self::Events => "events",
        }
    }

    /// The kind of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Extension of a segment's file.
pub const SEGMENT: &str = "segment";
/// Extension of a file that is being made; it has no meaning until it is renamed.
pub const PART: &str = "part";
/// Extension of what recovery cut off a segment.
pub const TORN: &str = "torn";
/// The file that a writer locks.
pub const LOCK: &str = "writer.lock";
/// Extension of compacted segments.
const PARQUET: &str = "parquet";
/// How their names begin.
const COMPACTED: &str = "compacted-";

/// What a file name says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// What the segment holds.
    pub kind: Kind,
    /// Which stream it belongs to: 16 characters from its bundle's digest, or `all`.
    pub stream: String,
    /// Its place in the stream, from 1.
    pub number: u64,
}

impl Name {
    /// The file's name.
    pub fn file(&self) -> String {
        format!("{}-{}-{:010}.{SEGMENT}", self.kind.word(), self.stream, self.number)
    }

    /// Reads a file's name; nothing for a foreign file.
    pub fn parse(file: &str) -> Option<Self> {
        let mut parts = file.strip_suffix(SEGMENT)?.strip_suffix('.')?.split('-');
        let (kind, stream, number) = (Kind::of(parts.next()?)?, parts.next()?, parts.next()?);
        let name = Self { kind, stream: stream.to_owned(), number: number.parse().ok()? };
        // One spelling per name, so that two files are never the same segment.
        (parts.next().is_none() && name.file() == file).then_some(name)
    }
}

/// The last segment that a compacted file stands for, so that its number is not given twice.
pub fn compacted_through(file: &str) -> Option<(Kind, &str, u64)> {
    let mut parts = file.strip_prefix(COMPACTED)?.strip_suffix(PARQUET)?.strip_suffix('.')?.split('-');
    let (kind, stream, _, last) = (Kind::of(parts.next()?)?, parts.next()?, parts.next()?, parts.next()?);
    Some((kind, stream, last.parse().ok()?)).filter(|_| parts.next().is_none())
}

/// The stream of a digest: its first 16 characters, which tell bundles apart; another text is spelled by its hash.
pub fn stream_of(kind: Kind, digest: &str) -> String {
    if kind != Kind::Decisions {
        return "all".to_owned();
    }
    match digest.get(..16) {
        Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) => prefix.to_owned(),
        // FNV-1a, which is enough to name a file: the whole digest stands inside.
        _ => format!(
            "{:016x}",
            digest.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_nothing_else_is_one() {
        let name = Name { kind: Kind::Decisions, stream: stream_of(Kind::Decisions, &"0123456789abcdef".repeat(4)), number: 12 };
        assert_eq!(name.file(), "decisions-0123456789abcdef-0000000012.segment");
        assert_eq!(Name::parse(&name.file()), Some(name));
        for foreign in
            ["decisions-all-12.segment", "outcomes.segment", "rows-all-0000000001.segment", "events-all-0000000001.segment.part", "x"]
        {
            assert_eq!(Name::parse(foreign), None, "{foreign}");
        }
        assert_eq!(compacted_through("compacted-events-all-0000000001-0000000007.parquet"), Some((Kind::Events, "all", 7)));
        assert_eq!(compacted_through("compacted-events-all-0000000001.parquet"), None);
        assert_eq!(stream_of(Kind::Decisions, "no hex").len(), 16);
    }
}
