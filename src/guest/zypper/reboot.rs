//! Whether updates need a reboot, and whether the kernel that they bring was booted.

use std::time::Duration;

use crate::guest::command::GuestCommand;
use crate::guest::linux::command::bounded;
use crate::guest::rpm::ENV;
use crate::guest::what;
use crate::guest::zypper::command::base_name;
use crate::input;
use crate::model::update::{Update, UpdateSet};

/// Asks what speaks for a reboot; see the text. The last line shows that it came to its end.
pub fn hints() -> GuestCommand {
    const TEXT: &str = include_str!("reboot_hints.sh");
    bounded(
        what::REBOOT_HINTS,
        &["/bin/bash", "-c", TEXT],
        &ENV,
        Duration::from_secs(120),
    )
}

/// Packages that every process has mapped, that hold others together, or that load only at boot; those of zypper's own list
/// (`provides: installhint(reboot-needed)`) among them.
const DEEP: [&str; 12] = [
    "glibc",
    "systemd",
    "udev",
    "dbus-1",
    "dbus-broker",
    "openssl",
    "dracut",
    "kmod",
    "grub2",
    "shim",
    "ucode-intel",
    "ucode-amd",
];
/// The same, by how the names start.
const DEEP_STARTS: [&str; 9] = [
    "kernel-",
    "systemd-",
    "libsystemd",
    "libudev",
    "libopenssl",
    "libdbus-1",
    "dbus-1-",
    "grub2-",
    "glibc-",
];

/// Why the node wants a reboot, from [`hints`] and what was updated; `None` where it does not. Where that cannot be told it does.
pub fn reason(output: &str, set: &UpdateSet) -> Option<String> {
    let is_deep = |update: &&Update| {
        let name = base_name(update);
        update.kernel || DEEP.contains(&name) || DEEP_STARTS.iter().any(|start| name.starts_with(start))
    };
    if let Some(update) = set.updates.iter().find(is_deep) {
        return Some(format!("{} was updated", update.name));
    }
    let mut stale = Vec::new();
    let mut ended = false;
    let mut asked = None;
    for line in output.lines() {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("flag", file) => return Some(format!("{} is there", input::clip(file))),
            ("boot", file) => return Some(format!("the next boot loads {}", input::clip(file))),
            ("needs-rebooting", exit) => asked = exit.trim().parse::<i32>().ok(),
            ("stale", name) if !name.trim().is_empty() => stale.push(input::clip(name.trim())),
            ("end", _) => ended = true,
            _ => {}
        }
    }
    match asked {
        _ if !ended => Some("what speaks for it cannot be told".to_owned()),
        Some(102) => Some("zypper needs-rebooting says so".to_owned()),
        Some(0) if stale.is_empty() => None,
        Some(0) => Some(format!("old code runs on: {}", input::clip(&stale.join(", ")))),
        Some(_) | None => Some("zypper needs-rebooting cannot tell".to_owned()),
    }
}

/// The kernel of the set that was to be booted and was not; `running` is the release of the one that runs, such as
/// `6.4.0-150600.23.7-default`, of `kernel-default` 6.4.0-150600.23.7.3: the last number counts builds.
pub fn not_booted<'s>(set: &'s UpdateSet, running: &str) -> Option<&'s str> {
    let mut own = set.updates.iter().filter_map(|update| {
        let flavour = base_name(update).strip_prefix("kernel-")?;
        let release = running.strip_suffix(flavour)?.strip_suffix('-')?;
        Some((release, update.to.as_deref()?))
    });
    own.find(|(release, evr)| {
        let built = evr.rsplit_once('.').map_or(*evr, |(built, _)| built);
        *release != *evr && *release != built
    })
    .map(|(_, evr)| evr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, to: &str) -> UpdateSet {
        UpdateSet::pin(vec![Update {
            name: name.to_owned(),
            to: Some(to.to_owned()),
            ..Update::default()
        }])
    }

    #[test]
    fn what_speaks_for_a_reboot_is_told_and_what_cannot_be_told_is_a_reason() {
        let till = set("till", "1.2-1");
        for (output, reason_has) in [
            ("running 6.4\nneeds-rebooting 0\nend\n", None),
            (
                "needs-rebooting 0\nstale sshd\nend\n",
                Some("old code runs on: sshd"),
            ),
            ("needs-rebooting 102\nend\n", Some("says so")),
            ("needs-rebooting 127\nend\n", Some("cannot tell")),
            (
                "flag /run/reboot-needed\nneeds-rebooting 0\nend\n",
                Some("/run/reboot-needed"),
            ),
            (
                "boot /boot/initrd\nneeds-rebooting 0\nend\n",
                Some("/boot/initrd"),
            ),
            ("needs-rebooting 0\n", Some("cannot be told")),
            ("", Some("cannot be told")),
        ] {
            let said = reason(output, &till);
            match reason_has {
                None => assert_eq!(said, None, "{output}"),
                Some(words) => assert!(said.is_some_and(|said| said.contains(words)), "{output}"),
            }
        }
        let quiet = "needs-rebooting 0\nend\n";
        for deep in [
            "glibc",
            "libopenssl3",
            "dbus-1",
            "kernel-default-6.4.0-1.1",
            "systemd",
        ] {
            assert!(reason(quiet, &set(deep, "6.4.0-1.1")).is_some(), "{deep}");
        }
    }

    #[test]
    fn a_kernel_that_was_not_booted_is_seen() {
        let evr = "6.4.0-150600.23.14.2";
        let kernel = set(&format!("kernel-default-{evr}"), evr);
        assert_eq!(not_booted(&kernel, "6.4.0-150600.23.14-default"), None);
        assert_eq!(not_booted(&kernel, "6.4.0-150600.23.7-default"), Some(evr));
        // Another flavour's, which the set has nothing of.
        assert_eq!(not_booted(&kernel, "6.4.0-150600.8.14-azure"), None);
    }
}
