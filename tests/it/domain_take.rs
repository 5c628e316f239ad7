//! Domains that are taken over: from a made-up host, into a real store.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use patchgate::fake::{FakeDomain, FakeDomains};
use patchgate::image::catalogue::Store;
use patchgate::image::domain::error::DomainError;
use patchgate::image::domain::fetch::Live;
use patchgate::image::domain::take::{Taken, Wish, take};
use patchgate::image::domain::watch::{FREEZES, LONGEST, THAWED, watch};
use patchgate::image::import::told::Unwatched;
use patchgate::model::hardware::Firmware;
use patchgate::model::id::RunId;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio_util::sync::CancellationToken;

const MIB: usize = 1 << 20;

fn id() -> RunId {
    "20261123-140912-7c1f".parse().unwrap()
}

/// A host, a store, and the disks of the host.
struct World {
    host: FakeDomains,
    store: Store,
    dir: tempfile::TempDir,
}

fn qemu_img(args: &[&str]) {
    let done = Command::new("qemu-img").args(args).output().unwrap();
    assert!(done.status.success(), "{args:?}: {done:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("store")).unwrap();
        fs::create_dir(dir.path().join("host")).unwrap();
        Self {
            host: FakeDomains::new(),
            store,
            dir,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("host").join(name)
    }

    /// A raw disk with a boot sector and something in it.
    fn raw(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let mut bytes = vec![0; 4 * MIB];
        bytes[MIB..MIB + 5].copy_from_slice(b"hello");
        bytes[..3].copy_from_slice(&[0xeb, 0x3c, 0x90]);
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn define(&self, disk: &str, os: &str) -> FakeDomain {
        let domain = FakeDomain {
            xml: format!(
                "<domain><name>erp</name><memory unit='MiB'>512</memory><vcpu>2</vcpu><os>\
                 <type arch='x86_64' machine='pc-q35-6.2'>hvm</type>{os}</os><devices>{disk}</devices></domain>"
            ),
            ..FakeDomain::default()
        };
        self.host.define("erp", domain.clone());
        domain
    }

    /// A domain of one raw disk.
    fn plain(&self) -> FakeDomain {
        let disk = self.raw("disk.raw");
        self.define(&on_file(&disk, "raw", ""), "")
    }

    async fn take(&self, live: bool) -> Result<Taken, DomainError> {
        self.take_until(live, &CancellationToken::new()).await
    }

    async fn take_until(&self, live: bool, cancel: &CancellationToken) -> Result<Taken, DomainError> {
        let wish = Wish {
            domain: "erp".into(),
            os: "debian-12".into(),
            role: Some("erp".into()),
            live: live.then(|| Live {
                watcher: Vec::new(),
                id: id(),
            }),
        };
        take(&self.host, &wish, &self.store, Arc::new(Unwatched), cancel).await
    }

    /// Whether the store has locks alone.
    fn is_clean(&self) -> bool {
        let in_store = fs::read_dir(self.store.dir()).unwrap();
        let locks = fs::read_dir(self.store.dir().join(".locks")).unwrap();
        let mut names = in_store.chain(locks).map(|entry| entry.unwrap().path());
        names.all(|path| path.ends_with(".locks") || path.extension() == Some("lock".as_ref()))
    }

    /// What a sealed disk holds.
    fn content(&self, taken: &Taken) -> Vec<u8> {
        self.store.verify(&taken.sealed).unwrap();
        let out = self.dir.path().join("content");
        qemu_img(&[
            "convert",
            "-f",
            "qcow2",
            "-O",
            "raw",
            text(&taken.sealed.disk()),
            text(&out),
        ]);
        fs::read(out).unwrap()
    }
}

fn on_file(file: &Path, format: &str, more: &str) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{}'/>{more}\
         <target dev='vda' bus='virtio'/></disk>",
        file.display()
    )
}

