//! What the first look at a sealed image found, kept beside it. It came after the manifest, so it is not in that: it says itself
//! of which disk it is.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::image::manifest::{Sealed, write_atomically};
use crate::model::facts::Facts;
use crate::system::file::{self, FileError};

/// The file's name in an image's folder.
pub const FACTS: &str = "facts.json";
/// The number of the file's form.
const FORMAT: u32 = 1;
/// Bytes of it that are read.
const LIMIT: u64 = 1024 * 1024;

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The number of its form.
    pub format: u32,
    /// SHA-256 of the disk that was looked at, hexadecimal.
    pub sha256: String,
    /// When.
    pub looked: Timestamp,
    /// The version of patchgate that did.
    pub by: String,
    /// What it found.
    pub facts: Facts,
}

/// What is known of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nobody has looked at it.
    Nothing,
    /// What was found.
    Facts(Box<Kept>),
    /// There is a file that is not used, and why.
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
}

/// What is known of a sealed image.
pub fn find(sealed: &Sealed) -> Found {
    let path = sealed.dir.join(FACTS);
    let text = match file::read(&path, LIMIT) {
        Ok(text) => text,
        Err(FileError::Missing) => return Found::Nothing,
        Err(error) => {
            let problem = error.to_string();
            return Found::Unusable { path, problem };
        }
    };
    let problem = match serde_json::from_slice::<Kept>(&text) {
        Ok(kept) if kept.format != FORMAT => format!("has form {}, and form {FORMAT} is read", kept.format),
        Ok(kept) if kept.sha256 != sealed.manifest.sha256 => "is of another disk".to_owned(),
        Ok(kept) => return Found::Facts(Box::new(kept)),
        Err(error) => format!("cannot be read: {error}"),
    };
    Found::Unusable { path, problem }
}

/// Keeps what was found of a sealed image, in the place of what was found before; its path.
///
/// # Errors
/// It cannot be written.
pub fn keep(sealed: &Sealed, facts: &Facts, now: Timestamp) -> io::Result<PathBuf> {
    let kept = Kept {
        format: FORMAT,
        sha256: sealed.manifest.sha256.clone(),
        looked: now,
        by: env!("CARGO_PKG_VERSION").to_owned(),
        facts: facts.clone(),
    };
    let path = sealed.dir.join(FACTS);
    let json = serde_json::to_vec_pretty(&kept).map_err(io::Error::other)?;
    write_atomically(&path, &json)?;
    fs::set_permissions(&path, Permissions::from_mode(0o400))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::manifest::{DISK, Identity, ImageSource, seal, verify};

    fn sealed(bytes: &[u8]) -> (tempfile::TempDir, Sealed) {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join(DISK), bytes).expect("a disk");
        let identity = Identity {
            name: "debian-12".into(),
            os: "debian-12".into(),
            role: None,
            key: None,
            base_key: None,
            source: ImageSource::Imported,
        };
        let sealed = seal(dir.path(), identity, 1 << 30, Timestamp::UNIX_EPOCH).expect("sealed");
        (dir, sealed)
    }

    #[test]
    fn facts_are_kept_beside_the_image_that_they_are_of_and_never_taken_for_those_of_another() {
        let (_one, first) = sealed(b"one");
        let (_two, other) = sealed(b"two");
        assert_eq!(find(&first), Found::Nothing);
        let facts = Facts::default();
        for _ in 0..2 {
            let path = keep(&first, &facts, Timestamp::UNIX_EPOCH).expect("kept");
            let mode = fs::metadata(&path).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o400);
        }
        let Found::Facts(kept) = find(&first) else {
            panic!("not found");
        };
        assert_eq!(kept.facts, facts);
        assert_eq!(verify(&first), Ok(()), "the manifest holds all the same");
        fs::copy(first.dir.join(FACTS), other.dir.join(FACTS)).expect("copied");
        let Found::Unusable { problem, .. } = find(&other) else {
            panic!("taken");
        };
        assert_eq!(problem, "is of another disk");
    }

    #[test]
    fn a_file_that_is_none_is_said() {
        let (_dir, sealed) = sealed(b"one");
        for text in ["", "{}", "[1]", "{\"format\": 9}"] {
            fs::write(sealed.dir.join(FACTS), text).expect("written");
            assert!(matches!(find(&sealed), Found::Unusable { .. }), "{text}");
        }
    }
}
