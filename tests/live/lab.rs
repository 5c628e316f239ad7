//! A lab on real libvirt and QEMU: Debian 12 with three small services from a local apt repository, each with an update
//! pending that behaves differently.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use patchgate::model::id::RunId;
use patchgate::record::state::State;

use crate::packages;

/// One live test at a time in a process: guests share the host's cores.
static ALONE: Mutex<()> = Mutex::new(());

/// A lab in a folder of its own, with a state folder of its own. Images are shared through the usual store.
pub struct LiveLab {
    folder: tempfile::TempDir,
    before: BTreeSet<String>,
    /// The runs that there were when the last one was started.
    earlier: Mutex<Vec<RunId>>,
    _alone: MutexGuard<'static, ()>,
}

impl LiveLab {
    /// A lab whose pending update is the one of `package`, on a host of that URI. `role` is `app`, or `silent` for an
    /// image whose guest agent never starts.
    pub fn new(package: &str, role: &str, uri: &str) -> Self {
        Self::made(uri, |folder| debian(folder, package, role, uri))
    }

    /// A lab whose files `write` writes into its folder, with every image that it needs.
    pub fn made(uri: &str, write: impl FnOnce(&Path)) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("folder");
        write(folder.path());
        let lab = Self {
            before: on_host(uri),
            earlier: Mutex::default(),
            folder,
            _alone: alone,
        };
        let built = lab.patchgate(&["image", "build", "--all"]);
        assert!(built.status.success(), "{}", text(&built));
        lab
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn state(&self) -> State {
        State::at(self.path().join("state"))
    }

    /// Lets its clones' proxy through to one more source.
    pub fn add_source(&self, uri: &str) {
        let path = self.path().join("patchgate.toml");
        let text = fs::read_to_string(&path).expect("the lab file");
        let text = text.replace("[network]\n", &format!("[network]\nsources = [\"{uri}\"]\n"));
        fs::write(path, text).expect("the lab file");
    }

    /// Adds a scenario to the group's.
    pub fn add_scenario(&self, name: &str, text: &str) {
        let path = self.path().join(format!("scenarios/app/{name}.toml"));
        fs::write(path, text).expect("a scenario");
    }

    fn remember_runs(&self) {
        let runs = self.state().runs().unwrap_or_default();
        *self.earlier.lock().unwrap_or_else(PoisonError::into_inner) = runs;
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.here(env!("CARGO_BIN_EXE_patchgate"));
        command.args(args);
        command
    }

    /// A program in the lab's folder, with the lab's state and nobody's settings.
    fn here(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env("PATCHGATE_STATE", self.path().join("state"))
            .env_remove("PATCHGATE_LAB")
            .stdin(Stdio::null());
        command
    }

    /// Runs patchgate in the lab's folder.
    pub fn patchgate(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("patchgate starts")
    }

    /// Starts patchgate in the lab's folder, in mounts of its own after a script of bash's.
    pub fn start_in(&self, mounts: &str, args: &[&str]) -> Child {
        self.remember_runs();
        self.here("unshare")
            .args(["--mount", "bash", "-euc", &format!("{mounts}\nexec \"$@\"")])
            .args(["mounts", env!("CARGO_BIN_EXE_patchgate")])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare starts")
    }

