//! A lab on real clones with RPM packages: Debian 12 whose `dnf` or `zypper` is the real one, with packages from
//! tests/rpm/build-repo.sh in rpm's database, and a mirror whose content a test changes.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{LiveLab, last_line, text};
use crate::mirror::{Metadata, Mirror, run, scripts};

const URI: &str = "auto";

/// The lab and its mirror.
pub struct RpmLab {
    pub mirror: Mirror,
    lab: LiveLab,
}

impl Deref for RpmLab {
    type Target = LiveLab;

    fn deref(&self) -> &LiveLab {
        &self.lab
    }
}

impl RpmLab {
    /// A lab of one node in the role `dnf` or `zypper`; `policy` are lines of `[lab]`. It has the one scenario `steps`.
    pub fn new(role: &str, policy: &str, steps: &str) -> Self {
        let built = built();
        let lab = LiveLab::made(URI, |folder| write(folder, &built, role, policy, steps));
        Self {
            mirror: Mirror::begin(&built),
            lab,
        }
    }
}

/// The repositories, which are the same in every test of a checkout, so that images are built once.
pub fn built() -> PathBuf {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rpm");
    run(Command::new(scripts().join("build-repo.sh")).arg(&built));
    built
}

fn write(folder: &Path, built: &Path, role: &str, policy: &str, steps: &str) {
    let recipe = format!("{role}.toml");
    for file in [&recipe, "lab.repo", "install-base.sh"] {
        fs::copy(scripts().join(file), folder.join(file)).expect("copied");
    }
    for file in ["base.tar", "keys/lab.asc", "keys/stranger.asc"] {
        let name = Path::new(file).file_name().expect("a name");
        fs::copy(built.join(file), folder.join(name)).expect("copied");
    }
    fs::create_dir_all(folder.join("scenarios/app")).expect("folder");
    let scenario = format!("title = \"What runs there\"\nowner = \"tests\"\ntimeout = \"8m\"\n{steps}");
    fs::write(folder.join("scenarios/app/rpm.toml"), scenario).expect("written");
    let lab = format!(
        r#"[lab]
name = "live-rpm"
{policy}

[[host]]
uri = "{URI}"

[image.debian-12]
build = "{base}"
package_manager = "{role}"

[role.{role}]
recipe = "{recipe}"
memory = "512MiB"

[group.app]
owner = "tests"
admin = "tests"
os = ["debian-12"]
roles = ["{role}"]
scenarios = ["app"]

[network]
sources = ["{source}"]

[soak]
time = "5s"
"#,
        base = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("images/debian-12.toml")
            .display(),
        source = Mirror::source(),
    );
    fs::write(folder.join("patchgate.toml"), lab).expect("written");
}

/// Steps that hold a guest to its packages and to the service of one of them.
fn installed(role: &str) -> String {
    format!(
        r#"
[[step]]
name = "rpm knows the packages"
on = "{role}"
run = "[ $(rpm -q --qf '%{{version}}' pg-web) = 1.0 ] && [ $(rpm -q kernel | wc -l) = 3 ]"

[[step]]
name = "the service answers"
on = "{role}"
retry = {{ window = "60s", every = "2s" }}
http = {{ url = "http://{role}:8081/", status = 200, contains = "pg-web 1.0" }}
"#
    )
}

/// Nothing is updated: what is looked at is the ground that other tests stand on.
fn stands(role: &str) {
    let lab = RpmLab::new(
        role,
        "updates = \"all\"\nexpect_updates = false",
        &installed(role),
    );
    lab.mirror
        .publish("updates", &["pg-web-2.0-1"], Metadata::WithAdvisories);
    lab.mirror.publish("silent", &["untold-1.1-1"], Metadata::Bare);
    let output = lab.patchgate(&["run", "--plain"]);
    // An empty window opens no gate, but the cell passes.
    let passed = last_line(&output).ends_with(" cells=1/1 regressed=0 inconclusive=0");
    assert!(passed, "{}", text(&output));
    // By patchgate's own proof that every source answers.
    assert_ne!(lab.mirror.asked(), Vec::<String>::new());
    assert_eq!(lab.left(URI), Vec::<String>::new());
}

#[test]
fn a_guest_with_dnf_has_its_packages_and_reaches_the_mirror() {
    stands("dnf");
}

#[test]
fn a_guest_with_zypper_has_its_packages_and_reaches_the_mirror() {
    stands("zypper");
}
