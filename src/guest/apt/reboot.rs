//! Whether updates need a reboot, and which kernel it is to bring.

use std::time::Duration;

use crate::guest::apt::command::ENV;
use crate::guest::command::GuestCommand;
use crate::guest::linux::command::bounded;
use crate::guest::linux::stale::stale_file;
use crate::guest::what;
use crate::input;
use crate::model::update::{Update, UpdateSet};

/// Asks what speaks for a reboot: Debian's flag file, the running kernel, the kernel that would be booted, files that
/// processes have mapped though they are deleted or replaced (proc_pid_maps(5)), what the next boot loads and was written in
/// this one, and programs and libraries that running interpreters have read and were written since. The last line shows that
/// it came to its end.
pub fn hints() -> GuestCommand {
    const TEXT: &str = include_str!("reboot_hints.sh");
    bounded(
        what::REBOOT_HINTS,
        &["/bin/bash", "-c", TEXT],
        &ENV,
        Duration::from_secs(60),
    )
}

/// Why the node wants a reboot, from [`hints`] and what was updated; `None` where it does not. Where that cannot be
/// told it does.
pub fn reason(output: &str, set: &UpdateSet) -> Option<String> {
    /// Packages that every process has mapped, that are process 1 or hold others together, or that load only at boot.
    const DEEP: [&str; 13] = [
        "libc6",
        "systemd",
        "init",
        "udev",
        "dbus",
        "intel-microcode",
        "amd64-microcode",
        "dkms",
        "dracut",
        "kmod",
        "mokutil",
        "cryptsetup",
        "mdadm",
    ];
    /// The same, by how the names start.
    const DEEP_STARTS: [&str; 13] = [
        "systemd-",
        "libsystemd",
        "libudev",
        "dbus-",
        "libdbus",
        "libssl",
        "firmware-",
        // Loaders, and what is put into the initramfs.
        "grub",
        "shim-",
        "initramfs-tools",
        "cryptsetup-",
        "lvm2",
        "linux-base",
    ];
    let value = |key: &str| {
        output
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .map(|value| input::clip(value.trim()))
    };
    if output.lines().any(|line| line.trim_end() == "flag") || value("flag ").is_some() {
        let packages = value("flag ").unwrap_or_default();
        return Some(format!("/run/reboot-required: {packages}"));
    }
    let Some(running) = value("running ").filter(|running| !running.is_empty()) else {
        return Some("it cannot be told which kernel is running".to_owned());
    };
    let next = value("next ").unwrap_or_default();
    if !next.is_empty() && running != next {
        return Some(format!("kernel {next} is installed, {running} is running"));
    }
    if set.has_kernel() {
        return Some("a kernel was updated".to_owned());
    }
    let deep = |update: &&Update| {
        let name = update.name.split(':').next().unwrap_or_default();
        let is_module = name.ends_with("-dkms") || name.ends_with("-initramfs");
        is_module || DEEP.contains(&name) || DEEP_STARTS.iter().any(|start| name.starts_with(start))
    };
    if let Some(update) = set.updates.iter().find(deep) {
        return Some(format!("{} was updated", update.name));
    }
    if let Some(file) = output.lines().find_map(stale_file) {
        return Some(format!("{} is replaced and still in use", input::clip(file)));
    }
    if let Some(file) = value("boot ") {
        return Some(format!(
            "{file} is what the next boot loads, and was written in this one"
        ));
    }
    if let Some((program, file)) = value("read ").as_deref().and_then(|read| read.split_once(' ')) {
        let by = match program {
            "it" => String::new(),
            program => format!(" by {program}"),
        };
        return Some(format!("{file} was replaced and may be in use{by}"));
    }
    if output.lines().next_back() != Some("end") {
        return Some("it cannot be told which replaced files are still in use".to_owned());
    }
    None
}

/// The release of a kernel that the set newly installs: `linux-image-6.1.0-56-cloud-amd64` is booted as
/// `6.1.0-56-cloud-amd64`. A set with two of them says nothing certain.
pub fn new_kernel(set: &UpdateSet) -> Option<&str> {
    let mut kernels = set
        .updates
        .iter()
        .filter(|update| update.from.is_none() && update.to.is_some())
        .filter_map(|update| update.name.strip_prefix("linux-image-"))
        .filter(|release| release.starts_with(|c: char| c.is_ascii_digit()))
        .map(|release| release.trim_end_matches("-unsigned"));
    let first = kernels.next()?;
    kernels.next().is_none().then_some(first)
}
