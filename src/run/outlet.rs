//! The run's one way out: a network that leads to the host alone, a proxy for the update sources there, and a filter on
//! every clone's interface. Made for the first arm and shared by all.

use std::net::SocketAddr;
use std::path::Path;

use tokio::sync::OnceCell;

use crate::guest::probe::{self, Probe};
use crate::model::event::{Event, Traffic};
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::policy::NetworkMode;
use crate::model::resource::{Resource, ResourceKind};
use crate::port::{FilterSpec, LabError, OutletSpec, Proxy, ProxySpec};
use crate::run::arm::ArmRun;
use crate::run::node::Node;
use crate::run::site::Site;
use crate::run::{Setup, names};

/// What all clones of a run share.
pub struct Outlet {
    /// Its network.
    pub network: String,
    /// The filter on each clone's interface, where the clones are isolated.
    pub filter: Option<String>,
    proxy: Option<Box<dyn Proxy>>,
    /// What passed the proxy, once it is ended.
    passed: OnceCell<Traffic>,
}

impl Outlet {
    /// Makes it; what is made of it when that fails is removed at once, so that it can be tried again.
    pub async fn open(setup: &Setup, site: &Site, run_dir: &Path) -> Result<Self, LabError> {
        let mut made = Vec::new();
        let outlet = Self::make(setup, site, run_dir, &mut made).await;
        if outlet.is_err() {
            site.resources.remove_all(made).await;
        }
        outlet
    }

    async fn make(
        setup: &Setup,
        site: &Site,
        run_dir: &Path,
        made: &mut Vec<Resource>,
    ) -> Result<Self, LabError> {
        let open = setup.plan.network.mode == NetworkMode::Open;
        let spec = OutletSpec {
            name: names::outlet(&setup.run),
            run: setup.run.clone(),
            run_dir: run_dir.to_owned(),
            clients: 2 * setup
                .plan
                .cells
                .iter()
                .map(|cell| cell.nodes.len())
                .sum::<usize>(),
            open,
        };
        made.push(site.resources.intend(ResourceKind::Network, &spec.name)?);
        let info = site.host.create_outlet(&spec).await?;
        if open {
            return Ok(Self {
                network: spec.name,
                filter: None,
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
        let filtered = match site.resources.intend(ResourceKind::Filter, &filter.name) {
            Ok(resource) => {
                made.push(resource);
                site.host.create_filter(&filter).await
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
            proxy: Some(proxy),
            passed: OnceCell::new(),
        })
    }

    /// The proxy, as apt wants it named; `None` where the clones ask their sources themselves.
    pub fn proxy_url(&self) -> Option<String> {
        self.proxy
            .as_ref()
            .map(|proxy| format!("http://{}/", proxy.address()))
    }

    /// Shows from inside every node that it reaches its update sources and nothing else.
    pub async fn prove(&self, arm: &ArmRun<'_>, nodes: &[Node<'_>]) -> Result<(), Fault> {
        let Some(proxy) = &self.proxy else { return Ok(()) };
        let forbidden = proxy.forbidden();
        let source = arm.setup().plan.network.sources.first();
        let shown = |addresses: &[SocketAddr]| -> Vec<String> {
            let address = |at: &SocketAddr| format!("{}/{}", at.ip(), at.port());
            addresses.iter().map(address).collect()
        };
        let address = proxy.address();
        let probe = Probe {
            proxy: (address.ip().to_string(), address.port()),
            // A source is what is below its address, so this ends in a slash.
            source: source.map(|source| format!("{}/", source.trim_end_matches('/'))),
            tcp: shown(&forbidden.tcp),
            udp: shown(&forbidden.udp),
            name: forbidden.name,
        };
        for node in nodes {
            let output = node.ask(Stage::Isolate, &probe::command(&probe)).await?;
            let breach = proxy.breaches().into_iter().next().map(|breach| {
                (
                    Cause::NotIsolated,
                    format!("it must not be possible, and arrived: {breach}"),
                )
            });
            if let Some((cause, message)) = breach.or_else(|| probe::judge(&probe, &output)) {
                let mut fault = node.fault(Stage::Isolate, cause, message);
                let hint = if cause == Cause::MirrorUnreachable {
                    "is the update source up, and can this host reach it?"
                } else {
                    "nothing was tested on this clone, since it might have touched production; `patchgate doctor` checks the \
                     host's filters"
                };
                fault.hint = Some(hint.into());
                return Err(fault);
            }
            arm.emit(Event::Isolated {
                cell: arm.cell.id.clone(),
                arm: arm.arm,
                role: node.plan.role.clone(),
            });
        }
        Ok(())
    }

    /// Ends the proxy, once however many ask; what passed it.
    pub async fn close(&self) -> Option<Event> {
        let proxy = self.proxy.as_ref()?;
        let traffic = self.passed.get_or_init(|| proxy.stop()).await;
        Some(Event::Fetched(traffic.clone()))
    }
}
