//! Another machine, which goes away or has less than it claims. It is a second libvirt daemon in namespaces of its own: all
//! of its processes end at once, as with a power failure, and none gets more memory than it is left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::{LiveLab, last_line, text};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// What the other machine runs: its own processes, mounts and network.
const MACHINE: &str = r#"set -eu
ip link set lo up
mkdir "$1/cgroup"
mount --rbind /sys/fs/cgroup "$1/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$1/cgroup" /sys/fs/cgroup
mount --bind "$1/run" /run/libvirt
mount --bind "$1/lib" /var/lib/libvirt
mount --bind "$1/cache" /var/cache/libvirt
mount --bind "$1/log" /var/log/libvirt
virtlogd --pid-file /run/libvirt/virtlogd.pid &
ulimit -v "$2"
libvirtd --pid-file /run/libvirt/libvirtd.pid &
# The first process of a machine is who takes leave of those whose parents are gone.
wait"#;

/// The other machine.
struct Machine {
    folder: tempfile::TempDir,
    child: Child,
}

impl Machine {
    /// Starts it; none of its processes may have more than that much address space, in KiB or `unlimited`. What the machine
    /// claims to have free is this one's memory all the same.
    fn start(limit: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["run", "lib/images", "cache", "log"] {
            fs::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        let child = Command::new("unshare")
            .args([
                "--pid",
                "--fork",
                "--kill-child",
                "--mount",
                "--mount-proc",
                "--net",
                "bash",
                "-c",
            ])
            .arg(MACHINE)
            .arg("machine")
            .arg(folder.path())
            .arg(limit)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("errors")).expect("a file"))
            .spawn()
            .expect("unshare starts");
        let machine = Self { folder, child };
        wait("the other libvirt to answer", || {
            machine.virsh(&["list"]).is_some()
        });
        machine
    }

    fn uri(&self) -> String {
        let socket: PathBuf = self.folder.path().join("run/libvirt-sock");
        format!("qemu+unix:///system?socket={}", socket.display())
    }

    fn virsh(&self, args: &[&str]) -> Option<String> {
        let output = Command::new("virsh")
            .args(["-q", "-c", &self.uri()])
            .args(args)
            .output()
            .ok()?;
        let ended = output.status.success();
        ended.then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn power_off(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may be off already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "waited for {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Gives a lab those hosts, with room for one arm on each, and changes what else is to be changed of its file.
fn rewrite(lab: &Path, hosts: &[&str], change: impl FnOnce(String) -> String) {
    let file = lab.join("patchgate.toml");
    let text = fs::read_to_string(&file).expect("a lab file");
    let host = |uri: &&str| format!("[[host]]\nuri = \"{uri}\"\naccel = \"tcg\"\nvcpus = 1\n");
    let hosts = hosts.iter().map(host).collect::<Vec<_>>().join("\n");
    let text = text
        .replace("[[host]]\nuri = \"auto\"\n", &hosts)
        .replace("mode = \"isolated\"", "mode = \"open\"");
    fs::write(&file, change(text)).expect("written");
}

/// A second group like the first.
const AGAIN: &str = "
[group.again]
owner = \"tests\"
admin = \"tests\"
os = [\"debian-12\"]
roles = [\"app\"]
scenarios = [\"app\"]
";

#[test]
fn a_host_that_goes_away_costs_its_own_cells_a_second_try_elsewhere() {
    let lab = LiveLab::new("pg-good", "app", "auto");
    let mut other = Machine::start("unlimited");
    rewrite(lab.path(), &["qemu:///system", &other.uri()], |text| text + AGAIN);
    let mut run = lab.start(&["run", "--plain"]);
    wait("clones on both hosts", || {
        let there = other.virsh(&["list", "--name"]).unwrap_or_default();
        let journal = lab.journal();
        assert!(matches!(run.try_wait(), Ok(None)), "{journal}");
        there.contains("treatment") && journal.contains("\"stage\":\"seed\"")
    });
    other.power_off();
    let ended = run.wait().expect("it ends");
    let gate = lab.patchgate(&["gate", "latest"]);
    assert_eq!(
        (ended.code(), gate.status.code()),
        (Some(0), Some(0)),
        "{}",
        text(&gate)
    );
    assert!(
        last_line(&gate).ends_with(" cells=2/2 regressed=0 inconclusive=0"),
        "{}",
        text(&gate)
    );
    let journal = lab.journal();
    for event in ["\"event\":\"host-lost\"", "\"event\":\"cell-retried\""] {
        assert!(journal.contains(event), "{event}");
    }
    assert_eq!(lab.left("auto"), Vec::<String>::new());
}

#[test]
fn a_host_with_less_memory_than_it_claims_decides_nothing_and_says_so() {
    let lab = LiveLab::new("pg-good", "app", "auto");
    let other = Machine::start("2500000");
    rewrite(lab.path(), &[&other.uri()], |text| text.replace("384MiB", "2GiB"));
    let run = lab.patchgate(&["run", "--plain"]);
    let said = text(&run);
    assert_eq!(run.status.code(), Some(3), "{said}");
    assert!(said.contains("the host has not enough memory"), "{said}");
    assert!(
        last_line(&run).ends_with(" cells=0/1 regressed=0 inconclusive=1"),
        "{said}"
    );
    for list in ["list", "pool-list"] {
        assert_eq!(
            other.virsh(&[list, "--all", "--name"]).as_deref(),
            Some(""),
            "{list}"
        );
    }
}
