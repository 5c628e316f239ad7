//! dnf 4's commands: one program of ours on dnf's own Python API, with a verb.

use std::time::Duration;

use crate::guest::command::GuestCommand;
use crate::guest::linux::command::listing;
use crate::guest::rpm::ENV;
use crate::guest::what;
use crate::input;
use crate::model::update::{Update, UpdateSet};

/// The program, in its two parts.
pub(super) const PROGRAM: &str = concat!(include_str!("dnf4.py"), include_str!("dnf4_set.py"));

/// Who runs it.
const TEXT: &str = include_str!("dnf4.sh");

/// A call of the program, with the updates that it takes on its standard input.
fn dnf(
    what: &str,
    verb: &str,
    proxy: Option<&str>,
    updates: Option<&[Update]>,
    timeout: Duration,
) -> GuestCommand {
    let patience = timeout
        .as_secs()
        .saturating_sub(timeout.as_secs() / 5)
        .to_string();
    let line = [
        "/bin/bash",
        "-c",
        TEXT,
        "patchgate",
        PROGRAM,
        verb,
        proxy.unwrap_or(""),
        &patience,
        "/",
    ];
    let mut command = listing(what, &line, &ENV, timeout);
    command.stdin = updates.map(|updates| pinned(updates).into_bytes());
    command
}

/// Updates as the program reads them, each in a line.
pub(super) fn pinned(updates: &[Update]) -> String {
    let mut text = String::new();
    for update in updates {
        let (from, to) = (update.from.as_deref(), update.to.as_deref());
        let fields = [
            &update.name,
            &update.arch,
            from.unwrap_or(""),
            to.unwrap_or(""),
            &update.origin,
        ];
        // No name that rpm knows has any of these.
        text.push_str(
            &fields
                .map(|field| field.replace(['\t', '\n', '\r'], "?"))
                .join("\t"),
        );
        text.push('\n');
    }
    text
}

/// Reads the metadata of all enabled repositories anew.
pub fn refresh(proxy: Option<&str>, timeout: Duration) -> GuestCommand {
    dnf(what::REFRESH, "refresh", proxy, None, timeout)
}

/// What of [`refresh`]'s error output says that a repository could not be read.
pub fn refresh_errors(stderr: &str) -> Vec<String> {
    stderr
        .lines()
        .filter_map(|line| line.strip_prefix("Unread\t"))
        .map(|line| input::clip(&line.replacen('\t', ": ", 1)))
        .collect()
}

/// Asks what a full update would do, resolved as a whole.
pub fn pending(timeout: Duration) -> GuestCommand {
    dnf(what::PENDING, "pending", None, None, timeout)
}

/// Asks what installing exactly these updates would do.
pub fn resolve(updates: &[Update], timeout: Duration) -> GuestCommand {
    dnf(what::RESOLVE, "resolve", None, Some(updates), timeout)
}

/// Fetches a pinned set into dnf's cache, and checks digests and signatures there.
pub fn fetch(set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> GuestCommand {
    dnf(what::FETCH, "fetch", proxy, Some(&set.updates), timeout)
}

/// Installs a pinned set from dnf's cache, or nothing at all where that would be more or less than the set.
pub fn apply(set: &UpdateSet, timeout: Duration) -> GuestCommand {
    dnf(what::APPLY, "apply", None, Some(&set.updates), timeout)
}

/// Asks what a set closes, and what stays open beside it.
pub fn advisories(set: &UpdateSet, timeout: Duration) -> GuestCommand {
    dnf(what::ADVISORIES, "advisories", None, Some(&set.updates), timeout)
}

/// Takes a set back, as far as the sources still have what was there before.
pub fn roll_back(set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> GuestCommand {
    let back: Vec<Update> = set
        .updates
        .iter()
        .map(|update| Update {
            from: update.to.clone(),
            to: update.from.clone(),
            // Any repository that has it.
            origin: "*".to_owned(),
            ..update.clone()
        })
        .collect();
    dnf(
        "roll the update set back",
        "rollback",
        proxy,
        Some(&back),
        timeout,
    )
}
