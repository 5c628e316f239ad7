//! Backups of Proxmox: how they are packed.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::make::{self, Vma};
use super::{contents, refused, taken};

/// A disk with blocks of zeros in it, that ends inside a block.
fn disk(clusters: u8) -> Vec<u8> {
    let mut disk = Vec::new();
    for cluster in 0..clusters {
        for block in 0..16_u8 {
            let byte = if (cluster ^ block) % 3 == 0 {
                0
            } else {
                (cluster ^ block) | 1
            };
            disk.extend([byte; 4096]);
        }
    }
    disk.extend([7; 5000]);
    disk
}

fn server() -> Vma {
    Vma::new(
        "scsi0: local:vm-1-disk-0,size=8M\nboot: order=scsi0\n",
        &[("drive-scsi0", &disk(70))],
    )
}

#[test]
fn the_disk_is_the_same_plain_packed_and_out_of_order() {
    let plain = server().build();
    let mut shuffled = server();
    shuffled.order = |clusters| clusters.sort_by_key(|(device, number)| (number * 7919 % 61, *device));
    for (form, archive) in [
        ("plain", plain.clone()),
        ("out of order", shuffled.build()),
        ("gzip", make::packed("gzip", &plain)),
        ("zstd", make::packed("zstd", &plain)),
    ] {
        let (_place, foreign) = taken("machine", archive);
        assert_eq!(foreign.disks[0].name, "scsi0", "{form}");
        assert!(contents(&foreign) == [disk(70)], "{form}: another disk");
    }
}

#[test]
fn an_archive_of_lzop_is_unpacked_or_the_package_is_named() {
    let header = [0x89, b'L', b'Z', b'O', 0, b'\r', b'\n', 0x1a, b'\n'];
    if patchgate::image::process::missing(&["lzop"]).is_some() {
        let told = refused("a.vma.lzo", header);
        assert!(
            told.contains("it takes `lzop`, which is not installed (run `apt install lzop`)"),
            "{told}"
        );
        return;
    }
    let (_place, foreign) = taken("a", make::packed("lzop", &server().build()));
    assert!(contents(&foreign) == [disk(70)], "another disk");
    let mut cut = make::packed("lzop", &server().build());
    cut.truncate(cut.len() / 4);
    let told = refused("a", cut);
    assert!(
        told.contains("as where a copy is cut short") && told.contains("copy or export it once more"),
        "{told}"
    );
    let told = refused("a", make::packed("lzop", &[1; 5000]));
    assert!(told.contains("no backup of Proxmox"), "{told}");
}

#[test]
fn zeros_are_holes_and_the_variables_of_the_firmware_are_no_disk() {
    let mut sparse = vec![0; 8 << 20];
    sparse[5 << 20] = 1;
    let nvram = vec![3; 540_672];
    let vma = Vma::new(
        "bios: ovmf\nscsi0: x\nefidisk0: y\n",
        &[("drive-efidisk0", &nvram), ("drive-scsi0", &sparse)],
    );
    let (_place, foreign) = taken("a", vma.build());
    assert!(contents(&foreign) == [sparse], "another disk");
    let about = foreign.disks[0].file.metadata().expect("a disk");
    assert!(about.blocks() * 512 < 1 << 20 && about.mode() & 0o777 == 0o600);
    assert!(fs::read(foreign.nvram.expect("variables")).expect("it reads") == nvram);
}

#[test]
fn a_cut_archive_is_refused_wherever_it_is_cut() {
    let whole = server().build();
    let header = server().header().len();
    let first = header + server().extents()[0].len();
    for length in [
        100,
        12_288,
        header - 1,
        header,
        header + 100,
        first - 1,
        first,
        whole.len() - 1,
    ] {
        let told = refused("a.vma", &whole[..length]);
        assert!(told.contains("is cut short"), "{length}: {told}");
        let told = refused("a.vma.gz", make::packed("gzip", &whole[..length]));
        assert!(told.contains("is cut short"), "{length}: {told}");
    }
    for program in ["gzip", "zstd"] {
        let packed = make::packed(program, &whole);
        let told = refused("a", &packed[..packed.len() - 40]);
        assert!(told.contains(&format!("{program} does not unpack it")), "{told}");
    }
}

#[test]
fn an_archive_that_contradicts_itself_is_refused() {
    let vma = server();
    let (header, extents) = (vma.header(), vma.extents());
    let spoiled = |at: usize| {
        let mut header = header.clone();
        header[at] ^= 1;
        [header, extents.concat()].concat()
    };
    assert!(refused("a", spoiled(12_300)).contains("another checksum"));
    assert!(refused("a", spoiled(7)).contains("version 0 of its format"));
    // The header of an extent, changed with and without its checksum.
    let changed = |change: &dyn Fn(&mut Vec<u8>), sealed: bool| {
        let mut extents = extents.clone();
        change(&mut extents[1]);
        if sealed {
            make::reseal(&mut extents[1][..512], 24);
        }
        refused("a", [header.clone(), extents.concat()].concat())
    };
    for (change, sealed, words) in [
        (
            &(|extent: &mut Vec<u8>| extent[45] ^= 1) as &dyn Fn(&mut Vec<u8>),
            false,
            "extent 2 has a header of another checksum",
        ),
        (
            &|extent: &mut Vec<u8>| extent[0] = b'X',
            true,
            "extent 2 has no header",
        ),
        (
            &|extent: &mut Vec<u8>| extent[8] ^= 1,
            true,
            "extent 2 is of another archive",
        ),
        (
            &|extent: &mut Vec<u8>| extent[7] ^= 1,
            true,
            "another number of blocks",
        ),
        (
            &|extent: &mut Vec<u8>| extent[43] = 9,
            true,
            "a device 9 that there is not",
        ),
        (
            &|extent: &mut Vec<u8>| extent[44..48].fill(0xff),
            true,
            "beyond the end of `drive-scsi0`",
        ),
        (
            &|extent: &mut Vec<u8>| extent[44..48].fill(0),
            true,
            "cluster 0 of `drive-scsi0` once more",
        ),
    ] {
        let told = changed(change, sealed);
        assert!(told.contains(words), "{words}: {told}");
    }
    let told = refused(
        "a",
        [header.clone(), extents[0].clone(), extents[0].clone()].concat(),
    );
    assert!(told.contains("once more"), "{told}");
    let told = refused("a", [header.clone(), extents.concat(), b"more".to_vec()].concat());
    assert!(told.contains("extent 3 has no whole header"), "{told}");
}

#[test]
fn a_header_may_point_anywhere() {
    let vma = server();
    for (at, bytes) in [
        (48, [0xff_u8; 4].as_slice()),
        (52, &[0xff; 4]),
        (48, &[0; 4]),
        (56, &[0xff; 4]),
        (56, &[0; 4]),
        (2044, &[0, 0xff, 0xff, 0xff]),
        (3068, &[0xff; 4]),
        (4096 + 32, &[0xff; 4]),
        (4096 + 32 + 8, &[0xff; 8]),
        (4096 + 32 + 8, &[0, 0, 0x03, 0xff, 0, 0, 0, 0]),
    ] {
        let mut header = vma.header();
        header[at..at + bytes.len()].copy_from_slice(bytes);
        make::reseal(&mut header, 32);
        refused("a", [header, vma.extents().concat()].concat());
    }
}
