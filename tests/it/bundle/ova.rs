//! Archives of appliances: how they are packed.

use std::fs;

use super::{assert_said, contents, make, refused, taken};

/// The descriptor of a simple appliance, its disk, and entries with both.
fn parts() -> (String, Vec<u8>) {
    let disk = make::vmdk(8, 1);
    (make::simple(&disk), disk)
}

#[test]
fn every_form_of_tar_gives_the_same_disk() {
    let (descriptor, disk) = parts();
    let ovf = make::entry("server.ovf", b'0', descriptor.as_bytes());
    let plain = make::entry("disk1.vmdk", b'0', &disk);
    let mut large = plain.clone();
    large[124..136].fill(0);
    large[124] = 0x80;
    large[128..136].copy_from_slice(&(disk.len() as u64).to_be_bytes());
    make::sealed(&mut large);
    let mut gnu = plain.clone();
    gnu[257..265].copy_from_slice(b"ustar  \0");
    // GNU's header has times where POSIX's has the front of a name.
    gnu[345..356].copy_from_slice(b"14712345670");
    make::sealed(&mut gnu);
    let mut old = plain.clone();
    old[156] = 0;
    make::sealed(&mut old);
    let long = [
        make::entry("././@LongLink", b'L', b"disk1.vmdk\0"),
        make::entry("cut-off", b'0', &disk),
    ]
    .concat();
    let pax = [
        make::entry("PaxHeaders/disk1", b'x', b"19 path=disk1.vmdk\n"),
        make::entry("other", b'0', &disk),
    ]
    .concat();
    let mut unsized_entry = make::entry("disk1.vmdk", b'0', &disk);
    unsized_entry[124..136].copy_from_slice(b"00000000000\0");
    make::sealed(&mut unsized_entry);
    let record = format!("size={}", disk.len());
    let record = format!("{} {record}\n", record.len() + 4);
    let sized = [
        make::entry("PaxHeaders/disk1", b'x', record.as_bytes()),
        unsized_entry,
    ]
    .concat();
    let global = [
        make::entry("pax_global_header", b'g', b"13 comment=a\n"),
        plain.clone(),
    ]
    .concat();
    for (form, entries) in [
        ("ustar", vec![ovf.clone(), plain.clone()]),
        ("descriptor last", vec![plain.clone(), ovf.clone()]),
        ("base 256", vec![ovf.clone(), large]),
        ("gnu", vec![ovf.clone(), gnu]),
        ("old", vec![ovf.clone(), old]),
        ("long name", vec![ovf.clone(), long]),
        ("pax path", vec![ovf.clone(), pax]),
        ("pax size", vec![ovf.clone(), sized]),
        ("pax global", vec![global, ovf.clone()]),
        (
            "folder and link",
            vec![
                make::entry("./", b'5', b""),
                ovf.clone(),
                plain,
                make::entry("x", b'2', b""),
            ],
        ),
    ] {
        let (_place, foreign) = taken("machine", make::tar(&entries));
        assert_eq!(contents(&foreign), [disk.as_slice()], "{form}");
        assert_eq!(foreign.disks[0].name, "disk1.vmdk", "{form}");
    }
}

#[test]
fn a_descriptor_has_any_name_and_its_files_are_beside_it() {
    let (descriptor, disk) = parts();
    for [ovf, vmdk] in [
        ["another name.OVF", "disk1.vmdk"],
        ["descriptor.xml", "disk1.vmdk"],
        ["export/a.ovf", "export/disk1.vmdk"],
        ["./a.ovf", "./disk1.vmdk"],
    ] {
        let archive = make::files(&[("readme", b"hello"), (vmdk, &disk), (ovf, descriptor.as_bytes())]);
        let (_place, foreign) = taken("a", archive);
        assert_eq!(contents(&foreign), [disk.as_slice()], "{ovf}");
        assert_said(&foreign, &["no manifest", "files that are left out: `readme`"]);
    }
    let two = make::files(&[("a.ovf", descriptor.as_bytes()), ("b.ovf", descriptor.as_bytes())]);
    assert!(refused("a", two).contains("several descriptors: `a.ovf`, `b.ovf`"));
    let none = make::files(&[("disk.raw", &disk)]);
    assert!(refused("a", none).contains("without an OVF descriptor"));
}

