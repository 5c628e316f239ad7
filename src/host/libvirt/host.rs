//! One host: the [`Hypervisor`] port on a libvirt connection.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use virt::connect::Connect;

use crate::host::agent::Agent;
use crate::host::libvirt::agent::DomainChannel;
use crate::host::libvirt::direct::Folders;
use crate::host::libvirt::error::doing;
use crate::host::libvirt::link::{CALL_LIMIT, Link};
use crate::host::libvirt::{describe, domain, filter, network, pool, raw, saved, transfer, volume};
use crate::model::outcome::Cause;
use crate::model::plan::HostPlan;
use crate::model::resource::{Resource, ResourceKind};
use crate::model::uri::{is_local, is_system};
use crate::port::{
    Capacity, FilterSpec, GuestAgent, Hypervisor, LabError, Marked, NetworkSpec, OutletInfo, OutletSpec,
    VmSpec, VmState,
};
use crate::units::Mib;

const SYSTEM: &str = "qemu:///system";
const SESSION: &str = "qemu:///session";
/// How long copying an image may take.
const PLACE_LIMIT: Duration = Duration::from_secs(60 * 60);
/// How long reading a console may take: it must not hold up the report of what went wrong.
const CONSOLE_LIMIT: Duration = Duration::from_secs(15);
/// The routes of the machine that patchgate runs on, proc_pid_net(5).
const ROUTES: &str = "/proc/net/route";

/// A host that answers.
#[derive(Clone)]
pub struct LibvirtHost {
    link: Link,
    version: String,
    chosen: String,
    folders: Arc<Folders>,
}

/// Connects to the host of a plan. `auto` takes the system daemon where it answers, else the session, which needs
/// none.
pub async fn connect(host: &HostPlan) -> Result<LibvirtHost, LabError> {
    if host.uri != "auto" {
        return LibvirtHost::open(&host.uri, format!("the lab file names {}", host.uri)).await;
    }
    match LibvirtHost::open(SYSTEM, format!("{SYSTEM} answers")).await {
        Ok(host) => Ok(host),
        Err(refused) => LibvirtHost::open(
            SESSION,
            format!("{SESSION}, since {SYSTEM} does not answer ({refused})"),
        )
        .await
        .map_err(|error| LabError {
            message: format!("{}; before that, {}", error.message, refused.message),
            ..error
        }),
    }
}

impl LibvirtHost {
    async fn open(uri: &str, chosen: String) -> Result<Self, LabError> {
        let link = Link::open(uri).await?;
        let version = link
            .ask(format!("asking {uri} for its version"), |conn| {
                let asking = || doing("asking libvirt for its version");
                let driver = conn.driver_type().map_err(asking())?;
                if driver != "QEMU" {
                    return Err(LabError::new(
                        Cause::HostRefused,
                        format!("libvirt drives {driver} there, not QEMU"),
                    )
                    .with_hint("name a URI that begins with `qemu`"));
                }
                Ok(format!(
                    "libvirt {}, QEMU {}",
                    domain::version(conn.lib_version().map_err(asking())?),
                    domain::version(conn.hyp_version().map_err(asking())?),
                ))
            })
            .await?;
        Ok(Self {
            link,
            version,
            chosen,
            folders: Arc::default(),
        })
    }

    /// The versions in use: `libvirt 9.0.0, QEMU 10.0.2`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Why this URI, in words.
    pub fn chosen(&self) -> &str {
        &self.chosen
    }

    /// Whether it is the machine that patchgate runs on.
    pub fn is_local(&self) -> bool {
        is_local(self.link.uri())
    }

    fn needs_networks(&self, name: &str) -> Result<(), LabError> {
        if self.has_networks() {
            return Ok(());
        }
        let message = format!(
            "making network {name}: {} has no networks between guests",
            self.uri()
        );
        Err(LabError::new(Cause::HostRefused, message).with_hint("set uri = \"qemu:///system\" in [[host]]"))
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Makes a call about a pool that is given the pool's folder, where that is on this machine.
    async fn transfer<T, F>(&self, what: String, pool: &str, work: F) -> Result<T, LabError>
    where
        T: Send + 'static,
        F: FnOnce(&Connect, Option<PathBuf>) -> Result<T, LabError> + Send + 'static,
    {
        let folders = self.is_local().then(|| self.folders.clone());
        let pool = pool.to_owned();
        self.link
            .call(what, PLACE_LIMIT, move |conn| {
                work(conn, folders.and_then(|folders| folders.of(conn, &pool)))
            })
            .await
    }

    async fn make<T, F>(&self, what: String, work: F) -> Result<T, LabError>
    where
        T: Send + 'static,
        F: FnOnce(&Connect) -> Result<T, LabError> + Send + 'static,
    {
        self.link.call(what, CALL_LIMIT, work).await
    }
}

#[async_trait]
impl Hypervisor for LibvirtHost {
    fn uri(&self) -> &str {
        self.link.uri()
    }

