//! Another machine: a second libvirt daemon in namespaces of its own. All of its processes end at once, as with a power failure,
//! none gets more memory than it is left, and its daemon is started anew when it ends.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// What the other machine runs: its own processes, mounts and network.
const MACHINE: &str = r#"set -eu
ip link set lo up
mkdir "$1/cgroup"
mount --rbind /sys/fs/cgroup "$1/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$1/cgroup" /sys/fs/cgroup
cp /etc/libvirt/*.conf "$1/etc"
mount --bind "$1/etc" /etc/libvirt
mount --bind "$1/run" /run/libvirt
mount --bind "$1/lib" /var/lib/libvirt
mount --bind "$1/cache" /var/cache/libvirt
mount --bind "$1/log" /var/log/libvirt
virtlogd --pid-file /run/libvirt/virtlogd.pid &
ulimit -v "$2"
while true; do libvirtd --pid-file /run/libvirt/libvirtd.pid || true; done &
# The first process of a machine is who takes leave of those whose parents are gone.
wait"#;

/// The other machine.
pub struct Machine {
    folder: tempfile::TempDir,
    child: Child,
}

impl Machine {
    /// Starts it; none of its processes may have more than that much address space, in KiB or `unlimited`. What the machine
    /// claims to have free is this one's memory all the same.
    pub fn start(limit: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["run", "lib/images", "cache", "log", "etc"] {
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

    pub fn uri(&self) -> String {
        let socket: PathBuf = self.folder.path().join("run/libvirt-sock");
        format!("qemu+unix:///system?socket={}", socket.display())
    }

    pub fn virsh(&self, args: &[&str]) -> Option<String> {
        let output = Command::new("virsh")
            .args(["-q", "-c", &self.uri()])
            .args(args)
            .output()
            .ok()?;
        let ended = output.status.success();
        ended.then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a script of bash's on it.
    pub fn runs(&self, script: &str) {
        let (id, children) = (self.child.id(), "its first process");
        let first = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect(children);
        let status = Command::new("nsenter")
            .args(["--target", first.split_whitespace().next().expect(children)])
            .args(["--pid", "--mount", "bash", "-euc", script])
            .status()
            .expect("nsenter starts");
        assert!(status.success(), "{script}: {status}");
    }

    pub fn power_off(&mut self) {
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

pub fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "waited for {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
