//! What a Linux guest's console says of its end.

use crate::guest::family::Dead;

/// What stands in a line of the console of a guest that does not run, or does not come up: the kernel's own last words, those
/// of the initramfs and of systemd's emergency mode (sulogin(8)).
const SIGNS: [&str; 7] = [
    "Kernel panic - not syncing",
    "You are in emergency mode",
    "You are in rescue mode",
    "Cannot open access to console, the root account is locked",
    "Give root password for maintenance",
    "Press Enter for maintenance",
    "Dropping to a shell!",
];

/// What comes before the kernel says these where it finds nothing, and then may find it on the next disk.
const BEFORE_THE_KERNEL: [&str; 4] = [
    "Entering rescue mode...",
    "grub rescue>",
    "No bootable device",
    "Boot failed: not a bootable disk",
];

/// The kernel's last words where its timer has not ticked a few times while it looked: on an emulated processor for want of
/// the host's time. `no_timer_check` on its command line keeps it from looking
/// (<https://www.kernel.org/doc/html/latest/admin-guide/kernel-parameters.html>).
const STARVED: &str = "IO-APIC + timer doesn't work";

/// The last line of a console's end which says that the guest does not run.
pub fn dead(console: &str) -> Option<Dead<'_>> {
    let line = dead_line(console)?;
    let starved = line.contains(STARVED);
    Some(Dead { line, starved })
}

fn dead_line(console: &str) -> Option<&str> {
    let has = |line: &str, signs: &[&str]| signs.iter().any(|sign| line.contains(sign));
    let mut lines = console.lines().map(str::trim).filter(|line| !line.is_empty());
    let last = lines
        .next_back()
        .filter(|line| has(line, &SIGNS) || has(line, &BEFORE_THE_KERNEL));
    let told = |line: &&str| has(line, &SIGNS);
    // The line in which a panic ends says no more than the one in which it begins, which the console may have lost.
    let begins = |line: &&str| told(line) && !line.contains("---[ end Kernel panic");
    let all = || lines.clone().chain(last);
    all().rfind(begins).or_else(|| all().rfind(told)).or(last)
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
        let panic = "[    1.3] Kernel panic - not syncing: no init";
        let whole = format!(
            "{panic}\n[    1.4] CPU: 0\n[    1.5] ---[ end Kernel panic - not syncing: no init ]---\n"
        );
        assert_eq!(
            dead(&whole).map(|dead| (dead.line, dead.starved)),
            Some((panic, false))
        );
        let starved =
            "[    0.07] Kernel panic - not syncing: IO-APIC + timer doesn't work!  Boot with apic=debug";
        assert_eq!(
            dead(starved).map(|dead| (dead.line, dead.starved)),
            Some((starved, true))
        );
        for console in [
            "",
            "Debian GNU/Linux 12 web ttyS0\n\nweb login: ",
            "panic=10 on the command line\n",
            "Boot failed: not a bootable disk\n\nBooting from Hard Disk 2...\n[    0.0] Linux version 6.1.0\n",
            "No bootable device\nBooting from ROM..\n",
        ] {
            assert_eq!(dead(console), None, "{console}");
        }
    }
}
