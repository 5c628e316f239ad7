//! Backups of Proxmox: the machine by its configuration.

use patchgate::image::foreign::{Foreign, Format};
use patchgate::model::hardware::{Clock, DiskBus, Firmware, Machine, NicModel, Video};
use patchgate::units::Mib;

use super::make::Vma;
use super::{assert_said, refused, taken};

/// The machine of a backup with this configuration, and devices of a few bytes.
#[track_caller]
fn machine(config: &str, devices: &[&str]) -> Foreign {
    let devices: Vec<(&str, &[u8])> = devices.iter().map(|name| (*name, [1; 600].as_slice())).collect();
    taken("a", Vma::new(config, &devices).build()).1
}

fn names(foreign: &Foreign) -> Vec<&str> {
    foreign.disks.iter().map(|disk| disk.name.as_str()).collect()
}

#[test]
fn a_plain_server_is_bios_on_the_older_board() {
    let server = machine(
        "boot: order=scsi0\ncores: 2\nsockets: 2\nmemory: 1024\nname: server\n\
         net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1\nostype: l26\nscsihw: virtio-scsi-single\n\
         scsi0: local-lvm:vm-104-disk-0,size=8M\nide2: none,media=cdrom\nserial0: socket\n\
         #qmdump#map:scsi0:drive-scsi0:local-lvm:raw:\n\n[before]\nmemory: 1\nbios: ovmf\n",
        &["drive-scsi0"],
    );
    assert_eq!(server.hardware.firmware, Some(Firmware::Bios));
    assert_eq!(server.hardware.machine, Some(Machine::Pc));
    assert_eq!(server.hardware.clock, Some(Clock::Utc));
    assert_eq!(server.hardware.disk_bus, Some(DiskBus::Scsi));
    assert_eq!((server.memory, server.vcpus), (Some(Mib(1024)), Some(4)));
    let disk = &server.disks[0];
    assert_eq!((disk.name.as_str(), disk.format), ("scsi0", Some(Format::Raw)));
    assert_eq!(disk.hardware.serial.as_deref(), Some("drive-scsi0"));
    let card = &server.nics[0];
    assert_eq!(card.model, Some(NicModel::Virtio));
    assert_eq!(card.mac.as_deref(), Some("bc:24:11:00:00:01"));
    assert_eq!(card.slot.as_deref(), Some("0000:00:12.0"));
    assert_said(&server, &["left out: `ide2`, `serial0`"]);
    assert!(
        !server.said.iter().any(|line| line.contains("initramfs")),
        "{:?}",
        server.said
    );
}

#[test]
fn a_server_with_uefi_has_its_variables_and_a_tpm() {
    let server = machine(
        "bios: ovmf\nefidisk0: local-lvm:d0,efitype=4m,pre-enrolled-keys=1,size=528K\nmachine: pc-q35-8.1\n\
         scsi0: local-lvm:d1,size=8M,serial=A%2DB,wwn=0x5000c500a0b1c2d3,ro=1\nvirtio1: local-lvm:d2\n\
         tpmstate0: local-lvm:d3,version=v2.0\nscsihw: virtio-scsi-pci\nvga: virtio,memory=32\nmemory: current=4096\n",
        &[
            "drive-efidisk0",
            "drive-scsi0",
            "drive-tpmstate0-backup",
            "drive-virtio1",
        ],
    );
    assert_eq!(server.hardware.firmware, Some(Firmware::Uefi));
    assert_eq!(server.hardware.machine, Some(Machine::Q35));
    assert_eq!(server.hardware.video, Some(Video::Virtio));
    assert_eq!(server.hardware.tpm, Some(true));
    assert_eq!(server.memory, Some(Mib(4096)));
    assert_eq!(names(&server), ["scsi0", "virtio1"]);
    assert!(server.nvram.is_some());
    let first = &server.disks[0].hardware;
    assert_eq!(first.serial.as_deref(), Some("A-B"));
    assert_eq!(first.wwn.as_deref(), Some("5000c500a0b1c2d3"));
    assert!(first.read_only);
    assert_eq!(server.disks[1].hardware.bus, Some(DiskBus::Virtio));
    assert_said(
        &server,
        &[
            "the keys of Secure Boot",
            "the state of its TPM is not",
            "its machine type `pc-q35-8.1` is of one version of QEMU; clones have q35",
        ],
    );
}

