//! Importing disks as they come: every format, packed or not, whole or not, and what they name.

#![expect(clippy::unwrap_used, reason = "tests")]

mod apart;
mod formats;
mod kept;
mod machine;
mod mend;
mod refused;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use patchgate::image::catalogue::Store;
use patchgate::image::error::BuildError;
use patchgate::image::foreign::{Foreign, ForeignDisk};
use patchgate::image::import::told::Unwatched;
use patchgate::image::import::{Import, Imported, import};
use patchgate::input::hex;
use patchgate::model::hardware::DiskHardware;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::testkit::disk::{converted, run};

const SECRET: &str = "a secret of the host";

struct Lab {
    dir: tempfile::TempDir,
    store: Store,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("store")).unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        fs::write(dir.path().join("host-secret"), SECRET).unwrap();
        Self { dir, store }
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("in")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn run(&self, argv: &[&str]) {
        run(&self.folder(), argv);
    }

    fn make(&self, content: &[u8], format: &str, options: &str, name: &str) -> PathBuf {
        converted(&self.folder(), content, format, options, name)
    }

    /// Imports a machine; whatever comes of it, no file that it is made of has changed, and nothing but images is left.
    fn import_as(&self, foreign: Foreign, asked: &Import) -> Result<Imported, BuildError> {
        let before = states(&self.folder());
        let made = import(asked, foreign, &self.store, &Unwatched, &CancellationToken::new());
        assert_eq!(states(&self.folder()), before, "the source was touched");
        let left: Vec<String> = fs::read_dir(self.store.dir())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with('.') && name != ".locks")
            .collect();
        assert_eq!(left, Vec::<String>::new());
        let locks = fs::read_dir(self.store.dir().join(".locks")).unwrap();
        let logs = locks.map(|entry| entry.unwrap().path());
        let logs: Vec<_> = logs
            .filter(|path| path.extension() != Some("lock".as_ref()))
            .collect();
        assert_eq!(logs, Vec::<PathBuf>::new());
        if made.is_err() {
            assert!(self.store.list().unwrap().damaged.is_empty());
        }
        made
    }

    fn import(&self, name: &str) -> Result<Imported, BuildError> {
        self.import_as(one(disk(&self.path(name))), &asked())
    }

    /// The words of the refusal.
    fn refused(&self, name: &str) -> String {
        let error = self.import(name).expect_err(name);
        assert!(self.store.list().unwrap().sealed.is_empty(), "{name}");
        format!("{error}\n{}", error.hint().unwrap_or_default())
    }
}

fn asked() -> Import {
    Import {
        os: "debian-12".into(),
        ..Import::default()
    }
}

fn flattened() -> Import {
    Import {
        flatten: true,
        ..asked()
    }
}

fn disk(file: &Path) -> ForeignDisk {
    ForeignDisk {
        file: file.to_owned(),
        name: file.file_name().unwrap().to_string_lossy().into_owned(),
        format: None,
        hardware: DiskHardware::default(),
    }
}

fn one(disk: ForeignDisk) -> Foreign {
    Foreign {
        disks: vec![disk],
        ..Foreign::default()
    }
}

/// What is in a folder and those below it: digest and times of each file.
fn states(folder: &Path) -> BTreeMap<PathBuf, (String, [i64; 4])> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = path.symlink_metadata().unwrap();
        if about.is_dir() {
            found.extend(states(&path));
        } else if about.is_file() {
            let times = [
                about.atime(),
                about.atime_nsec(),
                about.mtime(),
                about.mtime_nsec(),
            ];
            found.insert(path.clone(), (sha256(&fs::read(&path).unwrap()), times));
            // What the test reads is no touch of the import's.
            let kept = fs::File::options().write(true).open(&path).unwrap();
            kept.set_times(
                fs::FileTimes::new()
                    .set_accessed(about.accessed().unwrap())
                    .set_modified(about.modified().unwrap()),
            )
            .unwrap();
        }
    }
    found
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The guest's disk of an image as another program reads it.
fn content(file: &Path) -> Vec<u8> {
    let raw = tempfile::NamedTempFile::new().unwrap();
    let made = Command::new("qemu-img")
        .args(["convert", "-f", "qcow2", "-O", "raw"])
        .args([file, raw.path()])
        .status()
        .unwrap();
    assert!(made.success());
    fs::read(raw.path()).unwrap()
}
