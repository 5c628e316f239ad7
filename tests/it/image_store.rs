//! The image store: locks, work folders, import, and builds that fail.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

use patchgate::image::build::stage::{BuildProgress, Stage};
use patchgate::image::build::whole::build;
use patchgate::image::catalogue::{Store, needed};
use patchgate::image::error::BuildError;
use patchgate::image::foreign::{Foreign, ForeignDisk};
use patchgate::image::import::told::Unwatched;
use patchgate::image::import::{Import, import};
use patchgate::image::manifest::Sealed;
use patchgate::image::relabel::{UNNAMED, relabel};
use patchgate::input::finding::Source;
use patchgate::lab::file::Lab;
use patchgate::lab::load::parse;
use patchgate::model::hardware::DiskHardware;
use tokio_util::sync::CancellationToken;

use crate::testkit::disk::small;

const KEY: &str = "0123456789abcdef";

struct Silent;

impl BuildProgress for Silent {
    fn stage(&self, _: &str, _: Stage) {}
    fn finished(&self, _: &str, _: bool) {}
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(&dir.path().join("store")).unwrap();
    (dir, store)
}

/// What is in the store beside locks and logs.
fn content(store: &Store) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(store.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".locks")
        .collect();
    names.sort();
    names
}

#[test]
fn one_builder_at_a_time_and_the_second_is_told() {
    let (_dir, store) = store();
    let cancel = CancellationToken::new();
    let first = store
        .lock("a", KEY, &cancel, &|| panic!("nobody holds it"))
        .unwrap();
    let other_key = store
        .lock("a", "ffffffffffff", &cancel, &|| panic!("another key"))
        .unwrap();
    let (told, waits) = mpsc::channel();
    std::thread::scope(|scope| {
        let (store, cancel) = (&store, &cancel);
        let second = scope.spawn(move || store.lock("a", KEY, cancel, &|| told.send(()).unwrap()).map(drop));
        waits.recv().unwrap();
        drop(first);
        second.join().unwrap().unwrap();
    });
    drop(other_key);
}

#[test]
fn waiting_for_another_builder_ends_with_an_interrupt() {
    let (_dir, store) = store();
    let cancel = CancellationToken::new();
    let _held = store.lock("a", KEY, &cancel, &|| {}).unwrap();
    let outcome = store.lock("a", KEY, &cancel, &|| cancel.cancel());
    assert!(matches!(outcome, Err(BuildError::Interrupted)));
}

#[test]
fn what_a_dead_builder_left_is_swept_and_a_live_one_is_left_alone() {
    let (_dir, store) = store();
    let cancel = CancellationToken::new();
    fs::create_dir_all(store.dir().join(".work-dead-0123456789ab/root")).unwrap();
    let lock = store.lock("live", KEY, &cancel, &|| {}).unwrap();
    let work = store.work("live", KEY, &lock).unwrap();
    let dead = [store.dir().join(".work-dead-0123456789ab")];
    assert_eq!(store.swept().unwrap(), dead, "nothing is removed yet");
    assert_eq!(store.sweep().unwrap(), dead);
    assert_eq!(content(&store), [".work-live-0123456789ab"]);
    drop(work);
    assert_eq!(content(&store), Vec::<String>::new());
}

/// Imports a disk as one that has its role already; its file must have that digest, where one is given.
fn take(file: &Path, sha256: Option<String>, store: &Store) -> Result<Sealed, BuildError> {
    take_as("windows-server-2022", file, sha256, store)
}

fn take_as(os: &str, file: &Path, sha256: Option<String>, store: &Store) -> Result<Sealed, BuildError> {
    let asked = Import {
        os: os.into(),
        role: Some("web".into()),
        sha256,
        ..Import::default()
    };
    let foreign = Foreign {
        disks: vec![ForeignDisk {
            file: file.to_owned(),
            name: "disk".into(),
            format: None,
            hardware: DiskHardware::default(),
        }],
        ..Foreign::default()
    };
    let made = import(&asked, foreign, store, &Unwatched, &CancellationToken::new());
    made.map(|made| made.sealed)
}

