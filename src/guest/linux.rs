//! Linux guests with systemd: what is the same for every distribution.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::guest::{GuestCommand, OUTPUT_LIMIT, ParseError};
use crate::input::clip;
use crate::model::scenario::Action;

/// How long a question that a live guest answers at once may take, under TCG and load.
const QUESTION: Duration = Duration::from_secs(60);

/// A command of our own: its output is small by nature.
pub(super) fn question(what: &str, argv: &[&str]) -> GuestCommand {
    GuestCommand {
        what: what.to_owned(),
        argv: argv.iter().map(|&arg| arg.to_owned()).collect(),
        env: Vec::new(),
        stdin: None,
        timeout: QUESTION,
    }
}

/// A shell script of our own with arguments `$1`, `$2`, ...
pub(super) fn script(what: &str, text: &str, args: &[&str]) -> GuestCommand {
    let mut line = vec!["/bin/bash", "-c", text, "patchgate"];
    line.extend(args);
    question(what, &line)
}

/// Runs the command after the limit, `$1`, with each of its outputs cut there.
pub(super) const BOUND: &str = r#"limit=$1; shift
{ "$@" 2>&3 | { head -c "$limit"; cat >/dev/null; }; exit "${PIPESTATUS[0]}"; } 3> >(head -c "$limit" >&2; cat >/dev/null)"#;

/// Bounds a command inside the guest: in time by `timeout` (coreutils), and in output by `head`, with the rest read
/// and dropped so that the command neither blocks nor dies of a closed pipe. The exit code is the command's own.
pub fn bounded(what: &str, argv: &[&str], env: &[(&str, &str)], timeout: Duration) -> GuestCommand {
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

/// A node's place in the network of its cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The MAC address of its interface there.
    pub mac: String,
    /// Its own address, with the length of the prefix.
    pub address: String,
    /// Address and name of every node of the cell, itself among them.
    pub hosts: Vec<(String, String)>,
}

/// Gives the node its name and, where it has a place in a network, its address and its neighbours' names. The address
/// is given anew at every boot, before the network is said to be up (systemd.special(7), `network-pre.target`).
pub fn identify(name: &str, place: Option<&Place>) -> GuestCommand {
    const TEXT: &str = r#"set -e
name=$1 mac=$2 address=$3; shift 3
printf '%s\n' "$name" > /etc/hostname
printf '%s' "$name" > /proc/sys/kernel/hostname
hosts=$(sed '/# patchgate$/d' /etc/hosts 2>/dev/null || true)
printf '%s\n' "$hosts" > /etc/hosts
for line in "$@"; do printf '%s # patchgate\n' "$line"; done >> /etc/hosts
[ -n "$mac" ] || exit 0
mkdir -p /etc/patchgate /etc/systemd/system/multi-user.target.wants
printf 'mac=%s\naddress=%s\n' "$mac" "$address" > /etc/patchgate/network
cat >> /etc/patchgate/network <<'END'
tries=0
while [ $tries -lt 100 ]; do
  for dir in /sys/class/net/*; do
    read -r is < $dir/address || continue
    if [ "$is" = "$mac" ]; then
      ip link set "${dir##*/}" up
      exec ip address replace "$address" dev "${dir##*/}"
    fi
  done
  tries=$((tries + 1))
  sleep 0.1
done
exit 1
END
cat > /etc/systemd/system/patchgate-network.service <<'END'
[Unit]
Description=Address in the network of the cell
DefaultDependencies=no
After=local-fs.target
Before=network-pre.target
Wants=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /etc/patchgate/network
END
ln -sf ../patchgate-network.service /etc/systemd/system/multi-user.target.wants/
exec /bin/sh /etc/patchgate/network"#;
    let alone = [(String::from("127.0.1.1"), name.to_owned())];
    let hosts = place.map_or(&alone[..], |place| &place.hosts);
    let lines: Vec<String> = hosts
        .iter()
        .map(|(address, name)| format!("{address} {name}"))
        .collect();
    let (mac, address) = place.map_or(("", ""), |place| (&place.mac, &place.address));
    let mut args = vec![name, mac, address];
    args.extend(lines.iter().map(String::as_str));
    script("give the node its name", TEXT, &args)
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

/// The command that performs a scenario's action; none where it takes more than one command, or is the family's own.
pub fn action(action: &Action, env: &[(&str, &str)], timeout: Duration) -> Option<GuestCommand> {
    Some(match action {
        Action::Run(run) => {
            let shell = ["/bin/sh", "-c", &run.command];
            match &run.user {
                None => bounded("run", &shell, env, timeout),
                Some(user) => {
                    let mut argv = vec!["/sbin/runuser", "-u", user, "--"];
                    argv.extend(shell);
                    bounded("run", &argv, env, timeout)
                }
            }
        }
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
        Action::Sql(sql) => crate::guest::sql::query(sql, timeout),
        Action::Package(_)
        | Action::Http(_)
        | Action::Script(_)
        | Action::Log(_)
        | Action::Wait(_)
        | Action::Reboot => return None,
    })
}

/// `Key=value` lines, as `systemctl show` prints them.
pub fn parse_properties(output: &str) -> BTreeMap<&str, &str> {
    output.lines().filter_map(|line| line.split_once('=')).collect()
}
