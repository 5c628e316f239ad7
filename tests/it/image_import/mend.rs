//! Disks that other programs refuse without a word of why, or take without one.

use std::fs;

use patchgate::model::hardware::Firmware;

use super::apart::place;
use super::{Lab, asked, disk, one, sha256};
use crate::testkit::disk::{empty_gpt, fat, gpt, mbr};

#[test]
fn a_grain_of_zeros_is_one_where_the_header_has_such_grains() {
    let lab = Lab::new();
    let whole = mbr(4, 3);
    for subformat in ["streamOptimized", "monolithicSparse"] {
        for (zeroed, told) in [
            ("on", None),
            (
                "off",
                Some("is damaged: byte 131072 of the disk is zeros by an entry of 1 in its grain tables"),
            ),
        ] {
            let options = format!("subformat={subformat},zeroed_grain={zeroed}");
            let mut bytes = fs::read(lab.make(&whole, "vmdk", &options, "disk")).unwrap();
            let head = match place(&bytes, 56, 8, false) {
                usize::MAX => bytes.len() - 1024,
                _ => 0,
            };
            let directory = place(&bytes, head + 56, 8, false) * 512;
            let table = place(&bytes, directory, 4, false) * 512;
            // The third grain has nothing; it is of both tables that are kept.
            assert_eq!(place(&bytes, table + 8, 4, false), 0);
            bytes[table + 8] = 1;
            lab.write("disk", &bytes);
            if let Some(told) = told {
                let words = lab.refused("disk");
                assert!(
                    words.contains(told) && words.contains("export it anew") && !words.contains("qemu-img"),
                    "{options}: {words}"
                );
            } else {
                let made = lab.import("disk").expect(&options);
                assert_eq!(made.sealed.manifest.content_sha256, Some(sha256(&whole)));
                fs::remove_dir_all(&made.sealed.dir).unwrap();
            }
        }
    }
}

#[test]
fn where_the_second_region_table_alone_is_whole_the_remedy_mends_a_copy() {
    let lab = Lab::new();
    let whole = gpt(8, 512, 3);
    let mut bytes = fs::read(lab.make(&whole, "vhdx", "", "disk")).unwrap();
    bytes[(192 << 10) + 100] ^= 1;
    lab.write("disk", &bytes);
    let words = lab.refused("disk");
    assert!(
        words.contains(
            "is damaged: its first region table is not what its checksum says, and its second is whole"
        ),
        "{words}"
    );
    let remedy = words.split('`').nth(1).unwrap().replace("COPY", "disk");
    lab.run(&["sh", "-c", &remedy]);
    let made = lab.import("disk").unwrap();
    assert_eq!(made.sealed.manifest.content_sha256, Some(sha256(&whole)));
}

#[test]
fn a_machine_begins_from_no_empty_partition_table() {
    let lab = Lab::new();
    lab.write("root", &mbr(4, 3));
    let mut signed = vec![0; 2 << 20];
    signed[510..512].copy_from_slice(&[0x55, 0xaa]);
    let mut labelled = signed.clone();
    labelled[440..444].copy_from_slice(&[1, 2, 3, 4]);
    for (name, content) in [
        ("signed", &signed),
        ("labelled", &labelled),
        ("gpt", &empty_gpt(2)),
    ] {
        for format in ["raw", "qcow2"] {
            lab.make(content, format, "", name);
            let told = lab.refused(name);
            assert!(
                told.contains("nothing on it that a firmware could start: its partition table is empty")
                    && told.contains("--disk"),
                "{name} {format}: {told}"
            );
            // To a data disk that is what a new one looks like.
            let mut machine = one(disk(&lab.path("root")));
            machine.disks.push(disk(&lab.path(name)));
            let made = lab.import_as(machine, &asked()).expect(name);
            assert_eq!(made.said, Vec::<String>::new(), "{name}");
            fs::remove_dir_all(&made.sealed.dir).unwrap();
        }
        // A boot loader of the whole disk needs no partitions.
        let mut begins = content.clone();
        begins[..3].copy_from_slice(&[0xeb, 0x3c, 0x90]);
        lab.write(name, &begins);
        let made = lab.import(name).expect(name);
        fs::remove_dir_all(&made.sealed.dir).unwrap();
    }
}

#[test]
fn a_file_system_over_the_whole_disk_is_looked_at_as_firmware_does() {
    let lab = Lab::new();
    let import = |files: &[&str], firmware| {
        lab.write("disk", &fat(4 << 20, 512, files, 1));
        let mut machine = one(disk(&lab.path("disk")));
        machine.hardware.firmware = firmware;
        let made = lab.import_as(machine, &asked()).unwrap();
        fs::remove_dir_all(&made.sealed.dir).unwrap();
        (made.sealed.manifest.hardware.firmware, made.said.join("\n"))
    };
    let uefi = Some(Firmware::Uefi);
    assert_eq!(import(&["EFI/BOOT/BOOTX64.EFI"], None), (uefi, String::new()));
    let (firmware, said) = import(&["EFI/debian/shimx64.efi"], None);
    assert_eq!(firmware, uefi);
    assert!(
        said.contains("no entry for \\EFI\\debian\\shimx64.efi could be made")
            && said.contains("the disk has no partition that one could name"),
        "{said}"
    );
    let (_, said) = import(&["EFI/BOOT/BOOTX64.EFI"], Some(Firmware::Bios));
    assert!(said.contains("said to have a BIOS"), "{said}");
    // A disk of DOS, or of data.
    for files in [&["COMMAND.COM"][..], &[]] {
        assert_eq!(import(files, None), (None, String::new()));
    }
}

#[test]
fn clusters_of_a_qcow2_that_nothing_leads_to_are_said() {
    let lab = Lab::new();
    for options in ["", "refcount_bits=1", "refcount_bits=64,cluster_size=32768"] {
        let mut bytes = fs::read(lab.make(&mbr(8, 3), "qcow2", options, "disk")).unwrap();
        let said = || {
            let made = lab.import("disk").expect(options);
            fs::remove_dir_all(&made.sealed.dir).unwrap();
            made.said.join("\n")
        };
        assert_eq!(said(), "", "{options}");
        // The entry that leads to the 4th MiB is lost.
        let table = place(&bytes, place(&bytes, 40, 8, true), 8, true) & 0xff_ffff;
        let entry = table + ((3 << 20) >> place(&bytes, 20, 4, true)) * 8;
        assert_ne!(place(&bytes, entry, 8, true), 0);
        bytes[entry..entry + 8].fill(0);
        lab.write("disk", &bytes);
        let told = said();
        assert!(
            told.contains("1 of its clusters are marked as used, and nothing leads to them")
                && told.contains("qemu-img check"),
            "{options}: {told}"
        );
    }
}