#[test]
fn a_disk_is_imported_whole_sealed_and_only_once() {
    let (dir, store) = store();
    for format in ["qcow2", "vmdk", "vdi", "vhdx"] {
        let file = small(dir.path(), format, &format!("disk.{format}"));
        let sealed = take(&file, None, &store).expect(format);
        assert_eq!(sealed.manifest.name, "windows-server-2022+web");
        assert_eq!(sealed.manifest.key, sealed.manifest.sha256);
        assert!(sealed.manifest.virtual_size >= 2 << 20);
        store.verify(&sealed).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&sealed.dir), 0o700);
        for entry in fs::read_dir(&sealed.dir).unwrap() {
            let about = entry.unwrap();
            let shown = about.path().display().to_string();
            assert_eq!(mode(&about.path()) & 0o377, 0, "{shown}");
            assert_eq!(
                about.metadata().unwrap().uid(),
                rustix::process::geteuid().as_raw(),
                "{shown}"
            );
        }
        let again = take(&file, None, &store).expect(format);
        assert_eq!(again.dir, sealed.dir);
    }
    let listing = store.list().unwrap();
    assert!(!listing.sealed.is_empty() && listing.damaged.is_empty());
    assert!(
        content(&store).iter().all(|name| !name.starts_with('.')),
        "{:?}",
        content(&store)
    );
    for sealed in listing.sealed {
        store.remove(&sealed.dir).unwrap();
    }
    assert_eq!(content(&store), Vec::<String>::new());
}

#[test]
fn an_image_of_an_os_that_nobody_named_is_called_by_it_once_it_is_known() {
    let (dir, store) = store();
    let file = small(dir.path(), "qcow2", "disk.qcow2");
    let cancel = CancellationToken::new();
    for _ in 0..2 {
        let unnamed = take_as(UNNAMED, &file, None, &store).unwrap();
        assert_eq!(unnamed.manifest.name, "unnamed+web");
        let named = relabel(&store, &unnamed, "debian-12", &cancel).unwrap();
        assert_eq!(
            (named.manifest.name.as_str(), named.manifest.os.as_str()),
            ("debian-12+web", "debian-12")
        );
        let listing = store.list().unwrap();
        assert!(listing.damaged.is_empty());
        assert_eq!(listing.sealed, [named]);
        store.verify(&listing.sealed[0]).unwrap();
        assert!(content(&store).iter().all(|name| !name.starts_with('.')));
    }
}

#[test]
fn a_disk_that_cannot_be_taken_is_refused_and_leaves_nothing() {
    let (dir, store) = store();
    let base = small(dir.path(), "qcow2", "base.qcow2");
    let overlay = dir.path().join("overlay.qcow2");
    let status = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"])
        .args([&base, &overlay])
        .status()
        .unwrap();
    assert!(status.success());
    let strange = small(dir.path(), "qed", "strange.qed");
    let endless = dir.path().join("endless.qcow2");
    let status = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2"])
        .arg(&endless)
        .arg("5T")
        .status()
        .unwrap();
    assert!(status.success());
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let zero = Some("00".repeat(32));
    for (file, sha256, words) in [
        (&overlay, None, "`disk` on `base.qcow2`"),
        (&strange, None, "a disk of format qed"),
        (&endless, None, "a disk of 5120 GiB; at most 4096 are taken"),
        (&pipe, None, "is not a file"),
        (&dir.path().join("nothing"), None, "is not there"),
        (&dir.path().to_owned(), None, "is not a file"),
        (&base, zero, "its SHA-256 is"),
    ] {
        let error = take(file, sha256, &store).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(content(&store), Vec::<String>::new(), "{words}");
    }
}

