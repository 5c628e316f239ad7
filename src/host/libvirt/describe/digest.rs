//! What patchgate says of VMs, as a digest.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::host::libvirt::describe::places::{Flash, Places};
use crate::host::libvirt::describe::whole::describe;
use crate::input::hex;
use crate::model::hardware::{Clock, DiskBus, DiskHardware, Firmware, Hardware, Machine, NicModel, Video};
use crate::model::id::RunId;
use crate::port::{Disk, LabError, Nic, Power, Tag, VmSpec};
use crate::units::Mib;

/// A digest of all that patchgate says of VMs beside what differs from one to the next, whatever their hardware: a state that
/// was saved with other devices cannot be used. Which hardware a node has is in the name of its state already.
pub fn devices_digest(kvm: bool) -> Result<String, LabError> {
    let mut digest = Sha256::new();
    for hardware in [
        Hardware::default(),
        Hardware {
            firmware: Firmware::UefiSecure,
            tpm: true,
            video: Video::Virtio,
            disk_bus: DiskBus::Scsi,
            nic: NicModel::E1000e,
            ..Hardware::default()
        },
        Hardware {
            firmware: Firmware::Uefi,
            cpu: Some("max".to_owned()),
            clock: Clock::Localtime,
            hyperv: true,
            video: Video::None,
            disk_bus: DiskBus::Sata,
            nic: NicModel::Vmxnet3,
            ..Hardware::default()
        },
        Hardware {
            machine: Machine::Pc,
            disk_bus: DiskBus::Ide,
            nic: NicModel::Rtl8139,
            ..Hardware::default()
        },
    ] {
        digest.update(said(hardware, kvm)?);
    }
    Ok(hex(&digest.finalize()))
}

/// What is said of a VM of that hardware with two disks.
fn said(hardware: Hardware, kvm: bool) -> Result<String, LabError> {
    let any = "any";
    let disk = Disk {
        volume: any.parse()?,
        base: any.parse()?,
        hardware: DiskHardware {
            serial: Some(any.to_owned()),
            wwn: Some("5000c500a1b2c3d4".to_owned()),
            ..DiskHardware::default()
        },
    };
    let flash = match hardware.firmware {
        Firmware::Bios => None,
        Firmware::Uefi | Firmware::UefiSecure => Some(Flash {
            code: String::new(),
            smm: hardware.firmware == Firmware::UefiSecure,
            template: String::new(),
            variables: String::new(),
        }),
    };
    let spec = VmSpec {
        name: any.parse()?,
        tag: Tag {
            run: RunId::new(jiff::Timestamp::UNIX_EPOCH, 0),
            arm: None,
            run_dir: PathBuf::new(),
        },
        role: String::new(),
        pool: any.parse()?,
        disks: vec![disk.clone(), disk],
        nics: vec![Nic {
            network: None,
            mac: String::new(),
            apart: false,
            model: hardware.nic,
            slot: Some("0000:01:00.0".to_owned()),
            filter: None,
        }],
        memory: Mib(0),
        vcpus: 0,
        hardware,
        nvram: None,
        kvm,
        power: Power::Savable { ram: any.parse()? },
    };
    let places = Places {
        disks: vec![String::new(); 2],
        folder: String::new(),
        flash,
    };
    Ok(describe(&spec, &places, true).render())
}
