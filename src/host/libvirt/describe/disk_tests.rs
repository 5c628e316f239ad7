//! The XML of disks, whatever they are attached to.

use crate::host::libvirt::describe::disks::device;
use crate::host::libvirt::describe::places::Places;
use crate::host::libvirt::describe::sample::{spec, told, with};
use crate::host::libvirt::describe::whole::describe;
use crate::model::hardware::{DiskBus, Machine};

/// The disks of an XML, and what else is said of them.
fn disks_of(xml: &str) -> String {
    let mut lines = Vec::new();
    let mut depth = None;
    for line in xml.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let begins = ["<disk ", "<controller type=\"scsi\"", "<qemu:override"];
        if depth.is_none() && begins.iter().any(|begin| trimmed.starts_with(begin)) {
            depth = Some(indent);
        }
        if let Some(at) = depth {
            lines.push(line);
            if indent == at && (trimmed.starts_with("</") || trimmed.ends_with("/>")) {
                depth = None;
            }
        }
    }
    lines.join("\n")
}

#[test]
fn an_old_board_has_its_disks_on_ide() {
    let xml = told(&with(Machine::Pc, &[DiskBus::Ide; 2]), None);
    assert!(xml.contains("machine=\"pc\""), "{xml}");
    insta::assert_snapshot!(disks_of(&xml), @r#"
    <disk type="file" device="disk">
      <driver name="qemu" type="qcow2" cache="unsafe" discard="unmap"/>
      <source file="/p/0"/>
      <target dev="hda" bus="ide"/>
      <serial>S0</serial>
      <wwn>5000c500a1b2c3d0</wwn>
      <boot order="1"/>
    </disk>
    <disk type="file" device="disk">
      <driver name="qemu" type="qcow2" cache="unsafe" discard="unmap"/>
      <source file="/p/1"/>
      <target dev="hdb" bus="ide"/>
      <serial>S1</serial>
      <wwn>5000c500a1b2c3d1</wwn>
    </disk>
    "#);
}

#[test]
fn sata_disks_keep_their_names_by_another_way() {
    insta::assert_snapshot!(disks_of(&told(&with(Machine::Q35, &[DiskBus::Sata; 2]), None)), @r#"
      <disk type="file" device="disk">
        <driver name="qemu" type="qcow2" cache="unsafe" discard="unmap"/>
        <source file="/p/0"/>
        <target dev="sda" bus="sata"/>
        <serial>S0</serial>
        <boot order="1"/>
        <alias name="ua-disk0"/>
      </disk>
      <disk type="file" device="disk">
        <driver name="qemu" type="qcow2" cache="unsafe" discard="unmap"/>
        <source file="/p/1"/>
        <target dev="sdb" bus="sata"/>
        <serial>S1</serial>
        <alias name="ua-disk1"/>
      </disk>
    <qemu:override>
      <qemu:device alias="ua-disk0">
        <qemu:frontend>
          <qemu:property name="wwn" type="unsigned" value="5764824129537754064"/>
        </qemu:frontend>
      </qemu:device>
      <qemu:device alias="ua-disk1">
        <qemu:frontend>
          <qemu:property name="wwn" type="unsigned" value="5764824129537754065"/>
        </qemu:frontend>
      </qemu:device>
    </qemu:override>
    "#);
}

#[test]
fn scsi_disks_are_all_on_one_virtio_scsi() {
    let mut nine = with(Machine::Q35, &[DiskBus::Scsi; 9]);
    nine.disks[8].hardware.block_size = Some(4096);
    let xml = told(&nine, None);
    assert_eq!(xml.matches("model=\"virtio-scsi\"").count(), 1, "{xml}");
    nine.disks.drain(1..8);
    insta::assert_snapshot!(disks_of(&told(&nine, None)), @r#"
    <disk type="file" device="disk">
      <driver name="qemu" type="qcow2" cache="unsafe" discard="unmap"/>
      <source file="/p/0"/>
      <target dev="sda" bus="scsi"/>
      <serial>S0</serial>
      <wwn>5000c500a1b2c3d0</wwn>
      <boot order="1"/>
      <address type="drive" controller="0" bus="0" target="0" unit="0"/>
    </disk>
    <disk type="file" device="disk">
      <driver name="qemu" type="qcow2" cache="unsafe" discard="unmap"/>
      <source file="/p/1"/>
      <target dev="sdb" bus="scsi"/>
      <readonly/>
      <serial>S8</serial>
      <wwn>5000c500a1b2c3d8</wwn>
      <blockio logical_block_size="4096" physical_block_size="4096"/>
      <address type="drive" controller="0" bus="0" target="1" unit="0"/>
    </disk>
    <controller type="scsi" index="0" model="virtio-scsi"/>
    "#);
}

#[test]
fn virtio_disks_keep_serial_and_blocks_and_have_no_world_wide_name() {
    let mut two = with(Machine::Q35, &[DiskBus::Virtio; 2]);
    two.disks[1].hardware.block_size = Some(4096);
    insta::assert_snapshot!(disks_of(&told(&two, None)), @r#"
    <disk type="file" device="disk">
      <driver name="qemu" type="qcow2" cache="unsafe" discard="unmap"/>
      <source file="/p/0"/>
      <target dev="vda" bus="virtio"/>
      <serial>S0</serial>
      <boot order="1"/>
    </disk>
    <disk type="file" device="disk">
      <driver name="qemu" type="qcow2" cache="unsafe" discard="unmap"/>
      <source file="/p/1"/>
      <target dev="vdb" bus="virtio"/>
      <readonly/>
      <serial>S1</serial>
      <blockio logical_block_size="4096" physical_block_size="4096"/>
    </disk>
    "#);
}

#[test]
fn nvme_disks_are_virtio_ones_whose_driver_is_another() {
    let mut two = with(Machine::Q35, &[DiskBus::Nvme, DiskBus::Virtio]);
    two.disks[0].hardware.serial = None;
    let xml = told(&two, None);
    assert!(xml.contains("xmlns:qemu="), "{xml}");
    insta::assert_snapshot!(disks_of(&xml), @r#"
      <disk type="file" device="disk">
        <driver name="qemu" type="qcow2" cache="unsafe" discard="unmap"/>
        <source file="/p/0"/>
        <target dev="vda" bus="virtio"/>
        <boot order="1"/>
        <alias name="ua-disk0"/>
      </disk>
      <disk type="file" device="disk">
        <driver name="qemu" type="qcow2" cache="unsafe" discard="unmap"/>
        <source file="/p/1"/>
        <target dev="vdb" bus="virtio"/>
        <readonly/>
        <serial>S1</serial>
      </disk>
    <qemu:override>
      <qemu:device alias="ua-disk0">
        <qemu:frontend>
          <qemu:property name="driver" type="string" value="nvme"/>
          <qemu:property name="serial" type="string" value="disk0"/>
        </qemu:frontend>
      </qemu:device>
    </qemu:override>
    "#);
}

#[test]
fn disks_of_several_buses_have_names_of_their_own() {
    let xml = told(
        &with(
            Machine::Q35,
            &[DiskBus::Scsi, DiskBus::Sata, DiskBus::Virtio, DiskBus::Scsi],
        ),
        None,
    );
    for part in [
        "<target dev=\"sda\" bus=\"scsi\"/>",
        "<target dev=\"sdb\" bus=\"sata\"/>",
        "<target dev=\"vda\" bus=\"virtio\"/>",
        "<target dev=\"sdc\" bus=\"scsi\"/>",
        "target=\"1\" unit=\"0\"",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
    // It boots from the first in any case.
    assert_eq!(xml.matches("<boot ").count(), 1, "{xml}");
    assert!(xml.find("<boot ") < xml.find("sdb"), "{xml}");
}

#[test]
fn disks_are_named_in_their_order() {
    let names = [0, 1, 25, 26, 27, 701, 702].map(|at| device(DiskBus::Virtio, at));
    assert_eq!(names, ["vda", "vdb", "vdz", "vdaa", "vdab", "vdzz", "vdaaa"]);
    let mut two = spec(false, None);
    two.disks.extend(two.disks.clone());
    let places = Places {
        disks: vec!["/p/system".into(), "/p/data".into()],
        folder: "/p".into(),
        flash: None,
    };
    let xml = describe(&two, &places, true).render();
    let (first, second) = (
        xml.find("/p/system").expect("a disk"),
        xml.find("/p/data").expect("a disk"),
    );
    assert!(
        first < second && xml.contains("<target dev=\"vdb\" bus=\"virtio\"/>"),
        "{xml}"
    );
}

#[test]
fn each_kind_of_scsi_has_a_controller_of_its_own() {
    let buses = [
        DiskBus::Pvscsi,
        DiskBus::Scsi,
        DiskBus::Pvscsi,
        DiskBus::Lsi,
        DiskBus::Lsi,
        DiskBus::LsiSas,
        DiskBus::Megasas,
    ];
    let xml = told(&with(Machine::Q35, &buses), None);
    for part in [
        "<controller type=\"scsi\" index=\"0\" model=\"vmpvscsi\"/>",
        "<controller type=\"scsi\" index=\"1\" model=\"virtio-scsi\"/>",
        "<controller type=\"scsi\" index=\"2\" model=\"lsilogic\"/>",
        "<controller type=\"scsi\" index=\"3\" model=\"lsisas1068\"/>",
        "<controller type=\"scsi\" index=\"4\" model=\"lsisas1078\"/>",
        "<address type=\"drive\" controller=\"0\" bus=\"0\" target=\"1\" unit=\"0\"/>",
        "<address type=\"drive\" controller=\"2\" bus=\"0\" target=\"0\" unit=\"1\"/>",
        "<target dev=\"sdg\" bus=\"scsi\"/>",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
}
