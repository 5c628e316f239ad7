//! apt's commands: what is pending, and how it is pinned, fetched and installed.

use std::time::Duration;

use crate::guest::command::GuestCommand;
use crate::guest::linux::command::{bounded, patience};
use crate::guest::linux::identity::CARD;
use crate::guest::what;
use crate::input;
use crate::model::update::{Update, UpdateSet};

/// Settings of every apt call: no dialogue of debconf (debconf(7)), ucf (ucf(1)), needrestart (needrestart(1), whose older
/// versions know the mode alone) or apt-listchanges, and the words that the parsers know.
pub(super) const ENV: [(&str, &str); 8] = [
    ("LC_ALL", "C"),
    ("LANGUAGE", ""),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("UCF_FORCE_CONFFOLD", "1"),
    ("NEEDRESTART_SUSPEND", "1"),
    ("NEEDRESTART_MODE", "l"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
];

/// apt-get; through a proxy where one is given. Where `waits`, locks that another apt of the guest's holds (apt-daily's, say)
/// are waited for, nearly as long as the command may take.
fn apt(what: &str, proxy: Option<&str>, waits: bool, args: &[&str], timeout: Duration) -> GuestCommand {
    called(what, APT, proxy, waits, args, timeout)
}

/// apt-get with what all its calls have.
const APT: &str = include_str!("apt.sh");

/// A script that installs the agent in a guest in which nobody else can run one; see its head for the arguments.
pub fn install_agent() -> String {
    const TEXT: &str = include_str!("agent.sh");
    let mut script = CARD.to_owned();
    for (name, value) in ENV {
        script.extend(["export ", name, "=", value, "\n"]);
    }
    script + "get_apt() (\n" + APT + ")\n" + TEXT
}

/// What stands before a text that simulates: whose turn a phased update is.
const PHASE: &str = include_str!("phase.sh");

/// The same, by a text that [`APT`] is the end of.
fn called(
    what: &str,
    text: &str,
    proxy: Option<&str>,
    waits: bool,
    args: &[&str],
    timeout: Duration,
) -> GuestCommand {
    let patience = if waits { patience(timeout) } else { 0 };
    let patience = patience.to_string();
    let mut line = vec![
        "/bin/bash",
        "-c",
        text,
        "patchgate",
        proxy.unwrap_or(""),
        &patience,
    ];
    line.extend(args);
    bounded(what, &line, &ENV, timeout)
}

/// Reads the update sources (apt-get(8), `update`).
pub fn refresh(proxy: Option<&str>, timeout: Duration) -> GuestCommand {
    let args = [
        "-o",
        "Acquire::Retries=2",
        "-o",
        "APT::Update::Error-Mode=any",
        "update",
    ];
    apt(what::REFRESH, proxy, true, &args, timeout)
}

/// What of [`refresh`]'s error output says that a source could not be read; before apt 2.3 it exits 0 then. The `Err:`
/// lines of its output say nothing: a repository without a Release file has some until one form of its index is found.
pub fn refresh_errors(stderr: &str) -> Vec<String> {
    stderr
        .lines()
        .filter(|line| {
            line.starts_with("E: ") || line.starts_with("W: Failed to fetch") || line.contains("W: GPG error")
        })
        .map(input::clip)
        .collect()
}

/// Asks what a full upgrade would do, without doing it, and what it would leave.
pub fn pending(timeout: Duration) -> GuestCommand {
    const TEXT: &str = include_str!("pending.sh");
    bounded(
        what::PENDING,
        &["/bin/bash", "-c", &[PHASE, TEXT].concat()],
        &ENV,
        timeout,
    )
}

/// Asks what installing exactly these updates would do.
pub fn simulate(updates: &[Update], timeout: Duration) -> GuestCommand {
    let wanted = wanted(updates);
    let mut args = vec!["-s", "-o", "Debug::NoLocking=1", "install"];
    args.extend(wanted.iter().map(String::as_str));
    called(what::RESOLVE, &[PHASE, APT].concat(), None, false, &args, timeout)
}

/// Asks what the sources are, and for every version that they have of the packages of these updates (apt-cache(8), `policy`).
pub fn versions(updates: &[Update], timeout: Duration) -> GuestCommand {
    const TEXT: &str = include_str!("versions.sh");
    let mut args = vec!["/bin/bash", "-c", TEXT, "patchgate"];
    args.extend(updates.iter().map(|update| update.name.as_str()));
    bounded(what::FIXES, &args, &ENV, timeout)
}

/// Fetches a pinned set into apt's cache.
pub fn download(set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> GuestCommand {
    let options = ["--download-only", "-o", "Acquire::Retries=2"];
    apt(what::FETCH, proxy, true, &words(&install(set, &options)), timeout)
}

/// Installs a pinned set from apt's cache: without prompting, changed conffiles staying the admin's (dpkg(1),
/// `--force-confdef --force-confold`), and without a way to the mirror, so that a failure here is the packages' own. The
/// way is barred by a proxy on the discard port: with `--no-download` apt does not find what a `file:` source has.
///
/// A lock of dpkg's that another apt of the guest's holds is waited for, nearly as long as the command may take.
pub fn apply(set: &UpdateSet, timeout: Duration) -> GuestCommand {
    let lock = format!("DPkg::Lock::Timeout={}", patience(timeout));
    let options = [
        "-o",
        &lock,
        "-o",
        "Dpkg::Options::=--force-confdef",
        "-o",
        "Dpkg::Options::=--force-confold",
        "-o",
        "Dpkg::Options::=--force-unsafe-io",
    ];
    let args = install(set, &options);
    apt(
        what::APPLY,
        Some("http://127.0.0.1:9/"),
        false,
        &words(&args),
        timeout,
    )
}

fn install(set: &UpdateSet, options: &[&str]) -> Vec<String> {
    let mut args = vec!["-y".to_owned()];
    if set.updates.iter().all(|update| update.to.is_some()) {
        args.push("--no-remove".to_owned());
    }
    args.extend(options.iter().map(|&option| option.to_owned()));
    args.push("install".to_owned());
    args.extend(wanted(&set.updates));
    args
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// apt's way to name a package with its version, or one that is to go.
fn wanted(updates: &[Update]) -> Vec<String> {
    updates
        .iter()
        .map(|update| match &update.to {
            Some(version) => format!("{}={version}", update.name),
            None => format!("{}-", update.name),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;

    const TEXT: &str = include_str!("apt.sh");

    fn program(path: &Path, text: &str) {
        fs::write(path, format!("#!/bin/bash\n{text}\n")).expect("written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a program");
    }

    /// Runs the script with stand-ins for apt's programs; exit code and both outputs.
    fn run(dir: &Path, apt_get: &str, apt_config: &str, args: &[&str]) -> (Option<i32>, String, String) {
        program(&dir.join("apt-get"), apt_get);
        program(&dir.join("apt-config"), apt_config);
        let text = TEXT.replace("/usr/bin/apt-get", &dir.join("apt-get").display().to_string());
        let output = Command::new("/bin/bash")
            .args(["-c", &text, "patchgate"])
            .args(args)
            .env("PATH", format!("{}:/usr/bin:/bin", dir.display()))
            .output()
            .expect("it runs");
        let words = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), words(&output.stdout), words(&output.stderr))
    }

    #[test]
    fn a_proxy_of_the_guests_own_for_one_host_is_overruled() {
        let dir = tempfile::tempdir().expect("a folder");
        let config = r#"echo 'Acquire::http::Proxy "http://old.example:3128";'
echo 'Acquire::http::Proxy::deb.debian.org "DIRECT";'
echo 'Acquire::https::proxy::repo.example "http://old.example:3128";'
echo 'Acquire::http::Timeout "5";'"#;
        let show = r#"printf '<%s>' "$@""#;
        let (exit, out, _) = run(
            dir.path(),
            show,
            config,
            &["http://10.213.0.1:3128/", "0", "update"],
        );
        assert_eq!(exit, Some(0));
        for option in [
            "<Acquire::http::Proxy=http://10.213.0.1:3128/>",
            "<Acquire::https::Proxy-Auto-Detect=>",
            "<Acquire::http::Proxy::deb.debian.org=http://10.213.0.1:3128/>",
            "<Acquire::https::proxy::repo.example=http://10.213.0.1:3128/>",
        ] {
            assert!(out.contains(option), "{option} in {out}");
        }
        assert!(
            !out.contains("Timeout=http") && out.ends_with("<update>"),
            "{out}"
        );
        let (_, out, _) = run(dir.path(), show, config, &["", "0", "update"]);
        assert!(!out.contains("Acquire"), "{out}");
    }

    #[test]
    fn a_lock_that_another_apt_holds_is_waited_for_and_no_other_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let count = dir.path().join("count");
        let busy = format!(
            "echo x >> {0}; echo out; [ $(wc -l < {0}) -ge 2 ] && exit 0\necho 'E: Could not get lock \
             /var/lib/apt/lists/lock. It is held by process 1' >&2; exit 100",
            count.display()
        );
        let (exit, out, errors) = run(dir.path(), &busy, "", &["", "30", "update"]);
        assert_eq!((exit, out.as_str(), errors.as_str()), (Some(0), "out\nout\n", ""));
        fs::remove_file(&count).expect("removed");
        let (exit, _, errors) = run(dir.path(), &busy, "", &["", "0", "update"]);
        assert!(
            exit == Some(100) && errors.contains("Could not get lock"),
            "{errors}"
        );
        let other = format!(
            "echo x >> {}; echo 'E: The repository is gone' >&2; exit 100",
            count.display()
        );
        fs::remove_file(&count).expect("removed");
        let (exit, _, errors) = run(dir.path(), &other, "", &["", "30", "update"]);
        assert_eq!(
            (exit, errors.as_str()),
            (Some(100), "E: The repository is gone\n")
        );
        assert_eq!(fs::read_to_string(&count).expect("a count"), "x\n");
    }
}
