//! Pools and volumes: the [`Storage`] port.

use std::path::Path;

use async_trait::async_trait;

use crate::host::libvirt::host::LibvirtHost;
use crate::host::libvirt::volume::Content;
use crate::host::libvirt::{pool, transfer, volume};
use crate::model::name::{PoolName, VolumePath};
use crate::model::resource::Made;
use crate::port::{Disk, LabError, Storage};

/// Copies a file of a sealed image into a pool.
async fn place(
    host: &LibvirtHost,
    volume: &VolumePath,
    (file, sha256, content): (&Path, &str, Content),
) -> Result<(), LabError> {
    let (path, file, sha256) = (volume.clone(), file.to_owned(), sha256.to_owned());
    let what = format!("copying image {}", file.display());
    host.transfer(what, volume, move |conn, folder, halt| {
        volume::place_image(conn, folder.as_deref(), &path, (&file, &sha256, content), halt)
    })
    .await
}

#[async_trait]
impl Storage for LibvirtHost {
    async fn create_pool(&self, pool: &PoolName) -> Result<(), LabError> {
        let (uri, pool) = (self.link().uri().clone(), pool.clone());
        let made = Made::Pool(pool.clone());
        self.make(&made, format!("making pool {pool}"), move |conn| {
            pool::create(conn, &uri, &pool)
        })
        .await
    }

    async fn place_image(&self, volume: &VolumePath, file: &Path, sha256: &str) -> Result<(), LabError> {
        place(self, volume, (file, sha256, Content::Disk)).await
    }

    async fn place_file(&self, volume: &VolumePath, file: &Path, sha256: &str) -> Result<(), LabError> {
        place(self, volume, (file, sha256, Content::Plain)).await
    }

    async fn create_overlay(&self, pool: &PoolName, disk: &Disk) -> Result<(), LabError> {
        let (pool, disk) = (pool.clone(), disk.clone());
        let made = Made::Volume(VolumePath::new(&pool, &disk.volume));
        self.make(&made, format!("making overlay {}", disk.volume), move |conn| {
            volume::create_overlay(conn, &pool, &disk)
        })
        .await
    }

    async fn fetch_volume(&self, volume: &VolumePath, file: &Path) -> Result<String, LabError> {
        let (path, file) = (volume.clone(), file.to_owned());
        self.transfer(
            format!("fetching volume {volume}"),
            volume,
            move |conn, folder, halt| transfer::fetch(conn, folder.as_deref(), &path, &file, halt),
        )
        .await
    }

    async fn place_volume(&self, volume: &VolumePath, file: &Path, digest: &str) -> Result<(), LabError> {
        let (path, file, digest) = (volume.clone(), file.to_owned(), digest.to_owned());
        let what = format!("copying {}", file.display());
        self.transfer(what, volume, move |conn, folder, halt| {
            transfer::place(conn, folder.as_deref(), &path, (&file, &digest), halt)
        })
        .await
    }
}
