//! What UEFI firmware finds on a disk to begin, and the entry that leads it there.

#![expect(clippy::unwrap_used, reason = "tests")]

mod import;
mod store;

use patchgate::image::format::esp::{self, Esp};
use patchgate::image::format::fat::{Fat, Item};
use patchgate::image::format::flaw::Flaw;
use patchgate::image::format::load_option::{Drive, Target};
use patchgate::image::format::table;
use proptest::prelude::*;

use crate::testkit::disk::{fat, gpt_with, mbr};

/// Where the EFI system partition of such a disk begins.
const ESP: usize = 1 << 20;

fn found(disk: &Vec<u8>) -> Option<Result<Esp, Flaw>> {
    let table = table::find(disk, None).unwrap().unwrap();
    esp::find(disk, Some(&table))
}

fn esp(files: &[&str]) -> Esp {
    found(&gpt_with(4, 512, 1, files)).unwrap().unwrap()
}

fn paths(esp: &Esp, secure: bool) -> Vec<&str> {
    esp.loaders(secure).into_iter().map(|(path, _)| path).collect()
}

#[test]
fn of_each_folder_the_first_boot_loader_counts_and_helpers_are_none() {
    let debian = [
        "EFI/debian/fbx64.efi",
        "EFI/debian/grubx64.efi",
        "EFI/debian/mmx64.efi",
        "EFI/debian/shimx64.efi",
        "EFI/debian/BOOTX64.CSV",
        "EFI/debian/grub.cfg",
    ];
    for (files, plain, secure) in [
        (
            &debian[..],
            &["\\EFI\\debian\\shimx64.efi"][..],
            &["\\EFI\\debian\\shimx64.efi"][..],
        ),
        (
            &debian[..3],
            &["\\EFI\\debian\\grubx64.efi"],
            &["\\EFI\\debian\\grubx64.efi"],
        ),
        (
            &[
                "EFI/fedora/shimx64-fedora.efi",
                "EFI/fedora/shimx64.efi",
                "EFI/fedora/shimia32.efi",
            ],
            &["\\EFI\\fedora\\shimx64.efi"],
            &["\\EFI\\fedora\\shimx64.efi"],
        ),
        (
            &[
                "EFI/sles/grub.efi",
                "EFI/sles/shim.efi",
                "EFI/sles/MokManager.efi",
            ],
            &["\\EFI\\sles\\shim.efi"],
            &["\\EFI\\sles\\shim.efi"],
        ),
        // Several systems: shim, GRUB, systemd-boot, Windows, and what else there is.
        (
            &[
                "EFI/A/other.efi",
                "EFI/Microsoft/Boot/bootmgfw.efi",
                "EFI/Microsoft/Boot/memtest.efi",
                "EFI/systemd/systemd-bootx64.efi",
                "EFI/ubuntu/shimx64.efi",
                "EFI/arch/grubx64.efi",
            ],
            &[
                "\\EFI\\ubuntu\\shimx64.efi",
                "\\EFI\\arch\\grubx64.efi",
                "\\EFI\\systemd\\systemd-bootx64.efi",
                "\\EFI\\Microsoft\\Boot\\bootmgfw.efi",
                "\\EFI\\A\\other.efi",
            ],
            &[
                "\\EFI\\ubuntu\\shimx64.efi",
                "\\EFI\\Microsoft\\Boot\\bootmgfw.efi",
            ],
        ),
        (
            &[
                "EFI/debian/grubaa64.efi",
                "EFI/debian/",
                "vmlinuz.efi",
                "EFI/x.efi",
            ],
            &[],
            &[],
        ),
        (&[], &[], &[]),
    ] {
        let esp = esp(files);
        assert!(!esp.has_fallback(), "{files:?}");
        assert_eq!(paths(&esp, false), plain, "{files:?}");
        assert_eq!(paths(&esp, true), secure, "{files:?}");
    }
}

#[test]
fn the_fallback_path_is_found_in_whatever_letters_and_sectors() {
    for (sector, path) in [
        (512, "EFI/BOOT/BOOTX64.EFI"),
        (512, "efi/boot/bootx64.efi"),
        (512, "Efi/Boot/BootX64.efi"),
        (4096, "EFI/BOOT/BOOTX64.EFI"),
    ] {
        let esp = found(&gpt_with(4, sector, 1, &[path])).unwrap().unwrap();
        assert!(esp.has_fallback(), "{sector} {path}");
        assert_eq!(
            esp.drive,
            Some(Drive {
                number: 1,
                first: ((1 << 20) / sector) as u64,
                sectors: ((2 << 20) / sector) as u64,
                id: [7; 16],
                gpt: true,
            })
        );
    }
    for path in [
        "EFI/BOOT/BOOTIA32.EFI",
        "EFI/BOOT/BOOTX64.EFI/",
        "BOOT/BOOTX64.EFI",
    ] {
        assert!(!esp(&[path]).has_fallback(), "{path}");
    }
}

#[test]
fn one_entry_is_enough_and_it_must_lead_to_a_file_of_this_partition() {
    let esp = esp(&["EFI/debian/shimx64.efi"]);
    let target = |id, path: &str| Target {
        id,
        path: path.into(),
    };
    assert!(esp.is_reached_by(&target([7; 16], "\\efi\\DEBIAN\\shimx64.EFI")));
    assert!(!esp.is_reached_by(&target([8; 16], "\\EFI\\debian\\shimx64.efi")));
    assert!(!esp.is_reached_by(&target([7; 16], "\\EFI\\debian\\grubx64.efi")));
}

