//! The agent for an image that has none: its disk is read, a clone is booted with a seed, and what came of it is sealed anew.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use patchgate::fake::{Agent, GuestScript};
use patchgate::guest::identity::Way;
use patchgate::guest::prepare::seed;
use patchgate::image::catalogue::Store;
use patchgate::image::foreign::{Foreign, ForeignDisk};
use patchgate::image::import::told::Unwatched;
use patchgate::image::import::{Import, import};
use patchgate::image::manifest::{DISK, Identity, ImageSource, Prepared, Sealed, seal};
use patchgate::image::prepare::{Bench, can_customize, made_of};
use patchgate::model::hardware::DiskHardware;
use patchgate::model::outcome::Cause;
use patchgate::port::LabError;
use patchgate::run::Preparation;
use patchgate::session::look::Look;
use patchgate::session::prepare::{Seen, way};
use patchgate::session::ready::Ready;
use patchgate::units::Period;
use predicates::str::contains;
use tokio_util::sync::CancellationToken;

use crate::testkit::cli::patchgate;
use crate::testkit::disk::mbr;
use crate::testkit::lab::{Lab, Quiet};

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().expect(program);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {text}{errors}");
    text
}

/// Files of a guest in which cloud-init has never run.
fn tree(folder: &Path, more: &[(&str, &str)]) -> PathBuf {
    let tree = folder.join("tree");
    let usual = [
        ("etc/os-release", "ID=debian\n"),
        ("etc/fstab", ""),
        (
            "etc/apt/sources.list",
            "deb http://deb.debian.org/debian bookworm main\n",
        ),
        ("usr/bin/apt-get", ""),
        ("usr/bin/cloud-init", ""),
        (
            "var/lib/dpkg/status",
            "Package: apt\nStatus: install ok installed\nVersion: 2.6.1\n",
        ),
    ];
    for (path, text) in usual.iter().chain(more) {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    tree
}

/// A raw disk with that tree in an ext4 file system, behind a partition table.
fn disk(folder: &Path, more: &[(&str, &str)]) -> PathBuf {
    const FIRST: u32 = 2048;
    const SECTORS: u32 = 32 << 11;
    let (tree, raw) = (tree(folder, more), folder.join("disk.raw"));
    let mut table = vec![0; 512];
    table[446 + 4] = 0x83;
    table[446 + 8..446 + 12].copy_from_slice(&FIRST.to_le_bytes());
    table[446 + 12..446 + 16].copy_from_slice(&SECTORS.to_le_bytes());
    table[510..].copy_from_slice(&[0x55, 0xaa]);
    fs::write(&raw, table).expect("a disk");
    let file = fs::File::options().write(true).open(&raw).expect("a disk");
    file.set_len(u64::from(FIRST + SECTORS) * 512).expect("a disk");
    let (tree, at) = (tree.to_string_lossy(), raw.to_string_lossy());
    let offset = format!("offset={}", FIRST * 512);
    run(
        "mke2fs",
        &["-q", "-F", "-t", "ext4", "-E", &offset, "-d", &tree, &at, "32M"],
    );
    raw
}

/// An image of a raw disk.
fn sealed(store: &Store, raw: &Path) -> Sealed {
    let made = tempfile::tempdir_in(store.dir()).expect("a folder");
    let (from, to) = (raw.to_string_lossy(), made.path().join(DISK));
    run(
        "qemu-img",
        &[
            "convert",
            "-f",
            "raw",
            "-O",
            "qcow2",
            &from,
            &to.to_string_lossy(),
        ],
    );
    let identity = Identity {
        name: "debian-12".into(),
        os: "debian-12".into(),
        role: None,
        key: None,
        base_key: None,
        source: ImageSource::Imported,
    };
    let size = raw.metadata().expect("a disk").len();
    let sealed = seal(made.path(), identity, size, jiff::Timestamp::UNIX_EPOCH).expect("sealed");
    let place = store.folder("debian-12", &sealed.manifest.key);
    fs::rename(made.keep(), &place).expect("moved");
    Sealed { dir: place, ..sealed }
}

fn bench<'a>(image: &'a Sealed, store: &'a Store) -> Bench<'a> {
    Bench::open(image, store, &Unwatched, &CancellationToken::new()).expect("a bench")
}

#[test]
fn what_has_run_on_a_disk_is_read_from_it_or_not_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::at(&folder.path().join("store")).expect("a store");
    let image = sealed(&store, &disk(folder.path(), &[]));
    let inside = Seen::of(&image).inside.expect("it is read");
    assert_eq!(
        (inside.has_agent(), inside.machine.as_str()),
        (Some(false), "missing")
    );
    assert!(matches!(
        way(&Seen::of(&image)),
        Ok(patchgate::guest::prepare::Way::Seed { sources, .. }) if sources == ["http://deb.debian.org/debian"]
    ));
    let ran = disk(
        folder.path(),
        &[("var/lib/cloud/instances/i-1/user-data.txt", "")],
    );
    let said = format!("{:?}", way(&Seen::of(&sealed(&store, &ran))));
    assert!(said.contains("not made to begin anew"), "{said}");
    // A volume group, of which nothing here reads a file.
    let mut bytes = fs::read(&ran).expect("a disk");
    bytes[1 << 20..(1 << 20) + 4096].fill(0);
    bytes[(1 << 20) + 512..(1 << 20) + 520].copy_from_slice(b"LABELONE");
    fs::write(&ran, bytes).expect("a disk");
    let said = format!("{:?}", way(&Seen::of(&sealed(&store, &ran))));
    assert!(
        said.contains("cannot be read from this disk") && said.contains("LVM"),
        "{said}"
    );
}

