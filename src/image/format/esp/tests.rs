use std::io::Cursor;

use fatfs::{FormatVolumeOptions, format_volume};
use proptest::prelude::*;

use super::*;
use crate::image::format::table::{Kind, Label};

const START: u64 = 1 << 20;

/// A disk whose EFI system partition has those files.
fn disk(files: &[&str]) -> (Vec<u8>, Partition) {
    let mut system = Cursor::new(vec![0; 2 << 20]);
    format_volume(&mut system, FormatVolumeOptions::new()).expect("a file system");
    let fat = FileSystem::new(&mut system, FsOptions::new()).expect("it is one");
    let root = fat.root_dir();
    for file in files {
        let mut folder = root.clone();
        let (folders, name) = file.rsplit_once('/').expect("a folder");
        for part in folders.split('/') {
            folder = folder.create_dir(part).expect("made");
        }
        let mut file = folder.create_file(name).expect("made");
        if !name.contains("empty") {
            file.write_all(b"MZ").expect("written");
        }
    }
    drop(root);
    drop(fat);
    let mut disk = vec![0; usize::try_from(START).expect("small")];
    disk.extend(system.into_inner());
    let partition = Partition {
        kind: Kind::Mbr(0xef),
        first: START,
        end: disk.len() as u64,
        bootable: false,
        number: 1,
        label: Label::Mbr([0; 4]),
    };
    (disk, partition)
}

fn found(files: &[&str]) -> Loaders {
    let (disk, partition) = disk(files);
    loaders(&disk, &partition, 512).expect("it is read")
}

#[test]
fn loaders_are_told_with_the_one_first_that_leads_to_the_others() {
    for (files, fallback, own) in [
        (&["EFI/BOOT/BOOTX64.EFI"][..], true, &[][..]),
        (&["efi/boot/bootx64.efi"], true, &[]),
        (&["EFI/BOOT/fbx64.efi"], false, &[]),
        (&["EFI/BOOT/BOOTX64.EFI/x"], false, &[]),
        (&["EFI/debian/grub.cfg"], false, &[]),
        (&["other/x"], false, &[]),
        (
            &[
                "EFI/debian/grubx64.efi",
                "EFI/debian/shimx64.efi",
                "EFI/debian/mmx64.efi",
            ],
            false,
            &["\\EFI\\debian\\shimx64.efi", "\\EFI\\debian\\grubx64.efi"],
        ),
        (
            &[
                "EFI/Microsoft/Boot/bootmgfw.efi",
                "EFI/systemd/systemd-bootx64.efi",
                "EFI/BOOT/BOOTX64.EFI",
            ],
            true,
            &[
                "\\EFI\\systemd\\systemd-bootx64.efi",
                "\\EFI\\Microsoft\\Boot\\bootmgfw.efi",
            ],
        ),
    ] {
        let found = found(files);
        assert_eq!(
            (found.fallback, &found.own[..]),
            (
                fallback,
                &own.iter().map(|&own| own.to_owned()).collect::<Vec<_>>()[..]
            ),
            "{files:?}"
        );
    }
}

#[test]
fn what_is_no_fat_or_counts_otherwise_is_said() {
    let (disk, partition) = disk(&["EFI/BOOT/BOOTX64.EFI"]);
    let error = loaders(&vec![0; disk.len()], &partition, 512);
    assert_eq!(
        error,
        Err("its EFI system partition has no FAT file system".to_owned())
    );
    let error = loaders(&disk, &partition, 4096).expect_err("it counts otherwise");
    assert!(
        error.contains("sectors of 512 bytes, and the disk of 4096"),
        "{error}"
    );
    let outside = Partition {
        first: disk.len() as u64 + 512,
        end: u64::MAX,
        ..partition
    };
    assert!(loaders(&disk, &outside, 512).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_file_system_makes_it_panic_or_read_without_end(
        changes in proptest::collection::vec((0_usize..0x2000, any::<u8>()), 1..8),
        wild in proptest::collection::vec((11_usize..64, any::<u8>()), 0..6),
    ) {
        let (mut disk, partition) = disk(&["EFI/debian/shimx64.efi"]);
        let start = usize::try_from(START).expect("small");
        for (at, byte) in changes.into_iter().chain(wild) {
            disk[start + at] = byte;
        }
        let _ = loaders(&disk, &partition, 512);
    }
}
