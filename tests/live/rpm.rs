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

/// A step that holds a guest to the service of one of its packages.
fn answers(role: &str, package: &str, port: u16) -> String {
    format!(
        r#"
[[step]]
name = "the service answers"
on = "{role}"
retry = {{ window = "60s", every = "2s" }}
http = {{ url = "http://{role}:{port}/", status = 200, contains = "{package} " }}
"#
    )
}

/// What is to come of a run.
struct Comes {
    policy: &'static str,
    /// What is published in `updates`, and in `silent`, which has no advisories.
    updates: &'static [&'static str],
    silent: &'static [&'static str],
    /// What is withdrawn once the set is pinned.
    withdrawn: Option<&'static str>,
    gate: &'static str,
    words: &'static [&'static str],
}

const ALL: &str = "updates = \"all\"";

fn comes(role: &str, comes: &Comes) {
    let (package, port) = if comes.updates.contains(&"pg-breaks-2.0-1") {
        ("pg-breaks", 8082)
    } else {
        ("pg-web", 8081)
    };
    let lab = RpmLab::new(role, comes.policy, &answers(role, package, port));
    lab.mirror
        .publish("updates", comes.updates, Metadata::WithAdvisories);
    lab.mirror.publish("silent", comes.silent, Metadata::Bare);
    let said = match comes.withdrawn {
        None => text(&lab.patchgate(&["run", "--plain"])),
        Some(gone) => {
            let mut run = lab.start(&["run", "--plain"]);
            lab.wait_for(&mut run, "treatment", "seed");
            lab.mirror.withdraw("updates", gone);
            lab.mirror.publish("updates", &["docs-1.1-1"], Metadata::Later);
            run.wait().expect("it ends");
            String::new()
        }
    };
    let report = text(&lab.patchgate(&["report", "latest"]));
    let decided = last_line(&lab.patchgate(&["gate", "latest"]));
    assert!(
        decided.starts_with(&format!("gate: {} ", comes.gate)),
        "{said}\n{report}"
    );
    for words in comes.words {
        let told = report.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(words), "{words} in {report}");
    }
    assert_eq!(lab.left(URI), Vec::<String>::new());
}

const GOOD: Comes = Comes {
    policy: ALL,
    updates: &["pg-web-2.0-1", "held-1.1-1", "docs-1.1-1"],
    silent: &["untold-1.1-1"],
    withdrawn: None,
    gate: "OPEN",
    words: &[
        "closed by this window: ",
        "CVE-2099-1002",
        "LAB-2099-03",
        "because of the hold on held",
        "held 1.1-1 (on hold in the guest)",
    ],
};

#[test]
fn a_good_set_of_dnfs_opens_the_gate_with_its_advisories() {
    comes("dnf", &GOOD);
}

#[test]
fn a_good_set_of_zyppers_opens_the_gate_with_its_advisories() {
    comes("zypper", &GOOD);
}

/// Updates that go wrong, each in its way, by what they are called in the names of the tests.
const WRONG: [(&str, Comes); 6] = [
    (
        "both",
        Comes {
            updates: &["preun-fails-1.1-1"],
            gate: "CLOSED",
            words: &["preun-fails", "installed as 1.0-1 and 1.1-1"],
            ..GOOD
        },
    ),
    (
        "killed",
        Comes {
            policy: "updates = \"all\"\n[deadlines]\napply = \"60s\"",
            updates: &["post-hangs-1.1-1"],
            silent: &[],
            gate: "CLOSED",
            words: &["not installed within 1m; it was at post-hangs"],
            ..GOOD
        },
    ),
    (
        "gone",
        Comes {
            updates: &["pg-web-2.0-1", "docs-1.1-1"],
            silent: &[],
            withdrawn: Some("pg-web-2.0-1"),
            gate: "UNDECIDED",
            words: &[
                "the sources have changed since the set was pinned",
                "pg-web 2.0-1 was withdrawn",
            ],
            ..GOOD
        },
    ),
    (
        "untold",
        Comes {
            policy: "updates = \"security\"",
            gate: "UNDECIDED",
            words: &["carry no advisories", "silent"],
            ..GOOD
        },
    ),
    (
        "missing",
        Comes {
            updates: &["needs-missing-1.1-1", "docs-1.1-1"],
            silent: &[],
            gate: "UNDECIDED",
            words: &["needs-missing", "cannot be installed"],
            ..GOOD
        },
    ),
    (
        "breaks",
        Comes {
            updates: &["pg-breaks-2.0-1"],
            silent: &[],
            gate: "CLOSED",
            words: &["regressed"],
            ..GOOD
        },
    ),
];

fn wrong(role: &str, which: &str) {
    let (_, what) = WRONG
        .iter()
        .find(|(name, _)| *name == which)
        .expect("one of these");
    comes(role, what);
}

macro_rules! wrongs {
    ($($name:ident: $role:literal $which:literal;)*) => {
        $(
            #[test]
            #[ignore = "minutes each: `make test-rpm`"]
            fn $name() {
                wrong($role, $which);
            }
        )*
    };
}

wrongs! {
    dnf_leaves_both_versions: "dnf" "both";
    dnf_is_killed_in_a_script: "dnf" "killed";
    dnf_finds_a_package_gone: "dnf" "gone";
    dnf_has_a_source_without_advisories: "dnf" "untold";
    dnf_lacks_a_dependency: "dnf" "missing";
    dnf_installs_what_breaks_at_the_reboot: "dnf" "breaks";
    zypper_leaves_both_versions: "zypper" "both";
    zypper_is_killed_in_a_script: "zypper" "killed";
    zypper_finds_a_package_gone: "zypper" "gone";
    zypper_has_a_source_without_advisories: "zypper" "untold";
    zypper_lacks_a_dependency: "zypper" "missing";
    zypper_installs_what_breaks_at_the_reboot: "zypper" "breaks";
}
