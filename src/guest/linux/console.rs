//! What a Linux guest's console says of its end.

/// What stands in a line of the console of a guest that does not run, or does not come up: the kernel's own last words, those
/// of the initramfs and of systemd's emergency mode (sulogin(8)), and of what comes before the kernel.
const SIGNS: [&str; 11] = [
    "Kernel panic - not syncing",
    "You are in emergency mode",
    "You are in rescue mode",
    "Cannot open access to console, the root account is locked",
    "Give root password for maintenance",
    "Press Enter for maintenance",
    "Dropping to a shell!",
    "Entering rescue mode...",
    "grub rescue>",
    "No bootable device",
    "Boot failed: not a bootable disk",
];

/// The last line of a console's end which says that the guest does not run.
pub fn dead(console: &str) -> Option<&str> {
    let mut lines = console.lines().rev().map(str::trim);
    lines.find(|line| SIGNS.iter().any(|sign| line.contains(sign)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_and_emergencies_are_told_from_a_boot_that_goes_on() {
        for console in [
            "[  1.2] sysrq: Trigger a crash\n[  1.3] Kernel panic - not syncing: sysrq triggered crash\n[  1.3] CPU: 0\n",
            "You are in emergency mode. After logging in, type \"journalctl -xb\"\nPress Enter for maintenance\n",
            "ALERT!  UUID=1 does not exist.  Dropping to a shell!\n(initramfs) ",
            "error: no such partition.\nEntering rescue mode...\ngrub rescue> ",
        ] {
            assert!(dead(console).is_some(), "{console}");
        }
        for console in [
            "",
            "Debian GNU/Linux 12 web ttyS0\n\nweb login: ",
            "panic=10 on the command line\n",
        ] {
            assert_eq!(dead(console), None, "{console}");
        }
    }
}
