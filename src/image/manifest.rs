//! The manifest of a sealed image: what the disk is, byte for byte, and where it comes from.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::input::hex;
use crate::system::file::{self, FileError};

/// Bytes of a manifest, and of the blocks' digests, that are read: the latter are of a disk of a terabyte.
const MANIFEST_LIMIT: u64 = 1024 * 1024;
const BLOCKS_LIMIT: u64 = 65 * 1024 * 1024;
/// Bytes of a file beside the disk.
const FILE_LIMIT: u64 = 64 << 30;
/// The disk's file name in an image's folder.
pub const DISK: &str = "disk.qcow2";
/// The manifest's file name.
pub const MANIFEST: &str = "manifest.json";
/// The file name of the blocks' digests, one line of hexadecimal each.
pub const BLOCKS: &str = "blocks.sha256";
/// The file name of a base's root file system, from which its role layers are built.
pub const ROOTFS: &str = "rootfs.tar.zst";
/// Bytes of the disk file behind each digest in [`BLOCKS`].
pub const BLOCK: u64 = 1024 * 1024;

/// Where a sealed disk comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSource {
    /// Built from recipes.
    Built,
    /// Taken over by `patchgate image import`.
    Imported,
}

/// What is known of a sealed image; the image is sealed when this is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The name in the catalogue, such as `debian-12+web`.
    pub name: String,
    /// The OS version.
    pub os: String,
    /// The role, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Digest of all that it was built from; of an imported disk, its own SHA-256.
    pub key: String,
    /// SHA-256 of the disk file, hexadecimal.
    pub sha256: String,
    /// The disk file's size.
    pub size_bytes: u64,
    /// The disk's size as the guest sees it, in bytes.
    pub virtual_size: u64,
    /// When it was sealed.
    pub built: Timestamp,
    /// The version of patchgate that sealed it.
    pub builder: String,
    /// Where it comes from.
    pub source: ImageSource,
    /// The key of the base that its role layer stands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_key: Option<String>,
    /// SHA-256, hexadecimal, of every other file of the image, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

/// A sealed image in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its folder.
    pub dir: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
}

impl Sealed {
    /// Reads the manifest of an image's folder; `None` where there is none, so nothing is sealed.
    pub fn read(dir: &Path) -> Result<Option<Self>, DamagedImage> {
        let path = dir.join(MANIFEST);
        let damaged = |problem: String| DamagedImage {
            name: dir
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            path: path.clone(),
            damage: Damage::Manifest(problem),
        };
        let text = match file::read(&path, MANIFEST_LIMIT) {
            Ok(text) => text,
            Err(FileError::Missing) => return Ok(None),
            Err(error) => return Err(damaged(error.to_string())),
        };
        let manifest = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        Ok(Some(Self {
            dir: dir.to_owned(),
            manifest,
        }))
    }

    /// The disk file; never written after sealing.
    pub fn disk(&self) -> PathBuf {
        self.dir.join(DISK)
    }

    /// The root file system that role layers are built from; only bases that were built here have one.
    pub fn rootfs(&self) -> PathBuf {
        self.dir.join(ROOTFS)
    }
}

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

/// Digests of a disk file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskDigest {
    /// Of the whole file, hexadecimal.
    pub sha256: String,
    /// Its size.
    pub size: u64,
    /// Of each block of [`BLOCK`] bytes, hexadecimal; empty where they were not asked for.
    pub blocks: Vec<String>,
}

/// Reads a file once and digests it, its blocks too where `blocks` is set.
pub fn digest(path: &Path, blocks: bool) -> io::Result<DiskDigest> {
    let mut file = file::open(path)?;
    let mut whole = Sha256::new();
    let mut digest = DiskDigest {
        sha256: String::new(),
        size: 0,
        blocks: Vec::new(),
    };
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let count = Read::by_ref(&mut file).take(BLOCK).read_to_end(&mut buffer)?;
        if count == 0 {
            digest.sha256 = hex(&whole.finalize());
            return Ok(digest);
        }
        whole.update(&buffer);
        if blocks {
            digest.blocks.push(hex(&Sha256::digest(&buffer)));
        }
        digest.size += count as u64;
    }
}

