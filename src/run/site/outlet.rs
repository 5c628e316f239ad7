//! The run's one way out: a network that leads to the host alone, a proxy for the update sources there, and a filter on
//! every clone's interface. Made for the first arm and shared by all.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use tokio::sync::OnceCell;

use crate::guest::identity::Way;
use crate::model::event::{Event, Traffic};
use crate::model::name::{FilterName, NetworkName};
use crate::model::outcome::Cause;
use crate::model::policy::NetworkMode;
use crate::model::resource::{Made, Resource};
use crate::port::{FilterSpec, Hypervisor, LabError, NicFilter, OutletSpec, Proxy, ProxySpec};
use crate::run::names;
use crate::run::setup::Setup;
use crate::run::site::resources::Resources;

/// What all clones of a run share.
pub struct Outlet {
    /// Its network.
    pub network: NetworkName,
    /// The filter of the clones' interfaces, where they are isolated.
    filter: Option<FilterName>,
    /// The host's address.
    gateway: Ipv4Addr,
    /// The address of every clone, by its MAC address.
    addresses: BTreeMap<String, Ipv4Addr>,
    /// The proxy, where the clones are isolated.
    pub proxy: Option<Box<dyn Proxy>>,
    /// What passed the proxy, once it is ended.
    passed: OnceCell<Traffic>,
}

impl Outlet {
    /// Makes it; what is made of it when that fails is removed at once, so that it can be tried again.
    pub async fn open(
        setup: &Setup,
        host: &dyn Hypervisor,
        resources: &Resources,
        run_dir: &Path,
    ) -> Result<Self, LabError> {
        let mut made = Vec::new();
        let outlet = Self::make(setup, host, resources, run_dir, &mut made).await;
        if outlet.is_err() {
            resources.remove_all(made).await;
        }
        outlet
    }

    async fn make(
        setup: &Setup,
        host: &dyn Hypervisor,
        resources: &Resources,
        run_dir: &Path,
        made: &mut Vec<Resource>,
    ) -> Result<Self, LabError> {
        let open = setup.plan.network.mode == NetworkMode::Open;
        // The first, those that confirm it, and with several hosts one in the place of another whose host was lost.
        let spare = u32::from(setup.hosts.len() > 1);
        let tries = setup.plan.confirm.pairs.saturating_add(1 + spare);
        let spec = OutletSpec {
            name: names::outlet(&setup.run)?,
            run: setup.run.clone(),
            run_dir: run_dir.to_owned(),
            macs: names::outlet_macs(&setup.plan.cells, tries),
            open,
        };
        made.push(resources.intend(Made::Network(spec.name.clone()))?);
        let info = host.create_outlet(&spec).await?;
        let macs = spec.macs.into_iter().enumerate();
        let addresses = macs.map(|(at, mac)| (mac, info.address(at))).collect();
        if open {
            return Ok(Self {
                network: spec.name,
                filter: None,
                gateway: info.gateway,
                addresses,
                proxy: None,
                passed: OnceCell::new(),
            });
        }
        let proxy = setup
            .proxies
            .start(&ProxySpec {
                outlet: info,
                sources: setup.plan.network.sources.clone(),
            })
            .await?;
        let filter = FilterSpec {
            name: names::filter(&setup.run),
            gateway: info.gateway,
            port: proxy.address().port(),
        };
        let filtered = match resources.intend(Made::Filter(filter.name.clone())) {
            Ok(resource) => {
                made.push(resource);
                host.create_filter(&filter).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = filtered {
            proxy.stop().await;
            return Err(error);
        }
        Ok(Self {
            network: spec.name,
            filter: Some(filter.name),
            gateway: info.gateway,
            addresses,
            proxy: Some(proxy),
            passed: OnceCell::new(),
        })
    }

    /// The filter on the interface of that MAC address, where the clones are isolated.
    pub fn filter(&self, mac: &str) -> Result<Option<NicFilter>, LabError> {
        let Some(name) = self.filter.clone() else {
            return Ok(None);
        };
        let address = self.address(mac)?;
        Ok(Some(NicFilter { name, address }))
    }

    /// The address of the clone of that MAC address.
    pub fn address(&self, mac: &str) -> Result<Ipv4Addr, LabError> {
        self.addresses
            .get(mac)
            .copied()
            .ok_or_else(|| LabError::new(Cause::Internal, format!("{mac} has no address on the outlet")))
    }

    /// The way out of a node that configures its card of that MAC address by no means of its own.
    pub fn way(&self, mac: &str) -> Result<Way, LabError> {
        Ok(Way {
            mac: mac.to_owned(),
            address: self.address(mac)?,
            gateway: self.gateway,
        })
    }

    /// The proxy, as a URL; `None` where the clones ask their sources themselves.
    pub fn proxy_url(&self) -> Option<String> {
        self.proxy
            .as_ref()
            .map(|proxy| format!("http://{}/", proxy.address()))
    }

    /// Ends the proxy, once however many ask; what passed it.
    pub async fn close(&self) -> Option<Event> {
        let proxy = self.proxy.as_ref()?;
        let traffic = self.passed.get_or_init(|| proxy.stop()).await;
        Some(Event::Fetched(traffic.clone()))
    }
}