#[tokio::test]
async fn a_domain_that_is_off_is_taken_over_and_its_disk_is_as_it_was() {
    let world = World::new();
    world.plain();
    let disk = world.path("disk.raw");
    let before = disk.metadata().unwrap();
    let taken = world.take(false).await.unwrap();
    assert!(world.content(&taken) == fs::read(&disk).unwrap());
    let after = disk.metadata().unwrap();
    assert_eq!(
        (before.mtime_nsec(), before.len()),
        (after.mtime_nsec(), after.len())
    );
    assert_eq!(taken.sealed.manifest.name, "debian-12+erp");
    assert_eq!(taken.machine.vcpus, Some(2));
    assert!(!world.store.log("debian-12+erp", "domain").exists());
}

#[tokio::test]
async fn a_raw_disk_that_poses_as_qcow2_is_content_like_any_other() {
    let world = World::new();
    let secret = world.path("secret");
    fs::write(&secret, "a secret of the host").unwrap();
    let disk = world.path("poses.raw");
    qemu_img(&[
        "create",
        "-q",
        "-f",
        "qcow2",
        "-u",
        "-b",
        text(&secret),
        "-F",
        "raw",
        text(&disk),
        "1M",
    ]);
    fs::File::options()
        .write(true)
        .open(&disk)
        .unwrap()
        .set_len(MIB as u64)
        .unwrap();
    world.define(&on_file(&disk, "raw", ""), "");
    let taken = world.take(false).await.unwrap();
    let content = world.content(&taken);
    assert!(content == fs::read(&disk).unwrap());
    assert!(!content.windows(8).any(|part| part == b"a secret"));
}

#[tokio::test]
async fn a_chain_is_made_whole_from_what_the_description_names() {
    let world = World::new();
    let base = world.path("server.qcow2");
    qemu_img(&[
        "convert",
        "-f",
        "raw",
        "-O",
        "qcow2",
        text(&world.raw("disk.raw")),
        text(&base),
    ]);
    let (monday, tuesday) = (world.path("server.monday"), world.path("server.tuesday"));
    qemu_img(&[
        "create",
        "-q",
        "-f",
        "qcow2",
        "-b",
        text(&base),
        "-F",
        "qcow2",
        text(&monday),
    ]);
    // What its own header has below it is never opened.
    qemu_img(&[
        "create",
        "-q",
        "-f",
        "qcow2",
        "-u",
        "-b",
        "/etc/hostname",
        "-F",
        "raw",
        text(&tuesday),
        "4M",
    ]);
    let written = Command::new("qemu-io")
        .args(["-f", "qcow2", "-c", "write -q -P 7 2M 64k", text(&monday)])
        .status()
        .unwrap();
    assert!(written.success());
    let chain = format!(
        "<backingStore type='file'><format type='qcow2'/><source file='{}'/><backingStore type='file'><format type='qcow2'/>\
         <source file='{}'/><backingStore/></backingStore></backingStore>",
        monday.display(),
        base.display()
    );
    world.define(&on_file(&tuesday, "qcow2", &chain), "");
    let before: Vec<_> = [&base, &monday, &tuesday]
        .map(|path| fs::read(path).unwrap())
        .to_vec();
    let taken = world.take(false).await.unwrap();
    let mut content = fs::read(world.path("disk.raw")).unwrap();
    content[2 * MIB..2 * MIB + 65_536].fill(7);
    assert!(world.content(&taken) == content);
    let after: Vec<_> = [&base, &monday, &tuesday]
        .map(|path| fs::read(path).unwrap())
        .to_vec();
    assert!(before == after, "the source was written to");

    // Whose description ends above what its header names is not whole.
    world.define(&on_file(&monday, "qcow2", "<backingStore/>"), "");
    let error = world.take(false).await.unwrap_err();
    assert!(
        matches!(&error, DomainError::Elsewhere { other, .. } if other == text(&base)),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("--live"));
}