#[test]
fn names_never_leave_the_archive() {
    let (descriptor, disk) = parts();
    for name in [
        "../escaped.vmdk",
        "/tmp/escaped.vmdk",
        "a/../../escaped.vmdk",
        "..",
    ] {
        let named = descriptor.replace("disk1.vmdk", name);
        let told = refused("a", make::files(&[("a.ovf", named.as_bytes()), (name, &disk)]));
        assert!(
            told.contains(&format!("the name `{name}` leads out of it")),
            "{told}"
        );
        // The descriptor alone may name it as well.
        let told = refused(
            "a",
            make::files(&[("a.ovf", named.as_bytes()), ("disk1.vmdk", &disk)]),
        );
        assert!(told.contains("leads out of it"), "{told}");
    }
    let place = super::Place::new();
    place.put("secret", "host-secret");
    let mut link = make::entry("disk1.vmdk", b'2', b"");
    link[157..163].copy_from_slice(b"secret");
    make::sealed(&mut link);
    let path = place.put(
        "a",
        make::tar(&[make::entry("a.ovf", b'0', descriptor.as_bytes()), link]),
    );
    let told = place.open(&path).expect_err("a link is followed").to_string();
    assert!(told.contains("`disk1.vmdk` is a link"), "{told}");
    for href in [
        "http://example.org/disk1.vmdk",
        "file:///etc/shadow",
        "nbd://host/x",
    ] {
        let named = descriptor.replace("disk1.vmdk", href);
        let told = refused("a", make::files(&[("a.ovf", named.as_bytes())]));
        assert!(told.contains(&format!("partly at `{href}`")), "{told}");
    }
}

#[test]
fn a_cut_or_crooked_archive_is_refused() {
    let (descriptor, disk) = parts();
    let whole = make::ova(&descriptor, &[("disk1.vmdk", &disk)]);
    let told = refused("a", &whole[..whole.len() - 1024 - 4096]);
    assert!(
        told.contains("cut short") && told.contains("disk1.vmdk"),
        "{told}"
    );
    // At the edge of an entry: what is missing is named.
    let edge = make::entry("server.ovf", b'0', descriptor.as_bytes());
    let told = refused("a", edge);
    assert!(
        told.contains("`disk1.vmdk`, which the descriptor names, is not in it"),
        "{told}"
    );
    let mut garbage = make::entry("server.ovf", b'0', descriptor.as_bytes());
    garbage.extend([1; 512]);
    assert!(refused("a", garbage).contains("no header at byte"));
    let twice = make::files(&[
        ("a.ovf", descriptor.as_bytes()),
        ("disk1.vmdk", &disk),
        ("disk1.vmdk", &disk),
    ]);
    assert!(refused("a", twice).contains("`disk1.vmdk` twice"));
    let mut holes = make::entry("disk1.vmdk", b'S', &disk);
    make::sealed(&mut holes);
    let told = refused(
        "a",
        make::tar(&[make::entry("a.ovf", b'0', descriptor.as_bytes()), holes]),
    );
    assert!(told.contains("stored with holes"), "{told}");
    let mut endless = make::entry("x", b'L', b"name");
    endless[124..136].copy_from_slice(b"77777777777\0");
    make::sealed(&mut endless);
    assert!(refused("a", endless).contains("cut short"));
}

