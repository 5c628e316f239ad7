//! Whether updates need a reboot, and which kernel it is to bring.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::guest::command::GuestCommand;
use crate::guest::linux::command::bounded;
use crate::guest::linux::stale::stale_file;
use crate::guest::rpm::ENV;
use crate::guest::what;
use crate::input;
use crate::model::update::{Update, UpdateSet};

/// Asks what speaks for a reboot: the kernels that run and that would be booted, what advisories of the set suggested, what
/// needs-restarting says, deleted files that processes have mapped (proc_pid_maps(5)), and what the next boot loads.
pub fn hints() -> GuestCommand {
    const TEXT: &str = include_str!("reboot_hints.sh");
    bounded(
        what::REBOOT_HINTS,
        &["/bin/bash", "-c", TEXT],
        &ENV,
        Duration::from_secs(90),
    )
}

/// Packages that every process has mapped, that are process 1 or hold others together, or that load only at boot: those of
/// needs-restarting, and loaders.
const DEEP: [&str; 18] = [
    "glibc",
    "systemd",
    "systemd-libs",
    "systemd-udev",
    "dbus",
    "dbus-broker",
    "dbus-daemon",
    "dbus-libs",
    "openssl-libs",
    "gnutls",
    "linux-firmware",
    "microcode_ctl",
    "dracut",
    "kmod",
    "cryptsetup",
    "mdadm",
    "lvm2",
    "tuned",
];

/// The same, by how the names start.
const DEEP_STARTS: [&str; 4] = ["grub2", "shim-", "dracut-", "kmod-"];

/// Why the node wants a reboot; `None` where it does not. Where that cannot be told it does.
pub fn reason(output: &str, set: &UpdateSet) -> Option<String> {
    let value = |key: &str| {
        let found = output.lines().find_map(|line| line.strip_prefix(key));
        found.map(|value| input::clip(value.trim()))
    };
    let Some(running) = value("running ").filter(|running| !running.is_empty()) else {
        return Some("it cannot be told which kernel is running".to_owned());
    };
    if let Some(next) = value("next ").filter(|next| !next.is_empty() && *next != running) {
        return Some(format!("kernel {next} is to be booted, {running} is running"));
    }
    if set.has_kernel() {
        return Some("a kernel was updated".to_owned());
    }
    if let Some(suggested) = value("suggested ") {
        return Some(format!("an advisory suggests it: {suggested}"));
    }
    let deep = |update: &&Update| {
        let name = update.name.as_str();
        DEEP.contains(&name) || DEEP_STARTS.iter().any(|start| name.starts_with(start))
    };
    if let Some(update) = set.updates.iter().find(deep) {
        return Some(format!("{} was updated", update.name));
    }
    if let Some(packages) = value("flag ") {
        return Some(format!("needs-restarting: {packages}"));
    }
    if let Some(file) = output.lines().find_map(stale_file) {
        return Some(format!("{} is replaced and still in use", input::clip(file)));
    }
    if let Some(file) = value("boot ") {
        return Some(format!(
            "{file} is what the next boot loads, and was written in this one"
        ));
    }
    if output.lines().next_back() != Some("end") {
        return Some("it cannot be told which replaced files are still in use".to_owned());
    }
    None
}

/// The releases of the kernels that the set newly installs, as `uname -r` says them: `kernel-core-5.14.0-427.el9` of `x86_64`
/// is booted as `5.14.0-427.el9.x86_64`.
fn kernels(set: &UpdateSet) -> BTreeSet<String> {
    const NAMES: [&str; 8] = [
        "kernel",
        "kernel-core",
        "kernel-rt",
        "kernel-rt-core",
        "kernel-64k-core",
        "kernel-uek",
        "kernel-uek-core",
        "kernel-debug-core",
    ];
    // Amazon's have a version in their name: kernel6.12.
    let dotted = |name: &str| {
        let rest = name.strip_prefix("kernel");
        rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
    };
    set.updates
        .iter()
        .filter(|update| update.kernel && update.from.is_none() && update.arch != "noarch")
        .filter_map(|update| {
            let version = update.to.as_deref()?;
            let name = update.name.strip_suffix(version)?.strip_suffix('-')?;
            let version = version.rsplit_once(':').map_or(version, |(_, version)| version);
            (NAMES.contains(&name) || dotted(name)).then(|| format!("{version}.{}", update.arch))
        })
        .collect()
}

/// The kernels of the set, where the one that runs is none of these: those of other kinds end with them, as `+rt`, `+64k` and `+debug`.
pub fn not_booted(set: &UpdateSet, running: &str) -> Option<String> {
    let plain = running.split_once('+').map_or(running, |(plain, _)| plain);
    let kernels = kernels(set);
    let names = || {
        kernels
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" or ")
    };
    (!kernels.is_empty() && !kernels.contains(plain)).then(names)
}
