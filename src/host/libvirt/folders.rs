//! Pools whose folder this machine has too.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use virt::connect::Connect;

use crate::host::libvirt::error::doing;
use crate::host::libvirt::{pool, volume};
use crate::model::name::{PoolName, VolumePath};
use crate::port::LabError;
use crate::system::file;

/// The folders of the pools that were asked for; nothing where a pool has none here.
#[derive(Default)]
pub struct Folders(Mutex<BTreeMap<PoolName, Option<PathBuf>>>);

impl Folders {
    /// The folder of a pool, where it was shown to be on this machine: a daemon in a container or with a socket from
    /// elsewhere has a folder of the same name that is another one.
    pub fn of(&self, conn: &Connect, pool: &PoolName) -> Option<PathBuf> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = known().get(pool) {
            return folder.clone();
        }
        let folder = shown(conn, pool).unwrap_or_else(|error| {
            tracing::debug!("pool {pool} is used through libvirt alone: {error}");
            None
        });
        known().insert(pool.clone(), folder.clone());
        folder
    }
}

/// Sends bytes that nobody can guess through libvirt, and looks whether they arrive here.
fn shown(conn: &Connect, pool: &PoolName) -> Result<Option<PathBuf>, LabError> {
    let nonce = uuid::Uuid::new_v4();
    let path = VolumePath {
        pool: pool.clone(),
        name: format!("here-{nonce}").parse()?,
    };
    let handle = conn
        .lookup_storage_pool_by_name(pool.as_str())
        .map_err(doing(format!("looking up pool {pool}")))?;
    let folder = PathBuf::from(pool::target(&handle)?);
    volume::place_bytes(conn, &path, nonce.as_bytes())?;
    let arrived =
        file::read(&folder.join(path.name.as_str()), 64).is_ok_and(|bytes| bytes == nonce.as_bytes());
    volume::remove(conn, &path)?;
    Ok(arrived.then_some(folder))
}
