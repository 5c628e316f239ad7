//! The machine that clones of an image are given, whole: its hardware, its disks and its cards.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::hardware::{Clock, DiskBus, DiskHardware, Firmware, Hardware, Machine, NicHardware, Video};

/// Bytes of a disk's block, where nobody says otherwise.
const BLOCK: u32 = 512;

/// Bytes of a block that a disk may have.
const BLOCKS: [u32; 2] = [BLOCK, 4096];

/// Disks that a board with IDE has a place for.
const IDE_DISKS: usize = 4;

/// The machine that clones of an image are given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MachinePlan {
    /// All beside its disks and cards.
    #[serde(default, skip_serializing_if = "Hardware::is_usual")]
    pub hardware: Hardware,
    /// What its first disk, from which it boots, brings with it.
    #[serde(default, skip_serializing_if = "DiskHardware::is_usual")]
    pub disk: DiskHardware,
    /// Its further disks, in the order in which it finds them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_disks: Vec<DiskPin>,
    /// What its cards bring with them, in the order in which it finds them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nics: Vec<NicHardware>,
    /// The firmware's variables that it was installed with; without them each clone begins with the firmware's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nvram: Option<NvramPin>,
    /// The firmware that its first disk was made for, where the machine has another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_for: Option<Firmware>,
}

/// A further disk of an image, pinned by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskPin {
    /// Its file beside the image's first disk.
    pub file: String,
    /// SHA-256 of that file, hexadecimal.
    pub sha256: String,
    /// What it brings with it.
    #[serde(default, skip_serializing_if = "DiskHardware::is_usual")]
    pub hardware: DiskHardware,
}

/// A firmware's variables, pinned by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvramPin {
    /// Their file beside the image's first disk, as the firmware has them in its flash.
    pub file: String,
    /// SHA-256 of that file, hexadecimal.
    pub sha256: String,
}

/// Why there can be no such machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    /// Signed code alone runs where nothing else can get at the firmware's variables, and only that board keeps them apart.
    #[error("firmware `uefi-secure` needs the board `q35`, not `pc`")]
    SecureBoard,
    /// There is no IDE on that board.
    #[error("the board `q35` has no IDE")]
    NoIde,
    /// There are more disks than places.
    #[error("a board with IDE takes {IDE_DISKS} disks on it, not {0}")]
    ManyIde(usize),
    /// No disk has such blocks.
    #[error("a disk has blocks of 512 or 4096 bytes, not of {0}")]
    Block(u32),
    /// Disks with other blocks than usual are not to be had there.
    #[error("a disk with blocks of {0} bytes cannot be on SATA or IDE")]
    BlockOnAta(u32),
}

impl MachineError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::SecureBoard => {
                "write machine = \"q35\", or firmware = \"uefi\", below [image.NAME.hardware]"
            }
            Self::NoIde | Self::ManyIde(_) => {
                "write disk_bus = \"sata\" below [image.NAME.hardware], or, for few disks, machine = \"pc\""
            }
            Self::Block(_) => "import the disk anew from one that has them",
            Self::BlockOnAta(_) => {
                "write disk_bus = \"scsi\" below [image.NAME.hardware], or import the disk from such a bus"
            }
        }
    }
}

impl MachinePlan {
    /// One of that hardware, with a disk.
    pub fn of(hardware: Hardware) -> Self {
        Self {
            hardware,
            ..Self::default()
        }
    }

    /// Whether it is the machine that is planned where nobody says anything.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// What its disks bring with them, in their order; never empty.
    pub fn disks(&self) -> impl Iterator<Item = &DiskHardware> {
        let more = self.more_disks.iter().map(|disk| &disk.hardware);
        std::iter::once(&self.disk).chain(more)
    }

    /// What a disk of it is attached to.
    pub fn bus(&self, disk: &DiskHardware) -> DiskBus {
        disk.bus.unwrap_or(self.hardware.disk_bus)
    }

    /// Whether its firmware has variables of its own.
    pub fn has_nvram(&self) -> bool {
        self.hardware.firmware.is_uefi()
    }

    /// Why there can be no such machine, whatever the host.
    ///
    /// # Errors
    /// The first that keeps it from being.
    pub fn check(&self) -> Result<(), MachineError> {
        let (firmware, board) = (self.hardware.firmware, self.hardware.machine);
        if (firmware, board) == (Firmware::UefiSecure, Machine::Pc) {
            return Err(MachineError::SecureBoard);
        }
        let ide = self.disks().filter(|disk| self.bus(disk) == DiskBus::Ide).count();
        match board {
            Machine::Q35 if ide > 0 => return Err(MachineError::NoIde),
            Machine::Pc if ide > IDE_DISKS => return Err(MachineError::ManyIde(ide)),
            Machine::Q35 | Machine::Pc => {}
        }
        self.disks().try_for_each(|disk| {
            let block = disk.block_size.unwrap_or(BLOCK);
            let is_ata = matches!(self.bus(disk), DiskBus::Sata | DiskBus::Ide);
            if !BLOCKS.contains(&block) {
                Err(MachineError::Block(block))
            } else if is_ata && block != BLOCK {
                Err(MachineError::BlockOnAta(block))
            } else {
                Ok(())
            }
        })
    }

