//! What doctor, run and clean ask of a host beside the port, answered by libvirt.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::host::connected::{AccelChoice, Connected, Emulator};
use crate::host::libvirt::error::{doing, found};
use crate::host::libvirt::host::LibvirtHost;
use crate::host::libvirt::xml::{child, parse};
use crate::host::libvirt::{accel, pool};
use crate::model::name::PoolName;
use crate::model::policy::Accel;
use crate::port::{Hypervisor, LabError};

/// How long libvirt may take to tell what it knows of an emulator.
const KNOWN_LIMIT: Duration = Duration::from_secs(1);

#[async_trait]
impl Connected for LibvirtHost {
    fn version(&self) -> &str {
        Self::version(self)
    }

    fn chosen(&self) -> &str {
        Self::chosen(self)
    }

    fn is_local(&self) -> bool {
        Self::is_local(self)
    }

    async fn emulator(&self) -> Result<Emulator, LabError> {
        self.link()
            .ask(format!("asking {} for its emulator", self.uri()), |conn| {
                let ask = || {
                    conn.domain_capabilities(None, Some("x86_64"), None, Some("qemu"), 0)
                        .map_err(doing("asking for an emulator of x86_64"))
                };
                // The first time after a change libvirt examines QEMU for seconds; the second time it knows.
                ask()?;
                let begin = Instant::now();
                let xml = ask()?;
                let took = begin.elapsed();
                let path = parse(&xml)
                    .and_then(|document| Some(child(document.root_element(), "path")?.text()?.to_owned()))
                    .unwrap_or_default();
                Ok(Emulator {
                    path,
                    forgotten: took > KNOWN_LIMIT,
                })
            })
            .await
    }

    async fn accelerator(&self, wanted: Accel) -> Result<AccelChoice, LabError> {
        accel::probe(self, wanted).await
    }

    async fn accelerator_anew(&self) -> Result<AccelChoice, LabError> {
        accel::probe_anew(self).await
    }

    async fn define_pool(&self, pool: &PoolName) -> Result<(), LabError> {
        let (uri, pool) = (self.uri().clone(), pool.clone());
        let what = format!("defining pool {pool} on {uri}");
        self.link()
            .ask(what, move |conn| pool::define(conn, &uri, &pool).map(drop))
            .await
    }

    async fn knows_pool(&self, pool: &PoolName) -> Result<bool, LabError> {
        let pool = pool.clone();
        let what = format!("looking for pool {pool} on {}", self.uri());
        self.link()
            .ask(what, move |conn| {
                Ok(found(conn.lookup_storage_pool_by_name(pool.as_str()), "a pool")?.is_some())
            })
            .await
    }

    async fn forget_pool(&self, pool: &PoolName) -> Result<(), LabError> {
        let pool = pool.clone();
        let what = format!("forgetting pool {pool} on {}", self.uri());
        self.link()
            .ask(what, move |conn| {
                match found(conn.lookup_storage_pool_by_name(pool.as_str()), "a pool")? {
                    Some(pool) => pool.undefine().map_err(doing("forgetting a pool")),
                    None => Ok(()),
                }
            })
            .await
    }
}
