//! dnf 5's commands: one shell script on its command line, with a verb.

use std::time::Duration;

use crate::guest::command::GuestCommand;
use crate::guest::dnf::command::pinned;
use crate::guest::linux::command::listing;
use crate::guest::rpm::ENV;
use crate::guest::what;
use crate::model::update::{Update, UpdateSet};

fn dnf5(
    what: &str,
    verb: &str,
    proxy: Option<&str>,
    updates: Option<&[Update]>,
    timeout: Duration,
) -> GuestCommand {
    const TEXT: &str = include_str!("dnf5.sh");
    let patience = timeout
        .as_secs()
        .saturating_sub(timeout.as_secs() / 5)
        .to_string();
    let line = [
        "/bin/bash",
        "-c",
        TEXT,
        "patchgate",
        verb,
        proxy.unwrap_or(""),
        &patience,
        "/",
    ];
    let mut command = listing(what, &line, &ENV, timeout);
    command.stdin = updates.map(|updates| pinned(updates).into_bytes());
    command
}

/// Reads the metadata of all enabled repositories anew.
pub fn refresh(proxy: Option<&str>, timeout: Duration) -> GuestCommand {
    dnf5(what::REFRESH, "refresh", proxy, None, timeout)
}

/// Asks what a full update would do, resolved as a whole.
pub fn pending(timeout: Duration) -> GuestCommand {
    dnf5(what::PENDING, "pending", None, None, timeout)
}

/// Asks what installing exactly these updates would do.
pub fn resolve(updates: &[Update], timeout: Duration) -> GuestCommand {
    dnf5(what::RESOLVE, "resolve", None, Some(updates), timeout)
}

/// Fetches a pinned set, checks its signatures, and stores it as a transaction.
pub fn fetch(set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> GuestCommand {
    dnf5(what::FETCH, "fetch", proxy, Some(&set.updates), timeout)
}

/// Replays the stored transaction of a pinned set: as it is, or not at all.
pub fn apply(set: &UpdateSet, timeout: Duration) -> GuestCommand {
    dnf5(what::APPLY, "apply", None, Some(&set.updates), timeout)
}

/// Asks for all advisories and what is installed.
pub fn advisories(_set: &UpdateSet, timeout: Duration) -> GuestCommand {
    dnf5(what::ADVISORIES, "advisories", None, None, timeout)
}
