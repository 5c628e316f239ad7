//! Domains that are taken over from a real libvirt: one that is off, one that is started meanwhile, one that runs under load, and
//! what is left when the import is killed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::lab::text;

const URI: &str = "qemu:///system";
/// How long something small may take on a busy host.
const LIMIT: Duration = Duration::from_secs(120);
static NTH: AtomicU32 = AtomicU32::new(0);
/// One at a time in a process: each looks for what is left on the host.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A domain with a disk of its own, a store to import it to, and what the host had before.
struct World {
    name: String,
    /// Where QEMU gets at the disk.
    disks: tempfile::TempDir,
    store: tempfile::TempDir,
    /// The MiB behind its file system.
    beyond: usize,
}

fn virsh(args: &[&str]) -> Output {
    Command::new("virsh")
        .args(["-q", "-c", URI])
        .args(args)
        .output()
        .expect("virsh")
}

fn done(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().expect(program);
    assert!(output.status.success(), "{program} {args:?}: {}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path")
}

impl World {
    /// A domain that is off, whose disk has a file system with a file in it, and so many MiB of noise.
    fn new(noise: usize) -> Self {
        let disks = tempfile::tempdir_in("/var/lib/libvirt/images").expect("a folder");
        fs::set_permissions(disks.path(), fs::Permissions::from_mode(0o711)).expect("open to QEMU");
        let name = format!(
            "import-{}-{}",
            std::process::id(),
            NTH.fetch_add(1, Ordering::Relaxed)
        );
        let world = Self {
            name,
            disks,
            store: tempfile::tempdir().expect("a folder"),
            beyond: noise + 44,
        };
        let tree = tempfile::tempdir().expect("a folder");
        fs::write(tree.path().join("ledger"), "1,200.00\n".repeat(5000)).expect("a file");
        let urandom = format!(
            "head -c {noise}M /dev/urandom > '{}'",
            path(&tree.path().join("noise"))
        );
        done("sh", &["-c", &urandom]);
        let raw = world.file("disk.raw");
        // Behind the file system is room to write to without one.
        let (size, inside) = (format!("{}M", noise + 64), format!("{}M", noise + 40));
        done("qemu-img", &["create", "-q", "-f", "raw", path(&raw), &size]);
        done(
            "mke2fs",
            &["-q", "-t", "ext4", "-d", path(tree.path()), path(&raw), &inside],
        );
        done(
            "qemu-img",
            &[
                "convert",
                "-f",
                "raw",
                "-O",
                "qcow2",
                path(&raw),
                path(&world.disk()),
            ],
        );
        let xml = world.file("domain.xml");
        fs::write(&xml, world.xml()).expect("written");
        let defined = virsh(&["define", path(&xml)]);
        assert!(defined.status.success(), "{}", text(&defined));
        world
    }

    fn file(&self, name: &str) -> PathBuf {
        self.disks.path().join(name)
    }

    fn disk(&self) -> PathBuf {
        self.file("disk.qcow2")
    }

    fn xml(&self) -> String {
        format!(
            "<domain type='qemu'><name>{}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>\
             <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>\
             <target dev='vda' bus='virtio'/></disk></devices></domain>",
            self.name,
            self.disk().display()
        )
    }

    fn start(&self) {
        let started = virsh(&["start", &self.name]);
        assert!(started.status.success(), "{}", text(&started));
    }

    fn import(&self, live: bool) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patchgate"));
        command
            .args([
                "image",
                "import",
                "--no-probe",
                "--domain",
                &self.name,
                "--uri",
                URI,
                "--os",
                "debian-12",
                "--role",
                "erp",
            ])
            .args(live.then_some("--live"))
            .env("PATCHGATE_IMAGES", self.store.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The one image's disk, as a raw file.
    fn imported(&self) -> PathBuf {
        let images: Vec<PathBuf> = fs::read_dir(self.store.path())
            .expect("the store")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.join("manifest.json").is_file())
            .collect();
        let [image] = images.as_slice() else {
            panic!("{images:?}");
        };
        let raw = self.file("imported.raw");
        done(
            "qemu-img",
            &[
                "convert",
                "-f",
                "qcow2",
                "-O",
                "raw",
                path(&image.join("disk.qcow2")),
                path(&raw),
            ],
        );
        raw
    }

