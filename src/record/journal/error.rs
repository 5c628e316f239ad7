//! What may be wrong with a journal.

use std::io;
use std::path::PathBuf;

use crate::model::event::FORMAT;

/// The longest line that is written and read, in bytes; the plan is the longest record.
pub const LINE_LIMIT: usize = 16 * 1024 * 1024;
/// The largest journal that is written and read, in bytes.
pub const FILE_LIMIT: u64 = 1024 * 1024 * 1024;

/// A journal that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file or its folder cannot be worked on.
    #[error("{}: cannot {what} the journal: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A record cannot be put into JSON.
    #[error("{}: record {seq} cannot be written as JSON: {source}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// The record.
        seq: u64,
        /// Why not.
        source: serde_json::Error,
    },
    /// An earlier write failed, so that the file's end is unknown.
    #[error("{}: an earlier write to the journal failed; nothing more is written to it", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
    },
    /// A record is longer than what is read; nothing of it is written, and the journal takes others.
    #[error("{}: record {seq} has {bytes} bytes; at most {LINE_LIMIT} are written", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The record.
        seq: u64,
        /// Its length.
        bytes: usize,
    },
    /// With one more record it would be larger than what is read.
    #[error("{}: the journal is full: at most {FILE_LIMIT} bytes are written", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// A line is not a record.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// The whole file is no journal.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// It is of a form that only a newer patchgate knows.
    #[error(
        "{}: the journal has format {format}, and patchgate {} reads format {FORMAT}",
        path.display(),
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The number of its form.
        format: u64,
        /// The version of patchgate that made it, where it says so.
        version: Option<String>,
    },
    /// It is of no form that any released patchgate has written.
    #[error(
        "{}: the journal has no format number that patchgate {} knows: it is older than the first release, or damaged",
        path.display(),
        env!("CARGO_PKG_VERSION")
    )]
    Unknown {
        /// The file.
        path: PathBuf,
    },
}

impl JournalError {
    /// What to do about a journal that cannot be read.
    pub fn remedy(&self) -> String {
        match self {
            Self::Newer {
                version: Some(version),
                ..
            } => format!("read it with a newer patchgate: {version} made it"),
            Self::Newer { version: None, .. } => "read it with a newer patchgate".to_owned(),
            Self::Io { .. }
            | Self::Encode { .. }
            | Self::Broken { .. }
            | Self::TooLong { .. }
            | Self::Full { .. }
            | Self::Line { .. }
            | Self::File { .. }
            | Self::Unknown { .. } => "a journal that cannot be read decides nothing; run again".to_owned(),
        }
    }
}
