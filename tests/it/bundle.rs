//! Machines that come as archives, as backups or as folders: what is taken, what is refused, and what is said.

mod folder;
mod make;
mod manifest;
mod named;
mod ova;
mod ovf;
mod vma;
mod vma_config;

use std::fs;
use std::path::{Path, PathBuf};

use patchgate::image::bundle::error::BundleError;
use patchgate::image::bundle::{self, Ask};
use patchgate::image::foreign::Foreign;

/// A place with files in it, and a folder beside it to unpack into.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir(place.unpacked()).expect("a folder");
        fs::create_dir(place.path("in")).expect("a folder");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn unpacked(&self) -> PathBuf {
        self.path("unpacked")
    }

    /// Writes a file into the folder `in`.
    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path("in").join(name);
        fs::write(&path, content).expect("written");
        path
    }

    fn open(&self, path: &Path) -> Result<Option<Foreign>, BundleError> {
        bundle::open(path, &self.unpacked(), &|| false)
    }

    fn ask(&self, path: &Path, ask: Ask<'_>) -> Result<Option<Foreign>, BundleError> {
        bundle::open_as(path, ask, &self.unpacked(), &|| false)
    }
}

/// Opens what is one of ours.
#[track_caller]
fn taken(name: &str, content: impl AsRef<[u8]>) -> (Place, Foreign) {
    let place = Place::new();
    let path = place.put(name, content);
    let foreign = place.open(&path).unwrap_or_else(|error| panic!("{error}"));
    (place, foreign.expect("a machine"))
}

/// What is said to one that is refused, with its remedy.
#[track_caller]
fn refused(name: &str, content: impl AsRef<[u8]>) -> String {
    let place = Place::new();
    let path = place.put(name, content);
    let before = fs::read(&path).expect("it reads");
    let error = place.open(&path).expect_err("it is taken");
    assert!(
        fs::read(&path).expect("it reads") == before,
        "the source was written"
    );
    let hint = error.hint();
    format!("{error} ({})", hint.unwrap_or_default())
}

/// The contents of a machine's disks, in their order.
fn contents(foreign: &Foreign) -> Vec<Vec<u8>> {
    let files = foreign.disks.iter().map(|disk| &disk.file);
    files.map(|file| fs::read(file).expect("a disk")).collect()
}

#[track_caller]
fn assert_said(foreign: &Foreign, words: &[&str]) {
    let said = |word: &&&str| foreign.said.iter().any(|line| line.contains(**word));
    let missing: Vec<&&str> = words.iter().filter(|word| !said(word)).collect();
    assert!(missing.is_empty(), "{missing:?} not in {:#?}", foreign.said);
}

#[test]
fn what_is_no_bundle_is_left_to_others() {
    for (name, content) in [
        ("disk.ova", b"QFI\xfb".repeat(500)),
        ("disk.vma", vec![0; 1 << 20]),
        ("empty.ovf", Vec::new()),
        ("domain.ovf", b"<domain/>".to_vec()),
        ("short", b"VM".to_vec()),
        ("disk.gz", make::packed("gzip", &[7; 9999])),
        ("cut.gz", make::packed("gzip", &[7; 9999])[..12].to_vec()),
        ("disk.zst", make::packed("zstd", &[7; 9999])),
    ] {
        let place = Place::new();
        let path = place.put(name, content);
        assert_eq!(place.open(&path).expect(name), None, "{name}");
        let left = fs::read_dir(place.unpacked()).expect("a folder").count();
        assert_eq!(left, 0, "{name}");
    }
}

#[test]
fn an_opening_ends_when_it_is_asked_to() {
    let place = Place::new();
    let disk = make::vmdk(8, 1);
    let ova = place.put("a.ova", make::ova(&make::simple(&disk), &[("disk1.vmdk", &disk)]));
    let vma = place.put(
        "a.vma",
        make::Vma::new("", &[("drive-scsi0", &vec![1; 100_000])]).build(),
    );
    for path in [ova, vma, place.path("in")] {
        let error = bundle::open(&path, &place.unpacked(), &|| true).expect_err("it went on");
        assert!(error.to_string().contains("interrupted"), "{error}");
    }
}
