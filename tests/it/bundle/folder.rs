//! Folders with one machine's disks.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use patchgate::image::bundle::Ask;
use patchgate::image::foreign::{Foreign, ForeignDisk};
use patchgate::model::hardware::{DiskHardware, Firmware};

use super::{Place, assert_said, make};

/// A disk of QEMU's, with a backing file, of so many bytes as the guest sees it.
fn qcow2(backing: &str, size: u64) -> Vec<u8> {
    let mut disk = vec![0; 1024];
    disk[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    if !backing.is_empty() {
        disk[8..16].copy_from_slice(&512_u64.to_be_bytes());
        disk[16..20].copy_from_slice(&u32::try_from(backing.len()).expect("short").to_be_bytes());
        disk[512..512 + backing.len()].copy_from_slice(backing.as_bytes());
    }
    disk[24..32].copy_from_slice(&size.to_be_bytes());
    disk
}

fn boot_sector() -> Vec<u8> {
    let mut disk = vec![0; 65_536];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk
}

#[track_caller]
fn opened(place: &Place) -> Foreign {
    place
        .open(&place.path("in"))
        .unwrap_or_else(|error| panic!("{error}"))
        .expect("a machine")
}

#[track_caller]
fn refused(place: &Place) -> String {
    place
        .open(&place.path("in"))
        .expect_err("it is taken")
        .to_string()
}

fn names(foreign: &Foreign) -> Vec<&str> {
    foreign.disks.iter().map(|disk| disk.name.as_str()).collect()
}

#[test]
fn disks_are_known_by_content_and_taken_in_the_order_in_which_people_count() {
    let place = Place::new();
    place.put("disk10.img", [1; 4096]);
    place.put("disk2.qcow2", qcow2("", 1 << 30));
    place.put("disk1", boot_sector());
    place.put(
        "disk3.vhd",
        [vec![0; 4096], b"conectix".to_vec(), vec![0; 504]].concat(),
    );
    place.put("disk4.img.gz", make::packed("gzip", &[1; 4096]));
    place.put("notes.txt", "backup of Monday");
    place.put("photo.gz", make::packed("gzip", b"no disk"));
    let mut cd = boot_sector();
    cd[32_769..32_774].copy_from_slice(b"CD001");
    place.put("install.iso", cd);
    fs::create_dir(place.path("in/older")).expect("a folder");
    symlink("/etc/hostname", place.path("in/disk0.img")).expect("a link");
    let foreign = opened(&place);
    assert_eq!(
        names(&foreign),
        ["disk1", "disk2.qcow2", "disk3.vhd", "disk4.img.gz", "disk10.img"]
    );
    assert!(
        foreign
            .disks
            .iter()
            .all(|disk| disk.file.is_file() && disk.format.is_none())
    );
    assert_said(
        &foreign,
        &[
            "no disks: `install.iso`, `notes.txt`, `older`, `photo.gz`",
            "links, which are not followed: `disk0.img`",
            "in the order of their names",
        ],
    );
    assert_eq!(fs::read_dir(place.unpacked()).expect("a folder").count(), 0);
}

#[test]
fn what_a_disk_is_made_of_is_no_disk_of_its_own() {
    let place = Place::new();
    place.put("server.qcow2", qcow2("", 1 << 30));
    place.put("server.monday", qcow2("/var/images/server.qcow2", 1 << 30));
    place.put("server.tuesday", qcow2("server.monday", 1 << 30));
    place.put(
        "data.vmdk",
        "# Disk DescriptorFile\nversion=1\nRW 128 FLAT \"data-flat.vmdk\" 0\n",
    );
    place.put("data-flat.vmdk", boot_sector());
    assert_eq!(names(&opened(&place)), ["data.vmdk", "server.tuesday"]);
    let circle = Place::new();
    circle.put("a.qcow2", qcow2("b.qcow2", 1 << 30));
    circle.put("b.qcow2", qcow2("a.qcow2", 1 << 30));
    assert!(refused(&circle).contains("without a disk"));
}

#[test]
fn the_variables_of_a_firmware_are_known_by_content() {
    let mut variables = vec![0; 540_672];
    variables[40..44].copy_from_slice(b"_FVH");
    for (name, content) in [("a_VARS.fd", variables.clone()), ("a.qcow2", qcow2("", 540_672))] {
        let place = Place::new();
        place.put("disk.img", boot_sector());
        place.put(name, content);
        let foreign = opened(&place);
        assert_eq!(names(&foreign), ["disk.img"], "{name}");
        assert_eq!(foreign.nvram, Some(place.path("in").join(name)));
        assert_eq!(foreign.hardware.firmware, Some(Firmware::Uefi));
        place.put("b_VARS.fd", &variables);
        let foreign = opened(&place);
        assert_eq!((foreign.nvram.as_ref(), foreign.hardware.firmware), (None, None));
        assert_said(&foreign, &["NVRAM that is not taken"]);
    }
}

#[test]
fn a_folder_without_one_machine_s_disks_is_refused() {
    let place = Place::new();
    let nothing = place.path("in").join("nothing.ova");
    for (path, words, remedy) in [
        (
            place.path("in"),
            "a folder without a disk",
            "a disk is known by its content",
        ),
        (nothing, "is not there", "see whether the name is right"),
        ("/dev/null".into(), "is not a file", "name a disk, an archive"),
    ] {
        let error = place.open(&path).expect_err("it is taken");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains(remedy)), "{error}");
    }
    place.put("a.vma", make::Vma::new("", &[("drive-scsi0", &[1; 99])]).build());
    place.put("b.vma.gz", make::packed("gzip", b"VMA\0"));
    place.put("b.log", "done");
    let told = refused(&place);
    assert!(
        told.contains("folder of archives; import the one that is meant: `a.vma`, `b.vma.gz`"),
        "{told}"
    );
}

