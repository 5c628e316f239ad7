//! Why a domain was not taken over; nothing of it is left, and it is as it was.

use std::io;

use crate::image::domain_xml::error::DomainXmlError;
use crate::image::error::BuildError;
use crate::input::safe;
use crate::port::LabError;

/// What keeps a domain from being taken over.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// The host knows none of that name.
    #[error("domain {}: the host has none of that name", safe::line(.0))]
    Unknown(String),
    /// It runs, and nobody asked for a copy of a running one.
    #[error("domain {}: it runs, and disks that are written to make no copy", safe::line(.0))]
    Running(String),
    /// It was off, and was started meanwhile.
    #[error("domain {}: it was started while its disks were copied", safe::line(.0))]
    Started(String),
    /// It is not what it was when the copy began.
    #[error("domain {}: {place} was written to while it was copied", safe::line(.domain))]
    Changed {
        /// The domain.
        domain: String,
        /// Where the disk is.
        place: String,
    },
    /// A disk is not where the domain has it.
    #[error("domain {}: its disk {place} is not there", safe::line(.domain))]
    Missing {
        /// The domain.
        domain: String,
        /// Where the disk would be.
        place: String,
    },
    /// A disk's file has its content partly elsewhere.
    #[error("domain {}: the content of {place} is partly in `{}`, which the domain's description does not name", safe::line(.domain), safe::line(.other))]
    Elsewhere {
        /// The domain.
        domain: String,
        /// The disk's own file.
        place: String,
        /// The other.
        other: String,
    },
    /// Its description is refused.
    #[error("domain {}: {error}", safe::line(.domain))]
    Xml {
        /// The domain.
        domain: String,
        /// Why.
        error: DomainXmlError,
    },
    /// The host refuses something.
    #[error(transparent)]
    Host(#[from] LabError),
    /// The copies make no image.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl DomainError {
    /// The error of a file of the import's own.
    pub fn of_io(what: &str, path: &std::path::Path, error: io::Error) -> Self {
        BuildError::of_io(what, path, error).into()
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown(_) => "`virsh list --all` shows those that there are; `--uri` names another host".to_owned(),
            Self::Running(name) => format!(
                "shut it down first (`virsh shutdown {}`), or copy it as it runs with `--live`",
                safe::line(name)
            ),
            Self::Started(_) => {
                "it was not kept from starting, and what was copied is not used; import it once it is off again, or with \
                 `--live`"
                    .to_owned()
            }
            Self::Changed { .. } => "see who writes to it, and import it again once nobody does".to_owned(),
            Self::Missing { .. } => "see whether its storage is mounted, and where `virsh domblklist` has the disk".to_owned(),
            Self::Elsewhere { .. } => {
                "start it once, so that libvirt looks at its chain, and import it with `--live`; or make the disk whole with \
                 `qemu-img convert -O qcow2`, and import that with `patchgate image import FILE`"
                    .to_owned()
            }
            Self::Xml { error, .. } => error.hint(),
            Self::Host(error) => return error.hint.clone(),
            Self::Build(error) => return error.hint(),
        })
    }
}
