//! zypper's commands: what is pending, and how it is pinned, fetched and installed.

use std::time::Duration;

use crate::guest::command::GuestCommand;
use crate::guest::linux::command::{bounded, listing, patience};
use crate::guest::rpm::ENV;
use crate::guest::rpm::nevra::{is_arch, is_evr, is_name};
use crate::guest::what;
use crate::model::update::{Update, UpdateSet};

/// What stands before all that asks zypper.
const ZYPPER: &str = include_str!("zypper.sh");
/// What is refused.
const REFUSED: &str = include_str!("refused.sh");
/// What a transaction would do.
const PENDING: &str = include_str!("pending.sh");
/// What patches say.
const PATCHES: &str = include_str!("patches.sh");
/// What an answer ends with.
const ENDS: &str = include_str!("ends.sh");
/// What has to stand before patches, for a set.
const ADVISORIES: &str = include_str!("advisories.sh");
/// Fetches or installs.
const INSTALL: &str = include_str!("install.sh");
/// A proxy that nothing answers: the discard port.
const NO_WAY: &str = "http://127.0.0.1:9/";

fn called(text: &str, proxy: Option<&str>, args: &[String], timeout: Duration) -> Vec<String> {
    let mut line: Vec<String> = ["/bin/bash", "-c", text, "patchgate", proxy.unwrap_or("")]
        .map(str::to_owned)
        .into();
    line.push(patience(timeout).to_string());
    line.extend_from_slice(args);
    line
}

fn words(line: &[String]) -> Vec<&str> {
    line.iter().map(String::as_str).collect()
}

/// Reads the update sources (zypper(8), `refresh`). An unknown key is refused there.
pub fn refresh(proxy: Option<&str>, timeout: Duration) -> GuestCommand {
    const TEXT: &str = include_str!("refresh.sh");
    let line = called(&[ZYPPER, TEXT].concat(), proxy, &[], timeout);
    bounded(what::REFRESH, &words(&line), &ENV, timeout)
}

/// What of [`refresh`]'s error output says that a source could not be read.
pub fn refresh_errors(stderr: &str) -> Vec<String> {
    let said = |line: &&str| {
        line.starts_with("Skipping repository ")
            || line.contains("have not been refreshed because of an error")
    };
    stderr.lines().filter(said).map(crate::input::clip).collect()
}

/// Asks what a full update would do, and what there is to know of it; see the text.
pub fn pending(timeout: Duration) -> GuestCommand {
    let text = [REFUSED, ZYPPER, PENDING, PATCHES, ENDS].concat();
    listing(
        what::PENDING,
        &words(&called(&text, None, &[], timeout)),
        &ENV,
        timeout,
    )
}

/// Asks what installing exactly these updates would do.
pub fn resolve(updates: &[Update], timeout: Duration) -> GuestCommand {
    let text = [ZYPPER, PENDING, PATCHES, ENDS].concat();
    let line = called(&text, None, &wanted(updates), timeout);
    listing(what::RESOLVE, &words(&line), &ENV, timeout)
}

/// Asks which patches there are, for packages that are installed.
pub fn advisories(timeout: Duration) -> GuestCommand {
    let text = [ZYPPER, ADVISORIES, PATCHES, ENDS].concat();
    listing(
        what::ADVISORIES,
        &words(&called(&text, None, &[], timeout)),
        &ENV,
        timeout,
    )
}