#[test]
fn pieces_are_joined_in_the_order_of_their_numbers() {
    let disk = make::vmdk(8, 1);
    let size = 16_384;
    let descriptor = make::envelope(
        &make::reference(
            "file1",
            "disk1.vmdk",
            disk.len(),
            &format!("ovf:chunkSize='{size}'"),
        ),
        &make::declared("vmdisk1", "file1"),
        &make::system("server", &make::one_disk()),
    );
    let names: Vec<String> = (0..disk.len().div_ceil(size))
        .map(|n| format!("disk1.vmdk.{n:09}"))
        .collect();
    let pieces: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(disk.chunks(size)).collect();
    let mut reversed = pieces.clone();
    reversed.reverse();
    let (place, foreign) = taken("a", make::ova(&descriptor, &reversed));
    assert_eq!(contents(&foreign), [disk.as_slice()]);
    assert_eq!(fs::read_dir(place.unpacked()).expect("a folder").count(), 1);
    let mut gap = pieces.clone();
    gap.remove(2);
    let told = refused("a", make::ova(&descriptor, &gap));
    assert!(told.contains("piece 2 of `disk1.vmdk`"), "{told}");
    let told = refused("a", make::ova(&descriptor, &pieces[..3]));
    assert!(
        told.contains("cut short") || told.contains("by its descriptor"),
        "{told}"
    );
    let mut short = pieces.clone();
    short[1].1 = &short[1].1[..100];
    let told = refused("a", make::ova(&descriptor, &short));
    assert!(told.contains("has 100 bytes instead of 16384"), "{told}");
}

#[test]
fn a_disk_compressed_by_gzip_is_unpacked_whatever_its_name_is() {
    let disk = make::vmdk(8, 1);
    let packed = make::packed("gzip", &disk);
    let descriptor = |compression: &str, size: usize| {
        make::envelope(
            &make::reference(
                "file1",
                "disk1.vmdk",
                size,
                &format!("ovf:compression='{compression}'"),
            ),
            &make::declared("vmdisk1", "file1"),
            &make::system("server", &make::one_disk()),
        )
    };
    // Writers do not agree on which size is meant.
    for size in [packed.len(), disk.len()] {
        let archive = make::ova(&descriptor("gzip", size), &[("disk1.vmdk", &packed)]);
        let (place, foreign) = taken("a", archive);
        assert_eq!(contents(&foreign), [disk.as_slice()]);
        assert_eq!(fs::read_dir(place.unpacked()).expect("a folder").count(), 1);
        assert!(
            !foreign.said.iter().any(|line| line.contains("bytes")),
            "{:?}",
            foreign.said
        );
    }
    let told = refused(
        "a",
        make::ova(&descriptor("gzip", disk.len()), &[("disk1.vmdk", &disk)]),
    );
    assert!(told.contains("not compressed as the descriptor says"), "{told}");
    let cut = &packed[..packed.len() - 20];
    let told = refused(
        "a",
        make::ova(&descriptor("gzip", cut.len()), &[("disk1.vmdk", cut)]),
    );
    assert!(told.contains("gzip does not unpack it"), "{told}");
    let told = refused(
        "a",
        make::ova(&descriptor("bzip2", disk.len()), &[("disk1.vmdk", &disk)]),
    );
    assert!(told.contains("compressed by `bzip2`"), "{told}");
    let (_place, foreign) = taken(
        "a",
        make::ova(&descriptor("identity", disk.len()), &[("disk1.vmdk", &disk)]),
    );
    assert_eq!(contents(&foreign), [disk.as_slice()]);
}

#[test]
fn a_file_of_another_size_than_the_descriptor_says_is_cut_or_said() {
    let disk = make::vmdk(8, 1);
    let descriptor = make::simple(&disk).replace(&format!("'{}'", disk.len()), "'99999'");
    let told = refused(
        "a",
        make::files(&[("a.ovf", descriptor.as_bytes()), ("disk1.vmdk", &disk)]),
    );
    assert!(
        told.contains("cut short: `disk1.vmdk` has 70512 bytes, and 99999"),
        "{told}"
    );
    // The manifest vouches for it.
    let (_place, foreign) = taken("a", make::ova(&descriptor, &[("disk1.vmdk", &disk)]));
    assert_said(
        &foreign,
        &["`disk1.vmdk` has 70512 bytes, and 99999 by its descriptor"],
    );
}
