//! The store of sealed images: one folder per image, one lock per key.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::image::error::BuildError;
use crate::image::manifest::{self, DamagedImage, ImageSource, Sealed};
use crate::image::warm::WarmStore;

/// Prefix of the folders that builders work in.
const WORK: &str = ".work-";
/// The folder of locks and logs.
const LOCKS: &str = ".locks";
/// The folder of saved states.
const WARM: &str = ".warm";
/// How often a lock that another process holds is tried.
const LOCK_POLL: Duration = Duration::from_millis(200);

/// A folder of sealed images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    dir: PathBuf,
}

/// What is in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The sealed images, by name and then by age, the newest first.
    pub sealed: Vec<Sealed>,
    /// Images whose manifest cannot be read.
    pub damaged: Vec<DamagedImage>,
}

impl Store {
    /// The store of this user, which is made where it is missing.
    pub fn open() -> io::Result<Self> {
        Self::at(&Self::named()?.dir)
    }

    /// The store of this user, be it there or not: `PATCHGATE_IMAGES`, else `patchgate/images` in `XDG_CACHE_HOME` or `~/.cache`.
    pub fn named() -> io::Result<Self> {
        let set = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let dir = set("PATCHGATE_IMAGES")
            .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("patchgate/images")))
            .or_else(|| set("HOME").map(|home| home.join(".cache/patchgate/images")))
            .ok_or_else(|| io::Error::other("none of PATCHGATE_IMAGES, XDG_CACHE_HOME and HOME is set"))?;
        let dir = std::path::absolute(dir)?;
        Ok(Self { dir })
    }

    /// The store in that folder, which is made where it is missing.
    pub fn at(dir: &Path) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", dir.display()));
        fs::create_dir_all(dir.join(LOCKS)).map_err(named)?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The states of booted nodes, kept beside the images that they are of; the folder is made where it is missing.
    pub fn warm(&self) -> io::Result<WarmStore> {
        WarmStore::at(&self.dir.join(WARM))
    }

    /// Every image, sealed or damaged.
    pub fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") || !entry.file_type()?.is_dir() {
                continue;
            }
            match Sealed::read(&entry.path()) {
                Ok(sealed) => listing.sealed.extend(sealed),
                Err(damaged) => listing.damaged.push(damaged),
            }
        }
        listing.sealed.sort_by(|a, b| {
            let newest = b.manifest.built.cmp(&a.manifest.built);
            a.manifest.name.cmp(&b.manifest.name).then(newest)
        });
        listing.damaged.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listing)
    }

    /// The sealed image of that name and key.
    pub fn find(&self, name: &str, key: &str) -> Result<Option<Sealed>, DamagedImage> {
        let sealed = Sealed::read(&self.folder(name, key))?;
        Ok(sealed.filter(|sealed| sealed.manifest.key == key))
    }

    /// The sealed image whose disk has that SHA-256, or, of one that was imported, whose whole machine has it; the one of that OS
    /// version, where it is there as several.
    pub fn find_disk(&self, sha256: &str, os: &str) -> io::Result<Option<Sealed>> {
        let mut sealed = self.list()?.sealed;
        sealed.retain(|Sealed { manifest, .. }| {
            let machine = manifest.source == ImageSource::Imported && manifest.key == sha256;
            machine || manifest.sha256 == sha256
        });
        sealed.sort_by_key(|sealed| sealed.manifest.os != os);
        Ok(sealed.into_iter().next())
    }

    /// Compares a sealed disk with its manifest; on a difference, names the place.
    pub fn verify(&self, sealed: &Sealed) -> Result<(), DamagedImage> {
        manifest::verify(sealed)
    }

    /// Removes an image's folder, the manifest first, so that nothing half-removed counts as sealed.
    pub fn remove(&self, dir: &Path) -> io::Result<()> {
        match fs::remove_file(dir.join(manifest::MANIFEST)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::remove_dir_all(dir)
    }

    /// The folder of an image.
    pub fn folder(&self, name: &str, key: &str) -> PathBuf {
        self.dir.join(id(name, key))
    }

    /// Where the log of a build is.
    pub fn log(&self, name: &str, key: &str) -> PathBuf {
        self.dir.join(LOCKS).join(format!("{}.log", id(name, key)))
    }

    /// Takes the lock of a key, across processes; `waiting` is called once where another one holds it.
    pub fn lock(
        &self,
        name: &str,
        key: &str,
        cancel: &CancellationToken,
        waiting: &dyn Fn(),
    ) -> Result<Lock, BuildError> {
        let path = self.lock_path(&id(name, key));
        let failed = |error| BuildError::of_io("take the build's lock", &path, error);
        let file = File::create(&path).map_err(failed)?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if cancel.is_cancelled() => {
                    return Err(BuildError::Interrupted);
                }
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        waiting();
                        told = true;
                    }
                    std::thread::sleep(LOCK_POLL);
                }
            }
        }
    }

    /// A folder to work in, under the lock of its key; removed when the value is dropped.
    pub fn work(&self, name: &str, key: &str, _lock: &Lock) -> io::Result<Work> {
        let dir = self.dir.join(format!("{WORK}{}", id(name, key)));
        remove_all(&dir)?;
        fs::create_dir(&dir)?;
        Ok(Work { dir })
    }

    /// Removes what builders left that died: their folders are there and their locks are free. Gives those folders.
    pub fn sweep(&self) -> io::Result<Vec<PathBuf>> {
        self.dead(&|folder| remove_all(folder))
    }

    /// The folders that [`Store::sweep`] would remove.
    pub fn swept(&self) -> io::Result<Vec<PathBuf>> {
        self.dead(&|_| Ok(()))
    }

    /// Hands on each folder of a builder that died, whose place stays locked for that time.
    fn dead(&self, each: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<Vec<PathBuf>> {
        let mut dead = Vec::new();
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(dead),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(id) = name.to_str().and_then(|name| name.strip_prefix(WORK)) else {
                continue;
            };
            fs::create_dir_all(self.dir.join(LOCKS))?;
            let lock = File::create(self.lock_path(id))?;
            if lock.try_lock().is_ok() {
                each(&entry.path())?;
                dead.push(entry.path());
            }
        }
        dead.sort();
        Ok(dead)
    }

    fn lock_path(&self, id: &str) -> PathBuf {
        self.dir.join(LOCKS).join(format!("{id}.lock"))
    }
}

/// The same machine, sealed before and still whole.
pub fn already(store: &Store, name: &str, key: &str) -> Option<Sealed> {
    let there = store.find(name, key).ok().flatten()?;
    store.verify(&there).is_ok().then_some(there)
}

fn id(name: &str, key: &str) -> String {
    format!("{name}-{}", key.get(..12).unwrap_or(key))
}

fn remove_all(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The lock of a key; given back when dropped, or when the process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// A builder's own folder, with all that it has not sealed yet.
#[derive(Debug)]
pub struct Work {
    dir: PathBuf,
}

impl Work {
    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Moves a sealed folder of this work to its place in the store, in one step; what was there goes with the work.
    pub fn publish(&self, sealed: &Path, place: &Path) -> io::Result<()> {
        match fs::rename(place, self.dir.join("replaced")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::rename(sealed, place)?;
        match place.parent() {
            Some(store) => File::open(store)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Err(error) = remove_all(&self.dir) {
            tracing::warn!("{} cannot be removed: {error}", self.dir.display());
        }
    }
}