#[test]
fn the_disk_that_it_boots_from_is_the_first() {
    let devices = [
        "drive-sata1",
        "drive-virtio10",
        "drive-virtio2",
        "drive-scsi1",
        "drive-scsi0",
    ];
    let disks = "sata1: a\nvirtio10: a\nvirtio2: a\nscsi1: a\nscsi0: a\n";
    for (boot, order) in [
        ("", ["scsi0", "scsi1", "virtio2", "virtio10", "sata1"]),
        (
            "boot: order=net0;virtio10;scsi1\n",
            ["virtio10", "scsi1", "scsi0", "virtio2", "sata1"],
        ),
        (
            "boot: cdn\nbootdisk: sata1\n",
            ["sata1", "scsi0", "scsi1", "virtio2", "virtio10"],
        ),
        (
            "boot: order=gone\n",
            ["scsi0", "scsi1", "virtio2", "virtio10", "sata1"],
        ),
    ] {
        let server = machine(&format!("{boot}{disks}"), &devices);
        assert_eq!(names(&server), order, "{boot}");
    }
}

#[test]
fn disks_of_an_older_kind_are_mapped_and_said() {
    let server = machine("ide0: a\nscsi0: b\n", &["drive-ide0", "drive-scsi0"]);
    assert_eq!(server.disks[0].hardware.bus, Some(DiskBus::Ide));
    // Nothing was chosen, so Proxmox has its default.
    assert_eq!(server.disks[1].hardware.bus, Some(DiskBus::Lsi));
    for (controller, bus) in [
        ("pvscsi", DiskBus::Pvscsi),
        ("megasas", DiskBus::Megasas),
        ("virtio-scsi-single", DiskBus::Scsi),
    ] {
        let server = machine(&format!("scsihw: {controller}\nscsi0: b\n"), &["drive-scsi0"]);
        assert_eq!(server.disks[0].hardware.bus, Some(bus), "{controller}");
    }
    let old = machine("scsihw: lsi53c810\nscsi0: b\n", &["drive-scsi0"]);
    assert_said(
        &old,
        &["its disk `scsi0` was on `lsi53c810`, and is on virtio-scsi"],
    );
    let newer = machine("machine: q35\nide0: a\n", &["drive-ide0"]);
    assert_eq!(newer.disks[0].hardware.bus, Some(DiskBus::Sata));
    assert_eq!(newer.hardware.machine, Some(Machine::Q35));
}

#[test]
fn what_is_not_in_the_backup_or_not_for_clones_is_said() {
    let server = machine(
        "scsi0: a\nscsi1: b,backup=0\nscsi2: c\nhostpci0: 01:00\nargs: -device x\nusb0: host=1\ncpu: host\nname: x\n\
         net1: e1000-82544gc=00:00:00:00:00:02,link_down=1\nnet0: model=pcnet,macaddr=00:00:00:00:00:01\n",
        &["drive-scsi0", "drive-scsi7", "vmstate"],
    );
    assert_eq!(names(&server), ["scsi0", "scsi7"]);
    assert_said(
        &server,
        &[
            "its disk `scsi1` is not in the backup, as its `backup=0` says",
            "its disk `scsi2` is not in the backup",
            "left out: `args`, `hostpci0`, `usb0`",
            "CPU model is left to the lab file's `cpu`; there it is `host`",
            "does not tell of the disk `drive-scsi7`",
            "the memory of the running machine is left out",
            "its card net0 is `pcnet`: clones have an e1000",
            "its card net1 is unplugged there",
        ],
    );
    let models: Vec<_> = server
        .nics
        .iter()
        .map(|nic| (nic.model, nic.mac.as_deref()))
        .collect();
    assert_eq!(
        models,
        [
            (Some(NicModel::E1000), Some("00:00:00:00:00:01")),
            (Some(NicModel::E1000), Some("00:00:00:00:00:02")),
        ]
    );
}

#[test]
fn windows_keeps_the_local_time() {
    let server = machine("ostype: win11\nsata0: a\n", &["drive-sata0"]);
    assert_eq!(server.hardware.clock, Some(Clock::Localtime));
    assert_eq!(server.hardware.hyperv, Some(true));
    let utc = machine("ostype: win11\nlocaltime: 0\nsata0: a\n", &["drive-sata0"]);
    assert_eq!(utc.hardware.clock, Some(Clock::Utc));
}

#[test]
fn a_backup_without_a_configuration_or_a_disk_is_taken_for_what_it_is() {
    let mut bare = Vma::new("", &[("drive-virtio1", &[1; 600]), ("drive-scsi0", &[2; 600])]);
    bare.config = None;
    let (_place, server) = taken("a", bare.build());
    assert_eq!(names(&server), ["scsi0", "virtio1"]);
    assert!(server.hardware.firmware.is_none() && server.memory.is_none());
    assert_said(&server, &["the backup has no configuration"]);
    let told = refused(
        "a",
        Vma::new("bios: ovmf\n", &[("drive-efidisk0", &[1; 600])]).build(),
    );
    assert!(
        told.contains("a backup without a disk; it has `drive-efidisk0`"),
        "{told}"
    );
    for other in ["arch: aarch64\n", "machine: virt\n"] {
        let told = refused("a", Vma::new(other, &[("drive-scsi0", &[1; 600])]).build());
        assert!(told.contains("a machine of another kind"), "{told}");
    }
}
