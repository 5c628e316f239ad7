//! Why a domain cannot be taken over as its description has it.

/// Files that a disk may be made of, one on top of the other.
pub const LONGEST: usize = 64;

/// What keeps a domain out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainXmlError {
    /// It is no description of a domain.
    #[error("its description cannot be read: {0}")]
    Unreadable(String),
    /// Its clones could not run.
    #[error("it is a machine of {0}, and clones are of x86_64")]
    OtherMachine(String),
    /// It has no disk that is taken.
    #[error("it has no disk of its own")]
    NoDisk,
    /// A disk is on a server.
    #[error("its disk {disk} is on a server ({protocol}, {name}), and an import connects to none")]
    Network {
        /// The disk.
        disk: String,
        /// What the server speaks.
        protocol: String,
        /// What it is called there.
        name: String,
    },
    /// A disk is no file and no block device.
    #[error("its disk {disk} is a device of the host's own ({kind})")]
    Device {
        /// The disk.
        disk: String,
        /// The type that the description gives.
        kind: String,
    },
    /// A disk's file has a form that is not taken.
    #[error("its disk {disk} has the format {format}; taken are raw, qcow2, vmdk, vpc and vdi")]
    Format {
        /// The disk.
        disk: String,
        /// Its format.
        format: String,
    },
    /// QEMU encrypts a disk.
    #[error("its disk {0} is encrypted by QEMU, and the key is libvirt's")]
    Encrypted(String),
    /// A disk is only a part of a file, or has parts of its data in another.
    #[error("its disk {disk} has {what}")]
    Parts {
        /// The disk.
        disk: String,
        /// What it has.
        what: String,
    },
    /// A disk stands on too many others.
    #[error("its disk {0} is a chain of more than {LONGEST} files")]
    Chain(String),
}

impl DomainXmlError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable(_) => "see whether `virsh dumpxml` shows it as libvirt's documentation has it",
            Self::OtherMachine(_) => "rehearse its updates on a server of that architecture",
            Self::NoDisk => "a machine that boots over the network, or from disks that it shares, cannot be cloned by its disks",
            Self::Network { .. } => {
                "export it, or a snapshot of it, to a file (`rbd export POOL/IMAGE@SNAPSHOT FILE`, `qemu-img convert`), \
                 and import that with `patchgate image import FILE`"
            }
            Self::Device { .. } | Self::Format { .. } => {
                "copy it to a file with `qemu-img convert -O qcow2`, and import that with `patchgate image import FILE`"
            }
            Self::Encrypted(_) => {
                "decrypt a copy with `qemu-img convert` and its secret, and import that with `patchgate image import FILE`"
            }
            Self::Parts { .. } => {
                "make it whole with `qemu-img convert -O qcow2`, and import that with `patchgate image import FILE`"
            }
            Self::Chain(_) => "merge its snapshots with `virsh blockcommit` or `virsh blockpull`",
        }
        .to_owned()
    }
}
