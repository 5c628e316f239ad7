//! The clones' one way out.

use std::net::{SocketAddr, SocketAddrV4};

use async_trait::async_trait;

use crate::model::event::Traffic;
use crate::port::error::LabError;
use crate::port::networks::OutletInfo;

/// What a proxy is to let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxySpec {
    /// The outlet that it serves.
    pub outlet: OutletInfo,
    /// The update sources, as `http://host[:port]/path`; nothing else is let through.
    pub sources: Vec<String>,
}

/// Starts proxies.
#[async_trait]
pub trait ProxyLauncher: Send + Sync {
    /// Starts one, which answers when this returns.
    async fn start(&self, spec: &ProxySpec) -> Result<Box<dyn Proxy>, LabError>;
}

/// The one way out of a run's clones: a caching proxy for their update sources.
#[async_trait]
pub trait Proxy: Send + Sync {
    /// Where it listens.
    fn address(&self) -> SocketAddrV4;
    /// What no clone may reach, for a probe from inside.
    fn forbidden(&self) -> Forbidden;
    /// What got through to what nobody may reach, in words; empty where the isolation holds.
    fn breaches(&self) -> Vec<String>;
    /// Ends it and says what passed.
    async fn stop(&self) -> Traffic;
}

/// Addresses that a clone must find unreachable. Those on this machine belong to listeners that take note.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forbidden {
    /// TCP: listeners of this machine, and the update sources themselves, which only the proxy may ask.
    pub tcp: Vec<SocketAddr>,
    /// UDP: listeners of this machine.
    pub udp: Vec<SocketAddr>,
    /// A name that must not resolve: an update source's.
    pub name: Option<String>,
    /// What the proxy must refuse, as `METHOD ADDRESS`: this machine, targets by number, and ways out of a source's folder.
    pub refused: Vec<String>,
}
