//! Linux guests with systemd: what is the same for every distribution.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{GuestCommand, OUTPUT_LIMIT, ParseError};
use crate::scenario::model::Action;

/// How long a question that a live guest answers at once may take, under TCG and load.
const QUESTION: Duration = Duration::from_secs(60);

/// A command of our own: its output is small by nature.
fn question(what: &str, argv: &[&str]) -> GuestCommand {
    GuestCommand {
        what: what.to_owned(),
        argv: argv.iter().map(|&arg| arg.to_owned()).collect(),
        env: Vec::new(),
        stdin: None,
        timeout: QUESTION,
    }
}

/// A shell script of our own with arguments `$1`, `$2`, ...
fn script(what: &str, text: &str, args: &[&str]) -> GuestCommand {
    let mut line = vec!["/bin/bash", "-c", text, "patchgate"];
    line.extend(args);
    question(what, &line)
}

/// Bounds a command inside the guest: in time by `timeout` (coreutils), and in output by `head`, with the rest read
/// and dropped so that the command neither blocks nor dies of a closed pipe. The exit code is the command's own.
pub fn bounded(what: &str, argv: &[&str], env: &[(&str, &str)], timeout: Duration) -> GuestCommand {
    const BOUND: &str = r#"limit=$1; shift
{ "$@" 2>&3 | { head -c "$limit"; cat >/dev/null; }; exit "${PIPESTATUS[0]}"; } 3> >(head -c "$limit" >&2; cat >/dev/null)"#;
    let mut all: Vec<String> = ["/usr/bin/timeout", "-k", "5"].map(str::to_owned).into();
    all.push(format!("{:.1}", timeout.as_secs_f64()));
    all.extend(["/bin/bash", "-c", BOUND, "patchgate"].map(str::to_owned));
    all.push(OUTPUT_LIMIT.to_string());
    all.extend(argv.iter().map(|&arg| arg.to_owned()));
    GuestCommand {
        what: what.to_owned(),
        argv: all,
        env: env
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        stdin: None,
        timeout: timeout + Duration::from_secs(10),
    }
}

/// Whether an exit code is `timeout`'s own word for "too long" (timeout(1): 124, or 137 after `-k`).
pub fn is_timeout(exit: Option<i32>) -> bool {
    matches!(exit, Some(124 | 137))
}

/// Asks for the id of this boot (random(4): new at every boot).
pub fn boot_id() -> GuestCommand {
    question(
        "read the boot id",
        &["/bin/cat", "/proc/sys/kernel/random/boot_id"],
    )
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

/// Gives the node its name, for itself too; its neighbours' names come from the network's DNS.
pub fn identify(name: &str) -> GuestCommand {
    const TEXT: &str = r#"set -e
printf '%s\n' "$1" > /etc/hostname
printf '%s' "$1" > /proc/sys/kernel/hostname
hosts=$(sed '/# patchgate$/d' /etc/hosts 2>/dev/null || true)
printf '%s\n127.0.1.1 %s # patchgate\n' "$hosts" "$1" > /etc/hosts"#;
    script("give the node its name", TEXT, &[name])
}

/// Asks for a reboot and answers before it begins: the agent is one of the first to be stopped. The agent's own
/// `guest-shutdown` calls shutdown(8), which fails where no login manager runs.
pub fn reboot() -> GuestCommand {
    question("reboot", &["/bin/systemctl", "reboot", "--no-block", "--no-wall"])
}

/// Waits until the service manager has no more start-up jobs, at most `patience`; a unit that failed does not matter
/// here, and one that never ends its start is left to the scenarios to notice (systemctl(1), `is-system-running`).
pub fn settle(patience: Duration) -> GuestCommand {
    let mut command = bounded(
        "wait for the services to settle",
        &["/bin/systemctl", "is-system-running", "--wait"],
        &[],
        patience,
    );
    command.timeout = patience + QUESTION;
    command
}

/// The command that performs a scenario's action, except `package`, which is the family's own.
pub fn action(action: &Action, timeout: Duration) -> Option<GuestCommand> {
    Some(match action {
        Action::Run(run) => {
            let shell = ["/bin/sh", "-c", &run.command];
            match &run.user {
                None => bounded("run", &shell, &[], timeout),
                Some(user) => {
                    let mut argv = vec!["/sbin/runuser", "-u", user, "--"];
                    argv.extend(shell);
                    bounded("run", &argv, &[], timeout)
                }
            }
        }
        Action::Http(http) => super::http::request(http, timeout)?,
        Action::Tcp(tcp) => {
            const TEXT: &str = r#"exec 3<>"/dev/tcp/$1/$2""#;
            let port = tcp.port.to_string();
            bounded(
                "tcp",
                &["/bin/bash", "-c", TEXT, "patchgate", &tcp.host, &port],
                &[],
                timeout,
            )
        }
        Action::Service(service) => {
            let unit = if service.name.contains('.') {
                service.name.clone()
            } else {
                format!("{}.service", service.name)
            };
            let properties = "--property=LoadState,ActiveState,SubState,UnitFileState";
            bounded(
                "service",
                &["/bin/systemctl", "show", "--no-pager", properties, "--", &unit],
                &[],
                timeout,
            )
        }
        Action::File(file) => {
            const TEXT: &str = r#"if [ -e "$1" ]; then stat -L -c '%a %U %F' -- "$1"; [ -d "$1" ] || cat -- "$1"; else echo absent; fi"#;
            bounded(
                "file",
                &["/bin/bash", "-c", TEXT, "patchgate", &file.path],
                &[],
                timeout,
            )
        }
        Action::Package(_) => return None,
    })
}

/// `Key=value` lines, as `systemctl show` prints them.
pub fn parse_properties(output: &str) -> BTreeMap<&str, &str> {
    output.lines().filter_map(|line| line.split_once('=')).collect()
}

/// The start of a text for an error message.
pub fn clip(text: &str) -> String {
    const MOST: usize = 120;
    let mut clipped: String = text.chars().take(MOST).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}
