//! The machine that a guest was installed on, and that its clones are given.

use serde::{Deserialize, Serialize};

/// What begins a VM before its disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// SeaBIOS, which keeps nothing.
    #[default]
    Bios,
    /// OVMF, with variables of the VM's own.
    Uefi,
    /// OVMF that runs only what the enrolled keys have signed.
    UefiSecure,
}

impl Firmware {
    /// Whether it is of UEFI.
    pub const fn is_uefi(self) -> bool {
        match self {
            Self::Bios => false,
            Self::Uefi | Self::UefiSecure => true,
        }
    }
}

/// The board (<https://www.qemu.org/docs/master/system/target-i386.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Machine {
    /// PCI Express.
    #[default]
    Q35,
    /// PCI and IDE, as `i440fx` has them.
    Pc,
}

/// What a disk is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskBus {
    /// virtio-blk.
    #[default]
    Virtio,
    /// virtio-scsi.
    Scsi,
    /// AHCI.
    Sata,
    /// The IDE of [`Machine::Pc`].
    Ide,
    /// NVM Express.
    Nvme,
    /// VMware's paravirtual SCSI.
    Pvscsi,
    /// LSI's SAS 1068, which VMware and VirtualBox call LSI Logic SAS.
    LsiSas,
    /// LSI's 53C895A, which Proxmox has where nothing else is chosen.
    Lsi,
    /// LSI's MegaRAID SAS 1078.
    Megasas,
}

impl DiskBus {
    /// The model of its SCSI controller by libvirt's name (<https://libvirt.org/formatdomain.html#controllers>); none where it is no
    /// SCSI.
    pub const fn scsi(self) -> Option<&'static str> {
        match self {
            Self::Scsi => Some("virtio-scsi"),
            Self::Pvscsi => Some("vmpvscsi"),
            Self::LsiSas => Some("lsisas1068"),
            Self::Lsi => Some("lsilogic"),
            Self::Megasas => Some("lsisas1078"),
            Self::Virtio | Self::Sata | Self::Ide | Self::Nvme => None,
        }
    }

    /// SCSI with the controller of that model.
    pub fn of_scsi(model: &str) -> Option<Self> {
        let all = [Self::Scsi, Self::Pvscsi, Self::LsiSas, Self::Lsi, Self::Megasas];
        all.into_iter().find(|bus| bus.scsi() == Some(model))
    }
}

/// What card a guest sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NicModel {
    /// virtio-net.
    #[default]
    Virtio,
    /// Intel's 82540EM.
    E1000,
    /// Intel's 82574L.
    E1000e,
    /// Realtek's.
    Rtl8139,
    /// VMware's.
    Vmxnet3,
}

/// What the clock of a machine shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// UTC, as Linux keeps it.
    #[default]
    Utc,
    /// The local time, as Windows keeps it.
    Localtime,
}

/// What a machine draws on; a VM without any has no picture of its screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Video {
    /// Standard VGA, which every system can draw on.
    #[default]
    Vga,
    /// virtio-gpu.
    Virtio,
    /// No screen.
    None,
}

/// A whole machine beside its disks and cards.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Hardware {
    /// What begins it.
    pub firmware: Firmware,
    /// Its board.
    pub machine: Machine,
    /// Its CPU by QEMU's name; by default the host's, or QEMU's plainest where it is emulated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Whether it has a TPM 2.0.
    pub tpm: bool,
    /// What its clock shows.
    pub clock: Clock,
    /// Its screen.
    pub video: Video,
    /// Whether it shows Windows the interfaces of Hyper-V
    /// (<https://libvirt.org/formatdomain.html#hypervisor-features>).
    pub hyperv: bool,
    /// What its disks are attached to, where a disk does not say.
    pub disk_bus: DiskBus,
    /// Its cards, where a card does not say.
    pub nic: NicModel,
}

impl Hardware {
    /// Whether it is that of a machine of which nobody says anything.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// What somebody says of a machine: an OS version's habit, an import, the lab file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Wishes {
    /// As [`Hardware::firmware`], and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<Firmware>,
    /// The board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// The CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// The TPM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<bool>,
    /// The clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
    /// The screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<Video>,
    /// Hyper-V's interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hyperv: Option<bool>,
    /// The disks' bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_bus: Option<DiskBus>,
    /// The cards' model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nic: Option<NicModel>,
}

impl Wishes {
    /// These, and the others where these are silent.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            firmware: self.firmware.or(others.firmware),
            machine: self.machine.or(others.machine),
            cpu: self.cpu.or(others.cpu),
            tpm: self.tpm.or(others.tpm),
            clock: self.clock.or(others.clock),
            video: self.video.or(others.video),
            hyperv: self.hyperv.or(others.hyperv),
            disk_bus: self.disk_bus.or(others.disk_bus),
            nic: self.nic.or(others.nic),
        }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The machine, with each part's default where nobody says it.
    pub fn settled(self) -> Hardware {
        Hardware {
            firmware: self.firmware.unwrap_or_default(),
            machine: self.machine.unwrap_or_default(),
            cpu: self.cpu,
            tpm: self.tpm.unwrap_or_default(),
            clock: self.clock.unwrap_or_default(),
            video: self.video.unwrap_or_default(),
            hyperv: self.hyperv.unwrap_or_default(),
            disk_bus: self.disk_bus.unwrap_or_default(),
            nic: self.nic.unwrap_or_default(),
        }
    }
}

/// What a disk brings with it from where it was: what a guest may know it by
/// (<https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms>).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DiskHardware {
    /// What it is attached to; by default as the machine's disks are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<DiskBus>,
    /// Its serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Its World Wide Name, 16 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// The size of its logical blocks in bytes, where that is not 512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_size: Option<u32>,
    /// Whether the guest may not write to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}

impl DiskHardware {
    /// Whether it brings nothing with it.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// What a card brings with it from where it was.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NicHardware {
    /// Its model; by default as the machine's cards are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<NicModel>,
    /// Its MAC address, `52:54:00:xx:xx:xx`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Its place on the PCI bus, `0000:01:00.0`, by which a guest may call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_who_says_a_part_has_its_way_and_the_rest_is_the_default() {
        let lab = Wishes {
            firmware: Some(Firmware::Uefi),
            ..Wishes::default()
        };
        let import = Wishes {
            firmware: Some(Firmware::Bios),
            machine: Some(Machine::Pc),
            ..Wishes::default()
        };
        let machine = lab.or(import).settled();
        assert_eq!(
            machine,
            Hardware {
                firmware: Firmware::Uefi,
                machine: Machine::Pc,
                ..Hardware::default()
            }
        );
        assert!(Wishes::default().is_empty());
    }
}
