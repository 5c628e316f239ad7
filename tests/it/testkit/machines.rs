//! Machines that are not usual.

use patchgate::model::hardware::{DiskBus, DiskHardware, Firmware, Hardware, NicHardware, NicModel};
use patchgate::model::machine::{DiskPin, MachinePlan, NvramPin};
use patchgate::model::policy::CloneMode;

use super::lab::Lab;

/// A machine with UEFI, variables that it was installed with, three disks and a card that brings its place with it.
pub fn machine() -> MachinePlan {
    let disk = |file: &str, bus| DiskPin {
        file: file.to_owned(),
        sha256: "d".repeat(64),
        hardware: DiskHardware {
            bus: Some(bus),
            serial: Some(file.to_owned()),
            ..DiskHardware::default()
        },
    };
    MachinePlan {
        hardware: Hardware {
            firmware: Firmware::Uefi,
            ..Hardware::default()
        },
        more_disks: vec![
            disk("data.qcow2", DiskBus::Scsi),
            disk("logs.qcow2", DiskBus::Sata),
        ],
        nics: vec![NicHardware {
            model: Some(NicModel::E1000e),
            slot: Some("0000:02:00.0".to_owned()),
            ..NicHardware::default()
        }],
        nvram: Some(NvramPin {
            file: "nvram.fd".to_owned(),
            sha256: "e".repeat(64),
        }),
        ..MachinePlan::default()
    }
}

/// A lab whose one node is such a machine.
pub fn lab() -> Lab {
    let mut lab = Lab::default();
    lab.plan.cells[0].nodes[0].image.machine = machine();
    lab
}

/// The same, whose clones go on from a saved state.
pub fn warm() -> Lab {
    let mut lab = lab();
    lab.plan.clone = CloneMode::Warm;
    lab.fake.machine_is(&[("QEMU", "10.0.2")]);
    lab
}