/// Compares a sealed image with its manifest, every byte; on a difference in the disk, names the place.
pub fn verify(sealed: &Sealed) -> Result<(), DamagedImage> {
    let path = sealed.disk();
    if let Some(damage) = damage(sealed, &path) {
        return Err(damaged(sealed, path, damage));
    }
    sealed
        .manifest
        .files
        .keys()
        .try_for_each(|name| verify_file(sealed, name))
}

/// Compares a file beside the disk with the manifest, which must know it.
pub fn verify_file(sealed: &Sealed, name: &str) -> Result<(), DamagedImage> {
    let path = sealed.dir.join(name);
    let damage = match (sealed.manifest.files.get(name), file::digest(&path, FILE_LIMIT)) {
        (Some(sealed), Ok(found)) if *sealed == found => return Ok(()),
        (Some(_), Ok(found)) => Damage::ChangedSomewhere(found),
        (None, _) => Damage::Unsealed,
        (Some(_), Err(FileError::Missing)) => Damage::Missing,
        (Some(_), Err(error)) => Damage::Unreadable(error.to_string()),
    };
    Err(damaged(sealed, path, damage))
}

fn damaged(sealed: &Sealed, path: PathBuf, damage: Damage) -> DamagedImage {
    DamagedImage {
        name: sealed.manifest.name.clone(),
        path,
        damage,
    }
}

fn damage(sealed: &Sealed, path: &Path) -> Option<Damage> {
    let manifest = &sealed.manifest;
    let of_error = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            Damage::Missing
        } else {
            Damage::Unreadable(error.to_string())
        }
    };
    let found = match fs::metadata(path) {
        Ok(meta) => meta.len(),
        Err(error) => return Some(of_error(error)),
    };
    if found != manifest.size_bytes {
        return Some(Damage::Length {
            expected: manifest.size_bytes,
            found,
        });
    }
    match digest(path, false) {
        Ok(whole) if whole.sha256 == manifest.sha256 => return None,
        Ok(_) => {}
        Err(error) => return Some(of_error(error)),
    }
    // The second pass is only paid for a disk that is refused anyway.
    let now = match digest(path, true) {
        Ok(now) => now,
        Err(error) => return Some(of_error(error)),
    };
    let recorded = file::read(&sealed.dir.join(BLOCKS), BLOCKS_LIMIT)
        .ok()
        .and_then(|text| String::from_utf8(text).ok())
        .unwrap_or_default();
    let ranges = changed_ranges(&recorded, &now);
    Some(if ranges.is_empty() {
        Damage::ChangedSomewhere(now.sha256)
    } else {
        Damage::Changed(ranges)
    })
}

/// Ranges of the file whose blocks differ from the recorded ones, neighbours joined; none where the record does not fit.
fn changed_ranges(recorded: &str, now: &DiskDigest) -> Vec<(u64, u64)> {
    let recorded: Vec<&str> = recorded.lines().collect();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    if recorded.len() != now.blocks.len() {
        return ranges;
    }
    let mut start = 0;
    for (before, after) in recorded.iter().zip(&now.blocks) {
        let end = (start + BLOCK).min(now.size);
        if before != after {
            match ranges.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                Some(_) | None => ranges.push((start, end)),
            }
        }
        start = end;
    }
    ranges
}

/// Writes a file so that after a crash it is there whole or not at all.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}

/// What a disk becomes an image as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name in the catalogue.
    pub name: String,
    /// The OS version.
    pub os: String,
    /// The role.
    pub role: Option<String>,
    /// The key; `None`: the disk's own SHA-256.
    pub key: Option<String>,
    /// The base's key.
    pub base_key: Option<String>,
    /// Where the disk comes from.
    pub source: ImageSource,
}