#[test]
fn one_descriptor_beside_disks_is_used_and_several_are_refused() {
    let place = Place::new();
    let disk = make::vmdk(8, 1);
    place.put("disk1.vmdk", &disk);
    place.put("other.vmdk", &disk);
    place.put("server.ovf", make::simple(&disk));
    place.put("server.mf", make::manifest(&[("disk1.vmdk", &disk)]));
    let foreign = opened(&place);
    assert_eq!(names(&foreign), ["disk1.vmdk"]);
    assert_said(&foreign, &["files that are left out: `other.vmdk`"]);
    let xml = place.put("server.xml", "<domain type='kvm'/>");
    let told = refused(&place);
    assert!(
        told.contains("several descriptions of a machine: `server.ovf`, `server.xml`"),
        "{told}"
    );
    fs::remove_file(xml).expect("removed");
    place.put("second.ovf", make::simple(&disk));
    let told = refused(&place);
    assert!(
        told.contains("several descriptions of a machine: `second.ovf`, `server.ovf`"),
        "{told}"
    );
}

/// Plays the reader of domains: a line a disk, its name and its file.
fn reader(xml: &str) -> Result<Foreign, String> {
    let lines = xml
        .lines()
        .filter_map(|line| line.split_once(' ').filter(|(_, file)| file.starts_with('/')));
    let disks: Vec<ForeignDisk> = lines
        .map(|(name, file)| ForeignDisk {
            file: PathBuf::from(file),
            name: name.to_owned(),
            format: None,
            hardware: DiskHardware::default(),
        })
        .collect();
    if disks.is_empty() {
        return Err("no disk in it".to_owned());
    }
    Ok(Foreign {
        disks,
        nvram: Some(PathBuf::from("/var/lib/libvirt/qemu/nvram/a_VARS.fd")),
        ..Foreign::default()
    })
}

#[test]
fn the_xml_of_a_domain_beside_disks_tells_which_is_which() {
    let place = Place::new();
    place.put("vdb.img", boot_sector());
    place.put("system.img", boot_sector());
    place.put("extra.img", boot_sector());
    let xml = place.put(
        "server.xml",
        "<domain>\nvda /var/lib/images/system.img\nvdb /dev/ceph/x\n",
    );
    let mut variables = vec![0; 540_672];
    variables[40..44].copy_from_slice(b"_FVH");
    place.put("a_VARS.fd", &variables);
    place.put("b_VARS.fd", &variables);
    let ask = Ask {
        machine: None,
        domain: Some(&reader),
    };
    let folder = place.path("in");
    let foreign = place.ask(&folder, ask).expect("taken").expect("a machine");
    let files: Vec<PathBuf> = foreign.disks.iter().map(|disk| disk.file.clone()).collect();
    assert_eq!(files, [folder.join("system.img"), folder.join("vdb.img")]);
    assert_eq!(foreign.nvram, Some(folder.join("a_VARS.fd")));
    assert_said(
        &foreign,
        &["disks that `server.xml` does not name are left out: `extra.img`"],
    );
    // Without a reader it is one of the files that are no disks.
    assert_said(&opened(&place), &["no disks: `server.xml`"]);
    fs::write(&xml, "<domain>\nvda /var/lib/images/gone.img\n").expect("written");
    let told = place.ask(&folder, ask).expect_err("none").to_string();
    assert!(
        told.contains("`gone.img`, which `server.xml` names, is not in it"),
        "{told}"
    );
    fs::write(&xml, "<domain>").expect("written");
    let told = place.ask(&folder, ask).expect_err("none").to_string();
    assert!(
        told.contains("the descriptor `server.xml` cannot be read: no disk in it"),
        "{told}"
    );
    fs::write(place.path("in/second.xml"), "<domain>").expect("written");
    let told = place.ask(&folder, ask).expect_err("two").to_string();
    assert!(
        told.contains("several descriptions of a machine: `second.xml`, `server.xml`"),
        "{told}"
    );
}
