//! Pools and volumes.

use std::path::Path;

use async_trait::async_trait;

use crate::model::hardware::DiskHardware;
use crate::model::name::{PoolName, VolumeName, VolumePath};
use crate::port::error::LabError;

/// A disk of a VM: an overlay volume in its pool, forked from a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The overlay.
    pub volume: VolumeName,
    /// What it is forked from; never written.
    pub base: VolumeName,
    /// What it brings with it.
    pub hardware: DiskHardware,
}

/// A host's pools, and the volumes in them.
#[async_trait]
pub trait Storage: Send + Sync {
    /// Makes a run's pool.
    async fn create_pool(&self, pool: &PoolName) -> Result<(), LabError>;
    /// Copies a sealed image into a pool, checking while it reads that it is `sha256`.
    async fn place_image(&self, volume: &VolumePath, file: &Path, sha256: &str) -> Result<(), LabError>;
    /// Copies a file that is no disk into a pool as it is, checking while it reads that it is `sha256`.
    async fn place_file(&self, volume: &VolumePath, file: &Path, sha256: &str) -> Result<(), LabError>;
    /// Makes a disk's overlay over its base.
    async fn create_overlay(&self, pool: &PoolName, disk: &Disk) -> Result<(), LabError>;
    /// Copies a volume to a new file, without what is zero. The digest is [`crate::image::sparse::Digest`]'s.
    async fn fetch_volume(&self, volume: &VolumePath, file: &Path) -> Result<String, LabError>;
    /// Copies such a file into a pool, as a volume that VMs can be forked from, checking while it reads that it has that
    /// digest.
    async fn place_volume(&self, volume: &VolumePath, file: &Path, digest: &str) -> Result<(), LabError>;
}
