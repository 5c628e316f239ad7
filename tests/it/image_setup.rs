//! `setup.sh`, run with stand-ins for the system's commands that write down how they are called.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// A machine: what dpkg says is installed, before and after apt-get ran, and the sources that apt knows.
struct Machine {
    dir: tempfile::TempDir,
}

/// Answers for the packages of `before` until apt-get has installed, and then for every package that is asked for.
const DPKG: &str = r#"#!/bin/bash
here=$(dirname "$0")/..
case "$3" in
    *Version*) cat "$here/versions" ;;
    *)
        shift 3
        for package in "$@"; do
            if [ -e "$here/installed-all" ] || ! grep -qx "$package" "$here/lacks"; then echo "installed $package"; fi
        done ;;
esac
"#;
const APT: &str = r#"#!/bin/bash
here=$(dirname "$0")/..
echo "apt-get $*" >> "$here/calls"
case " $* " in *" install "*) [ -e "$here/broken" ] || touch "$here/installed-all" ;; esac
"#;
const POLICY: &str = "#!/bin/bash\ncat \"$(dirname \"$0\")/../policy\"\n";
const TEE: &str = "#!/bin/bash\necho \"tee $* <- $(cat)\" >> \"$(dirname \"$0\")/../calls\"\n";
const ID: &str = "#!/bin/bash\necho 0\n";
const VIRSH: &str = "#!/bin/bash\nexit 0\n";

impl Machine {
    fn new(lacks: &[&str], versions: &str, policy: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        for (name, script) in [
            ("dpkg-query", DPKG),
            ("apt-get", APT),
            ("apt-cache", POLICY),
            ("tee", TEE),
            ("id", ID),
            ("virsh", VIRSH),
        ] {
            fs::write(bin.join(name), script).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(dir.path().join("lacks"), lacks.join("\n") + "\n").unwrap();
        fs::write(dir.path().join("versions"), versions).unwrap();
        fs::write(dir.path().join("policy"), policy).unwrap();
        Self { dir }
    }

    fn set_up(&self) -> Output {
        let path = format!("{}:/usr/bin:/bin", self.dir.path().join("bin").display());
        Command::new("bash")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("setup.sh"))
            .env("PATH", path)
            .output()
            .unwrap()
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.dir.path().join("calls")).unwrap_or_default()
    }
}

const MAIN: &str = "release v=12,o=Debian,a=oldstable,n=bookworm,l=Debian,c=main,b=amd64\n";
const BACKPORTS: &str =
    "release o=Debian Backports,a=oldstable-backports,n=bookworm-backports,c=main,b=amd64\n";

#[test]
fn a_machine_that_has_all_is_left_alone_in_silence() {
    let machine = Machine::new(&[], "", MAIN);
    let output = machine.set_up();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(machine.calls(), "");
}

#[test]
fn what_is_missing_is_installed_with_one_update() {
    let machine = Machine::new(&["mmdebstrap", "qemu-system-x86", "qemu-utils"], "", MAIN);
    let output = machine.set_up();
    assert!(output.status.success(), "{output:?}");
    let calls = machine.calls();
    assert_eq!(calls.matches("apt-get update").count(), 1, "{calls}");
    assert_eq!(calls.matches(" install ").count(), 1, "{calls}");
    assert!(calls.contains("qemu-system-x86 qemu-utils mmdebstrap"), "{calls}");
    assert!(!calls.contains("backports"), "{calls}");
}

#[test]
fn qemu_that_is_half_from_backports_is_completed_from_there() {
    let versions = "installed 1:10.0.2+ds-2+deb13u1~bpo12+1\n";
    for (policy, adds_source) in [(MAIN.to_owned(), true), (format!("{MAIN}{BACKPORTS}"), false)] {
        let machine = Machine::new(&["qemu-system-x86", "zstd"], versions, &policy);
        let output = machine.set_up();
        assert!(output.status.success(), "{output:?}");
        let calls = machine.calls();
        assert_eq!(calls.matches("apt-get update").count(), 1, "{calls}");
        assert!(
            calls.contains("-t bookworm-backports qemu-system-x86\n"),
            "{calls}"
        );
        assert!(
            calls
                .lines()
                .any(|call| call.ends_with("zstd") && !call.contains("-t ")),
            "{calls}"
        );
        let source = "patchgate-backports.list <- deb http://deb.debian.org/debian bookworm-backports main";
        assert_eq!(calls.contains(source), adds_source, "{calls}");
    }
}

#[test]
fn backports_of_qemu_do_not_matter_where_qemu_is_complete() {
    let machine = Machine::new(&["zstd"], "installed 1:10.0.2+ds-2+deb13u1~bpo12+1\n", MAIN);
    assert!(machine.set_up().status.success());
    assert!(!machine.calls().contains("backports"), "{}", machine.calls());
}

#[test]
fn an_installation_without_effect_is_an_error_that_names_the_packages() {
    let machine = Machine::new(&["zstd"], "", MAIN);
    fs::write(machine.dir.path().join("broken"), "").unwrap();
    let output = machine.set_up();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not installed in the end: zstd"));
}
