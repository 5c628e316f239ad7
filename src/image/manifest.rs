//! The manifest of a sealed image: what the disk is, byte for byte, and where it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use crate::image::damage::{Damage, DamagedImage};
use crate::image::digest::{changed_ranges, digest};
use crate::input::hex;
use crate::model::hardware::{DiskHardware, Firmware, NicHardware, Wishes};
use crate::system::file::{self, FileError};
use crate::units::Mib;

/// Bytes of a manifest, and of the blocks' digests, that are read: the latter are of a disk of a terabyte.
const MANIFEST_LIMIT: u64 = 1024 * 1024;
const BLOCKS_LIMIT: u64 = 65 * 1024 * 1024;
/// Bytes of a file beside the disk, which may be another disk.
const FILE_LIMIT: u64 = 4 << 40;
/// The disk's file name in an image's folder.
pub const DISK: &str = "disk.qcow2";
/// The file name of the variables of UEFI firmware.
pub const NVRAM: &str = "nvram.fd";
/// The manifest's file name.
pub const MANIFEST: &str = "manifest.json";
/// The file name of the blocks' digests, one line of hexadecimal each.
pub const BLOCKS: &str = "blocks.sha256";
/// The file name of a base's root file system, from which its role layers are built.
pub const ROOTFS: &str = "rootfs.tar.zst";

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
    /// Digest of all that it was built from; of an imported disk, its own SHA-256, and of an imported machine that of all of it.
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
    /// SHA-256, hexadecimal, of the whole disk as the guest sees it: the same whatever format it came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_sha256: Option<String>,
    /// What is known of the machine that it comes from.
    #[serde(default, skip_serializing_if = "Wishes::is_empty")]
    pub hardware: Wishes,
    /// What the guest may know its first disk by.
    #[serde(default, skip_serializing_if = "DiskHardware::is_usual")]
    pub disk: DiskHardware,
    /// That machine's cards, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nics: Vec<NicHardware>,
    /// Its disks behind the first, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<SealedDisk>,
    /// The file with the variables of its UEFI firmware, raw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nvram: Option<String>,
    /// The memory that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Mib>,
    /// The vCPUs that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<u32>,
    /// The one firmware that its first disk can be begun by, as its partitions tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_for: Option<Firmware>,
    /// What was changed, where it was made of another image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared: Option<Prepared>,
}

/// How an image was made of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The key of the image that it was made of.
    pub from: String,
    /// The SHA-256 of that image's first disk.
    pub from_sha256: String,
    /// By what: `cloud-init` or `virt-customize`.
    pub by: String,
    /// What was changed, a line each.
    pub changed: Vec<String>,
}

/// A disk behind the first of a sealed image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedDisk {
    /// Its file, a qcow2 in the image's folder.
    pub file: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// The file's size.
    pub size_bytes: u64,
    /// The disk's size as the guest sees it, in bytes.
    pub virtual_size: u64,
    /// SHA-256, hexadecimal, of the whole disk as the guest sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_sha256: Option<String>,
    /// What the guest may know it by.
    #[serde(default, skip_serializing_if = "DiskHardware::is_usual")]
    pub hardware: DiskHardware,
}

