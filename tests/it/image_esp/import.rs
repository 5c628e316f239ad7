//! Imports of disks whose boot loader only an entry of the firmware's variables leads to.

use std::fs;
use std::path::{Path, PathBuf};

use patchgate::image::catalogue::Store as Images;
use patchgate::image::foreign::{Foreign, ForeignDisk};
use patchgate::image::format::varstore::Store;
use patchgate::image::import::told::Unwatched;
use patchgate::image::import::{Import, Imported, import};
use patchgate::model::hardware::{DiskHardware, Firmware, Machine, Wishes};
use patchgate::system::firmware::{Build, Keys};
use tokio_util::sync::CancellationToken;

use super::store::{drive, store};
use crate::testkit::disk::{gpt_with, mbr};
use patchgate::image::format::load_option::entry;

struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lab = Self { dir };
        fs::write(lab.path("plain.fd"), store(8192, &[])).unwrap();
        fs::write(
            lab.path("keys.fd"),
            store(16_384, &[("Boot0000", 0x3f, &[1, 0, 0, 0])]),
        )
        .unwrap();
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn builds(&self) -> Vec<Build> {
        let build = |variables: &str, keys, size| Build {
            code: "/none".into(),
            variables: self.path(variables).to_string_lossy().into_owned(),
            size,
            keys,
            smm: false,
            boards: vec![Machine::Q35],
        };
        vec![
            build("plain.fd", Keys::None, 8192),
            build("keys.fd", Keys::Enrolled, 16_384),
        ]
    }

    fn machine(&self, disk: &[u8], firmware: Option<Firmware>) -> Foreign {
        fs::write(self.path("root.raw"), disk).unwrap();
        Foreign {
            disks: vec![ForeignDisk {
                file: self.path("root.raw"),
                name: "root.raw".into(),
                format: None,
                hardware: DiskHardware::default(),
            }],
            hardware: Wishes {
                firmware,
                ..Wishes::default()
            },
            ..Foreign::default()
        }
    }

    fn import(&self, machine: Foreign, builds: Vec<Build>) -> Imported {
        let asked = Import {
            os: "debian-12".into(),
            builds,
            ..Import::default()
        };
        let images = Images::at(&self.path("images")).unwrap();
        let made = import(&asked, machine, &images, &Unwatched, &CancellationToken::new()).unwrap();
        images.verify(&made.sealed).unwrap();
        made
    }
}

/// Where the entries of an image's variables lead to, and their bytes.
fn variables(made: &Imported) -> Option<(Vec<String>, u64)> {
    let path = made.sealed.dir.join(made.sealed.manifest.nvram.as_ref()?);
    let read = |path: &Path| Store::read(fs::read(path).unwrap()).unwrap();
    let targets = read(&path).targets().into_iter().map(|target| target.path);
    Some((targets.collect(), path.metadata().unwrap().len()))
}

const DEBIAN: [&str; 2] = ["EFI/debian/grubx64.efi", "EFI/debian/shimx64.efi"];
const SHIM: &str = "\\EFI\\debian\\shimx64.efi";
const SAID: &str = "root.raw: its EFI system partition has no \\EFI\\BOOT\\BOOTX64.EFI; clones boot \\EFI\\debian\\shimx64.efi by an \
                    entry of their NVRAM";

#[test]
fn a_disk_without_a_fallback_path_gets_its_entry_and_that_is_said() {
    for sector in [512, 4096] {
        let lab = Lab::new();
        let disk = gpt_with(8, sector, 1, &DEBIAN);
        let made = lab.import(lab.machine(&disk, None), lab.builds());
        let entered = (vec![SHIM.to_owned()], 8192);
        assert_eq!(variables(&made), Some(entered.clone()));
        assert!(made.said.contains(&SAID.to_owned()), "{:?}", made.said);
        // The same disk is the same image.
        let again = lab.import(lab.machine(&disk, None), lab.builds());
        assert_eq!(again.sealed, made.sealed);

        let secure = lab.import(lab.machine(&disk, Some(Firmware::UefiSecure)), lab.builds());
        assert_eq!(variables(&secure), Some((entered.0, 16_384)));
    }
}

#[test]
fn several_systems_have_an_entry_each_and_that_is_said() {
    let lab = Lab::new();
    let disk = gpt_with(
        8,
        512,
        1,
        &[
            "EFI/Microsoft/Boot/bootmgfw.efi",
            "EFI/my \u{202e}grub/grubx64.efi",
        ],
    );
    let made = lab.import(lab.machine(&disk, None), lab.builds());
    assert_eq!(
        made.said,
        [
            "root.raw: its EFI system partition has no \\EFI\\BOOT\\BOOTX64.EFI; clones boot `\\EFI\\my \\u{202e}grub\\grubx64.efi`, and if \
          not that \\EFI\\Microsoft\\Boot\\bootmgfw.efi, by entries of their NVRAM"
        ]
    );
    let (paths, _) = variables(&made).unwrap();
    assert_eq!(paths.len(), 2);
}