#[test]
fn an_mbr_marks_the_partition_by_its_kind_and_the_disk_s_signature() {
    let mut disk = mbr(8, 1);
    disk[440..444].copy_from_slice(&[1, 2, 3, 4]);
    // The second of its entries.
    let entry: Vec<u8> = disk[446..462].to_vec();
    disk[446..462].fill(0);
    disk[462..478].copy_from_slice(&entry);
    disk[462 + 4] = 0xef;
    let volume = fat(4 << 20, 512, &["EFI/debian/grubx64.efi"], 1);
    disk[ESP..ESP + volume.len()].copy_from_slice(&volume);
    let esp = found(&disk).unwrap().unwrap();
    assert_eq!(paths(&esp, false), ["\\EFI\\debian\\grubx64.efi"]);
    let mut id = [0; 16];
    id[..4].copy_from_slice(&[1, 2, 3, 4]);
    let drive = Drive {
        number: 2,
        first: 2048,
        sectors: (7 << 20) / 512,
        id,
        gpt: false,
    };
    assert_eq!(esp.drive, Some(drive));
}

#[test]
fn names_of_every_kind_of_fat_are_read_as_another_program_wrote_them() {
    let long = format!("{}.efi", "ü long".repeat(20));
    let many: Vec<String> = (0..150)
        .map(|number| format!("EFI/many/a longer name {number}.efi"))
        .collect();
    let mut files: Vec<&str> = many.iter().map(String::as_str).collect();
    let long_path = format!("EFI/long/{long}");
    files.push(&long_path);
    for (mib, sector) in [(3, 512), (3, 4096), (16, 512), (40, 2048), (600, 512)] {
        let volume = fat(mib << 20, sector, &files, 1);
        let fat = Fat::of(&volume).unwrap().unwrap();
        let folder = |above, name: &str| {
            let items = fat.items(above).unwrap();
            match items.into_iter().find(|(known, _)| known == name) {
                Some((_, Item::Folder(folder))) => folder,
                other => panic!("{name}: {other:?}"),
            }
        };
        let efi = folder(fat.root(), "EFI");
        let items = fat.items(folder(efi, "many")).unwrap();
        let names: Vec<String> = items.iter().map(|(name, _)| format!("EFI/many/{name}")).collect();
        assert_eq!(names, many, "{mib} {sector}");
        let items = fat.items(folder(efi, "long")).unwrap();
        assert_eq!(items, [(long.clone(), Item::File(700))], "{mib} {sector}");
    }
}

#[test]
fn a_partition_without_fat_or_with_folders_that_have_no_end_is_told() {
    let mut empty = gpt_with(4, 512, 1, &["EFI/debian/grubx64.efi"]);
    empty[ESP..ESP + 512].fill(0);
    let told = found(&empty).unwrap().unwrap_err().to_string();
    assert_eq!(told, "is damaged: no FAT file system is on it");

    // A folder that is its own next part, and has nothing that marks its end.
    let mut volume = fat(2 << 20, 512, &["EFI/debian/grubx64.efi"], 1);
    let efi = {
        let fat = Fat::of(&volume).unwrap().unwrap();
        fat.items(fat.root()).unwrap()[0].clone()
    };
    let (_, Item::Folder(patchgate::image::format::fat::Folder::Chain(cluster))) = efi else {
        panic!("{efi:?}")
    };
    let at = 512 + cluster as usize * 3 / 2;
    let old = u16::from_le_bytes([volume[at], volume[at + 1]]);
    let number = u16::try_from(cluster).unwrap();
    let new = if cluster.is_multiple_of(2) {
        old & 0xf000 | number
    } else {
        old & 0xf | number << 4
    };
    volume[at..at + 2].copy_from_slice(&new.to_le_bytes());
    // Its first entry is the folder itself.
    let begin = volume
        .windows(11)
        .position(|name| name == b".          ")
        .unwrap();
    let length = usize::from(volume[13]) * 512;
    for entry in volume[begin..begin + length].chunks_exact_mut(32) {
        if entry[0] == 0 {
            entry[0] = 0xe5;
        }
    }
    let fat = Fat::of(&volume).unwrap().unwrap();
    let Item::Folder(folder) = efi.1 else {
        unreachable!()
    };
    let told = fat.items(folder).unwrap_err().to_string();
    assert_eq!(told, "is damaged: the folders of its FAT file system have no end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn whatever_a_partition_holds_it_is_looked_at_to_an_end(
        sector in prop::sample::select(vec![512_usize, 4096]),
        head in proptest::collection::vec((0_usize..512, any::<u8>()), 0..6),
        changes in proptest::collection::vec((0_usize..40_000, any::<u8>()), 0..60),
        cut in 0_usize..(2 << 20),
    ) {
        let mut volume = fat(2 << 20, sector, &["EFI/debian/a long name.efi", "EFI/Microsoft/Boot/bootmgfw.efi"], 1);
        for (at, byte) in head.into_iter().chain(changes) {
            volume[at] = byte;
        }
        let mut disk = gpt_with(4, sector, 1, &[]);
        disk[ESP..ESP + volume.len()].copy_from_slice(&volume);
        if let Some(Ok(esp)) = found(&disk) {
            prop_assert!(esp.loaders(false).len() <= 8);
        }
        volume.truncate(cut);
        if let Ok(Some(fat)) = Fat::of(&volume) {
            let _ = fat.items(fat.root());
        }
    }
}