/// The file name of the disk of that number in an image's folder; the first is 0.
pub fn disk_name(number: usize) -> String {
    if number == 0 {
        DISK.to_owned()
    } else {
        format!("disk-{number}.qcow2")
    }
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

/// Compares a sealed image with its manifest, every byte; on a difference in the disk, names the place.
pub fn verify(sealed: &Sealed) -> Result<(), DamagedImage> {
    let path = sealed.disk();
    if let Some(damage) = damage(sealed, &path) {
        return Err(damaged(sealed, path, damage));
    }
    let manifest = &sealed.manifest;
    let disks = manifest.disks.iter().map(|disk| &disk.file);
    let files: BTreeSet<&String> = manifest
        .files
        .keys()
        .chain(disks)
        .chain(&manifest.nvram)
        .collect();
    files.into_iter().try_for_each(|name| verify_file(sealed, name))
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

/// What is sealed of a machine beside the bytes of its disks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// As [`Manifest::content_sha256`], and so on.
    pub content_sha256: Option<String>,
    /// What is known of the machine.
    pub hardware: Wishes,
    /// What is known of its first disk.
    pub disk: DiskHardware,
    /// Its cards.
    pub nics: Vec<NicHardware>,
    /// Its disks behind the first; each file is in the folder, and its digest and size are found when it is sealed.
    pub disks: Vec<SealedDisk>,
    /// The file of its firmware's variables, in the folder.
    pub nvram: Option<String>,
    /// Its memory.
    pub memory: Option<Mib>,
    /// Its vCPUs.
    pub vcpus: Option<u32>,
    /// What its first disk can be begun by.
    pub made_for: Option<Firmware>,
    /// How it was made of another image.
    pub prepared: Option<Prepared>,
}

/// Seals the disk of a folder: makes it read-only, digests it, and writes the manifest last.
pub fn seal(dir: &Path, identity: Identity, virtual_size: u64, now: Timestamp) -> io::Result<Sealed> {
    seal_machine(dir, identity, virtual_size, Beside::default(), now)
}

/// The same of a machine with more than a disk.
pub fn seal_machine(
    dir: &Path,
    identity: Identity,
    virtual_size: u64,
    beside: Beside,
    now: Timestamp,
) -> io::Result<Sealed> {
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
    let is_machine = beside
        != Beside {
            content_sha256: beside.content_sha256.clone(),
            prepared: beside.prepared.clone(),
            made_for: beside.made_for,
            ..Beside::default()
        };
    let mut disks = beside.disks;
    for disk in &mut disks {
        disk.sha256 = files.get(&disk.file).cloned().ok_or(io::ErrorKind::NotFound)?;
        disk.size_bytes = fs::metadata(dir.join(&disk.file))?.len();
    }
    let mut manifest = Manifest {
        name: identity.name,
        os: identity.os,
        role: identity.role,
        key: String::new(),
        sha256: digest.sha256,
        size_bytes: digest.size,
        virtual_size,
        built: now,
        builder: env!("CARGO_PKG_VERSION").to_owned(),
        source: identity.source,
        base_key: identity.base_key,
        files,
        content_sha256: beside.content_sha256,
        hardware: beside.hardware,
        disk: beside.disk,
        nics: beside.nics,
        disks,
        nvram: beside.nvram,
        memory: beside.memory,
        vcpus: beside.vcpus,
        made_for: beside.made_for,
        prepared: beside.prepared,
    };
    manifest.key = match identity.key {
        Some(key) => key,
        None if is_machine => own_key(&manifest)?,
        None => manifest.sha256.clone(),
    };
    write_manifest(dir, &manifest)?;
    Ok(Sealed {
        dir: dir.to_owned(),
        manifest,
    })
}

/// Writes the manifest of a folder that is about to be an image.
pub fn write_manifest(dir: &Path, manifest: &Manifest) -> io::Result<()> {
    let json = serde_json::to_vec_pretty(manifest).map_err(io::Error::other)?;
    write_atomically(&dir.join(MANIFEST), &json)?;
    fs::set_permissions(dir.join(MANIFEST), Permissions::from_mode(0o400))
}

/// The key of an image that was not built, of more than a disk: a digest of all of it.
fn own_key(manifest: &Manifest) -> io::Result<String> {
    let machine = (
        &manifest.hardware,
        &manifest.disk,
        &manifest.nics,
        &manifest.disks,
        &manifest.memory,
        &manifest.vcpus,
    );
    let all = serde_json::to_vec(&(&manifest.sha256, &manifest.files, machine)).map_err(io::Error::other)?;
    Ok(hex(&Sha256::digest(all)))
}

#[cfg(test)]
mod tests;