    /// Starts patchgate in the lab's folder.
    pub fn start(&self, args: &[&str]) -> Child {
        self.remember_runs();
        self.command(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("patchgate starts")
    }

    /// The journal of the run that was started last, empty while there is none.
    pub fn journal(&self) -> String {
        let state = self.state();
        let earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = state.runs().expect("runs").pop();
        let newest = newest.filter(|run| !earlier.contains(run));
        newest
            .and_then(|run| fs::read_to_string(state.journal(&run)).ok())
            .unwrap_or_default()
    }

    /// Waits until an arm of that kind is in a stage.
    pub fn wait_for(&self, child: &mut Child, kind: &str, stage: &str) {
        let marks = [
            format!("\"kind\":\"{kind}\""),
            format!("\"event\":\"stage-started\",\"stage\":\"{stage}\""),
        ];
        let deadline = Instant::now() + Duration::from_secs(600);
        loop {
            let journal = self.journal();
            let started = |line: &str| marks.iter().all(|mark| line.contains(mark));
            if journal.lines().any(started) {
                return;
            }
            if let Some(status) = child.try_wait().expect("wait") {
                panic!("the run ended with {status} before {kind} {stage}: {journal}");
            }
            assert!(
                Instant::now() < deadline,
                "no stage {stage} of {kind} in {journal}"
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// What is on the host now, was not before, and is of a run of this lab: other jobs may use the host too.
    pub fn left(&self, uri: &str) -> Vec<String> {
        let runs = self.state().runs().expect("runs");
        assert!(!runs.is_empty(), "no run was started");
        on_host(uri)
            .difference(&self.before)
            .filter(|name| runs.iter().any(|run| name.contains(run.as_str())))
            .cloned()
            .collect()
    }
}

/// Writes a lab of Debian with the services of packages.rs.
fn debian(folder: &Path, package: &str, role: &str, uri: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    packages::write(&folder.join("packages"));
    let write = |path: &str, text: String| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, text).expect("write");
    };
    write("app.toml", packages::recipe(""));
    write(
        "silent.toml",
        packages::recipe("mask = [\"qemu-guest-agent.service\"]\n"),
    );
    write("scenarios/app/service.toml", scenario(package, role));
    write(
        "patchgate.toml",
        format!(
            r#"[lab]
name = "live"
updates = "listed"
listed = ["{package}"]

[[host]]
uri = "{uri}"

[image.debian-12]
build = "{base}"

[role.{role}]
recipe = "{role}.toml"
memory = "384MiB"

[group.app]
owner = "tests"
admin = "tests"
os = ["debian-12"]
roles = ["{role}"]
scenarios = ["app"]

[deadlines]
boot = "{boot}"

[network]
mode = "{network}"

[soak]
time = "{soak}"
"#,
            // A session cannot isolate, and says so.
            network = if uri.ends_with("/session") {
                "open"
            } else {
                "isolated"
            },
            // Nothing here dies later.
            soak = "5s",
            base = root.join("images/debian-12.toml").display(),
            boot = if role == "silent" { "45s" } else { "5m" },
        ),
    );
}

fn scenario(package: &str, role: &str) -> String {
    format!(
        r#"title = "The service answers"
owner = "tests"
timeout = "3m"

[[step]]
name = "a note is written before the updates"
on = "{role}"
when = "before-updates"
run = "echo kept > /var/lib/note"

[[step]]
name = "the service answers"
on = "{role}"
retry = {{ window = "60s", every = "2s" }}
http = {{ url = "http://{role}:{port}/", status = 200, contains = "{package}" }}

[[step]]
name = "the note is still there"
on = "{role}"
file = {{ path = "/var/lib/note", equals = "kept" }}

[[step]]
name = "the package is installed"
on = "{role}"
package = "{package}"
"#,
        port = packages::port(package),
    )
}

/// Both outputs, for a failed assertion.
pub fn text(output: &Output) -> String {
    format!(
        "exit {:?}\n--- stdout\n{}\n--- stderr\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The last line of standard output.
pub fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim_end().lines().last().unwrap_or_default().to_owned()
}

/// Domains, networks and pools that a host has, and the folders of patchgate's pools.
pub fn on_host(uri: &str) -> BTreeSet<String> {
    let uri = if uri == "auto" { "qemu:///system" } else { uri };
    let mut present = BTreeSet::new();
    for (what, args) in [
        ("domain", ["list", "--all", "--name"]),
        ("network", ["net-list", "--all", "--name"]),
        ("pool", ["pool-list", "--all", "--name"]),
    ] {
        let output = Command::new("virsh")
            .args(["-q", "-c", uri])
            .args(args)
            .output()
            .expect("virsh starts");
        assert!(output.status.success(), "{}", text(&output));
        let names = String::from_utf8_lossy(&output.stdout).into_owned();
        present.extend(names.split_whitespace().map(|name| format!("{what} {name}")));
    }
    let data = std::env::var_os("XDG_DATA_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".local/share"),
        PathBuf::from,
    );
    for folder in [
        PathBuf::from("/var/lib/libvirt/images"),
        data.join("libvirt/images"),
    ] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("pg-") {
                present.insert(format!("folder {name}"));
            }
        }
    }
    present
}