    /// What is in the store beside locks and logs.
    fn in_store(&self) -> Vec<String> {
        let entries = fs::read_dir(self.store.path()).expect("the store");
        let names = entries.map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        });
        names.filter(|name| name != ".locks").collect()
    }

    fn state(&self) -> String {
        String::from_utf8_lossy(&virsh(&["domstate", &self.name]).stdout)
            .trim()
            .to_owned()
    }

    /// That the domain runs on, on the disk that it had, with nothing of a copy in it or beside it.
    fn is_unharmed(&self) {
        assert_eq!(self.state(), "running");
        let xml = String::from_utf8_lossy(&virsh(&["dumpxml", &self.name]).stdout).into_owned();
        assert!(
            xml.contains(&format!("<source file='{}'", self.disk().display())),
            "{xml}"
        );
        assert!(!xml.contains("<mirror"), "{xml}");
        for list in ["snapshot-list", "checkpoint-list"] {
            let listed = virsh(&[list, "--name", &self.name]);
            assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), "", "{list}");
        }
        let job = virsh(&["domjobinfo", &self.name]);
        assert!(
            String::from_utf8_lossy(&job.stdout).contains("None"),
            "{}",
            text(&job)
        );
        let jobs = self.monitor("query-block-jobs");
        assert!(jobs.contains("\"return\":[]"), "{jobs}");
        let nodes = self.monitor("query-named-block-nodes");
        assert!(!nodes.contains("dirty-bitmaps\":[{"), "{nodes}");
        assert!(!nodes.contains("/pg-"), "{nodes}");
        assert_eq!(pools(), Vec::<String>::new());
    }

    fn monitor(&self, command: &str) -> String {
        let request = format!("{{\"execute\":\"{command}\"}}");
        String::from_utf8_lossy(&virsh(&["qemu-monitor-command", &self.name, &request]).stdout).into_owned()
    }

    /// Writes to the running domain's disk through QEMU itself, as a guest would, beside its file system.
    fn write(&self, nth: u32) {
        let node = self.monitor("query-block");
        let device = node
            .split("\"qdev\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .expect("a device");
        let at = self.beyond + (nth as usize % 16);
        let byte = nth % 250 + 1;
        for command in [format!("write -P {byte} {at}M 512k"), "flush".to_owned()] {
            let line = format!("qemu-io -d {device} \"{command}\"");
            let written = virsh(&["qemu-monitor-command", "--hmp", &self.name, &line]);
            assert!(written.status.success(), "{}", text(&written));
        }
        let read = format!("read -P {byte} {at}M 512k");
        let disk = self.disk();
        let there = done("qemu-io", &["-r", "-U", "-f", "qcow2", "-c", &read, path(&disk)]);
        assert!(!there.contains("failed"), "{there}");
    }
}

/// The pools that copies of running domains are in.
fn pools() -> Vec<String> {
    let folders = fs::read_dir("/var/lib/libvirt/images").expect("the images");
    let folders = folders.map(|entry| entry.expect("an entry").path());
    folders
        .filter(|folder| folder.join("vda.qcow2").is_file())
        .filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned()))
        .filter(|name| name.starts_with("pg-"))
        .collect()
}

impl Drop for World {
    fn drop(&mut self) {
        virsh(&["destroy", &self.name]);
        virsh(&["undefine", &self.name]);
    }
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < LIMIT, "{what}");
        sleep(Duration::from_millis(5));
    }
}

fn ended(child: Child) -> Output {
    child.wait_with_output().expect("it ends")
}

fn digest(file: &Path) -> String {
    done("sha256sum", &[path(file)])
        .split(' ')
        .next()
        .expect("a digest")
        .to_owned()
}

#[test]
fn a_domain_that_is_off_is_imported_with_the_digest_that_it_has() {
    let _alone = alone();
    let world = World::new(1);
    let before = fs::metadata(world.disk())
        .expect("the disk")
        .modified()
        .expect("a time");
    let output = world.import(false).output().expect("patchgate");
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(digest(&world.imported()), digest(&world.file("disk.raw")));
    let after = fs::metadata(world.disk())
        .expect("the disk")
        .modified()
        .expect("a time");
    assert_eq!(before, after);
    assert_eq!(world.state(), "shut off");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        printed.contains("[role.erp]\nmemory = \"64MiB\"\nvcpus = 1"),
        "{printed}"
    );
}