#[tokio::test]
async fn a_domain_that_runs_is_refused_with_both_remedies() {
    let world = World::new();
    let domain = FakeDomain {
        active: true,
        ..world.plain()
    };
    world.host.define("erp", domain);
    let error = world.take(false).await.unwrap_err();
    assert!(matches!(error, DomainError::Running(_)), "{error}");
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("virsh shutdown erp") && hint.contains("--live"),
        "{hint}"
    );
    assert!(world.is_clean());
    assert_eq!(world.host.calls(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_domain_that_is_started_while_it_is_copied_is_let_be_and_the_copy_is_given_up() {
    let world = World::new();
    let domain = FakeDomain {
        starts_after: Some(Duration::from_secs(30)),
        ..world.plain()
    };
    world.host.define("erp", domain);
    world.host.copies_for(Duration::from_secs(3600));
    let begin = tokio::time::Instant::now();
    let error = world.take(false).await.unwrap_err();
    assert!(matches!(error, DomainError::Started(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("was started while its disks were copied"),
        "{error}"
    );
    // At once, not when the copy would have been through.
    assert!(begin.elapsed() < Duration::from_secs(31), "{:?}", begin.elapsed());
    assert!(world.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_somebody_writes_to_meanwhile_is_no_copy() {
    let world = World::new();
    world.plain();
    world.host.copies_for(Duration::from_millis(100));
    let disk = world.path("disk.raw");
    let writes = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let file = fs::File::options().write(true).open(&disk).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    };
    let (taken, ()) = tokio::join!(world.take(false), writes);
    let error = taken.unwrap_err();
    assert!(matches!(error, DomainError::Changed { .. }), "{error}");
    assert!(error.to_string().contains("disk.raw was written to"), "{error}");
    assert!(world.is_clean());
}

#[tokio::test]
async fn a_running_domain_is_copied_as_it_is_at_one_moment() {
    let world = World::new();
    let tools = world.raw("tools.raw");
    let live = world.path("live.qcow2");
    qemu_img(&["convert", "-f", "raw", "-O", "qcow2", text(&tools), text(&live)]);
    let read_only = on_file(&tools, "raw", "<readonly/>").replace("vda", "vdb");
    for (has_agent, said) in [
        (true, "1 of its file systems were frozen"),
        (false, "as after a power cut"),
    ] {
        let domain = world.define(&on_file(&world.raw("disk.raw"), "raw", ""), "");
        let domain = FakeDomain {
            active: true,
            has_agent,
            live: [("vda".to_owned(), live.clone())].into(),
            ..domain
        };
        world.host.define("erp", domain);
        let taken = world.take(true).await.unwrap();
        assert!(world.content(&taken) == fs::read(&tools).unwrap());
        assert!(
            taken.machine.said.iter().any(|line| line.contains(said)),
            "{:?}",
            taken.machine.said
        );
    }
    // Of two disks the one that it cannot write to needs no backup.
    let both = on_file(&world.raw("disk.raw"), "raw", "") + &read_only;
    let domain = FakeDomain {
        active: true,
        live: [("vda".to_owned(), live)].into(),
        ..world.define(&both, "")
    };
    world.host.define("erp", domain);
    let _ = world.take(true).await;
    let calls = world.host.calls();
    assert!(calls.contains(&format!("fetch {}", tools.display())), "{calls:?}");
    assert_eq!(
        calls.iter().filter(|call| *call == "copy erp vda").count(),
        3,
        "{calls:?}"
    );
    assert!(world.host.left().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_ends_a_copy_and_what_it_began_in_the_domain() {
    let world = World::new();
    let domain = world.plain();
    world.host.copies_for(Duration::from_secs(3600));
    for active in [false, true] {
        world.host.define(
            "erp",
            FakeDomain {
                active,
                ..domain.clone()
            },
        );
        let cancel = CancellationToken::new();
        let interrupt = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            cancel.cancel();
        };
        let (taken, ()) = tokio::join!(world.take_until(active, &cancel), interrupt);
        assert!(taken.unwrap_err().to_string().contains("interrupted"));
        assert!(world.is_clean() && world.host.left().is_empty());
    }
    assert!(world.host.calls().contains(&"end the copy of erp".to_owned()));
}

#[tokio::test]
async fn variables_of_the_firmware_come_as_they_are_in_its_flash() {
    let world = World::new();
    let raw = world.path("vars.fd");
    let mut vars = vec![0xff; 540_672];
    vars[..16].fill(0);
    vars[32..40].copy_from_slice(&540_672_u64.to_le_bytes());
    vars[40..44].copy_from_slice(b"_FVH");
    fs::write(&raw, &vars).unwrap();
    let qcow2 = world.path("vars.qcow2");
    qemu_img(&["convert", "-f", "raw", "-O", "qcow2", text(&raw), text(&qcow2)]);
    let disk = on_file(&world.raw("disk.raw"), "raw", "");
    let os = |file: &Path, format: &str| {
        format!(
            "<loader type='pflash'>/elsewhere/CODE.fd</loader><nvram format='{format}'>{}</nvram>",
            file.display()
        )
    };
    for (file, format) in [(&raw, "raw"), (&qcow2, "qcow2")] {
        world.define(&disk, &os(file, format));
        let taken = world.take(false).await.unwrap();
        assert_eq!(taken.machine.hardware.firmware, Some(Firmware::Uefi));
        let sealed = &taken.sealed;
        assert_eq!(sealed.manifest.nvram.as_deref(), Some("nvram.fd"));
        assert!(fs::read(sealed.dir.join("nvram.fd")).unwrap() == vars);
    }
    // One that never ran has none yet.
    world.define(&disk, &os(&world.path("none.fd"), "raw"));
    let taken = world.take(false).await.unwrap();
    assert_eq!(taken.machine.nvram, None);
    assert!(
        taken
            .machine
            .said
            .iter()
            .any(|line| line.contains("clones begin with new ones"))
    );
}

#[tokio::test]
async fn what_cannot_be_taken_is_named_and_leaves_nothing() {
    let world = World::new();
    let gone = world.path("gone.raw");
    let rbd = "<disk type='network' device='disk'><source protocol='rbd' name='vms/server'/><target dev='vda' bus='virtio'/></disk>";
    for (disk, words) in [
        (on_file(&gone, "raw", ""), "gone.raw is not there"),
        (on_file(world.dir.path(), "raw", ""), "is not a file"),
        (on_file(Path::new("/dev/zero"), "raw", ""), "is not a file"),
        (rbd.to_owned(), "is on a server"),
        (on_file(&world.raw("disk.raw"), "qcow2", ""), "look at"),
    ] {
        world.define(&disk, "");
        let error = world.take(false).await.unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
        assert!(world.is_clean(), "{words}");
    }
    world.plain();
    let wish = Wish {
        domain: "none".into(),
        os: "debian-12".into(),
        ..Wish::default()
    };
    let error = take(
        &world.host,
        &wish,
        &world.store,
        Arc::new(Unwatched),
        &CancellationToken::new(),
    )
    .await
    .unwrap_err();
    assert!(matches!(error, DomainError::Unknown(_)), "{error}");
    assert!(error.hint().unwrap().contains("virsh list --all"));
    assert!(world.is_clean());
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_while_file_systems_are_frozen_leaves_one_who_thaws_them() {
    // What the copy tells before it dies, and what is ended then.
    for (told, ended) in [
        (&[][..], "end the copy of erp"),
        (&[FREEZES][..], "end the copy of erp and thaw"),
        (&[FREEZES, THAWED][..], "end the copy of erp"),
    ] {
        let host = FakeDomains::new();
        let (mut copy, watcher) = tokio::io::duplex(64);
        for word in told {
            copy.write_all(format!("{word}\n").as_bytes()).await.unwrap();
        }
        drop(copy);
        watch(&host, "erp", &id(), BufReader::new(watcher)).await.unwrap();
        assert_eq!(host.calls(), [ended], "{told:?}");
    }
    // One that hangs instead of dying does not keep them frozen either.
    let host = FakeDomains::new();
    let (mut copy, watcher) = tokio::io::duplex(64);
    let begin = tokio::time::Instant::now();
    copy.write_all(format!("{FREEZES}\n").as_bytes()).await.unwrap();
    watch(&host, "erp", &id(), BufReader::new(watcher)).await.unwrap();
    assert!(begin.elapsed() >= LONGEST && begin.elapsed() < LONGEST + Duration::from_secs(1));
    assert_eq!(host.calls(), ["end the copy of erp and thaw"]);
    drop(copy);
}