/// Fetches a pinned set into zypper's cache.
pub fn fetch(set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> GuestCommand {
    install(what::FETCH, "fetch", &wanted(&set.updates), proxy, timeout)
}

/// Installs a pinned set from zypper's cache, without a way to the sources.
pub fn apply(set: &UpdateSet, timeout: Duration) -> GuestCommand {
    install(
        what::APPLY,
        "install",
        &wanted(&set.updates),
        Some(NO_WAY),
        timeout,
    )
}

/// Takes a set back as far as the sources still have what was there before.
pub fn roll_back(set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> GuestCommand {
    install(what::APPLY, "install", &wanted(&set.back()), proxy, timeout)
}

fn install(
    what: &str,
    work: &str,
    wanted: &[String],
    proxy: Option<&str>,
    timeout: Duration,
) -> GuestCommand {
    let mut args = vec![work.to_owned()];
    args.extend_from_slice(wanted);
    let line = called(&[ZYPPER, INSTALL].concat(), proxy, &args, timeout);
    bounded(what, &words(&line), &ENV, timeout)
}

/// The name of a package that stands once; of one of which several versions stay side by side without its version.
pub(super) fn base_name(update: &Update) -> &str {
    let own = |evr: &Option<String>| {
        let evr = evr.as_deref()?;
        update.name.strip_suffix(evr)?.strip_suffix('-')
    };
    own(&update.to)
        .or_else(|| own(&update.from))
        .unwrap_or(&update.name)
}

/// zypper's way to name a package with its version (zypper(8), `install`), or one that is to go. What cannot be one is left
/// out, and the set is then not installed in whole, which is refused.
fn wanted(updates: &[Update]) -> Vec<String> {
    let word = |update: &Update| {
        let (sign, evr) = match (&update.to, &update.from) {
            (Some(to), _) => ("", to),
            (None, Some(from)) => ("!", from),
            (None, None) => return None,
        };
        let name = base_name(update);
        let fits = is_name(name) && is_arch(&update.arch) && is_evr(evr);
        fits.then(|| format!("{sign}{name}.{}={evr}", update.arch))
    };
    updates.iter().filter_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(name: &str, from: Option<&str>, to: Option<&str>) -> Update {
        Update {
            name: name.to_owned(),
            arch: "noarch".to_owned(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            ..Update::default()
        }
    }

    #[test]
    fn packages_are_named_with_epoch_and_architecture_and_nothing_else_reaches_a_command() {
        let set = [
            update("ledger", Some("2.4-1"), Some("1:2.3-1")),
            update("kernel-lab-6.1.0-4", None, Some("6.1.0-4")),
            update("kernel-lab-6.1.0-1", Some("6.1.0-1"), None),
            update("oldname", Some("1.0-1"), None),
            update("--root", Some("1.0-1"), Some("1.1-1")),
            update("a b", Some("1.0-1"), Some("1.1-1")),
            update("c", Some("1.0-1"), Some("1.1-1;id")),
        ];
        assert_eq!(
            wanted(&set),
            [
                "ledger.noarch=1:2.3-1",
                "kernel-lab.noarch=6.1.0-4",
                "!kernel-lab.noarch=6.1.0-1",
                "!oldname.noarch=1.0-1"
            ]
        );
    }

    #[test]
    fn nothing_is_installed_with_a_way_to_the_sources_and_no_key_is_taken() {
        let set = UpdateSet::pin(vec![update("till", Some("1.0-1"), Some("1.2-1"))]);
        let command = apply(&set, Duration::from_secs(100));
        assert!(command.argv.contains(&NO_WAY.to_owned()) && command.argv.contains(&"80".to_owned()));
        for command in [
            command,
            fetch(&set, None, Duration::from_secs(1)),
            refresh(None, Duration::from_secs(1)),
        ] {
            let line = command.argv.join(" ");
            for never in ["gpg-auto-import-keys", "no-gpg-checks", "agree-with-licenses"] {
                assert!(!line.contains(never), "{line}");
            }
        }
    }

    #[test]
    fn what_has_no_set_of_single_updates_is_refused_in_one_sentence() {
        let folder = tempfile::tempdir().expect("a folder");
        let release = folder.path().join("os-release");
        let text = REFUSED.replace("/etc/os-release", &release.display().to_string());
        for (id, has) in [
            ("sles", None),
            ("opensuse-leap", None),
            ("debian", None),
            ("opensuse-tumbleweed", Some("`zypper dup`")),
            ("opensuse-microos", Some("whole snapshots")),
            ("sle-micro", Some("whole snapshots")),
        ] {
            std::fs::write(&release, format!("NAME=\"x y\"\nID=\"{id}\"\n")).expect("written");
            let mut bash = std::process::Command::new("/bin/bash");
            let output = bash.args(["-c", &text]).output().expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            match has {
                None => assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{id}"),
                Some(has) => {
                    assert_eq!(output.status.code(), Some(9), "{id}");
                    let (_, words) = crate::guest::zypper::blame::blame(&said).expect("a cause");
                    assert!(words.contains(has), "{words}");
                }
            }
        }
    }
}