#[test]
fn the_root_may_be_on_any_disk_of_a_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::at(&folder.path().join("store")).expect("a store");
    let root = disk(folder.path(), &[]);
    let begins = folder.path().join("boot.raw");
    fs::write(&begins, mbr(4, 1)).expect("a disk");
    let machine = |files: [&Path; 2]| Foreign {
        disks: files
            .map(|file| ForeignDisk {
                file: file.to_owned(),
                name: file.file_name().expect("a name").to_string_lossy().into_owned(),
                format: None,
                hardware: DiskHardware::default(),
            })
            .into(),
        ..Foreign::default()
    };
    let asked = Import {
        os: "debian-12".into(),
        ..Import::default()
    };
    for files in [[&begins, &root], [&root, &begins]] {
        let machine = machine(files.map(PathBuf::as_path));
        let made = import(&asked, machine, &store, &Unwatched, &CancellationToken::new()).expect("imported");
        let inside = Seen::of(&made.sealed).inside.expect("it is read");
        assert_eq!(inside.has_agent(), Some(false), "{files:?}");
    }
    // Of two it is not told which counts.
    let other = folder.path().join("other.raw");
    fs::copy(disk(folder.path(), &[("etc/new", "1")]), &other).expect("a disk");
    let root = disk(folder.path(), &[]);
    let made = import(
        &asked,
        machine([&root, &other]),
        &store,
        &Unwatched,
        &CancellationToken::new(),
    );
    let inside = Seen::of(&made.expect("imported").sealed).inside;
    assert!(format!("{inside:?}").contains("several roots"), "{inside:?}");
}

/// The agent cannot be installed here, and the image is there nevertheless.
#[test]
fn what_was_imported_has_its_section_though_it_could_not_be_prepared() {
    if can_customize() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    disk(
        folder.path(),
        &[("var/lib/cloud/instances/i-1/user-data.txt", "")],
    );
    patchgate(folder.path())
        .args(["image", "import", "disk.raw", "--os", "debian-12", "--prepare"])
        .assert()
        .code(2)
        .stdout(contains("[image.\"debian-12\"]\nimported = "))
        .stderr(contains("cannot be installed without a person"));
}

#[test]
fn a_changed_disk_is_another_image_and_the_one_that_it_comes_from_is_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::at(&folder.path().join("store")).expect("a store");
    let image = sealed(&store, &disk(folder.path(), &[]));
    let changed = disk(folder.path(), &[("etc/new", "1")]);
    let prepared = Prepared {
        from: image.manifest.key.clone(),
        from_sha256: image.manifest.sha256.clone(),
        by: "cloud-init".into(),
        changed: vec!["file /etc/new: new".into()],
    };
    let mut made = Vec::new();
    for _ in 0..2 {
        let bench = bench(&image, &store);
        let overlay = bench.dir().join("overlay-0.qcow2");
        let (from, to) = (changed.to_string_lossy(), overlay.to_string_lossy());
        // All of it, as of an overlay in which everything was written; what it names below is not what is read.
        run(
            "qemu-img",
            &["convert", "-S", "0", "-f", "raw", "-O", "qcow2", &from, &to],
        );
        run(
            "qemu-img",
            &["rebase", "-u", "-F", "raw", "-b", "/etc/hostname", &to],
        );
        let disks = bench.joined(&[overlay]).expect("joined");
        made.push(bench.seal(&disks, prepared.clone()).expect("sealed"));
    }
    assert_eq!(
        made[0].dir, made[1].dir,
        "the same once more is the one that is there"
    );
    assert_ne!(made[0].dir, image.dir);
    assert_eq!(made_of(&store, &image).expect("a store"), Some(made[0].clone()));
    assert_eq!(made_of(&store, &made[0]).expect("a store"), None);
    assert_eq!(made[0].manifest.prepared.as_ref(), Some(&prepared));
    assert_eq!(made[0].manifest.name, "debian-12");
    for whole in [&image, &made[0]] {
        store.verify(whole).expect("unchanged");
    }
    let work = fs::read_dir(store.dir()).expect("a store").flatten();
    let work = work.filter(|entry| entry.file_name().to_string_lossy().starts_with(".work-"));
    assert_eq!(work.count(), 0, "nothing else is left");
}

