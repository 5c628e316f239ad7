//! VMs that are described in tests.

use crate::host::libvirt::describe::places::{Flash, Places};
use crate::host::libvirt::describe::whole::describe;
use crate::model::hardware::{DiskBus, DiskHardware, Hardware, Machine, NicModel};
use crate::model::id::{Arm, ArmId, CellId};
use crate::port::{Disk, Nic, NicFilter, Power, Tag, VmSpec};
use crate::units::Mib;

/// A VM of one disk, on a network or on its own.
pub fn spec(kvm: bool, network: Option<&str>) -> VmSpec {
    VmSpec {
        name: "pg-7c1f-1-web".parse().expect("a name"),
        tag: Tag {
            run: "20261123-140912-7c1f".parse().expect("a run id"),
            arm: Some(ArmId::first(&CellId::new("R&D", "debian-12"), Arm::Control)),
            run_dir: "/srv/lab/runs/1".into(),
        },
        role: "web".into(),
        pool: "pg-20261123-140912-7c1f".parse().expect("a name"),
        disks: vec![Disk {
            volume: "web.qcow2".parse().expect("a name"),
            base: "base.qcow2".parse().expect("a name"),
            hardware: DiskHardware::default(),
        }],
        nics: vec![Nic {
            network: network.map(|name| name.parse().expect("a name")),
            mac: "52:54:00:01:02:03".into(),
            apart: network.is_some(),
            model: NicModel::Virtio,
            slot: None,
            filter: network.map(|_| NicFilter {
                name: "pg-filter".parse().expect("a name"),
                address: [10, 213, 1, 34].into(),
            }),
        }],
        memory: Mib(512),
        vcpus: 1,
        hardware: Hardware::default(),
        nvram: None,
        kvm,
        power: Power::On,
    }
}

/// The XML of a VM.
pub fn told(spec: &VmSpec, flash: Option<Flash>) -> String {
    let disks = (0..spec.disks.len()).map(|at| format!("/p/{at}")).collect();
    let places = Places {
        disks,
        folder: "/p".into(),
        flash,
    };
    describe(spec, &places, true).render()
}

/// A firmware that keeps variables.
pub fn flash(smm: bool) -> Flash {
    let kind = if smm { ".ms" } else { "" };
    Flash {
        code: format!("/o/CODE{kind}.fd"),
        smm,
        template: format!("/o/VARS{kind}.fd"),
        variables: "/p/web.fd".into(),
    }
}

fn disk(hardware: DiskHardware) -> Disk {
    Disk {
        volume: "web.qcow2".parse().expect("a name"),
        base: "base.qcow2".parse().expect("a name"),
        hardware,
    }
}

/// A VM with disks that bring all they can, on those buses.
pub fn with(machine: Machine, buses: &[DiskBus]) -> VmSpec {
    let brings = |(at, bus): (usize, &DiskBus)| {
        disk(DiskHardware {
            bus: Some(*bus),
            serial: Some(format!("S{at}")),
            wwn: Some(format!("5000c500a1b2c3d{at}")),
            read_only: at > 0,
            block_size: None,
        })
    };
    VmSpec {
        disks: buses.iter().enumerate().map(brings).collect(),
        hardware: Hardware {
            machine,
            ..Hardware::default()
        },
        ..spec(false, None)
    }
}
