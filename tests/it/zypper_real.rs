//! The real zypper, where one is installed, asked by the commands as they are: over a root in a temporary folder, with a
//! repository that is served over HTTP until it is to be gone.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use patchgate::guest::command::GuestCommand;
use patchgate::guest::family::Updates;
use patchgate::guest::zypper::Zypper;
use patchgate::model::advisory::{Kind, Severity};
use patchgate::model::outcome::Cause;
use patchgate::model::update::{PackageStates, Proof, Update, UpdateSet, Why};

const LONG: Duration = Duration::from_secs(100);

/// A root with its repository.
struct Guest {
    top: tempfile::TempDir,
    is_gone: Arc<AtomicBool>,
}

/// One of each request's files, until it is gone.
fn answer(stream: TcpStream, top: &Path, is_gone: bool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut header = String::new();
        while reader.read_line(&mut header)? > 2 {
            header.clear();
        }
        let path = line
            .split(' ')
            .nth(1)
            .unwrap_or("/")
            .trim_start_matches('/')
            .to_owned();
        let file = if is_gone {
            None
        } else {
            fs::read(top.join(path)).ok()
        };
        let (status, body) = file.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )?;
        if !line.starts_with("HEAD") {
            stream.write_all(&body)?;
        }
    }
}

impl Guest {
    /// `None`, and why, where this machine cannot have one.
    #[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
    fn new(repository: &str) -> Option<Self> {
        for program in ["zypper", "rpm", "rpmbuild", "createrepo_c", "modifyrepo_c"] {
            if !Path::new("/usr/bin").join(program).exists() {
                println!("skipped: {program} is not installed");
                return None;
            }
        }
        let user = Command::new("id").arg("-u").output().expect("id runs");
        if user.stdout != b"0\n" {
            println!("skipped: rpm installs in another root as root only");
            return None;
        }
        let top = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = format!(
            "http://{}/{repository}",
            listener.local_addr().expect("an address")
        );
        let is_gone = Arc::new(AtomicBool::new(false));
        let (served, gone) = (top.path().to_owned(), Arc::clone(&is_gone));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (served, gone) = (served.clone(), gone.load(Ordering::SeqCst));
                std::thread::spawn(move || answer(stream, &served, gone));
            }
        });
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/zypper_real.sh");
        let built = Command::new("/bin/bash")
            .arg(script)
            .arg(top.path())
            .arg(&at)
            .output()
            .expect("bash runs");
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        let guest = Self { top, is_gone };
        let (exit, text) = guest.run(&Zypper.refresh(None, LONG));
        assert_eq!(exit, Some(0), "{text}");
        Some(guest)
    }

    /// Runs a command as it is, with our zypper and rpm before the machine's; both outputs where it fails.
    fn run(&self, command: &GuestCommand) -> (Option<i32>, String) {
        let path = format!(
            "{}:/usr/sbin:/usr/bin:/sbin:/bin",
            self.top.path().join("bin").display()
        );
        let output = Command::new(&command.argv[0])
            .args(&command.argv[1..])
            .envs(command.env.iter().map(|(name, value)| (name, value)))
            .env("PATH", path)
            .output()
            .expect("it runs");
        let words = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let exit = output.status.code();
        let text = words(&output.stdout);
        let text = if exit == Some(0) {
            text
        } else {
            text + "\n" + &words(&output.stderr)
        };
        (exit, text)
    }

    fn zypper(&self, args: &[&str]) {
        let done = Command::new(self.top.path().join("bin/zypper"))
            .arg("-n")
            .args(args)
            .output()
            .expect("it runs");
        assert!(done.status.success(), "{args:?}");
    }

    fn packages(&self) -> PackageStates {
        let (exit, text) = self.run(&Zypper.packages());
        assert_eq!(exit, Some(0), "{text}");
        Zypper.parse_packages(&text).expect("packages")
    }

    fn pending(&self) -> patchgate::guest::answer::Pending {
        let (exit, text) = self.run(&Zypper.pending(LONG));
        assert_eq!(exit, Some(0), "{text}");
        Zypper.parse_pending(&text).expect("what is pending")
    }

    /// What is pending of these names.
    fn chosen(&self, names: &[&str]) -> Vec<Update> {
        let mut updates = self.pending().updates;
        updates.retain(|update| names.contains(&update.name.as_str()));
        assert_eq!(updates.len(), names.len(), "{updates:?}");
        updates
    }

    /// Fetches, and installs with the sources gone; how that ended.
    fn install(&self, set: &UpdateSet, limit: Duration) -> (Option<i32>, String) {
        let (exit, text) = self.run(&Zypper.fetch(set, None, LONG));
        assert_eq!(exit, Some(0), "{text}");
        self.is_gone.store(true, Ordering::SeqCst);
        let ended = self.run(&Zypper.apply(set, limit));
        self.is_gone.store(false, Ordering::SeqCst);
        ended
    }
}

