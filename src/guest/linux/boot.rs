//! Boots of a Linux guest with systemd.

use std::time::Duration;

use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::linux::command::{QUESTION, bounded, question};
use crate::guest::what;
use crate::input::clip;

/// Asks for the id of this boot (random(4): new at every boot).
pub fn boot_id() -> GuestCommand {
    question(what::BOOT_ID, &["/bin/cat", "/proc/sys/kernel/random/boot_id"])
}

/// Reads the answer to [`boot_id`]: a UUID.
pub fn parse_boot_id(output: &str) -> Result<String, ParseError> {
    let id = output.trim();
    if id.len() == 36 && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
        Ok(id.to_owned())
    } else {
        Err(ParseError {
            what: "boot id",
            problem: format!("`{}` is no UUID", clip(id)),
        })
    }
}

/// Asks for a reboot and answers before it begins: the agent is one of the first to be stopped. The agent's own
/// `guest-shutdown` calls shutdown(8), which fails where no login manager runs. Whoever holds an inhibitor (systemd-inhibit(1))
/// would be asked at the keyboard of a production server; from systemd 257 on it stops root as well without `-i`.
pub fn reboot() -> GuestCommand {
    question(
        what::REBOOT,
        &["/bin/systemctl", "reboot", "--no-block", "--no-wall", "-i"],
    )
}

/// Waits until the service manager has no more start-up jobs, at most `patience`; a unit that failed does not matter
/// here, and one that never ends its start is left to the scenarios to notice (systemctl(1), `is-system-running`).
pub fn settle(patience: Duration) -> GuestCommand {
    let mut command = bounded(
        what::SETTLE,
        &["/bin/systemctl", "is-system-running", "--wait"],
        &[],
        patience,
    );
    command.timeout = patience + QUESTION;
    command
}

/// Lists the processes of these names and those below them, as a tree.
pub fn processes(names: &[&str]) -> GuestCommand {
    const TEXT: &str = include_str!("processes.sh");
    let limit = Duration::from_secs(20);
    let argv = [&["/bin/bash", "-c", TEXT, "patchgate"], names].concat();
    bounded(what::PROCESSES, &argv, &[], limit)
}
