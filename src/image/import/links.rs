//! The files that a disk's file names: the older links of a chain, and a VMware disk's extents. They are opened beneath the disk's
//! own folder or where the admin named them, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::image::foreign::{ForeignDisk, Format};
use crate::image::format::detect::{Content, detect};
use crate::image::format::flaw::Flaw;
use crate::image::format::qcow2::{self, Header};
use crate::image::format::vmdk::description::{Extent, Place};
use crate::image::import::opened::Opened;
use crate::system::file::{FileError, Folder};

/// Links of a chain, at most.
const LINKS: usize = 64;
/// Files of a folder that are looked at for newer links.
const NEIGHBOURS: usize = 1000;

/// An older link of a chain.
#[derive(Debug)]
pub struct Link {
    /// Its file.
    pub path: PathBuf,
    /// The same, open.
    pub file: Opened,
    /// Its format.
    pub format: Format,
    /// Its head, where it is a qcow2.
    pub header: Option<Header>,
}

/// The name of a file, for people.
pub fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), Path::to_owned)
}

fn outside(file: &str, why: impl Into<String>) -> Flaw {
    Flaw::Outside {
        file: file.to_owned(),
        why: why.into(),
    }
}

/// The older links below a qcow2, the newest first; `named` are further files that the admin named.
pub fn below(top: &Path, opened: &Opened, header: &Header, named: &[PathBuf]) -> Result<Vec<Link>, Flaw> {
    let unread = |error: std::io::Error| Flaw::Unreadable(error.to_string());
    let mut seen = BTreeSet::from([opened.id().map_err(unread)?]);
    let mut links: Vec<Link> = Vec::new();
    let mut leans = header.backing.clone();
    let mut at = fs::canonicalize(top).map_err(unread)?;
    while let Some((name, format)) = leans {
        let (path, file) = open(&at, &name, named)?;
        if !seen.insert(file.id().map_err(unread)?) {
            return Err(Flaw::Damaged(format!(
                "its chain of disks leads back to {}",
                shown(&name)
            )));
        }
        if links.len() == LINKS {
            return Err(Flaw::Damaged(format!("its chain has more than {LINKS} links")));
        }
        let told = match format.as_deref() {
            Some("raw") => Some(Format::Raw),
            Some("qcow2") => Some(Format::Qcow2),
            None => None,
            Some(other) => {
                return Err(Flaw::Parts(format!(
                    "leans on {}, of format {}, and links are taken as qcow2 and raw",
                    shown(&name),
                    shown(other)
                )));
            }
        };
        let format = match detect(&file, told)? {
            Content::Disk(format @ (Format::Raw | Format::Qcow2)) => format,
            Content::Disk(_) | Content::Description | Content::Packed(_) => {
                return Err(Flaw::Parts(format!(
                    "leans on {}, and links are taken as qcow2 and raw",
                    shown(&name)
                )));
            }
        };
        let header = match format {
            Format::Qcow2 => Some(qcow2::header(&file)?),
            Format::Raw | Format::Vmdk | Format::Vhdx | Format::Vhd | Format::Vdi => None,
        };
        leans = header.as_ref().and_then(|header| header.backing.clone());
        at.clone_from(&path);
        links.push(Link {
            path,
            file,
            format,
            header,
        });
    }
    Ok(links)
}

/// The disks of a machine without those that were named as links of another one's chain; the first is always a disk.
pub fn without_links(disks: Vec<ForeignDisk>, named: &[PathBuf]) -> Vec<ForeignDisk> {
    let mut links = BTreeSet::new();
    for disk in &disks {
        // What is wrong with one is told when it is taken.
        if let Ok(opened) = Opened::at(&disk.file)
            && detect(&opened, disk.format) == Ok(Content::Disk(Format::Qcow2))
            && let Ok(header) = qcow2::header(&opened)
            && let Ok(chain) = below(&disk.file, &opened, &header, named)
        {
            links.extend(chain.iter().filter_map(|link| link.file.id().ok()));
        }
    }
    let is_link = |disk: &ForeignDisk| {
        let id = Opened::at(&disk.file).ok().and_then(|opened| opened.id().ok());
        id.is_some_and(|id| links.contains(&id))
    };
    let mut disks = disks.into_iter();
    let first = disks.next();
    first
        .into_iter()
        .chain(disks.filter(|disk| !is_link(disk)))
        .collect()
}

/// A name out of a file.
fn shown(name: &str) -> String {
    crate::image::format::flaw::name(name)
}

