//! The host as a whole: the [`Hypervisor`] port.

use async_trait::async_trait;

use crate::host::libvirt::error::doing;
use crate::host::libvirt::host::LibvirtHost;
use crate::host::libvirt::{domain, filter, network, pool, raw, volume};
use crate::model::id::RunId;
use crate::model::resource::{Made, Resource};
use crate::model::uri::HostUri;
use crate::port::{Capacity, Hypervisor, LabError, Marked, Networks, is_to_be_removed};
use crate::units::Mib;

#[async_trait]
impl Hypervisor for LibvirtHost {
    fn uri(&self) -> &HostUri {
        self.link().uri()
    }

    async fn capacity(&self) -> Result<Capacity, LabError> {
        let uri = self.uri().clone();
        self.link()
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

    async fn remove(&self, resource: &Resource, run: &RunId) -> Result<(), LabError> {
        is_to_be_removed(resource, run, self.uri())?;
        let Resource { made, uri } = resource.clone();
        let run = run.clone();
        self.is_made(&made).await?;
        self.link()
            .ask(format!("removing {resource}"), move |conn| match &made {
                Made::Domain(name) => domain::remove(conn, name, &run),
                Made::Network(name) => network::remove(conn, name, &run),
                Made::Filter(name) => filter::remove(conn, name),
                Made::Volume(path) => {
                    pool::is_ours(conn, &uri, &path.pool).and_then(|()| volume::remove(conn, path))
                }
                Made::Pool(name) => pool::remove(conn, &uri, name),
            })
            .await
    }

    async fn marked(&self) -> Result<Vec<Marked>, LabError> {
        let (uri, networks) = (self.uri().clone(), self.has_networks());
        self.link()
            .ask(format!("looking for what runs left on {uri}"), move |conn| {
                let mut marked = Vec::new();
                let mut add = |made, run, run_dir| {
                    let uri = uri.clone();
                    marked.push(Marked {
                        resource: Resource { made, uri },
                        run,
                        run_dir,
                    });
                };
                for (name, mark) in domain::marked(conn)? {
                    add(Made::Domain(name), mark.run, Some(mark.run_dir));
                }
                if networks {
                    for (name, mark) in network::marked(conn)? {
                        add(Made::Network(name), mark.run, Some(mark.run_dir));
                    }
                    for (name, run) in filter::marked(conn)? {
                        add(Made::Filter(name), run, None);
                    }
                }
                for (name, run) in pool::marked(conn, &uri)? {
                    add(Made::Pool(name), run, None);
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
