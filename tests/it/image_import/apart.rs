//! Disks whose tables lead two parts of them to one place of the file, as other tools write the formats.

use std::fs;
use std::ops::Range;

use super::{Lab, asked, disk, one};
use crate::testkit::disk::{gpt, mbr};

fn number(bytes: &[u8], at: usize, width: usize, big: bool) -> u64 {
    let part = &bytes[at..at + width];
    let digits: Vec<u64> = part.iter().map(|&byte| u64::from(byte)).collect();
    let fold = |value, digit: &u64| value << 8 | digit;
    if big {
        digits.iter().fold(0, fold)
    } else {
        digits.iter().rev().fold(0, fold)
    }
}

pub fn place(bytes: &[u8], at: usize, width: usize, big: bool) -> usize {
    usize::try_from(number(bytes, at, width, big)).unwrap()
}

/// Writes over the second entry of a table that leads somewhere what its first one says.
fn twice(bytes: &mut [u8], table: usize, width: usize, leads: &dyn Fn(&[u8]) -> bool) {
    let entries = (table..bytes.len()).step_by(width).map(|at| at..at + width);
    let used: Vec<Range<usize>> = entries.filter(|at| leads(&bytes[at.clone()])).take(2).collect();
    let first = bytes[used[0].clone()].to_vec();
    assert_ne!(first, bytes[used[1].clone()]);
    bytes[used[1].clone()].copy_from_slice(&first);
}

#[test]
fn two_parts_of_a_disk_in_one_place_are_refused_and_both_are_named() {
    let lab = Lab::new();
    let whole = gpt(8, 512, 3);
    let some = |entry: &[u8]| entry.iter().any(|&byte| byte != 0) && entry.iter().any(|&byte| byte != 0xff);
    for (format, options) in [
        ("qcow2", ""),
        ("qcow2", "extended_l2=on"),
        ("qcow2", "cluster_size=4096"),
        ("vmdk", "subformat=monolithicSparse"),
        ("vpc", "subformat=dynamic,force_size"),
        ("vhdx", "block_size=1M"),
        ("vdi", ""),
    ] {
        let mut bytes = fs::read(lab.make(&whole, format, options, "good")).unwrap();
        assert!(lab.import("good").is_ok(), "{format} {options}");
        fs::remove_dir_all(&lab.store.list().unwrap().sealed[0].dir).unwrap();
        match format {
            "qcow2" => {
                let first = place(&bytes, 40, 8, true);
                let table = place(&bytes, first, 8, true) & 0xff_ffff;
                let width = if options.starts_with("extended") { 16 } else { 8 };
                twice(&mut bytes, table, width, &|entry| {
                    place(entry, 0, 8, true) & 0xff_fe00 != 0
                });
            }
            "vmdk" => {
                let directory = place(&bytes, 56, 8, false) * 512;
                let table = place(&bytes, directory, 4, false) * 512;
                twice(&mut bytes, table, 4, &some);
            }
            // Blocks are of 2 MiB; the table is behind the two headers.
            "vpc" => twice(&mut bytes, 1536, 4, &some),
            "vhdx" => twice(&mut bytes, 2 << 20, 8, &|entry| entry[0] & 7 == 6),
            _ => {
                let map = place(&bytes, 340, 4, false);
                twice(&mut bytes, map, 4, &|entry| entry[3] == 0);
            }
        }
        lab.write("bad", &bytes);
        let told = lab.refused("bad");
        assert!(
            told.contains("is damaged: byte ")
                && told.contains(" of the disk and byte ")
                && told.contains("are in one place"),
            "{format} {options}: {told}"
        );
        assert!(!told.contains("qemu-img"), "no check mends that: {told}");
    }
}

