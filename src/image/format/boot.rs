//! Which firmware a disk was made for.

use crate::image::format::table::{Kind, Partition, Table};
use crate::model::hardware::Firmware;

/// An EFI system partition (UEFI 2.10, table 5-7), and the partition that GRUB keeps itself in under a BIOS.
const ESP: [u8; 16] = [
    0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
];
const BIOS_BOOT: [u8; 16] = *b"Hah!IdontNeedEFI";
const MBR_ESP: u8 = 0xef;

/// Whether UEFI firmware looks there for what it begins.
pub fn is_esp(entry: &Partition) -> bool {
    matches!(entry.kind, Kind::Gpt(ESP) | Kind::Mbr(MBR_ESP))
}

/// The firmware that a disk can be begun by; `None` where both can, or nothing tells.
pub fn firmware(table: &Table) -> Option<Firmware> {
    let esp = table.partitions.iter().any(is_esp);
    let bootable = table
        .partitions
        .iter()
        .any(|entry| entry.bootable && !is_esp(entry));
    let bios = if table.gpt {
        let grub = table
            .partitions
            .iter()
            .any(|entry| entry.kind == Kind::Gpt(BIOS_BOOT));
        // Windows leaves code in the first sector of every disk.
        grub || bootable && table.code
    } else {
        table.code && (bootable || !esp)
    };
    match (esp, bios) {
        (true, false) => Some(Firmware::Uefi),
        (false, true) => Some(Firmware::Bios),
        (true, true) | (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINUX: [u8; 16] = [7; 16];

    fn table(gpt: bool, code: bool, partitions: &[(Kind, bool)]) -> Table {
        let partition = |&(kind, bootable): &(Kind, bool)| Partition {
            kind,
            first: 0,
            end: 0,
            bootable,
            number: 1,
            id: [0; 16],
        };
        Table {
            gpt,
            sector: 512,
            partitions: partitions.iter().map(partition).collect(),
            end: 0,
            code,
            said: Vec::new(),
        }
    }

    #[test]
    fn the_partitions_tell_what_a_disk_is_begun_by() {
        let (esp, grub, linux) = (Kind::Gpt(ESP), Kind::Gpt(BIOS_BOOT), Kind::Gpt(LINUX));
        let (old_esp, old) = (Kind::Mbr(MBR_ESP), Kind::Mbr(0x83));
        for (gpt, code, partitions, firmware) in [
            (
                true,
                false,
                &[(esp, false), (linux, false)][..],
                Some(Firmware::Uefi),
            ),
            // Windows, UEFI alone.
            (true, true, &[(esp, false), (linux, false)], Some(Firmware::Uefi)),
            // A cloud image that either can begin.
            (true, true, &[(grub, false), (esp, false), (linux, false)], None),
            (true, true, &[(grub, false), (linux, false)], Some(Firmware::Bios)),
            // syslinux: the partition is marked.
            (true, true, &[(esp, false), (linux, true)], None),
            (true, false, &[(linux, false)], None),
            (false, true, &[(old, true)], Some(Firmware::Bios)),
            (false, true, &[(old, false)], Some(Firmware::Bios)),
            (
                false,
                false,
                &[(old_esp, false), (old, false)],
                Some(Firmware::Uefi),
            ),
            (false, true, &[(old_esp, true)], Some(Firmware::Uefi)),
            (false, true, &[(old_esp, false), (old, true)], None),
            // A data disk.
            (false, false, &[(old, false)], None),
        ] {
            let found = super::firmware(&table(gpt, code, partitions));
            assert_eq!(found, firmware, "{gpt} {code} {partitions:?}");
        }
    }
}
