//! A machine from elsewhere, as an archive, a backup or a host describes it, before its disks are taken.

use std::path::PathBuf;

use crate::model::hardware::{DiskHardware, NicHardware, Wishes};
use crate::units::Mib;

/// The format of a disk's file, decided once and handed to whoever reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The guest's bytes as they are.
    Raw,
    /// QEMU's.
    Qcow2,
    /// VMware's.
    Vmdk,
    /// Hyper-V's.
    Vhdx,
    /// Virtual PC's, which qemu-img calls `vpc`.
    Vhd,
    /// VirtualBox's.
    Vdi,
}

impl Format {
    /// Its name for `qemu-img -f`.
    pub fn qemu(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vhdx => "vhdx",
            Self::Vhd => "vpc",
            Self::Vdi => "vdi",
        }
    }
}

/// A disk of such a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignDisk {
    /// Its file; never written.
    pub file: PathBuf,
    /// What its owner calls it.
    pub name: String,
    /// Its format, where its owner knows it; else its content says it.
    pub format: Option<Format>,
    /// What the guest may know it by.
    pub hardware: DiskHardware,
}

/// A machine from elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreign {
    /// Its disks, the one that it boots from first.
    pub disks: Vec<ForeignDisk>,
    /// What is said of its hardware.
    pub hardware: Wishes,
    /// Its cards, in their order.
    pub nics: Vec<NicHardware>,
    /// Its memory.
    pub memory: Option<Mib>,
    /// Its vCPUs.
    pub vcpus: Option<u32>,
    /// The variables of its UEFI firmware, raw or qcow2.
    pub nvram: Option<PathBuf>,
    /// What the admin should know: what is left out, and what was not as it should be.
    pub said: Vec<String>,
}
