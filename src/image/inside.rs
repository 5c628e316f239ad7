//! The files of a sealed image, read from its disk while nothing of it runs: of a root in an ext2, ext3 or ext4 file system on a
//! partition, or on the whole disk. What cannot be read is an error, and never taken for a file that is not there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ext4_view::{Ext4, Ext4Error, Ext4Read};
use sha2::{Digest, Sha256};

use crate::guest::files::{Files, Unreadable};
use crate::image::format::qcow2::guest::Guest;
use crate::image::format::raw::{self, Look};
use crate::image::format::read::{Source, Stretch};
use crate::image::import::opened::Opened;
use crate::input::hex;

/// Bytes of a file that are read: dpkg's status is of some megabytes.
const FILE_LIMIT: u64 = 32 << 20;
/// Names of a folder, and files below one, that are looked at.
const NAMES: usize = 10_000;
/// Folders within folders.
const DEPTH: usize = 12;
/// A root has one of these.
const ROOTS: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
/// What an ext file system is called by [`raw::look`].
const EXT: &str = "its file system (ext)";

impl Ext4Read for Stretch<Guest<Opened>> {
    fn read(
        &mut self,
        start_byte: u64,
        dst: &mut [u8],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(Source::read(self, start_byte, dst)?)
    }
}

/// A guest's root.
pub struct Root {
    files: Ext4,
}

impl Root {
    /// The root on the disks of an image, each a qcow2 that leans on nothing, with the size of its sectors where that is not 512.
    ///
    /// # Errors
    /// There is none that can be read, or more than one.
    pub fn of(disks: &[(PathBuf, Option<u32>)]) -> Result<Self, Unreadable> {
        let mut roots = Vec::new();
        let mut others = Vec::new();
        for (disk, sector) in disks {
            search(disk, *sector, &mut roots, &mut others)?;
        }
        match (roots.pop(), roots.is_empty()) {
            (Some(root), true) => Ok(root),
            (Some(_), false) => Err(Unreadable("there are several roots on it".to_owned())),
            (None, _) if others.is_empty() => {
                Err(Unreadable("no root file system was found on it".to_owned()))
            }
            (None, _) => {
                others.sort_unstable();
                others.dedup();
                Err(Unreadable(format!(
                    "its root is in no ext file system on a partition (what is there: {})",
                    others.join(", ")
                )))
            }
        }
    }

    /// SHA-256 of each file below a folder, and what each link leads to, by path. Not what is in no file, such as owners.
    pub fn digests(&self, folder: &str) -> Result<BTreeMap<String, String>, Unreadable> {
        let mut digests = BTreeMap::new();
        self.add(folder, 0, &mut digests)?;
        Ok(digests)
    }

    fn add(
        &self,
        folder: &str,
        depth: usize,
        digests: &mut BTreeMap<String, String>,
    ) -> Result<(), Unreadable> {
        if depth > DEPTH || digests.len() > NAMES {
            return Err(Unreadable(format!("{folder}: there is too much in it")));
        }
        for name in self.names(folder)? {
            let path = format!("{folder}/{name}");
            let about = self.files.symlink_metadata(path.as_str());
            let about = about.map_err(|error| of(&error))?;
            if about.is_symlink() {
                let target = self.files.read_link(path.as_str()).map_err(|error| of(&error))?;
                digests.insert(path, format!("-> {}", target.display()));
            } else if about.is_dir() {
                self.add(&path, depth + 1, digests)?;
            } else if about.file_type().is_regular_file() {
                let bytes = self.bytes(&path)?.unwrap_or_default();
                digests.insert(path, hex(&Sha256::digest(bytes)));
            }
        }
        Ok(())
    }

    fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        let about = match self.files.metadata(path) {
            Ok(about) => about,
            Err(Ext4Error::NotFound | Ext4Error::NotADirectory) => return Ok(None),
            Err(error) => return Err(of(&error)),
        };
        if about.len() > FILE_LIMIT {
            return Err(Unreadable(format!("{path} is too large")));
        }
        self.files.read(path).map(Some).map_err(|error| of(&error))
    }
}

/// Adds the roots on a disk, and what else is there.
fn search(
    disk: &Path,
    sector: Option<u32>,
    roots: &mut Vec<Root>,
    others: &mut Vec<&'static str>,
) -> Result<(), Unreadable> {
    let open = || -> Result<Guest<Opened>, Unreadable> {
        let opened = Opened::at(disk).map_err(|error| Unreadable(error.to_string()))?;
        Guest::of(opened).map_err(|flaw| Unreadable(flaw.to_string()))
    };
    let whole = open()?;
    let look = seen(&whole, sector)?;
    let parts: Vec<(u64, u64)> = match &look.table {
        Some(table) => table
            .partitions
            .iter()
            .map(|part| (part.first, part.end.saturating_sub(part.first)))
            .collect(),
        None => vec![(0, whole.size())],
    };
    for (first, length) in parts {
        let part = Stretch {
            whole: open()?,
            first,
            length,
        };
        match seen(&part, sector)?.other {
            Some(EXT) => {}
            Some(other) => {
                others.push(
                    other
                        .trim_start_matches("its file system ")
                        .trim_matches(['(', ')']),
                );
                continue;
            }
            None => continue,
        }
        let files = Ext4::load(Box::new(part)).map_err(|error| of(&error))?;
        let root = Root { files };
        for name in ROOTS {
            if root.is_there(name)? {
                roots.push(root);
                break;
            }
        }
    }
    Ok(())
}

impl Files for Root {
    fn is_there(&self, path: &str) -> Result<bool, Unreadable> {
        // A link that leads to nothing is there too.
        match self.files.symlink_metadata(path) {
            Ok(_) => Ok(true),
            Err(Ext4Error::NotFound | Ext4Error::NotADirectory) => Ok(false),
            Err(error) => Err(of(&error)),
        }
    }

    fn text(&self, path: &str) -> Result<Option<String>, Unreadable> {
        let bytes = self.bytes(path)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn names(&self, path: &str) -> Result<Vec<String>, Unreadable> {
        let entries = match self.files.read_dir(path) {
            Ok(entries) => entries,
            Err(Ext4Error::NotFound | Ext4Error::NotADirectory) => return Ok(Vec::new()),
            Err(error) => return Err(of(&error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| of(&error))?;
            let name = entry.file_name().display().to_string();
            if name != "." && name != ".." {
                names.push(name);
            }
            if names.len() > NAMES {
                return Err(Unreadable(format!("{path}: there is too much in it")));
            }
        }
        names.sort();
        Ok(names)
    }
}

fn of(error: &Ext4Error) -> Unreadable {
    Unreadable(error.to_string())
}

fn seen(source: &dyn Source, sector: Option<u32>) -> Result<Look, Unreadable> {
    raw::look(source, sector).map_err(|flaw| Unreadable(flaw.to_string()))
}
