//! A scenario's actions in a Linux guest, and what it answers.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::guest::answer::{FileState, ServiceState};
use crate::guest::command::GuestCommand;
use crate::guest::linux::command::{as_user, bounded, theirs};
use crate::guest::linux::sql;
use crate::model::scenario::Action;

/// The command that performs a scenario's action; none where it takes more than one command, or is the family's own.
pub fn action(action: &Action, env: &[(&str, &str)], timeout: Duration) -> Option<GuestCommand> {
    Some(match action {
        Action::Run(run) => {
            let shell = ["/bin/sh", "-c", &run.command];
            let (argv, env) = as_user(run.user.as_deref(), &shell, env);
            theirs("run", &argv, &env, timeout)
        }
        Action::Tcp(tcp) => {
            const TEXT: &str = include_str!("tcp.sh");
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
            const TEXT: &str = include_str!("file.sh");
            bounded(
                "file",
                &["/bin/bash", "-c", TEXT, "patchgate", &file.path],
                &[],
                timeout,
            )
        }
        Action::Sql(sql) => sql::query(sql, timeout),
        Action::Package(_)
        | Action::Http(_)
        | Action::Script(_)
        | Action::Log(_)
        | Action::Wait(_)
        | Action::Reboot => return None,
    })
}

/// Reads what `systemctl show` prints of a unit: lines `Key=value`.
pub fn service(output: &str) -> ServiceState {
    let properties: BTreeMap<&str, &str> = output.lines().filter_map(|line| line.split_once('=')).collect();
    let property = |key| properties.get(key).copied().unwrap_or("unknown");
    let (active, start) = (property("ActiveState"), property("UnitFileState"));
    let load = match property("LoadState") {
        "loaded" => String::new(),
        load => format!(", unit {load}"),
    };
    ServiceState {
        is_known: !matches!(property("LoadState"), "not-found" | "unknown"),
        running: matches!(active, "active" | "reloading"),
        state: format!("{active} ({}){load}", property("SubState")),
        enabled: matches!(start, "enabled" | "enabled-runtime"),
        start: start.to_owned(),
    }
}

/// Reads the answer about a file: `MODE OWNER TYPE` and its content, or `absent`.
pub fn file(output: &str) -> Option<FileState<'_>> {
    let (head, content) = output.split_once('\n').unwrap_or((output, ""));
    if head == "absent" {
        return None;
    }
    let mut fields = head.split_whitespace();
    Some(FileState {
        mode: fields.next().unwrap_or("?"),
        owner: fields.next().unwrap_or("?"),
        content,
    })
}