/// Opens the file that another one, at `at`, names: beneath that one's folder, or one that the admin named as well.
fn open(at: &Path, name: &str, named: &[PathBuf]) -> Result<(PathBuf, Opened), Flaw> {
    // `json:`, `nbd:`, `https:`, `fat:`, ...: QEMU takes what stands before a colon for a driver.
    if let Some((driver, _)) = name.split_once(':')
        && !driver.contains('/')
    {
        return Err(outside(name, "which is a server or a driver of QEMU's"));
    }
    let folder = folder_of(at);
    let full = folder.join(name);
    if let Ok(meant) = fs::canonicalize(&full)
        && let Some(path) = named
            .iter()
            .find(|path| fs::canonicalize(path).is_ok_and(|path| path == meant))
    {
        let file = Opened::at(path).map_err(|error| outside(name, format!("which {error}")))?;
        return Ok((meant, file));
    }
    let within = if Path::new(name).is_absolute() {
        // Its folder may be written in another way.
        let theirs = Path::new(name)
            .parent()
            .and_then(|folder| fs::canonicalize(folder).ok());
        match (theirs, Path::new(name).file_name()) {
            (Some(theirs), Some(file)) if fs::canonicalize(&folder).is_ok_and(|own| own == theirs) => {
                PathBuf::from(file)
            }
            _ => return Err(outside(name, "which is outside the disk's own folder")),
        }
    } else {
        PathBuf::from(name)
    };
    let (path, file) = beneath(&folder, &within).map_err(|error| outside(name, why(&error)))?;
    Ok((path, file))
}

/// Opens a file beneath a folder.
fn beneath(folder: &Path, name: &Path) -> Result<(PathBuf, Opened), FileError> {
    let plain: PathBuf = name
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .collect();
    let file = Opened::beneath(&Folder::open(folder)?, &plain)?;
    Ok((folder.join(plain), file))
}

fn why(error: &FileError) -> String {
    match error {
        FileError::Outside => "which is outside the disk's own folder".into(),
        FileError::Missing => "which is not there".into(),
        FileError::Io(_)
        | FileError::NotAFile
        | FileError::NotAFolder
        | FileError::Link
        | FileError::Dangling
        | FileError::TooLarge(_) => format!("which {error}"),
    }
}

/// The files of a VMware disk's extents, by the names that its description has for them.
pub fn extents(top: &Path, extents: &[Extent]) -> Result<BTreeMap<String, (PathBuf, Opened)>, Flaw> {
    let mut files = BTreeMap::new();
    let at = fs::canonicalize(top).map_err(|error| Flaw::Unreadable(error.to_string()))?;
    // By file: where in it an extent begins and ends, and from which byte of the disk on it is.
    let mut runs: Vec<(PathBuf, u64, u64, u64)> = Vec::new();
    let mut guest: u64 = 0;
    for extent in extents {
        let length = extent.sectors.saturating_mul(512);
        let begins = guest;
        guest = guest.saturating_add(length);
        let (name, first, end) = match &extent.place {
            Place::Flat(name, first) => (name, *first, first.saturating_add(length)),
            Place::Sparse(name) => (name, 0, u64::MAX),
            Place::Zero => continue,
        };
        if !files.contains_key(name) {
            let found =
                beneath(&folder_of(&at), Path::new(name)).map_err(|error| outside(name, why(&error)))?;
            files.insert(name.clone(), found);
        }
        if let Some((path, _)) = files.get(name) {
            runs.push((path.clone(), first, end, begins));
        }
    }
    runs.sort();
    for pair in runs.windows(2) {
        if pair[0].0 == pair[1].0 && pair[1].1 < pair[0].2 {
            return Err(Flaw::Damaged(format!(
                "byte {} of the disk and byte {} of the disk are in one place, byte {} of {}",
                pair[0].3,
                pair[1].3,
                pair[1].1,
                shown(&name_of(&pair[1].0))
            )));
        }
    }
    Ok(files)
}

/// The names of the disks beside one that lean on it, be it by way of others. Only their heads are read.
pub fn newer(path: &Path) -> Vec<String> {
    let Ok(at) = fs::canonicalize(path) else {
        return Vec::new();
    };
    let folder = folder_of(&at);
    let (Ok(held), Ok(entries)) = (Folder::open(&folder), fs::read_dir(&folder)) else {
        return Vec::new();
    };
    let mut leaning: Vec<(String, String)> = Vec::new();
    for entry in entries.take(NEIGHBOURS).flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let Ok(file) = Opened::beneath(&held, Path::new(&name)) else {
            continue;
        };
        if detect(&file, None) == Ok(Content::Disk(Format::Qcow2))
            && let Ok(header) = qcow2::header(&file)
            && let Some((below, _)) = header.backing
            && folder.join(&below).parent() == Some(folder.as_path())
        {
            leaning.push((name, name_of(Path::new(&below))));
        }
    }
    leaning.sort();
    let mut found: Vec<String> = vec![name_of(&at)];
    loop {
        let more = leaning
            .iter()
            .find(|(name, below)| found.contains(below) && !found.contains(name));
        match more {
            Some((name, _)) => found.push(name.clone()),
            None => break,
        }
    }
    found.remove(0);
    found
}
