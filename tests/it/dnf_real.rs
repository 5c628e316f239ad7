//! Our program against the real dnf 4 of this machine, in a root of its own with packages that are built here; where dnf, rpmbuild
//! or createrepo_c is not there, or not for root, nothing is tried and that is said.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use patchgate::guest::answer::Pending;
use patchgate::guest::command::GuestCommand;
use patchgate::guest::dnf::DNF4;
use patchgate::guest::family::Updates;
use patchgate::model::outcome::Cause;
use patchgate::model::update::{Update, UpdateSet, Why};

const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

/// Builds the repositories `base` and `updates` below $1, and a root with what is in `base`.
const BUILD: &str = r#"
set -euo pipefail
cd "$1"
pkg() { # REPOSITORY NAME VERSION LINES
  printf 'Name: %s\nVersion: %s\nRelease: 1\nSummary: s\nLicense: MIT\nVendor: Lab\nBuildArch: noarch\nAutoReqProv: no\n%s\n%%description\nd\n%%files\n' \
    "$2" "$3" "${4-}" > spec
  rpmbuild -bb --quiet --nodeps --target noarch --dbpath "$PWD/db" --define "_topdir $PWD/work" --define "_rpmdir $PWD/$1" \
    --define '_build_name_fmt %%{NAME}-%%{VERSION}.rpm' spec > log 2>&1 || { cat log >&2; exit 1; }
}
mkdir -p base updates root/etc/yum.repos.d root/etc/dnf
for name in one two old stuck fails; do pkg base $name 1.0; done
pkg updates one 1.1
pkg updates one 1.2
pkg updates two 0.9 "Epoch: 1"
pkg updates new 2.0 $'Obsoletes: old < 2\nProvides: old = 2'
pkg updates stuck 1.1 'Requires: nowhere'
pkg updates fails 1.1 $'%post -p <lua>\nerror("no")'
for repo in base updates; do createrepo_c -q $repo; printf '[%s]\nname=%s\nbaseurl=file://%s/%s\n' $repo $repo "$PWD" $repo; done > repos
cat > updateinfo.xml <<E
<updates><update from="l@example.org" status="final" type="security" version="1"><id>LAB-1</id><title>one: a hole</title>
<issued date="2026-10-02 00:00:00"/><severity>Important</severity><description>d</description>
<references><reference href="https://example.org/" id="CVE-2099-1" title="t" type="cve"/></references>
<pkglist><collection short="l"><name>l</name><package name="one" version="1.1" release="1" epoch="0" arch="noarch"><filename>one-1.1.rpm</filename></package></collection></pkglist></update></updates>
E
modifyrepo_c updateinfo.xml updates/repodata > log 2>&1
printf '[main]\ngpgcheck=0\n' > root/etc/dnf/dnf.conf
sed -n 1,3p repos > root/etc/yum.repos.d/lab.repo
dnf -q -y --installroot="$PWD/root" --releasever=1 install one two old stuck fails > log 2>&1 || { cat log >&2; exit 1; }
cp repos root/etc/yum.repos.d/lab.repo
"#;

/// Why nothing can be tried here.
fn lacks() -> Option<String> {
    let is_there = |program: &str| {
        ["/usr/bin", "/usr/sbin", "/bin"]
            .iter()
            .any(|dir| Path::new(dir).join(program).exists())
    };
    let missing: Vec<&str> = ["dnf", "rpmbuild", "createrepo_c", "modifyrepo_c"]
        .into_iter()
        .filter(|name| !is_there(name))
        .collect();
    if !missing.is_empty() {
        return Some(format!("not there: {}", missing.join(", ")));
    }
    let first = fs::read("/usr/bin/dnf").unwrap_or_default();
    if !first.starts_with(b"#!") {
        return Some("/usr/bin/dnf is not dnf 4".to_owned());
    }
    let id = Command::new("id").arg("-u").output().ok()?;
    (id.stdout != b"0\n").then(|| "not root".to_owned())
}

/// Runs a command of the family's in the root; whether it ended well, its output, and both outputs as the engine joins them.
fn run(top: &Path, mut command: GuestCommand) -> (bool, String, String) {
    let root = command.argv.last_mut().expect("a root");
    assert_eq!(root, "/");
    *root = top.join("root").display().to_string();
    let mut child = Command::new(&command.argv[0])
        .args(&command.argv[1..])
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("an input");
    // One that takes none may have closed it.
    let _ = stdin.write_all(command.stdin.as_deref().unwrap_or_default());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (words(&output.stdout), words(&output.stderr));
    (output.status.success(), out.clone(), format!("{out}\n{err}"))
}

fn scan(top: &Path) -> Pending {
    let (well, out, all) = run(top, DNF4.pending(MINUTE));
    assert!(well, "{all}");
    DNF4.parse_pending(&out).expect("an answer")
}

