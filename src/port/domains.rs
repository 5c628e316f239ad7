//! A host's own domains: machines that are no clones of patchgate's, and whose disks are read to be taken over.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::model::id::RunId;
use crate::port::error::LabError;

/// What a domain is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainNow {
    /// Whether it has a QEMU: it runs, or is paused.
    pub active: bool,
    /// Whether it is off with its memory saved, from which it goes on (`virsh managedsave`).
    pub saved: bool,
    /// Its description, <https://libvirt.org/formatdomain.html>; that of the running machine, where it runs.
    pub xml: String,
}

/// Where a disk's bytes are on its host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskPlace {
    /// A file or a block device.
    File(PathBuf),
    /// A volume of a pool of the host's.
    Volume {
        /// The pool.
        pool: String,
        /// The volume.
        volume: String,
    },
}

impl fmt::Display for DiskPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Volume { pool, volume } => write!(f, "volume {volume} of pool {pool}"),
        }
    }
}

/// By what one sees that somebody has written to a disk: what its host says of its size and its last change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(pub String);

/// A copy of a running domain's disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSpec {
    /// The domain.
    pub domain: String,
    /// Under what name the host keeps the copies until they are fetched: a run's, so that `patchgate clean` knows what a dead
    /// one left.
    pub id: RunId,
    /// The disks by their names in the domain, such as `vda`, each with the new file for its content, a qcow2.
    pub disks: Vec<(String, PathBuf)>,
    /// The program, with its first arguments, that ends what was begun in the domain should this process die. It is given
    /// the host's URI, the domain and the id, and hears on its standard input what is to be undone.
    pub watcher: Vec<OsString>,
}

/// How a running domain's disks were copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frozen {
    /// Its file systems were frozen at the moment of the copy; so many.
    Yes(u32),
    /// They were not, and the copy is as after a power cut; why.
    No(String),
}

/// A host's own domains. Nothing here changes one, but for a copy of a running domain's disks, which leaves nothing in it.
#[async_trait]
pub trait Domains: Send + Sync {
    /// The names of all.
    async fn domains(&self) -> Result<Vec<String>, LabError>;
    /// A domain; nothing where there is none of that name.
    async fn domain(&self, name: &str) -> Result<Option<DomainNow>, LabError>;
    /// What a disk is now; nothing where it is not there.
    async fn stamp(&self, disk: &DiskPlace) -> Result<Option<Stamp>, LabError>;
    /// Copies a disk to a new file that only its owner may read, zeros as holes. Nothing is locked: whoever starts its domain
    /// meanwhile can. Ends early where nobody waits for it any more.
    async fn fetch_disk(&self, disk: &DiskPlace, file: &Path) -> Result<(), LabError>;
    /// Copies disks of a running domain as they are at one moment, while it runs on.
    async fn copy_live(&self, spec: &LiveSpec) -> Result<Frozen, LabError>;
    /// Ends what a copy of that id has left: its job in the domain, its copies on the host, and the freeze, where `thaw` says
    /// so. No error where there is nothing.
    async fn end_copy(&self, domain: &str, id: &RunId, thaw: bool) -> Result<(), LabError>;
}
