//! Disks on which UEFI firmware finds no boot loader by itself.

use std::fs;
use std::io::{Cursor, Write};

use fatfs::{FileSystem, FormatVolumeOptions, FsOptions, format_volume};
use patchgate::image::foreign::Foreign;
use patchgate::image::import::{Import, Imported};
use patchgate::model::hardware::{Firmware, Wishes};

use super::{Lab, asked, disk, one};

/// A disk of one EFI system partition with those files.
fn with_loaders(files: &[&str]) -> Vec<u8> {
    let mut system = Cursor::new(vec![0; 2 << 20]);
    format_volume(&mut system, FormatVolumeOptions::new()).unwrap();
    {
        let fat = FileSystem::new(&mut system, FsOptions::new()).unwrap();
        let efi = fat.root_dir().create_dir("EFI").unwrap();
        for file in files {
            let (folder, name) = file.split_once('/').unwrap();
            let mut file = efi.create_dir(folder).unwrap().create_file(name).unwrap();
            file.write_all(b"MZ").unwrap();
        }
    }
    let system = system.into_inner();
    let mut disk = vec![0; 1 << 20];
    disk[440..444].copy_from_slice(&[1, 2, 3, 4]);
    disk[450] = 0xef;
    disk[454..458].copy_from_slice(&2048_u32.to_le_bytes());
    let sectors = u32::try_from(system.len() / 512).unwrap();
    disk[458..462].copy_from_slice(&sectors.to_le_bytes());
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk.extend(system);
    disk
}

/// A store of variables without any.
fn empty_store() -> Vec<u8> {
    let mut store = vec![0xff; 8192];
    store[..72].fill(0);
    store[32..40].copy_from_slice(&8192_u64.to_le_bytes());
    store[40..44].copy_from_slice(b"_FVH");
    store[48] = 72;
    store[72..88].copy_from_slice(&[
        0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92,
    ]);
    store[88..92].copy_from_slice(&8120_u32.to_le_bytes());
    store
}

fn taken(lab: &Lab, files: &[&str], foreign: Foreign, variables: &[Firmware]) -> Imported {
    lab.write("server.raw", &with_loaders(files));
    let template = lab.dir.path().join("VARS.fd");
    fs::write(&template, empty_store()).unwrap();
    let asked = Import {
        variables: variables.iter().map(|of| (*of, template.clone())).collect(),
        ..asked()
    };
    let foreign = Foreign {
        disks: vec![disk(&lab.path("server.raw"))],
        ..foreign
    };
    lab.import_as(foreign, &asked).unwrap()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    bytes.windows(wide.len()).any(|window| window == wide)
}

const OWN: [&str; 2] = ["debian/grubx64.efi", "debian/shimx64.efi"];
const SHIM: &str = "\\EFI\\debian\\shimx64.efi";

#[test]
fn a_loader_in_a_folder_of_its_own_gets_an_entry_and_that_is_said() {
    let lab = Lab::new();
    let made = taken(&lab, &OWN, Foreign::default(), &[Firmware::Uefi]);
    assert_eq!(
        made.said,
        [
            "its EFI system partition has \\EFI\\debian\\shimx64.efi, no \\EFI\\BOOT: clones find it by an entry that was added to their UEFI \
          variables"
        ]
    );
    assert_eq!(made.sealed.manifest.nvram.as_deref(), Some("nvram.fd"));
    let store = fs::read(made.sealed.dir.join("nvram.fd")).unwrap();
    assert!(holds(&store, SHIM) && holds(&store, "BootOrder"));
    assert_eq!(store.len(), empty_store().len());
    lab.store.verify(&made.sealed).unwrap();

    // To what came with the machine it is added, unless that has one.
    let lab = Lab::new();
    let came = lab.write("came.fd", &store);
    let foreign = || Foreign {
        hardware: Wishes {
            firmware: Some(Firmware::UefiSecure),
            ..Wishes::default()
        },
        nvram: Some(came.clone()),
        ..one(disk(&came))
    };
    let made = taken(&lab, &OWN, foreign(), &[]);
    assert_eq!(made.said, Vec::<String>::new());
    assert!(fs::read(made.sealed.dir.join("nvram.fd")).unwrap() == store);
    fs::write(&came, empty_store()).unwrap();
    let made = taken(&lab, &OWN, foreign(), &[]);
    assert!(made.said[0].contains(SHIM), "{:?}", made.said);
    assert!(fs::read(made.sealed.dir.join("nvram.fd")).unwrap() == store);
    assert!(fs::read(&came).unwrap() == empty_store(), "the source's own");
}

#[test]
fn where_nothing_is_to_be_led_to_or_added_to_no_store_is_made() {
    let bios = || Foreign {
        hardware: Wishes {
            firmware: Some(Firmware::Bios),
            ..Wishes::default()
        },
        ..Foreign::default()
    };
    for (files, foreign, variables, said) in [
        (
            &["BOOT/BOOTX64.EFI", "debian/shimx64.efi"][..],
            Foreign::default(),
            &[Firmware::Uefi][..],
            None,
        ),
        (
            &[],
            Foreign::default(),
            &[Firmware::Uefi],
            Some("no \\EFI\\BOOT\\BOOTX64.EFI and no boot loader that is known"),
        ),
        (
            &OWN,
            Foreign::default(),
            &[Firmware::UefiSecure],
            Some("apt-get install ovmf"),
        ),
        (
            &OWN,
            bios(),
            &[Firmware::Uefi],
            Some("the machine is said to have a BIOS"),
        ),
    ] {
        let lab = Lab::new();
        let made = taken(&lab, files, foreign, variables);
        assert_eq!(made.sealed.manifest.nvram, None, "{files:?}");
        match said {
            Some(said) => assert!(made.said.iter().any(|one| one.contains(said)), "{:?}", made.said),
            None => assert_eq!(made.said, Vec::<String>::new()),
        }
    }
}