fn version<'s>(states: &'s PackageStates, name: &str) -> Option<&'s str> {
    states
        .installed
        .get(&format!("{name}:noarch"))
        .map(String::as_str)
}

#[test]
fn a_set_is_resolved_fetched_installed_without_its_sources_and_proved() {
    let Some(guest) = Guest::new("updates") else {
        return;
    };
    guest.zypper(&["addlock", "held"]);
    let pending = guest.pending();
    let kept: Vec<_> = pending
        .kept
        .iter()
        .map(|one| (one.name.as_str(), one.why))
        .collect();
    assert_eq!(kept, [("held", Why::Held)]);
    let (broken, why) = pending.broken.first().expect("one that cannot be installed");
    assert!(
        broken.name == "needs-missing" && why.contains("not-in-any-repository"),
        "{why}"
    );
    assert_eq!(pending.silent, Vec::<String>::new());
    let names = ["till", "ledger", "newname", "oldname", "kernel-lab-6.1.0-2"];
    let chosen = guest.chosen(&names);
    let (exit, text) = guest.run(&Zypper.resolve(&chosen, LONG));
    assert_eq!(exit, Some(0), "{text}");
    let set = UpdateSet::pin(Zypper.parse_updates(&text).expect("a set"));
    assert_eq!(set, UpdateSet::pin(chosen));
    let advisories = Zypper.advisories(&set, LONG).expect("a command");
    let (_, text) = guest.run(&advisories);
    let advisories = Zypper.parse_advisories(&text, &set).expect("advisories");
    let [one] = &advisories[..] else {
        panic!("{advisories:?}")
    };
    assert_eq!(
        (one.id.as_str(), one.kind, one.severity),
        ("LAB-SA-2026:001", Kind::Security, Some(Severity::Important))
    );
    assert_eq!(
        (&one.closed_by[..], &one.cves[..]),
        (&["till".to_owned()][..], &["CVE-2099-0001".to_owned()][..])
    );
    let before = guest.packages();
    let (exit, text) = guest.install(&set, LONG);
    assert_eq!(exit, Some(0), "{text}");
    let after = guest.packages();
    let proof = Proof::compare(&set, &before, &after, "rpm");
    assert!(proof.is_exact(), "{proof:?}");
    assert_eq!(version(&after, "ledger"), Some("1:2.3-1"));
    assert!(
        after.installed.contains_key("kernel-lab-6.1.0-1:noarch"),
        "both kernels"
    );
    // And back, as far as the sources have what was there: not at all here, and nothing is changed then.
    let back = Zypper.roll_back(&set, None, LONG).expect("a command");
    let (exit, _) = guest.run(&back);
    assert_ne!(exit, Some(0));
    assert_eq!(guest.packages(), after);
}

