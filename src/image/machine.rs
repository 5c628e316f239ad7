//! The machine that clones of an image are given: what the lab file says goes before what the import has read, and that
//! before what such an OS version is usually installed on.

use crate::image::manifest::{Manifest, SealedDisk};
use crate::model::hardware::{Clock, DiskBus, Firmware, NicModel, Wishes};
use crate::model::machine::{DiskPin, MachinePlan, NvramPin};

/// What is usual of an OS version.
type Habit = fn() -> Wishes;

/// What such an OS version is usually installed on, by how its name begins; the first counts.
const HABITS: &[(&str, Habit)] = &[
    ("windows-11", || modern(true)),
    ("windows-server-2025", || modern(false)),
    ("windows-", windows),
    // Their kernels and C libraries ask for more than QEMU's plainest CPU has.
    ("rhel-9", newer_cpu),
    ("rhel-10", newer_cpu),
];

/// The CPU that has all that the host, or the emulator, can give.
fn newer_cpu() -> Wishes {
    Wishes {
        cpu: Some("max".to_owned()),
        ..Wishes::default()
    }
}

/// Windows without drivers of other people's.
fn windows() -> Wishes {
    Wishes {
        clock: Some(Clock::Localtime),
        hyperv: Some(true),
        disk_bus: Some(DiskBus::Sata),
        nic: Some(NicModel::E1000e),
        ..Wishes::default()
    }
}

/// A Windows that begins under Secure Boot alone.
fn modern(tpm: bool) -> Wishes {
    Wishes {
        firmware: Some(Firmware::UefiSecure),
        tpm: tpm.then_some(true),
        ..windows().or(newer_cpu())
    }
}

/// What is usual of an OS version.
pub fn habit(os: &str) -> Wishes {
    let known = HABITS.iter().find(|(begin, _)| os.starts_with(begin));
    known.map_or_else(Wishes::default, |(_, habit)| habit())
}

/// The machine of an image of that OS version; of its disks and cards nothing is known before it is sealed.
pub fn of(lab: &Wishes, os: &str, sealed: Option<&Manifest>) -> MachinePlan {
    let import = sealed.map_or_else(Wishes::default, |manifest| manifest.hardware.clone());
    let hardware = lab.clone().or(import).or(habit(os)).settled();
    let Some(manifest) = sealed else {
        return MachinePlan::of(hardware);
    };
    let pin = |disk: &SealedDisk| DiskPin {
        file: disk.file.clone(),
        sha256: disk.sha256.clone(),
        hardware: disk.hardware.clone(),
    };
    let nvram = |file: &String| NvramPin {
        file: file.clone(),
        // A file that was not sealed with the image fits no digest.
        sha256: manifest.files.get(file).cloned().unwrap_or_default(),
    };
    let made_for = manifest
        .made_for
        .filter(|made| made.is_uefi() != hardware.firmware.is_uefi());
    MachinePlan {
        made_for,
        disk: manifest.disk.clone(),
        more_disks: manifest.disks.iter().map(pin).collect(),
        nics: manifest.nics.clone(),
        nvram: manifest.nvram.as_ref().map(nvram),
        hardware,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hardware::Machine;

    #[test]
    fn each_os_version_has_the_machine_that_it_is_usually_installed_on() {
        let machine = |os: &str| of(&Wishes::default(), os, None).hardware;
        for plain in ["debian-12", "ubuntu-24.04", "rhel-8", "sles-15"] {
            assert!(machine(plain).is_usual(), "{plain}");
        }
        assert_eq!(machine("rhel-9").cpu.as_deref(), Some("max"));
        let windows = machine("windows-11");
        assert_eq!((windows.firmware, windows.tpm), (Firmware::UefiSecure, true));
        assert_eq!((windows.disk_bus, windows.nic), (DiskBus::Sata, NicModel::E1000e));
        let server = machine("windows-server-2025");
        assert_eq!((server.firmware, server.tpm), (Firmware::UefiSecure, false));
        let old = machine("windows-server-2019");
        assert_eq!(
            (old.firmware, old.clock, old.hyperv),
            (Firmware::Bios, Clock::Localtime, true)
        );
    }

    #[test]
    fn the_lab_file_goes_before_the_import_and_that_before_the_habit() {
        let manifest: Manifest = serde_json::from_value(serde_json::json!({
            "name": "windows-11", "os": "windows-11", "key": "k", "sha256": "s", "size_bytes": 1, "virtual_size": 1,
            "built": "2026-11-23T14:09:12Z", "builder": "0", "source": "imported",
            "files": { "nvram.fd": "5555", "disk-1.qcow2": "6666" },
            "hardware": { "firmware": "uefi", "machine": "pc" },
            "disk": { "serial": "ROOT" },
            "disks": [
                { "file": "disk-1.qcow2", "sha256": "6666", "size_bytes": 1, "virtual_size": 1, "hardware": { "bus": "scsi" } },
            ],
            "nics": [{ "model": "vmxnet3" }],
            "nvram": "nvram.fd",
            "made_for": "bios",
        }))
        .expect("a manifest");
        let lab = Wishes {
            machine: Some(Machine::Q35),
            ..Wishes::default()
        };
        let plan = of(&lab, "windows-11", Some(&manifest));
        assert_eq!(plan.hardware.machine, Machine::Q35);
        assert_eq!(plan.hardware.firmware, Firmware::Uefi);
        assert!(plan.hardware.tpm);
        assert_eq!(plan.made_for, Some(Firmware::Bios), "it has another");
        assert_eq!(plan.disk.serial.as_deref(), Some("ROOT"));
        let [data] = plan.more_disks.as_slice() else {
            panic!("{:?}", plan.more_disks);
        };
        assert_eq!(
            (data.file.as_str(), data.hardware.bus),
            ("disk-1.qcow2", Some(DiskBus::Scsi))
        );
        assert_eq!(plan.nics[0].model, Some(NicModel::Vmxnet3));
        assert_eq!(plan.nvram.map(|pin| pin.sha256).as_deref(), Some("5555"));
    }
}
