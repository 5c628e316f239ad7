//! What is wrong with a sealed image.

use std::path::PathBuf;

/// A sealed image that is not what its manifest says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("image {name} is damaged: {} {damage}", path.display())]
pub struct DamagedImage {
    /// The image.
    pub name: String,
    /// The file in question.
    pub path: PathBuf,
    /// What is wrong with it.
    pub damage: Damage,
}

/// What is wrong with a sealed image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The manifest cannot be read.
    #[error("cannot be read: {0}")]
    Manifest(String),
    /// The disk is not there.
    #[error("is missing")]
    Missing,
    /// The disk cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The manifest does not know the file.
    #[error("was not sealed with the image: an older patchgate made it, or somebody else")]
    Unsealed,
    /// The disk has another length.
    #[error("has {found} bytes instead of {expected}: {}", if found < expected { "truncated" } else { "grown" })]
    Length {
        /// What the manifest says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// Bytes were changed: half-open ranges, whole blocks.
    #[error("was changed: {}", ranges_in_words(.0))]
    Changed(Vec<(u64, u64)>),
    /// Bytes were changed, and the blocks' digests do not tell where.
    #[error("was changed: its SHA-256 is {0}")]
    ChangedSomewhere(String),
}

fn ranges_in_words(ranges: &[(u64, u64)]) -> String {
    const SHOWN: usize = 8;
    let mut words: Vec<String> = ranges
        .iter()
        .take(SHOWN)
        .map(|(start, end)| format!("byte range {start}..{end} changed"))
        .collect();
    if ranges.len() > SHOWN {
        words.push(format!("{} more ranges", ranges.len() - SHOWN));
    }
    words.join(", ")
}