#[test]
fn a_part_of_a_disk_over_a_table_and_packed_parts_are_seen() {
    let lab = Lab::new();
    lab.make(&mbr(4, 3), "qcow2", "cluster_size=4096", "good");
    lab.run(&["qemu-img", "convert", "-c", "-O", "qcow2", "good", "packed"]);
    let good = fs::read(lab.path("good")).unwrap();
    let first = place(&good, 40, 8, true);
    let table = place(&good, first, 8, true) & 0xff_ffff;
    let counts = place(&good, 48, 8, true);
    for (leads, told) in [
        (0x1000, "its table of reference counts"),
        (place(&good, counts, 8, true), "its reference counts"),
        (first, "its first table"),
        (table, "one of its second tables"),
    ] {
        let mut bytes = good.clone();
        let entry = (leads as u64) | 1 << 63;
        bytes[table..table + 8].copy_from_slice(&entry.to_be_bytes());
        lab.write("bad", &bytes);
        let words = lab.refused("bad");
        assert!(
            words.contains(told) && words.contains("byte 0 of the disk"),
            "{told}: {words}"
        );
    }
    let mut packed = fs::read(lab.path("packed")).unwrap();
    assert!(lab.import("packed").is_ok(), "neighbours share sectors");
    fs::remove_dir_all(&lab.store.list().unwrap().sealed[0].dir).unwrap();
    let first = place(&packed, 40, 8, true);
    let table = place(&packed, first, 8, true) & 0xff_ffff;
    twice(&mut packed, table, 8, &|entry| entry[0] & 0x40 != 0);
    lab.write("bad", &packed);
    let words = lab.refused("bad");
    assert!(words.contains("are in one place"), "{words}");
}

#[test]
fn extents_in_one_place_of_a_file_are_refused() {
    let lab = Lab::new();
    lab.write("a-flat.vmdk", &mbr(4, 3));
    let describe = |second: &str| {
        format!(
            "# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\nRW 4096 FLAT \"a-flat.vmdk\" 0\nRW 4096 FLAT {second}\n"
        )
    };
    for second in ["\"a-flat.vmdk\" 4095", "\"./a-flat.vmdk\" 0"] {
        lab.write("a.vmdk", describe(second).as_bytes());
        let told = lab.refused("a.vmdk");
        assert!(
            told.contains("byte 0 of the disk and byte 2097152 of the disk are in one place")
                && told.contains("`a-flat.vmdk`"),
            "{told}"
        );
    }
    lab.write("a.vmdk", describe("\"a-flat.vmdk\" 4096").as_bytes());
    assert!(lab.import("a.vmdk").is_ok());
}

#[test]
fn a_vhd_whose_footer_is_damaged_is_no_raw_disk() {
    let lab = Lab::new();
    for options in ["subformat=fixed,force_size", "subformat=dynamic,force_size"] {
        let mut bytes = fs::read(lab.make(&gpt(8, 512, 3), "vpc", options, "disk")).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        lab.write("disk", &bytes);
        let told = lab.refused("disk");
        assert!(
            told.contains("is damaged: its footer is not what its checksum says"),
            "{options}: {told}"
        );
    }
}

#[test]
fn a_machine_begins_from_no_blank_disk_in_whatever_format() {
    let lab = Lab::new();
    lab.write("root", &mbr(4, 3));
    let noise = vec![7; 4 << 20];
    for (format, options) in [
        ("raw", ""),
        ("qcow2", ""),
        ("qcow2", "preallocation=full"),
        ("vmdk", "subformat=monolithicSparse"),
        ("vmdk", "subformat=monolithicFlat"),
        ("vpc", "subformat=dynamic"),
        ("vpc", "subformat=fixed"),
        ("vhdx", "subformat=fixed"),
        ("vdi", ""),
    ] {
        lab.make(&vec![0; 4 << 20], format, options, "blank");
        let told = lab.refused("blank");
        assert!(
            told.contains("nothing on it that a firmware could start") && told.contains("--disk"),
            "{format} {options}: {told}"
        );
        let mut machine = one(disk(&lab.path("root")));
        machine.disks.push(disk(&lab.path("blank")));
        let made = lab.import_as(machine, &asked()).expect(format);
        assert!(
            made.said
                .contains(&"blank: nothing but zeros is on it".to_owned()),
            "{format}: {:?}",
            made.said
        );
        fs::remove_dir_all(&made.sealed.dir).unwrap();
        lab.make(&noise, format, options, "noise");
        let told = lab.refused("noise");
        assert!(told.contains("is no disk"), "{format} {options}: {told}");
    }
}