#[test]
fn every_byte_of_a_sealed_image_is_in_its_manifest() {
    let (dir, store) = store();
    let file = small(dir.path(), "qcow2", "disk.qcow2");
    let sealed = take(&file, None, &store).unwrap();
    let blocks = sealed.dir.join("blocks.sha256");
    assert!(sealed.manifest.files.contains_key("blocks.sha256"));
    let text = fs::read_to_string(&blocks).unwrap();
    fs::set_permissions(&blocks, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&blocks, format!("{text}\n")).unwrap();
    let error = store.verify(&sealed).unwrap_err().to_string();
    assert!(error.contains("blocks.sha256 was changed"), "{error}");
    fs::write(&blocks, &text).unwrap();
    store.verify(&sealed).unwrap();
    // A file that was put there is not taken for a part of it.
    fs::write(sealed.rootfs(), "somebody else's").unwrap();
    let error = patchgate::image::manifest::verify_file(&sealed, "rootfs.tar.zst").unwrap_err();
    assert!(error.to_string().contains("was not sealed"), "{error}");
}

fn lab(dir: &Path, mirror: &str) -> Lab {
    let recipe = format!(
        "os = \"debian-12\"\nsuite = \"bookworm\"\nmirror = \"{mirror}\"\ndisk = \"1GiB\"\n\
         apt = ['Acquire::Retries \"0\"']\nsources = [\"deb {mirror} bookworm main\"]\n"
    );
    fs::write(dir.join("debian-12.toml"), recipe).unwrap();
    fs::write(dir.join("web.toml"), "").unwrap();
    let text = "[lab]\nname = \"t\"\n[image.debian-12]\nbuild = \"debian-12.toml\"\n[role.web]\nrecipe = \"web.toml\"\n\
                [group.g]\nowner = \"a\"\nadmin = \"b\"\nos = [\"debian-12\"]\nroles = [\"web\"]\nscenarios = [\"web\"]\n";
    parse(Source::new(Path::new("patchgate.toml"), text), dir.to_owned()).unwrap()
}

#[test]
fn a_build_that_cannot_reach_its_mirror_says_so_and_leaves_nothing() {
    let (dir, store) = store();
    // The discard port of this machine: nothing listens there.
    let lab = lab(dir.path(), "http://127.0.0.1:9/debian");
    let image = &needed(&lab, &store).unwrap()[0];
    let error = build(image, &store, false, &Silent, &CancellationToken::new()).unwrap_err();
    // Without root or tools nothing is even tried.
    assert!(
        matches!(
            error,
            BuildError::Mirror { .. } | BuildError::NotRoot | BuildError::ToolMissing(_)
        ),
        "{error:?}"
    );
    assert!(error.hint().is_some());
    assert_eq!(content(&store), Vec::<String>::new());
}

#[test]
fn an_interrupted_build_leaves_nothing() {
    let (dir, store) = store();
    let lab = lab(dir.path(), "http://127.0.0.1:9/debian");
    let image = &needed(&lab, &store).unwrap()[0];
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = build(image, &store, false, &Silent, &cancel).unwrap_err();
    assert!(
        matches!(
            error,
            BuildError::Interrupted | BuildError::NotRoot | BuildError::ToolMissing(_)
        ),
        "{error:?}"
    );
    assert_eq!(content(&store), Vec::<String>::new());
}

#[test]
fn an_imported_image_that_is_not_there_is_not_built() {
    let (dir, store) = store();
    let lab = lab(dir.path(), "http://127.0.0.1:9/debian");
    let text = lab.source.text.replace(
        "build = \"debian-12.toml\"",
        &format!("imported = \"{}\"", "ab".repeat(32)),
    );
    let text = text.replace("recipe = \"web.toml\"", "");
    let lab = parse(Source::new(Path::new("patchgate.toml"), text), lab.dir).unwrap();
    let image = &needed(&lab, &store).unwrap()[0];
    let error = build(image, &store, true, &Silent, &CancellationToken::new()).unwrap_err();
    assert!(matches!(error, BuildError::NotImported { .. }), "{error:?}");
}
