//! What patchgate itself reads from a node, to diff between arms. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::update::UpdateSet;

/// Facts of one node in one arm, after the reboot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The running kernel's release.
    pub kernel: String,
    /// Running services.
    pub services: BTreeSet<String>,
    /// Failed units.
    pub failed: BTreeSet<String>,
    /// Listening sockets, such as `tcp 0.0.0.0:80`.
    pub listening: BTreeSet<String>,
    /// Installed packages (`name:arch`) and their versions.
    pub packages: BTreeMap<String, String>,
    /// The last log lines of each failed unit; bounded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unit_logs: BTreeMap<String, String>,
}

/// How treatment differs from control, in lines for a reader, what is likeliest to matter first: failed units and
/// their logs, services, sockets, the kernel, the packages that were to change, then any other. Empty where nothing
/// differs.
pub fn differences(control: &Facts, treatment: &Facts, pinned: Option<&UpdateSet>) -> Vec<String> {
    let mut lines = Vec::new();
    sets(&mut lines, "failed unit", &control.failed, &treatment.failed);
    for (unit, log) in &treatment.unit_logs {
        if !control.unit_logs.contains_key(unit) {
            lines.extend(log.lines().map(|line| format!("log of {unit}: {line}")));
        }
    }
    sets(
        &mut lines,
        "running service",
        &control.services,
        &treatment.services,
    );
    sets(
        &mut lines,
        "listening socket",
        &control.listening,
        &treatment.listening,
    );
    if control.kernel != treatment.kernel {
        lines.push(format!("kernel: {} -> {}", control.kernel, treatment.kernel));
    }
    let is_pinned = |package: &str| {
        pinned.is_some_and(|set| {
            set.updates.iter().any(|update| {
                package.strip_prefix(update.name.as_str()).is_some_and(|rest| {
                    rest.is_empty() || rest.strip_prefix(':') == Some(update.arch.as_str())
                })
            })
        })
    };
    let (mut expected, mut others) = (Vec::new(), Vec::new());
    let names: BTreeSet<&String> = control.packages.keys().chain(treatment.packages.keys()).collect();
    for name in names {
        let line = match (control.packages.get(name), treatment.packages.get(name)) {
            (Some(from), None) => format!("removed: {name} {from}"),
            (None, Some(to)) => format!("new: {name} {to}"),
            (Some(from), Some(to)) if from != to => format!("{name} {from} -> {to}"),
            (Some(_), Some(_)) | (None, None) => continue,
        };
        if is_pinned(name) {
            expected.push(format!("pinned package {line}"));
        } else {
            others.push(format!("other package {line}"));
        }
    }
    lines.extend(expected);
    lines.extend(others);
    lines
}

fn sets(lines: &mut Vec<String>, what: &str, control: &BTreeSet<String>, treatment: &BTreeSet<String>) {
    lines.extend(
        control
            .difference(treatment)
            .map(|item| format!("{what} gone: {item}")),
    );
    lines.extend(
        treatment
            .difference(control)
            .map(|item| format!("{what} new: {item}")),
    );
}