/// Seals the disk of a folder: makes it read-only, digests it, and writes the manifest last.
pub fn seal(dir: &Path, identity: Identity, virtual_size: u64, now: Timestamp) -> io::Result<Sealed> {
    let disk = dir.join(DISK);
    // What is in it is a business's own. Whoever runs clones of it copies it first, so nobody else need read it.
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    let digest = digest(&disk, true)?;
    write_atomically(&dir.join(BLOCKS), (digest.blocks.join("\n") + "\n").as_bytes())?;
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_| io::Error::other("a file without a name"))?;
        fs::set_permissions(entry.path(), Permissions::from_mode(0o400))?;
        File::open(entry.path())?.sync_all()?;
        if name != DISK {
            files.insert(name, file::digest(&entry.path(), FILE_LIMIT)?);
        }
    }
    let manifest = Manifest {
        name: identity.name,
        os: identity.os,
        role: identity.role,
        key: identity.key.unwrap_or_else(|| digest.sha256.clone()),
        sha256: digest.sha256,
        size_bytes: digest.size,
        virtual_size,
        built: now,
        builder: env!("CARGO_PKG_VERSION").to_owned(),
        source: identity.source,
        base_key: identity.base_key,
        files,
    };
    let json = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
    write_atomically(&dir.join(MANIFEST), &json)?;
    fs::set_permissions(dir.join(MANIFEST), Permissions::from_mode(0o400))?;
    Ok(Sealed {
        dir: dir.to_owned(),
        manifest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed_disk(bytes: &[u8]) -> (tempfile::TempDir, Sealed) {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join(DISK), bytes).expect("a disk");
        let identity = Identity {
            name: "debian-12+web".into(),
            os: "debian-12".into(),
            role: Some("web".into()),
            key: Some("ab".repeat(32)),
            base_key: None,
            source: ImageSource::Built,
        };
        let sealed = seal(dir.path(), identity, 1 << 30, Timestamp::UNIX_EPOCH).expect("sealed");
        (dir, sealed)
    }

    fn rewrite(sealed: &Sealed, bytes: &[u8]) {
        fs::remove_file(sealed.disk()).expect("removed");
        fs::write(sealed.disk(), bytes).expect("rewritten");
    }

    #[test]
    fn a_sealed_image_is_read_back_and_its_disk_is_read_only() {
        let (dir, sealed) = sealed_disk(&vec![7; 3_000_000]);
        assert_eq!(Sealed::read(dir.path()), Ok(Some(sealed.clone())));
        assert!(
            fs::metadata(sealed.disk())
                .expect("disk")
                .permissions()
                .readonly()
        );
        assert_eq!(verify(&sealed), Ok(()));
    }

    #[test]
    fn every_changed_byte_is_found_and_its_block_named() {
        const SIZE: usize = 3_000_000;
        const SECOND: usize = 1024 * 1024;
        let last = (2 * BLOCK, SIZE as u64);
        for (changed, ranges) in [
            (vec![0], vec![(0, BLOCK)]),
            (vec![SECOND], vec![(BLOCK, 2 * BLOCK)]),
            (vec![SIZE - 1], vec![last]),
            (vec![5, SECOND + 5], vec![(0, 2 * BLOCK)]),
            (vec![5, SIZE - 1], vec![(0, BLOCK), last]),
        ] {
            let mut bytes = vec![7; SIZE];
            let (_dir, sealed) = sealed_disk(&bytes);
            for at in &changed {
                bytes[*at] ^= 1;
            }
            rewrite(&sealed, &bytes);
            let error = verify(&sealed).expect_err("damaged");
            assert_eq!(error.damage, Damage::Changed(ranges.clone()), "{changed:?}");
            assert!(
                error
                    .to_string()
                    .contains(&format!("byte range {}..{} changed", ranges[0].0, ranges[0].1)),
                "{error}"
            );
        }
    }

    #[test]
    fn a_missing_or_truncated_disk_is_said_as_such() {
        let (_dir, sealed) = sealed_disk(&[7; 5000]);
        rewrite(&sealed, &[7; 4999]);
        let error = verify(&sealed).expect_err("truncated").to_string();
        assert!(
            error.contains("has 4999 bytes instead of 5000: truncated"),
            "{error}"
        );
        fs::remove_file(sealed.disk()).expect("removed");
        assert_eq!(verify(&sealed).expect_err("missing").damage, Damage::Missing);
    }

    #[test]
    fn a_changed_disk_without_its_block_digests_is_still_refused() {
        let (dir, sealed) = sealed_disk(&[7; 5000]);
        rewrite(&sealed, &[8; 5000]);
        fs::write(dir.path().join(BLOCKS), "").expect("emptied");
        assert!(matches!(
            verify(&sealed).expect_err("damaged").damage,
            Damage::ChangedSomewhere(_)
        ));
    }

    #[test]
    fn a_folder_without_manifest_is_not_sealed_and_a_torn_one_is_damaged() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(Sealed::read(dir.path()), Ok(None));
        fs::write(dir.path().join(MANIFEST), "{\"name\":").expect("torn");
        assert!(matches!(
            Sealed::read(dir.path()).expect_err("damaged").damage,
            Damage::Manifest(_)
        ));
    }
}