    fn has_networks(&self) -> bool {
        is_system(self.link.uri())
    }

    async fn capacity(&self) -> Result<Capacity, LabError> {
        let uri = self.uri().to_owned();
        self.link
            .ask(format!("asking {uri} what it has"), move |conn| {
                let asking = || doing("asking the host for its memory and CPUs");
                let stats = raw::memory_stats(conn).map_err(asking())?;
                Ok(Capacity {
                    memory_free: Mib(memory_free(&stats) / 1024),
                    vcpus: conn.node_info().map_err(asking())?.cpus,
                    disk_free: Mib(pool::free(conn, &uri)? / (1024 * 1024)),
                })
            })
            .await
    }

    async fn create_pool(&self, pool: &str) -> Result<(), LabError> {
        let (uri, pool) = (self.uri().to_owned(), pool.to_owned());
        self.make(format!("making pool {pool}"), move |conn| {
            pool::create(conn, &uri, &pool)
        })
        .await
    }

    async fn place_image(&self, pool: &str, volume: &str, file: &Path, sha256: &str) -> Result<(), LabError> {
        let (name, volume, file, sha256) = (
            pool.to_owned(),
            volume.to_owned(),
            file.to_owned(),
            sha256.to_owned(),
        );
        let what = format!("copying image {}", file.display());
        self.transfer(what, pool, move |conn, folder| {
            volume::place_image(conn, folder.as_deref(), &name, &volume, &file, &sha256)
        })
        .await
    }

    fn can_isolate(&self) -> Result<(), LabError> {
        let reason = if !self.has_networks() {
            "without a system daemon QEMU's user-mode network leads wherever the host's own does"
        } else if !self.is_local() {
            "the proxy that is its clones' one way out runs beside patchgate, and this is another machine"
        } else {
            return Ok(());
        };
        let message = format!(
            "clones on {} cannot be cut off from the world: {reason}",
            self.uri()
        );
        Err(LabError::new(Cause::HostRefused, message).with_hint(
            "run patchgate on the lab host with uri = \"qemu:///system\"; or, where the clones may reach whatever the \
             host reaches, write mode = \"open\" below [network]",
        ))
    }

    async fn create_network(&self, spec: &NetworkSpec) -> Result<(), LabError> {
        self.needs_networks(&spec.name)?;
        let spec = spec.clone();
        self.make(format!("making network {}", spec.name), move |conn| {
            network::create(conn, &spec)
        })
        .await
    }

    async fn create_outlet(&self, spec: &OutletSpec) -> Result<OutletInfo, LabError> {
        self.needs_networks(&spec.name)?;
        let spec = spec.clone();
        let local = self.is_local();
        self.make(format!("making network {}", spec.name), move |conn| {
            // Another machine's routes cannot be read; libvirt refuses the networks that are routed there.
            let routes = local.then(|| std::fs::read_to_string(ROUTES).ok()).flatten();
            network::create_outlet(conn, &spec, routes.into_iter().collect())
        })
        .await
    }

    async fn create_filter(&self, spec: &FilterSpec) -> Result<(), LabError> {
        let spec = spec.clone();
        self.make(format!("making filter {}", spec.name), move |conn| {
            filter::create(conn, &spec)
        })
        .await
    }

    async fn create_overlay(&self, spec: &VmSpec) -> Result<(), LabError> {
        let spec = spec.clone();
        self.make(format!("making overlay {}", spec.overlay), move |conn| {
            volume::create_overlay(conn, &spec)
        })
        .await
    }

    async fn machine(&self, kvm: bool) -> Result<BTreeMap<String, String>, LabError> {
        self.link
            .ask(format!("asking {} for its machine", self.uri()), move |conn| {
                let mut machine = saved::machine(conn, kvm)?;
                machine.insert("devices".to_owned(), describe::devices_digest(kvm));
                Ok(machine)
            })
            .await
    }

    async fn pause(&self, domain: &str) -> Result<(), LabError> {
        let name = domain.to_owned();
        self.make(format!("pausing domain {name}"), move |conn| {
            domain::pause(conn, &name)
        })
        .await
    }

    async fn resume(&self, domain: &str) -> Result<(), LabError> {
        let name = domain.to_owned();
        self.make(format!("resuming domain {name}"), move |conn| {
            domain::resume(conn, &name)
        })
        .await
    }

    async fn save_state(&self, spec: &VmSpec, state: &str) -> Result<(), LabError> {
        let (spec, state) = (spec.clone(), state.to_owned());
        self.make(format!("saving domain {}", spec.name), move |conn| {
            saved::save(conn, &spec, &state)
        })
        .await
    }

