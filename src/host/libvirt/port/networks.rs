//! Networks and filters: the [`Networks`] port.

use std::path::Path;

use async_trait::async_trait;

use crate::host::libvirt::host::LibvirtHost;
use crate::host::libvirt::{filter, network};
use crate::model::name::NetworkName;
use crate::model::outcome::Cause;
use crate::model::resource::Made;
use crate::port::{FilterSpec, LabError, NetworkSpec, Networks, OutletInfo, OutletSpec};
use crate::system::file;

/// The routes of the machine that patchgate runs on, proc_pid_net(5).
const ROUTES: &str = "/proc/net/route";
/// Bytes of them that are read: some hundred thousand routes.
const ROUTES_LIMIT: u64 = 16 * 1024 * 1024;

fn needs_networks(host: &LibvirtHost, name: &NetworkName) -> Result<(), LabError> {
    if host.has_networks() {
        return Ok(());
    }
    let message = format!(
        "making network {name}: {} has no networks between guests",
        host.link().uri()
    );
    Err(LabError::new(Cause::HostRefused, message).with_hint("set uri = \"qemu:///system\" in [[host]]"))
}

#[async_trait]
impl Networks for LibvirtHost {
    fn has_networks(&self) -> bool {
        self.link().uri().is_system()
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
            self.link().uri()
        );
        Err(LabError::new(Cause::HostRefused, message).with_hint(
            "run patchgate on the lab host with uri = \"qemu:///system\"; or, where the clones may reach whatever the \
             host reaches, write mode = \"open\" below [network]",
        ))
    }

    async fn create_network(&self, spec: &NetworkSpec) -> Result<(), LabError> {
        needs_networks(self, &spec.name)?;
        let spec = spec.clone();
        self.make(
            &Made::Network(spec.name.clone()),
            format!("making network {}", spec.name),
            move |conn| network::create(conn, &spec),
        )
        .await
    }

    async fn create_outlet(&self, spec: &OutletSpec) -> Result<OutletInfo, LabError> {
        needs_networks(self, &spec.name)?;
        let spec = spec.clone();
        let local = self.is_local();
        let made = Made::Network(spec.name.clone());
        self.make(&made, format!("making network {}", spec.name), move |conn| {
            // Another machine's routes cannot be read; libvirt refuses the networks that are routed there.
            let routes = local
                .then(|| file::read(Path::new(ROUTES), ROUTES_LIMIT).ok())
                .flatten();
            let routes = routes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            network::create_outlet(conn, &spec, routes.into_iter().collect())
        })
        .await
    }

    async fn create_filter(&self, spec: &FilterSpec) -> Result<(), LabError> {
        let spec = spec.clone();
        self.make(
            &Made::Filter(spec.name.clone()),
            format!("making filter {}", spec.name),
            move |conn| filter::create(conn, &spec),
        )
        .await
    }
}