    /// Why a VM of it cannot be saved for others to go on from; nothing where it can.
    pub fn unsavable(&self) -> Option<&'static str> {
        if self.hardware.tpm {
            // All that go on from a state would have one TPM's secrets.
            return Some("its machine has a TPM, which each clone begins anew");
        }
        // QEMU marks the device as one that cannot be migrated (hw/nvme/ctrl.c).
        self.disks()
            .any(|disk| self.bus(disk) == DiskBus::Nvme)
            .then_some("QEMU cannot save a machine with NVM Express disks")
    }
}

/// A choice by its word in files.
fn word(choice: impl Serialize) -> String {
    let value = serde_json::to_value(choice).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// In words: its firmware, its board, its disks and its cards, and what else of it is not usual.
impl fmt::Display for MachinePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hardware {
            firmware,
            machine,
            cpu,
            tpm,
            clock,
            video,
            hyperv,
            disk_bus: _,
            nic,
        } = &self.hardware;
        write!(f, "{} on {}", word(firmware), word(machine))?;
        let buses: Vec<String> = self.disks().map(|disk| word(self.bus(disk))).collect();
        write!(f, ", disks on {}", buses.join(" and "))?;
        let cards: Vec<String> = self
            .nics
            .iter()
            .map(|card| word(card.model.unwrap_or(*nic)))
            .collect();
        let cards = if cards.is_empty() {
            word(nic)
        } else {
            cards.join(" and ")
        };
        write!(f, ", cards {cards}")?;
        if let Some(cpu) = cpu {
            write!(f, ", CPU {cpu}")?;
        }
        if *tpm {
            f.write_str(", a TPM")?;
        }
        if *clock == Clock::Localtime {
            f.write_str(", clock in local time")?;
        }
        if *hyperv {
            f.write_str(", Hyper-V's interfaces")?;
        }
        match video {
            Video::Vga => Ok(()),
            Video::Virtio => f.write_str(", virtio-gpu"),
            Video::None => f.write_str(", no screen"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(change: impl FnOnce(&mut MachinePlan)) -> MachinePlan {
        let mut machine = MachinePlan::default();
        change(&mut machine);
        machine
    }

    fn disk(bus: DiskBus) -> DiskPin {
        DiskPin {
            file: "data.qcow2".into(),
            sha256: "5".repeat(64),
            hardware: DiskHardware {
                bus: Some(bus),
                ..DiskHardware::default()
            },
        }
    }

    #[test]
    fn what_cannot_be_is_told_whatever_the_host() {
        let secure = machine(|it| {
            it.hardware.firmware = Firmware::UefiSecure;
            it.hardware.machine = Machine::Pc;
        });
        assert_eq!(secure.check(), Err(MachineError::SecureBoard));
        let ide = machine(|it| it.more_disks = vec![disk(DiskBus::Ide)]);
        assert_eq!(ide.check(), Err(MachineError::NoIde));
        let many = machine(|it| {
            it.hardware.machine = Machine::Pc;
            it.hardware.disk_bus = DiskBus::Ide;
            it.more_disks = vec![disk(DiskBus::Ide); 4];
        });
        assert_eq!(many.check(), Err(MachineError::ManyIde(5)));
        for (bus, size, is) in [
            (DiskBus::Virtio, 4096, Ok(())),
            (DiskBus::Nvme, 4096, Ok(())),
            (DiskBus::Sata, 512, Ok(())),
            (DiskBus::Sata, 4096, Err(MachineError::BlockOnAta(4096))),
            (DiskBus::Scsi, 520, Err(MachineError::Block(520))),
        ] {
            let blocks = machine(|it| {
                it.disk.bus = Some(bus);
                it.disk.block_size = Some(size);
            });
            assert_eq!(blocks.check(), is, "{bus:?} {size}");
        }
    }

    #[test]
    fn a_tpm_and_nvme_disks_keep_a_machine_from_being_saved() {
        assert_eq!(MachinePlan::default().unsavable(), None);
        let uefi = machine(|it| {
            it.hardware.firmware = Firmware::UefiSecure;
            it.more_disks = vec![disk(DiskBus::Scsi)];
        });
        assert_eq!(uefi.unsavable(), None);
        assert!(machine(|it| it.hardware.tpm = true).unsavable().is_some());
        assert!(
            machine(|it| it.hardware.disk_bus = DiskBus::Nvme)
                .unsavable()
                .is_some()
        );
        assert!(
            machine(|it| it.more_disks = vec![disk(DiskBus::Nvme)])
                .unsavable()
                .is_some()
        );
    }

    #[test]
    fn a_machine_is_told_in_words() {
        assert_eq!(
            MachinePlan::default().to_string(),
            "bios on q35, disks on virtio, cards virtio"
        );
        let other = machine(|it| {
            it.hardware.firmware = Firmware::UefiSecure;
            it.hardware.tpm = true;
            it.hardware.cpu = Some("max".into());
            it.hardware.clock = Clock::Localtime;
            it.hardware.hyperv = true;
            it.hardware.video = Video::None;
            it.hardware.disk_bus = DiskBus::Sata;
            it.more_disks = vec![disk(DiskBus::Scsi)];
        });
        assert_eq!(
            other.to_string(),
            "uefi-secure on q35, disks on sata and scsi, cards virtio, CPU max, a TPM, clock in local time, Hyper-V's \
             interfaces, no screen"
        );
    }

    #[test]
    fn a_usual_machine_says_nothing_in_a_plan() {
        assert_eq!(
            serde_json::to_string(&MachinePlan::default()).expect("JSON"),
            "{}"
        );
        let read: MachinePlan = serde_json::from_str("{}").expect("a machine");
        assert!(read.is_usual());
    }
}
