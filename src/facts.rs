//! What patchgate itself reads from a node, to diff between arms. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

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

/// How treatment differs from control, in lines for a reader; empty when it does not.
pub fn differences(control: &Facts, treatment: &Facts) -> Vec<String> {
    let mut lines = Vec::new();
    if control.kernel != treatment.kernel {
        lines.push(format!("kernel: {} -> {}", control.kernel, treatment.kernel));
    }
    let mut sets = |what: &str, a: &BTreeSet<String>, b: &BTreeSet<String>| {
        lines.extend(a.difference(b).map(|item| format!("{what} gone: {item}")));
        lines.extend(b.difference(a).map(|item| format!("{what} new: {item}")));
    };
    sets("running service", &control.services, &treatment.services);
    sets("failed unit", &control.failed, &treatment.failed);
    sets("listening socket", &control.listening, &treatment.listening);
    for (name, from) in &control.packages {
        match treatment.packages.get(name) {
            None => lines.push(format!("package removed: {name} {from}")),
            Some(to) if to != from => lines.push(format!("package: {name} {from} -> {to}")),
            Some(_) => {}
        }
    }
    for (name, to) in &treatment.packages {
        if !control.packages.contains_key(name) {
            lines.push(format!("package new: {name} {to}"));
        }
    }
    for (unit, log) in &treatment.unit_logs {
        if !control.unit_logs.contains_key(unit) {
            lines.extend(log.lines().map(|line| format!("log of {unit}: {line}")));
        }
    }
    lines
}