#[test]
fn a_disk_that_needs_no_entry_gets_none() {
    let lab = Lab::new();
    let fallback = gpt_with(8, 512, 1, &["EFI/BOOT/BOOTX64.EFI", "EFI/debian/shimx64.efi"]);
    let none = gpt_with(8, 512, 1, &DEBIAN);
    for (disk, firmware) in [
        (fallback.clone(), None),
        (fallback, Some(Firmware::UefiSecure)),
        (mbr(8, 1), None),
        // Whoever says so has clones without such firmware.
        (none, Some(Firmware::Bios)),
    ] {
        let made = lab.import(lab.machine(&disk, firmware), lab.builds());
        assert_eq!(variables(&made), None, "{firmware:?}");
        assert!(
            !made.said.iter().any(|line| line.contains("NVRAM")),
            "{:?}",
            made.said
        );
    }
}

#[test]
fn variables_that_came_with_it_are_kept_and_get_the_entry_that_they_lack() {
    let lab = Lab::new();
    let disk = gpt_with(8, 512, 1, &DEBIAN);
    let with = |id: u8, path: &str| {
        let mut drive = drive();
        drive.id = [id; 16];
        let bytes = store(
            4096,
            &[
                ("Boot0000", 0x3f, &entry("d", &drive, path)),
                ("BootOrder", 0x3f, &[0, 0]),
            ],
        );
        fs::write(lab.path("own.fd"), bytes).unwrap();
        let machine = Foreign {
            nvram: Some(lab.path("own.fd")),
            ..lab.machine(&disk, Some(Firmware::Uefi))
        };
        lab.import(machine, lab.builds())
    };
    // They lead to a file that is there.
    let made = with(7, "\\EFI\\DEBIAN\\grubx64.efi");
    assert_eq!(
        variables(&made),
        Some((vec!["\\EFI\\DEBIAN\\grubx64.efi".into()], 4096))
    );
    assert_eq!(made.said, Vec::<String>::new());
    for (id, path) in [(8, "\\EFI\\debian\\grubx64.efi"), (7, "\\EFI\\old\\grubx64.efi")] {
        let made = with(id, path);
        assert_eq!(variables(&made), Some((vec![SHIM.into(), path.into()], 4096)));
        assert_eq!(made.said, [SAID]);
    }

    // Those that are no store are left out, and the firmware's own get it.
    fs::write(lab.path("own.fd"), [1; 4096]).unwrap();
    let machine = Foreign {
        nvram: Some(lab.path("own.fd")),
        ..lab.machine(&disk, Some(Firmware::Uefi))
    };
    let made = lab.import(machine, lab.builds());
    assert_eq!(variables(&made), Some((vec![SHIM.into()], 8192)));
    let [left_out, entered] = &made.said[..] else {
        panic!("{:?}", made.said)
    };
    assert!(left_out.contains("left out"), "{left_out}");
    assert_eq!(entered, SAID);
}

#[test]
fn where_there_can_be_no_entry_it_is_said_why() {
    let lab = Lab::new();
    let said = |disk: &[u8], builds| {
        let made = lab.import(lab.machine(disk, None), builds);
        assert_eq!(variables(&made), None);
        made.said.join("\n")
    };
    let disk = gpt_with(8, 512, 1, &DEBIAN);
    let told = said(&disk, Vec::new());
    assert!(
        told.contains("no entry for \\EFI\\debian\\shimx64.efi could be made")
            && told.contains("apt-get install ovmf"),
        "{told}"
    );
    let nothing = "its EFI system partition has neither \\EFI\\BOOT\\BOOTX64.EFI nor another boot loader";
    let told = said(&gpt_with(8, 512, 1, &["EFI/debian/mmx64.efi"]), lab.builds());
    assert!(told.contains(nothing), "{told}");
    let mut torn = disk.clone();
    torn[1 << 20..(1 << 20) + 512].fill(0);
    let told = said(&torn, lab.builds());
    assert!(
        told.contains("its EFI system partition is damaged: no FAT file system is on it"),
        "{told}"
    );

    fs::write(lab.path("plain.fd"), [0xff; 8192]).unwrap();
    let told = said(&disk, lab.builds());
    assert!(
        told.contains("it is no store of authenticated UEFI variables"),
        "{told}"
    );
}