#[test]
fn a_seed_is_a_volume_that_cloud_init_finds_by_its_label() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::at(&folder.path().join("store")).expect("a store");
    let image = sealed(&store, &disk(folder.path(), &[]));
    let bench = bench(&image, &store);
    let way = Way {
        mac: "52:54:00:00:00:07".into(),
        address: Ipv4Addr::new(10, 213, 7, 2),
        gateway: Ipv4Addr::new(10, 213, 7, 1),
    };
    let files = seed::files("1", &way, "http://10.213.7.1:3128/", "kept");
    let seed = bench.seed(&files).expect("a seed");
    let raw = folder.path().join("seed.raw");
    let (from, to) = (seed.file.to_string_lossy(), raw.to_string_lossy());
    run("qemu-img", &["convert", "-f", "qcow2", "-O", "raw", &from, &to]);
    let about = run("blkid", &["-p", "-o", "export", &to]);
    assert!(
        about.contains("LABEL=CIDATA") && about.contains("TYPE=vfat"),
        "{about}"
    );
    for (name, text) in &files {
        assert_eq!(run("mtype", &["-i", &to, &format!("::{name}")]), *text, "{name}");
    }
}

/// A clone of the fake lab's node is booted with a seed; what came of it, and how often the seed was made.
async fn prepared(lab: &Lab) -> (Look, usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let overlays = [folder.path().join("overlay-0.qcow2")];
    let made = std::sync::atomic::AtomicUsize::new(0);
    let seed = |_: &Way, proxy: &str| -> Result<(PathBuf, String), LabError> {
        assert!(proxy.starts_with("http://"), "{proxy}");
        made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok((folder.path().join("seed.qcow2"), "ab".repeat(32)))
    };
    let ready = Ready::of(lab.setup(Arc::new(Quiet)), lab.state())
        .await
        .expect("the host takes it");
    let preparation = Preparation {
        seed: &seed,
        within: Period(Duration::from_secs(600)),
        overlays: &overlays,
    };
    let look = ready.prepare(preparation, |_| ()).await.expect("it starts");
    assert_eq!(lab.fake.present(), Vec::<String>::new());
    assert_eq!(lab.fake.violations(), Vec::<String>::new());
    assert_eq!(overlays[0].exists(), look.faults.is_empty());
    (look, made.into_inner())
}

fn lab(agent: Agent) -> Lab {
    let lab = Lab::default();
    lab.script(GuestScript {
        agent,
        ..GuestScript::default()
    });
    lab
}

#[tokio::test(start_paused = true)]
async fn a_clone_powers_itself_off_with_its_seed_and_its_disk_is_fetched() {
    let lab = lab(Agent::Ends);
    let (look, seeds) = prepared(&lab).await;
    assert!(look.faults.is_empty(), "{:?}", look.faults);
    assert_eq!(seeds, 1);
    assert_eq!(lab.fake.asked(), [], "there is no agent to be asked");
}

#[tokio::test(start_paused = true)]
async fn a_clone_that_does_nothing_with_its_seed_is_told_with_its_screen() {
    let (look, _) = prepared(&lab(Agent::Silent)).await;
    let [fault] = look.faults.as_slice() else {
        panic!("{:?}", look.faults);
    };
    assert_eq!(fault.cause, Cause::Deadline);
    assert!(fault.message.contains("to be powered off"), "{fault:?}");
    assert!(fault.detail.contains("console of"), "{fault:?}");
    assert_eq!(look.screens.len(), 1);
}
