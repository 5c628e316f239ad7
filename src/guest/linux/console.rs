//! What a Linux guest's console says of its end.

use std::collections::BTreeSet;

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

/// What the initramfs, dracut's and the kernel say where no disk has the root.
const NO_ROOT: [&str; 3] = [
    "does not exist.  Dropping to a shell!",
    "Warning: Could not boot.",
    "VFS: Unable to mount root fs",
];
const FIND_ROOT: &str = "either its initramfs has no driver for what clones' disks are attached to, or a disk is missing: take it over with \
                         the bus of its source (`image import --disk-bus`, such as sata or pvscsi, or disk_bus below \
                         [image.NAME.hardware]) and all its disks (`--disk`); or, in the source, add virtio_pci, virtio_blk and \
                         virtio_scsi to /etc/initramfs-tools/modules and run `update-initramfs -u` (dracut: `dracut -f --add-drivers \
                         \"virtio_pci virtio_blk virtio_scsi\"`)";
/// What systemd says of a device of /etc/fstab that does not come.
const LATE: &str = "Timed out waiting for device ";
/// Such devices that are named.
const LATE_MOST: usize = 4;

/// The last line of a console's end which says that the guest does not run.
pub fn dead(console: &str) -> Option<Dead<'_>> {
    let line = dead_line(console)?;
    let starved = line.contains(STARVED);
    Some(Dead {
        line,
        starved,
        remedy: remedy(console, line),
    })
}

fn remedy(console: &str, line: &str) -> Option<String> {
    if NO_ROOT.iter().any(|sign| line.contains(sign)) {
        return Some(FIND_ROOT.to_owned());
    }
    let late: BTreeSet<&str> = console
        .lines()
        .filter_map(|line| line.split_once(LATE))
        // As `/dev/sdb1.`, or since systemd 253 as `dev-sdb1.device - /dev/sdb1.`.
        .filter_map(|(_, device)| device.split_whitespace().rfind(|word| word.starts_with("/dev/")))
        .map(|device| device.trim_end_matches(['.', '…']))
        .take(LATE_MOST)
        .collect();
    let names = late.into_iter().collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then(|| {
        format!(
            "its /etc/fstab waits for {names}, which no clone has: write UUID= there in the source, or take it over with the bus of its \
             source (`image import --disk-bus`, such as sata or scsi, or disk_bus below [image.NAME.hardware]) and all its disks (`--disk`)"
        )
    })
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
    fn the_remedy_fits_the_cause() {
        let remedy = |console: &str| {
            let dead = dead(console);
            dead.and_then(|dead| dead.remedy).unwrap_or_default()
        };
        let emergency = "You are in emergency mode. After logging in, type \"journalctl -xb\"\n";
        for late in [
            "[ TIME ] Timed out waiting for device /dev/sdb1.\n",
            "[ TIME ] Timed out waiting for device dev-sdb1.device - /dev/sdb1.\n",
        ] {
            let said = remedy(&(late.repeat(3) + emergency));
            assert!(
                said.starts_with("its /etc/fstab waits for /dev/sdb1, which"),
                "{said}"
            );
        }
        assert_eq!(remedy(emergency), "");
        for console in [
            "ALERT!  UUID=1 does not exist.  Dropping to a shell!\n(initramfs) ",
            "[ 2.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n",
        ] {
            assert!(remedy(console).contains("--disk-bus"), "{console}");
        }
        assert_eq!(
            remedy("[ 1.3] Kernel panic - not syncing: sysrq triggered crash\n"),
            ""
        );
    }

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
