//! Telling one daemon under two URIs from two daemons, which a machine may well have.

use virt::storage_pool::StoragePool;

use crate::host::libvirt::error::{doing, found};
use crate::host::libvirt::{LibvirtHost, pool};
use crate::model::id::RunId;
use crate::port::LabError;

/// Whether two connections lead to the same daemon: whether a pool that one of them defines, and neither builds nor
/// starts, is known to the other. It is named after the run, so that `patchgate clean` finds it should we die meanwhile.
pub async fn is_same(one: &LibvirtHost, other: &LibvirtHost, run: &RunId) -> Result<bool, LabError> {
    let name = format!("pg-{run}");
    let (uri, mark) = (one.link().uri().to_owned(), name.clone());
    let defining = format!("defining pool {name} on {uri}");
    one.link()
        .ask(defining, move |conn| pool::define(conn, &uri, &mark).map(drop))
        .await?;
    let known = look(other, name.clone(), |_| Ok(())).await;
    look(one, name, |pool| {
        pool.undefine().map_err(doing("forgetting a pool"))
    })
    .await?;
    known
}

/// Does something with a pool where a host knows it; whether it does.
async fn look(
    host: &LibvirtHost,
    name: String,
    with: fn(StoragePool) -> Result<(), LabError>,
) -> Result<bool, LabError> {
    let looking = format!("looking for pool {name} on {}", host.link().uri());
    host.link()
        .ask(looking, move |conn| {
            let pool = found(conn.lookup_storage_pool_by_name(&name), "a pool")?;
            let is_there = pool.is_some();
            pool.map(with).transpose()?;
            Ok(is_there)
        })
        .await
}
