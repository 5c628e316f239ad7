//! What a qcow2 keeps beside the present state of its disk: snapshots and bitmaps.

use std::fs;

use super::apart::place;
use super::{Lab, sha256};
use crate::testkit::disk::mbr;

/// Where, in the file, the table is that an entry at that place leads to.
fn led(bytes: &[u8], at: usize) -> usize {
    place(bytes, at, 8, true) & 0xffff_fe00
}

fn io(lab: &Lab, file: &str, command: &str) {
    lab.run(&["qemu-io", "-f", "qcow2", "-c", command, file]);
}

#[test]
fn a_part_of_a_disk_over_what_is_kept_beside_it_is_refused_and_named() {
    let lab = Lab::new();
    lab.make(&mbr(4, 3), "qcow2", "cluster_size=4096", "good");
    lab.run(&["qemu-img", "bitmap", "--add", "good", "backup"]);
    lab.run(&["qemu-img", "bitmap", "--add", "-g", "4096", "good", "daily"]);
    lab.run(&["qemu-img", "snapshot", "-c", "monday", "good"]);
    // Now the snapshot has a second table of its own, and the bitmaps have data.
    io(&lab, "good", "write -q -P 9 1M 64k");
    lab.run(&["qemu-img", "snapshot", "-c", "tuesday", "good"]);
    io(&lab, "good", "write -q -P 8 1500k 64k");
    let mut good = fs::read(lab.path("good")).unwrap();
    good.resize(good.len().next_multiple_of(4096), 0);
    assert!(lab.import("good").is_ok());
    fs::remove_dir_all(&lab.store.list().unwrap().sealed[0].dir).unwrap();

    // Its entry for the second MiB.
    let table = led(&good, led(&good, 40)) + 256 * 8;
    let snapshots = led(&good, 64);
    let first_of_monday = led(&good, snapshots);
    let mut extension = place(&good, 100, 4, true);
    while place(&good, extension, 4, true) != 0x2385_2875 {
        extension += 8 + place(&good, extension + 4, 4, true).next_multiple_of(8);
    }
    let directory = led(&good, extension + 24);
    let bitmap = led(&good, directory);
    for (leads, told) in [
        (snapshots, "its table of snapshots"),
        (first_of_monday, "the first table of a snapshot"),
        (led(&good, first_of_monday), "a second table of a snapshot"),
        (directory, "its directory of bitmaps"),
        (bitmap, "the table of a bitmap"),
        (led(&good, bitmap), "a bitmap"),
    ] {
        assert_ne!(leads, 0, "{told}");
        let mut bytes = good.clone();
        let entry = (leads as u64) | 1 << 63;
        bytes[table..table + 8].copy_from_slice(&entry.to_be_bytes());
        lab.write("bad", &bytes);
        let words = lab.refused("bad");
        assert!(
            words.contains(&format!("{told} and byte 1048576 of the disk are in one place")),
            "{told}: {words}"
        );
    }
}

#[test]
fn healthy_snapshots_and_bitmaps_are_no_damage() {
    for (options, bitmaps) in [
        ("", true),
        ("extended_l2=on", true),
        ("lazy_refcounts=on,cluster_size=512", false),
        ("compat=0.10", false),
    ] {
        let lab = Lab::new();
        let mut now = mbr(4, 5);
        lab.make(&now, "qcow2", options, "disk");
        for (day, name) in ["monday", "tuesday", "wednesday"].into_iter().enumerate() {
            if bitmaps {
                lab.run(&["qemu-img", "bitmap", "--add", "disk", name]);
            }
            lab.run(&["qemu-img", "snapshot", "-c", name, "disk"]);
            let (at, value) = ((day + 1) << 20, 7);
            io(&lab, "disk", &format!("write -q -P {value} {at} 3k"));
            now[at..at + 3072].fill(value);
        }
        lab.run(&["qemu-img", "snapshot", "-d", "tuesday", "disk"]);
        let made = lab.import("disk").expect(options);
        assert_eq!(
            made.sealed.manifest.content_sha256,
            Some(sha256(&now)),
            "{options}"
        );
        // Back to where a snapshot's tables are the present state's as well.
        if !bitmaps {
            lab.run(&["qemu-img", "snapshot", "-a", "wednesday", "disk"]);
            assert!(lab.import("disk").is_ok(), "{options}");
        }
    }
}