    async fn fetch_volume(&self, pool: &str, volume: &str, file: &Path) -> Result<String, LabError> {
        let (name, volume, file) = (pool.to_owned(), volume.to_owned(), file.to_owned());
        let what = format!("fetching volume {pool}/{volume}");
        self.transfer(what, pool, move |conn, folder| {
            transfer::fetch(conn, folder.as_deref(), &name, &volume, &file)
        })
        .await
    }

    async fn place_volume(
        &self,
        pool: &str,
        volume: &str,
        file: &Path,
        digest: &str,
    ) -> Result<(), LabError> {
        let (name, volume, file, digest) = (
            pool.to_owned(),
            volume.to_owned(),
            file.to_owned(),
            digest.to_owned(),
        );
        let what = format!("copying {}", file.display());
        self.transfer(what, pool, move |conn, folder| {
            transfer::place(conn, folder.as_deref(), &name, &volume, &file, &digest)
        })
        .await
    }

    async fn create_vm(&self, spec: &VmSpec) -> Result<(), LabError> {
        let spec = spec.clone();
        self.make(format!("starting domain {}", spec.name), move |conn| {
            domain::create(conn, &spec)
        })
        .await
    }

    async fn vm_state(&self, domain: &str) -> Result<VmState, LabError> {
        let name = domain.to_owned();
        self.link
            .ask(format!("reading the state of domain {name}"), move |conn| {
                domain::state(conn, &name)
            })
            .await
    }

    async fn console_tail(&self, domain: &str) -> String {
        let name = domain.to_owned();
        let what = format!("reading the console of domain {name}");
        let tail = self
            .link
            .call(what, CONSOLE_LIMIT, move |conn| domain::console_tail(conn, &name));
        match tail.await {
            Ok(bytes) => domain::console_text(&bytes),
            Err(error) => {
                tracing::debug!(%error, "no console");
                String::new()
            }
        }
    }

    fn agent(&self, domain: &str) -> Box<dyn GuestAgent> {
        Box::new(Agent::new(DomainChannel::new(self.link.clone(), domain)))
    }

    async fn remove(&self, resource: &Resource) -> Result<(), LabError> {
        if resource.uri != self.uri() {
            return Err(LabError::new(
                Cause::Internal,
                format!("{resource} is not on {}, where it was to be removed", self.uri()),
            ));
        }
        let Resource { kind, name, uri } = resource.clone();
        self.link
            .ask(format!("removing {resource}"), move |conn| match kind {
                ResourceKind::Domain => domain::remove(conn, &name),
                ResourceKind::Network => network::remove(conn, &name),
                ResourceKind::Filter => filter::remove(conn, &name),
                ResourceKind::Volume => match name.split_once('/') {
                    Some((pool, volume)) => volume::remove(conn, pool, volume),
                    None => Err(LabError::new(
                        Cause::Internal,
                        format!("`{name}` is no pool/volume"),
                    )),
                },
                ResourceKind::Pool => pool::remove(conn, &uri, &name),
            })
            .await
    }

    async fn marked(&self) -> Result<Vec<Marked>, LabError> {
        let (uri, networks) = (self.uri().to_owned(), self.has_networks());
        self.link
            .ask(format!("looking for what runs left on {uri}"), move |conn| {
                let mut marked = Vec::new();
                let mut add = |kind, name, run, run_dir| {
                    let uri = uri.clone();
                    marked.push(Marked {
                        resource: Resource { kind, name, uri },
                        run,
                        run_dir,
                    });
                };
                for (name, mark) in domain::marked(conn)? {
                    add(ResourceKind::Domain, name, mark.run, Some(mark.run_dir));
                }
                if networks {
                    for (name, mark) in network::marked(conn)? {
                        add(ResourceKind::Network, name, mark.run, Some(mark.run_dir));
                    }
                    for (name, run) in filter::marked(conn)? {
                        add(ResourceKind::Filter, name, run, None);
                    }
                }
                for (name, run) in pool::marked(conn, &uri)? {
                    add(ResourceKind::Pool, name, run, None);
                }
                Ok(marked)
            })
            .await
    }
}

/// KiB of memory that guests can have: what is free, and what the kernel gives back when asked.
fn memory_free(stats: &[(String, u64)]) -> u64 {
    let stat = |name: &str| {
        stats
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| *value)
    };
    // Newer libvirts say what the kernel itself reckons.
    stat("available").unwrap_or_else(|| {
        ["free", "buffers", "cached"]
            .into_iter()
            .filter_map(stat)
            .fold(0, u64::saturating_add)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reclaimable_memory_counts_as_free() {
        let stats = |fields: &[(&str, u64)]| {
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            memory_free(&stats(&[
                ("total", 100),
                ("free", 10),
                ("buffers", 5),
                ("cached", 20)
            ])),
            35
        );
        assert_eq!(
            memory_free(&stats(&[("free", 10), ("cached", 20), ("available", 25)])),
            25
        );
        assert_eq!(memory_free(&[]), 0);
    }
}
