//! apt's commands: what is pending, and how it is pinned, fetched and installed.

use std::time::Duration;

use crate::guest::command::GuestCommand;
use crate::guest::linux::command::bounded;
use crate::guest::what;
use crate::input;
use crate::model::update::{Update, UpdateSet};

/// Settings of every apt call: no dialogue of debconf (debconf(7)), ucf (ucf(1)), needrestart or apt-listchanges, and
/// the words that the parsers know.
pub(super) const ENV: [(&str, &str); 6] = [
    ("LC_ALL", "C"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("UCF_FORCE_CONFFOLD", "1"),
    ("NEEDRESTART_SUSPEND", "1"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
];

fn apt(what: &str, args: &[&str], timeout: Duration) -> GuestCommand {
    let mut line = vec![
        "/usr/bin/apt-get",
        "-q",
        "-o",
        "Dpkg::Use-Pty=0",
        "-o",
        "DPkg::Lock::Timeout=120",
    ];
    line.extend(args);
    bounded(what, &line, &ENV, timeout)
}

/// apt's options for a proxy (apt-transport-http(1)).
fn by_way_of(proxy: Option<&str>) -> Vec<String> {
    let option = |scheme: &str, proxy: &str| ["-o".to_owned(), format!("Acquire::{scheme}::Proxy={proxy}")];
    proxy
        .map(|proxy| [option("http", proxy), option("https", proxy)].concat())
        .unwrap_or_default()
}

/// Reads the update sources (apt-get(8), `update`), through a proxy where one is given.
pub fn refresh(proxy: Option<&str>, timeout: Duration) -> GuestCommand {
    let proxy = by_way_of(proxy);
    let mut args: Vec<&str> = proxy.iter().map(String::as_str).collect();
    args.extend([
        "-o",
        "Acquire::Retries=2",
        "-o",
        "APT::Update::Error-Mode=any",
        "update",
    ]);
    apt(what::REFRESH, &args, timeout)
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

/// Asks what a full upgrade would do, without doing it.
pub fn simulate_all(timeout: Duration) -> GuestCommand {
    apt(
        what::PENDING,
        &["-s", "-o", "Debug::NoLocking=1", "dist-upgrade"],
        timeout,
    )
}

/// Asks what installing exactly these updates would do.
pub fn simulate(updates: &[Update], timeout: Duration) -> GuestCommand {
    let wanted = wanted(updates);
    let mut args = vec!["-s", "-o", "Debug::NoLocking=1", "install"];
    args.extend(wanted.iter().map(String::as_str));
    apt(what::RESOLVE, &args, timeout)
}

/// Fetches a pinned set into apt's cache, through a proxy where one is given.
pub fn download(set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> GuestCommand {
    let proxy = by_way_of(proxy);
    let mut options = vec!["--download-only", "-o", "Acquire::Retries=2"];
    options.extend(proxy.iter().map(String::as_str));
    install(what::FETCH, set, &options, timeout)
}

/// Installs a pinned set from apt's cache: without prompting, changed conffiles staying the admin's (dpkg(1),
/// `--force-confdef --force-confold`), and without a way to the mirror, so that a failure here is the packages' own. The
/// way is barred by a proxy on the discard port: with `--no-download` apt does not find what a `file:` source has.
pub fn apply(set: &UpdateSet, timeout: Duration) -> GuestCommand {
    let barred = by_way_of(Some("http://127.0.0.1:9/"));
    let mut args: Vec<&str> = barred.iter().map(String::as_str).collect();
    args.extend([
        "-o",
        "Dpkg::Options::=--force-confdef",
        "-o",
        "Dpkg::Options::=--force-confold",
        "-o",
        "Dpkg::Options::=--force-unsafe-io",
    ]);
    install(what::APPLY, set, &args, timeout)
}

fn install(what: &str, set: &UpdateSet, options: &[&str], timeout: Duration) -> GuestCommand {
    let wanted = wanted(&set.updates);
    let mut args = vec!["-y"];
    if set.updates.iter().all(|update| update.to.is_some()) {
        args.push("--no-remove");
    }
    args.extend(options);
    args.push("install");
    args.extend(wanted.iter().map(String::as_str));
    apt(what, &args, timeout)
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
