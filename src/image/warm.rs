//! Saved states of booted nodes, kept from run to run: `<store>/<set>/<machine>/`, where `set` is a digest of the nodes that
//! were booted together and `machine` one of what they ran on. A state is used with exactly both, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::guest::identity::Answer;
use crate::image::process::{Dialect, Job, Runner};
use crate::image::sparse;
use crate::input::hex;
use crate::system::file::{self, FileError};

/// The description of a state, in its folder.
const MANIFEST: &str = "state.json";
/// States of one set of nodes that are kept, each for another machine.
const MACHINES: usize = 2;
/// Sets of nodes whose states are kept.
const SETS: usize = 24;
/// Bytes of a description that are read.
const MANIFEST_LIMIT: u64 = 1024 * 1024;
/// Prefix of the folders in which states are collected.
const WORK: &str = ".work-";
/// The age at which such a folder is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);
/// How long naming a disk's base anew may take.
const REBASE: Duration = Duration::from_secs(60);

/// A folder of saved states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmStore {
    dir: PathBuf,
}

/// One of a node's files, with the digest of [`crate::image::sparse::Digest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name in the state's folder.
    pub file: String,
    /// Its digest.
    pub digest: String,
}

/// What is kept of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptNode {
    /// Its disks, each on top of its image's, in their order.
    pub disks: Vec<Part>,
    /// Its memory.
    pub ram: Part,
    /// All the rest of its state.
    pub state: Part,
    /// What it said when it was asked who it is.
    pub who: Answer,
}

/// The description of a kept state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What it can only be used with, by name.
    pub machine: BTreeMap<String, String>,
    /// The SHA-256 of the sealed images that its disks stand on.
    pub images: BTreeSet<String>,
    /// The nodes, in start order.
    pub nodes: Vec<KeptNode>,
}

/// What a store has of a set of nodes.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A state for this very machine, and its folder.
    Fit(Kept, PathBuf),
    /// None that fits, and why.
    Misfit(String),
    /// None.
    Nothing,
}