#[test]
fn one_of_two_exact_packages_is_gone_and_neither_is_installed() {
    let Some(guest) = Guest::new("updates") else {
        return;
    };
    let mut updates = guest.chosen(&["till", "ledger"]);
    let before = guest.packages();
    for update in updates.iter_mut().filter(|update| update.name == "till") {
        update.to = Some("1.3-1".to_owned());
    }
    let (exit, text) = guest.run(&Zypper.fetch(&UpdateSet::pin(updates), None, LONG));
    assert_eq!(exit, Some(104), "{text}");
    let (cause, words) = Zypper.blame(&text).expect("a cause");
    assert!(
        cause == Cause::ResolveFailed && words.contains("till.noarch=1.3-1"),
        "{words}"
    );
    assert_eq!(guest.packages(), before);
    // More than the set is refused as well: what is replaced is no part of this one.
    let alone = UpdateSet::pin(guest.chosen(&["newname"]));
    let (exit, text) = guest.run(&Zypper.apply(&alone, LONG));
    let (_, words) = Zypper.blame(&text).expect("a cause");
    assert!(
        exit == Some(9) && words.contains("-oldname.noarch=1.0-1"),
        "{exit:?} {words}"
    );
    assert_eq!(guest.packages(), before);
    // What was not fetched is not fetched when it is installed.
    let (exit, text) = guest.run(&Zypper.apply(&UpdateSet::pin(guest.chosen(&["till"])), LONG));
    let (cause, words) = Zypper.blame(&text).expect("a cause");
    assert!(
        exit == Some(8) && cause == Cause::MirrorUnreachable && words.contains("till-1.1-1"),
        "{words}"
    );
    assert_eq!(guest.packages(), before);
}

#[test]
fn scripts_that_fail_are_told_and_old_and_new_at_once_is_seen() {
    let Some(guest) = Guest::new("updates") else {
        return;
    };
    for (name, has) in [
        ("post-fails", "%post(post-fails"),
        ("posttrans-fails", "posttrans-fails-1.1-1.noarch"),
    ] {
        let set = UpdateSet::pin(guest.chosen(&[name]));
        let (exit, text) = guest.install(&set, LONG);
        assert_eq!(exit, Some(107), "{text}");
        let (cause, words) = Zypper.blame(&text).expect("a cause");
        assert!(cause == Cause::UpdateFailed && words.contains(has), "{words}");
        assert_eq!(version(&guest.packages(), name), Some("1.1-1"));
    }
    let set = UpdateSet::pin(guest.chosen(&["preun-fails"]));
    let before = guest.packages();
    let (exit, text) = guest.install(&set, LONG);
    assert_ne!(exit, Some(0), "{text}");
    let after = guest.packages();
    let both = BTreeMap::from([(
        "preun-fails:noarch".to_owned(),
        "installed as 1.0-1 and 1.1-1".to_owned(),
    )]);
    assert_eq!(after.unfinished, both);
    assert!(!Proof::compare(&set, &before, &after, "rpm").is_exact());
    // Nothing of it is pending any more.
    assert!(
        guest
            .pending()
            .updates
            .iter()
            .all(|update| update.name != "preun-fails")
    );
}

#[test]
fn killed_in_its_script_leaves_old_and_new_at_once() {
    let Some(guest) = Guest::new("updates") else {
        return;
    };
    let set = UpdateSet::pin(guest.chosen(&["post-hangs"]));
    let root = guest.top.path().join("root");
    // Its process, while it holds its lock and the new version is written down beside the old one.
    let kill = || {
        for _ in 0..200 {
            std::thread::sleep(Duration::from_millis(100));
            let lock = fs::read_to_string(root.join("run/zypp.pid")).unwrap_or_default();
            let is_both = guest.packages().unfinished.contains_key("post-hangs:noarch");
            if let (Ok(process), true) = (lock.trim().parse::<u32>(), is_both) {
                let killed = Command::new("/bin/kill")
                    .args(["-9", &process.to_string()])
                    .status();
                return assert!(killed.is_ok_and(|status| status.success()));
            }
        }
        panic!("it never came to its script");
    };
    let (exit, text) = std::thread::scope(|scope| {
        let install = scope.spawn(|| guest.install(&set, LONG));
        kill();
        install.join().expect("it ends")
    });
    assert_ne!(exit, Some(0), "{text}");
    let state = guest.packages().unfinished.remove("post-hangs:noarch");
    assert_eq!(state.as_deref(), Some("installed as 1.0-1 and 1.1-1"));
    // Nothing of it is pending any more.
    let pending = guest.pending().updates;
    assert!(pending.iter().all(|update| update.name != "post-hangs"));
}

#[test]
fn a_source_without_advisories_is_named() {
    let Some(guest) = Guest::new("plain") else { return };
    let pending = guest.pending();
    assert_eq!(pending.silent, ["updates"]);
    assert!(pending.updates.iter().all(|update| update.purpose.is_none()) && pending.updates.len() > 5);
}
