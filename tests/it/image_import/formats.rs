//! Disks that are taken, in whatever format they come.

use std::fs;
use std::process::Command;

use patchgate::image::foreign::{ForeignDisk, Format};
use patchgate::image::format::read::{CRC32C, crc32};
use patchgate::model::hardware::Firmware;

use super::{Lab, asked, content, disk, one, sha256};
use crate::testkit::disk::{gpt, mbr};

#[test]
fn one_content_has_one_digest_in_whatever_format_it_comes() {
    let lab = Lab::new();
    let whole = gpt(8, 512, 1);
    let mut names = vec!["whole.raw".to_owned()];
    lab.write("whole.raw", &whole);
    for (format, options, name) in [
        ("qcow2", "", "whole.qcow2"),
        ("qcow2", "compat=0.10", "old.qcow2"),
        ("qcow2", "extended_l2=on", "parts.qcow2"),
        ("qcow2", "cluster_size=512", "small.qcow2"),
        ("vmdk", "subformat=monolithicSparse", "sparse.vmdk"),
        ("vmdk", "subformat=streamOptimized", "stream.vmdk"),
        ("vmdk", "subformat=monolithicFlat", "flat.vmdk"),
        ("vmdk", "subformat=twoGbMaxExtentSparse", "split sparse.vmdk"),
        ("vmdk", "subformat=twoGbMaxExtentFlat", "split.vmdk"),
        ("vpc", "subformat=dynamic,force_size", "dynamic.vhd"),
        ("vpc", "subformat=fixed,force_size", "fixed.img"),
        ("vhdx", "", "whole.vhdx"),
        ("vhdx", "subformat=fixed", "fixed.vhdx"),
        ("vdi", "", "whole.vdi"),
        ("vdi", "static=on", "static.vdi"),
    ] {
        lab.make(&whole, format, options, name);
        names.push(name.to_owned());
    }
    lab.run(&[
        "qemu-img",
        "convert",
        "-c",
        "-O",
        "qcow2",
        "-o",
        "compression_type=zstd",
        "whole.raw",
        "zstd.qcow2",
    ]);
    lab.run(&[
        "qemu-img",
        "convert",
        "-c",
        "-O",
        "qcow2",
        "whole.raw",
        "zlib.qcow2",
    ]);
    // Its descriptor names the old file.
    fs::copy(lab.path("sparse.vmdk"), lab.path("renamed.vmdk")).unwrap();
    let mut newer = fs::read(lab.path("stream.vmdk")).unwrap();
    newer[4] = 3;
    lab.write("version-3.vmdk", &newer);
    lab.run(&["gzip", "-k", "whole.raw"]);
    lab.run(&["xz", "-k", "-T1", "whole.raw"]);
    lab.run(&["zstd", "-q", "whole.raw"]);
    lab.run(&["xz", "-k", "-T1", "whole.vdi"]);
    lab.run(&["gzip", "-k", "fixed.img"]);
    names.extend(
        [
            "zstd.qcow2",
            "zlib.qcow2",
            "renamed.vmdk",
            "version-3.vmdk",
            "whole.raw.gz",
            "whole.raw.xz",
            "whole.raw.zst",
            "whole.vdi.xz",
            "fixed.img.gz",
        ]
        .map(str::to_owned),
    );
    for name in &names {
        let made = lab.import(name).expect(name);
        let manifest = &made.sealed.manifest;
        assert_eq!(manifest.content_sha256, Some(sha256(&whole)), "{name}");
        assert_eq!(manifest.virtual_size, whole.len() as u64, "{name}");
        assert_eq!(manifest.hardware.firmware, Some(Firmware::Uefi), "{name}");
        assert!(content(&made.sealed.disk()) == whole, "{name}");
        assert_eq!(made.said, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_disk_by_any_name_is_a_file_and_no_option() {
    let lab = Lab::new();
    let whole = mbr(4, 2);
    let good = fs::read(lab.make(&whole, "qcow2", "", "good")).unwrap();
    fs::remove_file(lab.path("good")).unwrap();
    for name in [
        "-O.qcow2",
        "nbd:192.0.2.1:1",
        "json:{\"driver\":\"null-co\"}",
        "with space, comma",
        "new\nline",
        "größe",
        "a=b,format=raw",
    ] {
        lab.write(name, &good);
        let made = lab.import(name).expect(name);
        assert_eq!(
            made.sealed.manifest.content_sha256,
            Some(sha256(&whole)),
            "{name}"
        );
        assert_eq!(made.sealed.manifest.hardware.firmware, Some(Firmware::Bios));
        fs::remove_file(lab.path(name)).unwrap();
    }
}

#[test]
fn a_raw_disk_that_poses_is_content_for_whoever_knows_that_it_is_raw() {
    let lab = Lab::new();
    let secret = lab.dir.path().join("host-secret");
    let secret = secret.to_str().unwrap();
    lab.run(&[
        "qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", secret, "-F", "raw", "poses", "1M",
    ]);
    let mut bytes = fs::read(lab.path("poses")).unwrap();
    bytes.resize(1 << 20, 0);
    lab.write("poses", &bytes);
    let told = |format| {
        let disk = ForeignDisk {
            format: Some(format),
            ..disk(&lab.path("poses"))
        };
        lab.import_as(one(disk), &asked())
    };
    let made = told(Format::Raw).unwrap();
    assert_eq!(made.sealed.manifest.content_sha256, Some(sha256(&bytes)));
    assert!(content(&made.sealed.disk()) == bytes);
    let error = told(Format::Vmdk).unwrap_err().to_string();
    assert!(
        error.contains("said to be vmdk, and its content is qcow2"),
        "{error}"
    );
}

#[test]
fn snapshots_within_a_disk_are_left_out_and_said() {
    let lab = Lab::new();
    let whole = gpt(4, 512, 5);
    lab.make(&whole, "qcow2", "", "disk");
    lab.run(&["qemu-img", "snapshot", "-c", "monday", "disk"]);
    lab.run(&["qemu-io", "-f", "qcow2", "-c", "write -q -P 9 2M 64k", "disk"]);
    let mut now = whole;
    now[2 << 20..(2 << 20) + 65536].fill(9);
    let made = lab.import("disk").unwrap();
    assert_eq!(made.sealed.manifest.content_sha256, Some(sha256(&now)));
    assert!(
        made.said
            .join("\n")
            .contains("left out are its snapshots `monday`"),
        "{:?}",
        made.said
    );
}

#[test]
fn a_rounded_disk_is_taken_and_said() {
    let lab = Lab::new();
    let whole = gpt(8, 512, 6);
    for options in ["subformat=dynamic", "subformat=fixed"] {
        lab.make(&whole, "vpc", options, "disk.vhd");
        let made = lab.import("disk.vhd").expect(options);
        let manifest = &made.sealed.manifest;
        assert_eq!(manifest.virtual_size, whole.len() as u64 + 2048);
        assert!(
            made.said.join("\n").contains("2048 bytes before its end"),
            "{:?}",
            made.said
        );
    }
}

#[test]
fn large_sectors_are_seen_and_given_to_the_clones() {
    let lab = Lab::new();
    let whole = gpt(8, 4096, 7);
    lab.make(&whole, "qcow2", "", "disk");
    let made = lab.import("disk").unwrap();
    assert_eq!(made.sealed.manifest.disk.block_size, Some(4096));
    assert_eq!(made.sealed.manifest.hardware.firmware, Some(Firmware::Uefi));
    lab.write("cut", &whole[..whole.len() - 4096]);
    let error = lab.import("cut").unwrap_err().to_string();
    assert!(error.contains("its partition table reaches to byte"), "{error}");
}

#[test]
fn what_was_not_closed_is_mended_on_the_copy_alone() {
    let lab = Lab::new();
    let whole = gpt(8, 512, 8);
    lab.make(&whole, "qcow2", "lazy_refcounts=on", "dirty");
    // Whoever writes to it is killed.
    let killed = Command::new("qemu-io")
        .args([
            "-f",
            "qcow2",
            "-c",
            "write -q -P 9 500k 64k",
            "-c",
            "sigraise 9",
            "dirty",
        ])
        .current_dir(lab.folder())
        .status()
        .unwrap();
    assert!(!killed.success());
    let mut now = whole.clone();
    now[500 << 10..564 << 10].fill(9);
    let made = lab.import("dirty").unwrap();
    assert_eq!(made.sealed.manifest.content_sha256, Some(sha256(&now)));
    assert!(
        made.said.join("\n").contains("a copy was mended"),
        "{:?}",
        made.said
    );

    lab.make(&whole, "vhdx", "", "logged");
    let mut bytes = fs::read(lab.path("logged")).unwrap();
    into_the_log(&mut bytes);
    lab.write("logged", &bytes);
    let made = lab.import("logged").unwrap();
    assert_eq!(made.sealed.manifest.content_sha256, Some(sha256(&whole)));
    assert!(
        made.said.join("\n").contains("its log had changes"),
        "{:?}",
        made.said
    );
}

/// Puts the block table's first page into the log of a VHDX, and noise where it was ([MS-VHDX] 2.3).
fn into_the_log(bytes: &mut [u8]) {
    let number = |bytes: &[u8], at: usize, length: usize| {
        bytes[at..at + length]
            .iter()
            .rev()
            .fold(0_u64, |value, &byte| value << 8 | u64::from(byte))
    };
    let put = |bytes: &mut [u8], at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    let bat = 2 << 20;
    assert_eq!(number(bytes, 0x30020, 8), bat, "as QEMU lays it out");
    let bat = usize::try_from(bat).unwrap();
    let page: Vec<u8> = bytes[bat..bat + 4096].to_vec();
    let newer = if number(bytes, 0x10008, 8) > number(bytes, 0x20008, 8) {
        0x10000
    } else {
        0x20000
    };
    let log = usize::try_from(number(bytes, newer + 72, 8)).unwrap();
    let (guid, sequence) = ([7_u8; 16], 1_u64.to_le_bytes());
    let length = u64::try_from(bytes.len()).unwrap().to_le_bytes();
    let mut entry = vec![0; 8192];
    put(&mut entry, 0, b"loge");
    put(&mut entry, 8, &8192_u32.to_le_bytes());
    put(&mut entry, 16, &sequence);
    put(&mut entry, 24, &1_u32.to_le_bytes());
    put(&mut entry, 32, &guid);
    put(&mut entry, 48, &length);
    put(&mut entry, 56, &length);
    // A descriptor of a page, which keeps its first and last bytes.
    put(&mut entry, 64, b"desc");
    put(&mut entry, 68, &page[4092..]);
    put(&mut entry, 72, &page[..8]);
    put(&mut entry, 80, &(bat as u64).to_le_bytes());
    put(&mut entry, 88, &sequence);
    put(&mut entry, 4096, b"data");
    put(&mut entry, 4100, &sequence[4..]);
    put(&mut entry, 4104, &page[8..4092]);
    put(&mut entry, 8188, &sequence[..4]);
    let sum = crc32(CRC32C, &entry);
    put(&mut entry, 4, &sum.to_le_bytes());
    put(bytes, log, &entry);
    bytes[bat..bat + 4096].fill(0xff);
    put(bytes, newer + 48, &guid);
    put(bytes, newer + 4, &[0; 4]);
    let sum = crc32(CRC32C, &bytes[newer..newer + 4096]);
    put(bytes, newer + 4, &sum.to_le_bytes());
}