fn installed(top: &Path, name: &str) -> String {
    let root = top.join("root").display().to_string();
    let args = ["--root", &root, "-q", "--qf", "%{EPOCHNUM}:%{VERSION} ", name];
    let output = Command::new("rpm")
        .args(args)
        .env("HOME", "/root")
        .output()
        .expect("rpm");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn only(pending: &Pending, names: &[&str]) -> Vec<Update> {
    let chosen = pending
        .updates
        .iter()
        .filter(|update| names.contains(&update.name.as_str()));
    chosen.cloned().collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn a_set_goes_in_exactly_or_not_at_all() {
    if let Some(why) = lacks() {
        println!("skipped: the real dnf is not tried: {why}");
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let top = dir.path();
    let built = Command::new("bash")
        .args(["-c", BUILD, "build", &top.display().to_string()])
        .env("HOME", "/root")
        .env("LC_ALL", "C")
        .output()
        .expect("bash");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );

    let (well, _, all) = run(top, DNF4.refresh(None, MINUTE));
    assert!(well && DNF4.refresh_errors(&all).is_empty(), "{all}");
    let pending = scan(top);
    let names: Vec<(&str, Option<&str>)> = pending
        .updates
        .iter()
        .map(|update| (&*update.name, update.to.as_deref()))
        .collect();
    assert_eq!(
        names,
        [
            ("fails", Some("1.1-1")),
            ("new", Some("2.0-1")),
            ("old", None),
            ("one", Some("1.2-1")),
            ("two", Some("1:0.9-1")),
        ]
    );
    assert!(
        pending.broken.len() == 1 && pending.broken[0].1.contains("nowhere"),
        "{:?}",
        pending.broken
    );
    assert!(
        pending
            .updates
            .iter()
            .all(|update| DNF4.is_security(update, &[]) == (update.name == "one"))
    );

    // A choice takes what belongs to it.
    let (_, out, all) = run(top, DNF4.resolve(&only(&pending, &["new", "one"]), MINUTE));
    let set = UpdateSet::pin(DNF4.parse_updates(&out).expect(&all));
    assert_eq!(set.updates.len(), 3);

    // Less than the transaction, or what was not fetched, is refused as a whole.
    let part = UpdateSet::pin(only(&pending, &["new", "one"]));
    let (well, _, all) = run(top, DNF4.apply(&part, MINUTE));
    assert!(
        !well && DNF4.blame(&all).is_some_and(|(_, words)| words.contains("old")),
        "{all}"
    );
    assert_eq!(
        (installed(top, "one"), installed(top, "old")),
        ("0:1.0".into(), "0:1.0".into())
    );
    let mut gone = set.updates.clone();
    gone[2].to = Some("1.3-1".into());
    let (well, _, all) = run(top, DNF4.fetch(&UpdateSet::pin(gone), None, MINUTE));
    assert!(
        !well
            && DNF4
                .blame(&all)
                .is_some_and(|(_, words)| words.contains("one-1.3-1")),
        "{all}"
    );

    let (well, out, all) = run(top, DNF4.advisories(&set, MINUTE).expect("a command"));
    assert!(well, "{all}");
    let advisories = DNF4.parse_advisories(&out, &set).expect("advisories");
    assert!(
        advisories.len() == 1 && advisories[0].is_closed() && advisories[0].cves == ["CVE-2099-1"],
        "{advisories:?}"
    );

    let (well, _, all) = run(top, DNF4.fetch(&set, None, MINUTE));
    assert!(well, "{all}");
    let (well, _, all) = run(top, DNF4.apply(&set, MINUTE));
    assert!(well, "{all}");
    assert_eq!(
        (installed(top, "one"), installed(top, "new")),
        ("0:1.2".into(), "0:2.0".into())
    );
    assert!(installed(top, "old").contains("not installed"));
    assert_eq!(installed(top, "two"), "0:1.0");

    // The new version is in, and its script failed.
    let failing = UpdateSet::pin(only(&pending, &["fails"]));
    assert!(run(top, DNF4.fetch(&failing, None, MINUTE)).0);
    let (well, _, all) = run(top, DNF4.apply(&failing, MINUTE));
    let (cause, words) = DNF4.blame(&all).expect(&all);
    assert!(
        !well && cause == Cause::UpdateFailed && words.contains("fails"),
        "{all}"
    );
    assert_eq!(installed(top, "fails"), "0:1.1");

    // Back again, as far as the sources have what was there.
    let one = UpdateSet::pin(only(&pending, &["one"]));
    let (well, _, all) = run(top, DNF4.roll_back(&one, None, MINUTE).expect("a command"));
    assert!(well, "{all}");
    assert_eq!(installed(top, "one"), "0:1.0");

    // Excluded is held, and neither withdrawn nor forgotten.
    fs::write(
        top.join("root/etc/dnf/dnf.conf"),
        "[main]\ngpgcheck=0\nexcludepkgs=two\n",
    )
    .expect("written");
    let kept = scan(top).kept;
    assert!(
        kept.len() == 1 && kept[0].name == "two" && kept[0].why == Why::Held,
        "{kept:?}"
    );
    let two = UpdateSet::pin(only(&pending, &["two"]));
    let (well, _, all) = run(top, DNF4.fetch(&two, None, MINUTE));
    assert!(
        !well
            && DNF4
                .blame(&all)
                .is_some_and(|(_, words)| words.contains("on hold")),
        "{all}"
    );
}
