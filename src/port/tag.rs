//! Whom what is made on a host belongs to.

use std::path::PathBuf;

use crate::model::id::{ArmId, RunId};
use crate::model::resource::Resource;

/// Whom a resource belongs to; written into libvirt's metadata and into names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The run.
    pub run: RunId,
    /// The arm; nothing where it belongs to the whole run.
    pub arm: Option<ArmId>,
    /// The run's folder on the machine that runs patchgate.
    pub run_dir: PathBuf,
}

/// A resource with patchgate's mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The resource.
    pub resource: Resource,
    /// Its run.
    pub run: RunId,
    /// The run's folder, where the mark tells it.
    pub run_dir: Option<PathBuf>,
}