impl WarmStore {
    /// The store in that folder, which is made where it is missing.
    pub fn at(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The state of a set of nodes for a machine.
    pub fn find(&self, set: &str, machine: &BTreeMap<String, String>) -> Found {
        let wanted = self.dir.join(set).join(key(machine));
        match read(&wanted) {
            Ok(Some(kept)) if kept.machine == *machine => return Found::Fit(kept, wanted),
            Ok(Some(_)) => {
                return Found::Misfit("its description names another machine than its folder".to_owned());
            }
            Ok(None) => {}
            Err(why) => return Found::Misfit(format!("its description cannot be read: {why}")),
        }
        let others = fs::read_dir(self.dir.join(set)).into_iter().flatten().flatten();
        others
            .filter_map(|entry| read(&entry.path()).ok().flatten())
            .map(|kept| Found::Misfit(difference(&kept.machine, machine)))
            .next()
            .unwrap_or(Found::Nothing)
    }

    /// Removes a state that turned out to be of no use.
    pub fn discard(&self, set: &str, machine: &BTreeMap<String, String>) -> io::Result<()> {
        remove(&self.dir.join(set).join(key(machine)))
    }

    /// Removes the states that nothing can go on from any more, as one of their images is not among these; how many.
    pub fn prune(&self, images: &BTreeSet<String>) -> io::Result<usize> {
        let mut removed = 0;
        for set in entries(&self.dir)? {
            for state in entries(&set)? {
                let is_of_use =
                    read(&state).is_ok_and(|kept| kept.is_some_and(|kept| kept.images.is_subset(images)));
                if !is_of_use {
                    remove(&state)?;
                    removed += 1;
                }
            }
            if entries(&set)?.is_empty() {
                fs::remove_dir_all(set)?;
            }
        }
        Ok(removed)
    }

    /// A folder to collect a state's files in; it is gone when it is dropped, unless it is sealed. What a run left that died
    /// meanwhile is removed when it is a day old.
    pub fn begin(&self) -> io::Result<tempfile::TempDir> {
        for entry in fs::read_dir(&self.dir)?.flatten() {
            let is_work = entry.file_name().as_encoded_bytes().starts_with(WORK.as_bytes());
            let age = entry
                .metadata()
                .and_then(|metadata| metadata.modified()?.elapsed().map_err(io::Error::other));
            if is_work && age.is_ok_and(|age| age > ABANDONED) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        tempfile::Builder::new().prefix(WORK).tempdir_in(&self.dir)
    }

    /// Keeps the state whose files are in `work`, instead of what was kept of the same set for the same machine, and
    /// forgets those that were made longest ago.
    pub fn seal(&self, work: tempfile::TempDir, set: &str, kept: &Kept) -> io::Result<()> {
        fs::write(work.path().join(MANIFEST), serde_json::to_vec_pretty(kept)?)?;
        self.discard(set, &kept.machine)?;
        let folder = self.dir.join(set);
        fs::create_dir_all(&folder)?;
        fs::rename(work.path(), folder.join(key(&kept.machine)))?;
        // Its folder is where it belongs; nothing of it is left at its old place.
        let _ = work.keep();
        forget(&folder, MACHINES)?;
        forget(&self.dir, SETS)
    }
}

/// Lets a disk name its base by a name in its own folder, wherever that is, as `qemu-img rebase -u` does (qemu-img(1)). The
/// digest of the disk thereafter.
pub fn name_base(disk: &Path, base: &str) -> Result<String, String> {
    let path = disk.display().to_string();
    let argv = [
        "qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", base, "--", &path,
    ];
    let job = Job::new("name the base of a saved disk", REBASE, &argv);
    Runner::new(
        Path::new("/dev/null"),
        &CancellationToken::new(),
        Dialect::default(),
    )
    .map_err(|error| error.to_string())?
    .run(&job)
    .map_err(|error| error.to_string())?;
    sparse::digest(disk).map_err(|error| error.to_string())
}

fn read(dir: &Path) -> Result<Option<Kept>, String> {
    let path = dir.join(MANIFEST);
    let text = match file::read(&path, MANIFEST_LIMIT) {
        Ok(text) => text,
        Err(FileError::Missing) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let kept: Kept = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let parts = kept
        .nodes
        .iter()
        .flat_map(|node| node.disks.iter().chain([&node.ram, &node.state]));
    for part in parts {
        let plain = part
            .file
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        if !plain || part.file.starts_with('.') {
            return Err(format!("`{}` is no name of a file of its own", part.file));
        }
    }
    Ok(Some(kept))
}

fn key(machine: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    for (name, value) in machine {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((value.len() as u64).to_le_bytes());
        hash.update(value);
    }
    hex(&hash.finalize())[..16].to_owned()
}

/// In what two machines differ, in words.
fn difference(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> String {
    let none = String::new();
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let words: Vec<String> = names
        .into_iter()
        .map(|name| {
            (
                name,
                was.get(name).unwrap_or(&none),
                is.get(name).unwrap_or(&none),
            )
        })
        .filter(|(_, was, is)| was != is)
        .map(|(name, was, is)| {
            if was.len().max(is.len()) > 40 {
                format!("other {name}")
            } else {
                format!("{name} was {was} and is {is}")
            }
        })
        .collect();
    words.join(", ")
}

/// Removes a state, its description first, so that nothing half-removed is taken for one. No error where there is none.
fn remove(state: &Path) -> io::Result<()> {
    match fs::remove_file(state.join(MANIFEST)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    match fs::remove_dir_all(state) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes the folders in a folder that were made longest ago, beyond those that are kept.
fn forget(dir: &Path, keep: usize) -> io::Result<()> {
    let mut dated = Vec::new();
    for path in entries(dir)? {
        dated.push((path.metadata()?.modified()?, path));
    }
    dated.sort();
    let old = dated.len().saturating_sub(keep);
    for (_, path) in dated.into_iter().take(old) {
        fs::remove_dir_all(path)?;
    }
    Ok(())
}

/// What is in a folder, without what is hidden.
fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(qemu: &str) -> BTreeMap<String, String> {
        [
            ("QEMU".to_owned(), qemu.to_owned()),
            ("CPU".to_owned(), "qemu64".to_owned()),
        ]
        .into()
    }

    fn kept(qemu: &str) -> Kept {
        let part = |file: &str| Part {
            file: file.to_owned(),
            digest: "00".to_owned(),
        };
        Kept {
            machine: machine(qemu),
            images: ["feed".to_owned()].into(),
            nodes: vec![KeptNode {
                disks: vec![part("0.0.disk")],
                ram: part("0.ram"),
                state: part("0.state"),
                who: Answer::default(),
            }],
        }
    }

    fn store() -> (tempfile::TempDir, WarmStore) {
        let dir = tempfile::tempdir().expect("a folder");
        let store = WarmStore::at(&dir.path().join("warm")).expect("a store");
        (dir, store)
    }

    fn keep(store: &WarmStore, set: &str, kept: &Kept) {
        let work = store.begin().expect("a folder");
        fs::write(work.path().join("0.ram"), "memory").expect("written");
        store.seal(work, set, kept).expect("sealed");
    }

    #[test]
    fn a_state_is_found_with_its_own_machine_and_no_other() {
        let (_dir, store) = store();
        assert_eq!(store.find("web", &machine("10.0.2")), Found::Nothing);
        keep(&store, "web", &kept("10.0.2"));
        let Found::Fit(found, dir) = store.find("web", &machine("10.0.2")) else {
            panic!("not found");
        };
        assert_eq!(found, kept("10.0.2"));
        assert_eq!(fs::read(dir.join("0.ram")).expect("read"), b"memory");
        assert_eq!(
            store.find("web", &machine("10.0.3")),
            Found::Misfit("QEMU was 10.0.2 and is 10.0.3".to_owned())
        );
        assert_eq!(store.find("database", &machine("10.0.2")), Found::Nothing);
        // The same once more takes the other's place.
        keep(&store, "web", &kept("10.0.2"));
        assert!(matches!(store.find("web", &machine("10.0.2")), Found::Fit(..)));
        store.discard("web", &machine("10.0.2")).expect("removed");
        assert_eq!(store.find("web", &machine("10.0.2")), Found::Nothing);
    }

    #[test]
    fn a_description_that_cannot_be_trusted_fits_nothing() {
        let (_dir, store) = store();
        let path = store.dir.join("web").join(key(&machine("1")));
        fs::create_dir_all(&path).expect("a folder");
        let mut outside = kept("1");
        outside.nodes[0].ram.file = "../../passwd".to_owned();
        for (text, why) in [
            ("{", "EOF"),
            (
                &serde_json::to_string(&kept("2")).expect("JSON"),
                "another machine",
            ),
            (
                &serde_json::to_string(&outside).expect("JSON"),
                "no name of a file",
            ),
            (&" ".repeat(2_000_000), "larger than"),
        ] {
            fs::write(path.join(MANIFEST), text).expect("written");
            let Found::Misfit(said) = store.find("web", &machine("1")) else {
                panic!("{why}");
            };
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let (_dir, store) = store();
        for qemu in ["1", "2", "3"] {
            keep(&store, "web", &kept(qemu));
            std::thread::sleep(Duration::from_millis(20));
        }
        let fits = |qemu: &str| matches!(store.find("web", &machine(qemu)), Found::Fit(..));
        assert_eq!(["1", "2", "3"].map(fits), [false, true, true]);
    }

    #[test]
    fn a_state_goes_with_its_image() {
        let (_dir, store) = store();
        keep(&store, "web", &kept("1"));
        let two = Kept {
            images: ["feed".to_owned(), "beef".to_owned()].into(),
            ..kept("1")
        };
        keep(&store, "pair", &two);
        let images = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let prune = |names: &[&str]| store.prune(&images(names)).expect("removed");
        let fits = |set: &str| matches!(store.find(set, &machine("1")), Found::Fit(..));
        assert_eq!(prune(&["feed", "beef", "cafe"]), 0);
        assert_eq!(prune(&["feed", "cafe"]), 1);
        assert_eq!((fits("web"), fits("pair")), (true, false));
        fs::write(store.dir.join("web").join(key(&machine("1"))).join(MANIFEST), "{").expect("written");
        assert_eq!(prune(&["feed"]), 1);
        assert_eq!(entries(store.dir()).expect("read"), Vec::<PathBuf>::new());
    }
}