#[test]
fn a_domain_can_be_started_while_it_is_copied_and_the_import_gives_up() {
    let _alone = alone();
    let world = World::new(300);
    let import = world.import(false).spawn().expect("patchgate");
    let copies = world
        .store
        .path()
        .join(".work-debian-12+erp-domain/copies/disk0.0");
    wait("no copy is begun", || copies.exists());
    // However long the host takes to start it, that is in the middle of the copy.
    let pid = import.id().to_string();
    done("kill", &["-STOP", &pid]);
    world.start();
    done("kill", &["-CONT", &pid]);
    let output = ended(import);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("was started while its disks were copied"), "{said}");
    assert_eq!(world.in_store(), Vec::<String>::new());
    world.is_unharmed();
    // Running now, it is refused with both remedies.
    let output = world.import(false).output().expect("patchgate");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("virsh shutdown") && said.contains("--live"),
        "{said}"
    );
}

#[test]
fn a_running_domain_is_copied_while_it_writes_and_runs_on() {
    let _alone = alone();
    let world = World::new(16);
    world.start();
    let mut import = world.import(true).spawn().expect("patchgate");
    let mut nth = 0;
    while import.try_wait().expect("it runs").is_none() {
        world.write(nth);
        nth += 1;
    }
    let output = ended(import);
    assert!(output.status.success(), "{}", text(&output));
    assert!(nth > 0);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("as after a power cut") && said.contains("agent"),
        "{said}"
    );
    let raw = world.imported();
    done("e2fsck", &["-fn", path(&raw)]);
    let ledger = done("debugfs", &["-R", "cat /ledger", path(&raw)]);
    assert_eq!(ledger, "1,200.00\n".repeat(5000));
    world.is_unharmed();
    world.write(nth);
}

#[test]
fn a_killed_import_leaves_a_running_domain_whole() {
    let _alone = alone();
    let world = World::new(900);
    world.start();
    // While the copy is made, and while it is fetched.
    for moment in ["the copy", "the fetch"] {
        let mut import = world.import(true).spawn().expect("patchgate");
        let fetched = world
            .store
            .path()
            .join(".work-debian-12+erp-domain/copies/disk0.live");
        match moment {
            "the copy" => wait("no job", || {
                world.monitor("query-block-jobs").contains("\"type\":\"backup\"")
            }),
            _ => wait("no fetch", || fetched.exists()),
        }
        let made = pools();
        import.kill().expect("killed");
        import.wait().expect("it ends");
        wait("the pool stays", || pools().is_empty());
        wait("the job stays", || {
            world.monitor("query-block-jobs").contains("\"return\":[]")
        });
        wait("a pool is known still", || {
            made.iter()
                .all(|pool| !virsh(&["pool-info", pool]).status.success())
        });
        assert_eq!(made.len(), 1, "{made:?}");
        world.is_unharmed();
        world.write(1);
    }
    // What it left in the store goes with the next one.
    let output = world.import(true).output().expect("patchgate");
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(world.in_store().len(), 1, "{:?}", world.in_store());
    world.is_unharmed();
}

#[test]
fn all_domains_of_a_name_give_the_sections_of_a_lab_file() {
    let _alone = alone();
    let (one, other) = (World::new(1), World::new(2));
    other.start();
    let glob = format!("import-{}-*", std::process::id());
    let output = Command::new(env!("CARGO_BIN_EXE_patchgate"))
        .args([
            "image",
            "import",
            "--all-domains",
            &glob,
            "--uri",
            URI,
            "--os",
            "debian-12",
        ])
        .env("PATCHGATE_IMAGES", one.store.path())
        .output()
        .expect("patchgate");
    // One runs, and is refused; the other is there.
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        printed.contains(&format!("[image.\"debian-12+{}\"]", one.name)),
        "{printed}"
    );
    assert!(
        printed.contains(&format!("[role.{}]\nmemory = \"64MiB\"", one.name)),
        "{printed}"
    );
    assert!(printed.contains("[group.imported]"), "{printed}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&format!("not imported: {}", other.name)), "{said}");
}
