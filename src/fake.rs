//! An in-memory lab for tests, stricter than reality: what libvirt would forgive is a violation here, and a command
//! that no script declares fails.

mod guest;
mod look;
mod proxy;
mod tongue;
mod warm;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

pub use guest::{Agent, Apply, GuestScript, SAMPLE, StepCall};
pub use look::{LookCall, Section, Sections};
pub use proxy::FakeProxies;
pub use tongue::{AptTongue, Tongue};

use crate::guest::identity::Answer;
use crate::model::outcome::Cause;
use crate::model::resource::{Resource, ResourceKind};
use crate::port::{
    Capacity, FilterSpec, GuestAgent, Hypervisor, LabError, Marked, NetworkSpec, Nic, OutletInfo, OutletSpec,
    VmSpec, VmState,
};
use crate::units::Mib;

/// The fake's libvirt URI.
pub const URI: &str = "fake:///lab";

/// A lab without a hypervisor.
#[derive(Clone)]
pub struct FakeLab {
    uri: Arc<str>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// What it still takes before it dies: calls, and commands of its guests.
    lives: Option<usize>,
    taken: usize,
    capacity: Option<Capacity>,
    scripts: BTreeMap<String, GuestScript>,
    pools: BTreeSet<String>,
    volumes: BTreeSet<String>,
    networks: BTreeSet<String>,
    filters: BTreeSet<String>,
    domains: BTreeMap<String, guest::Domain>,
    refusals: BTreeMap<String, LabError>,
    stuck: BTreeSet<String>,
    violations: Vec<String>,
    calls: Vec<String>,
    asked: Vec<(String, String)>,
    machine: BTreeMap<String, String>,
    saved: BTreeMap<String, Answer>,
}

impl Default for FakeLab {
    fn default() -> Self {
        Self::at(URI)
    }
}

impl FakeLab {
    /// A host of that URI.
    pub fn at(uri: &str) -> Self {
        let state = State {
            capacity: Some(Capacity {
                memory_free: Mib(64 * 1024),
                vcpus: 16,
                disk_free: Mib(1024 * 1024),
            }),
            ..State::default()
        };
        Self {
            uri: uri.into(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how the guests of a role behave.
    pub fn script(&self, role: &str, script: GuestScript) {
        self.state().scripts.insert(role.to_owned(), script);
    }

    /// Says what the host has.
    pub fn capacity_is(&self, capacity: Capacity) {
        self.state().capacity = Some(capacity);
    }

    /// Makes an operation fail from now on: `create_pool`, `place_image`, `create_network`, `create_outlet`,
    /// `create_filter`, `create_overlay`, `create_vm`, `machine`, `save_state`, `place_volume`, `go_on` (from a saved state); or `isolate`, what the host may be asked for.
    pub fn refuse(&self, operation: &str, error: LabError) {
        self.state().refusals.insert(operation.to_owned(), error);
    }

    /// Makes every resource whose name ends in `suffix` impossible to remove.
    pub fn stick(&self, suffix: &str) {
        self.state().stuck.insert(suffix.to_owned());
    }

    /// Makes the host vanish once it has taken so many calls and commands: nothing answers any more, and what is there
    /// stays.
    pub fn dies_after(&self, taken: usize) {
        self.state().lives = Some(taken);
    }

    /// How many calls and commands of its guests it has taken.
    pub fn taken(&self) -> usize {
        self.state().taken
    }

    /// What was done that must never be done.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Every command that a guest was given, in order: its domain, and what the command is for.
    pub fn asked(&self) -> Vec<(String, String)> {
        self.state().asked.clone()
    }

    /// Every call, in order: `operation name`.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// The names of all that exists.
    pub fn present(&self) -> Vec<String> {
        let state = self.state();
        let mut names: Vec<String> = state.domains.keys().cloned().collect();
        names.extend(state.networks.iter().cloned());
        names.extend(state.filters.iter().cloned());
        names.extend(state.volumes.iter().cloned());
        names.extend(state.pools.iter().cloned());
        names
    }
}

impl State {
    /// Whether it still answers.
    fn alive(&self) -> Result<(), LabError> {
        match self.lives {
            Some(0) => Err(LabError::new(Cause::HostRefused, "the connection is lost")),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes a call or a command, if it still does.
    fn take(&mut self) -> Result<(), LabError> {
        self.alive()?;
        self.lives = self.lives.map(|lives| lives - 1);
        self.taken += 1;
        self.alive()
    }

    /// Notes a call and answers with the refusal that a test asked for.
    fn call(&mut self, operation: &str, name: &str) -> Result<(), LabError> {
        self.take()?;
        self.calls.push(format!("{operation} {name}"));
        match self.refusals.get(operation) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    fn wire(&mut self, operation: &str, name: &str) -> Result<(), LabError> {
        self.call(operation, name)?;
        let new = self.networks.insert(name.to_owned());
        self.require(new, &format!("network {name} is made twice"));
        Ok(())
    }

    fn nics(&self) -> impl Iterator<Item = &Nic> {
        self.domains.values().flat_map(|domain| &domain.spec.nics)
    }

    fn require(&mut self, holds: bool, violation: &str) {
        if !holds {
            self.violations.push(violation.to_owned());
        }
    }
}

#[async_trait]
impl Hypervisor for FakeLab {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn has_networks(&self) -> bool {
        true
    }

    async fn capacity(&self) -> Result<Capacity, LabError> {
        let state = self.state();
        state.alive()?;
        state
            .capacity
            .ok_or_else(|| LabError::new(Cause::HostRefused, "the fake host has no capacity"))
    }

    async fn create_pool(&self, pool: &str) -> Result<(), LabError> {
        let mut state = self.state();
        state.call("create_pool", pool)?;
        let new = state.pools.insert(pool.to_owned());
        state.require(new, &format!("pool {pool} is made twice"));
        Ok(())
    }

    async fn place_image(&self, pool: &str, volume: &str, _: &Path, _: &str) -> Result<(), LabError> {
        let mut state = self.state();
        state.call("place_image", volume)?;
        let name = format!("{pool}/{volume}");
        let in_pool = state.pools.contains(pool);
        state.require(in_pool, &format!("{name} is placed into no pool"));
        let new = state.volumes.insert(name.clone());
        state.require(new, &format!("{name} is placed twice"));
        Ok(())
    }

    fn can_isolate(&self) -> Result<(), LabError> {
        match self.state().refusals.get("isolate") {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    async fn create_network(&self, spec: &NetworkSpec) -> Result<(), LabError> {
        self.state().wire("create_network", &spec.name)
    }

    async fn create_outlet(&self, spec: &OutletSpec) -> Result<OutletInfo, LabError> {
        self.state().wire("create_outlet", &spec.name)?;
        Ok(OutletInfo {
            gateway: Ipv4Addr::new(10, 213, 0, 1),
            prefix: 24,
        })
    }

    async fn create_filter(&self, spec: &FilterSpec) -> Result<(), LabError> {
        let mut state = self.state();
        state.call("create_filter", &spec.name)?;
        let new = state.filters.insert(spec.name.clone());
        state.require(new, &format!("filter {} is made twice", spec.name));
        Ok(())
    }

    async fn create_overlay(&self, spec: &VmSpec) -> Result<(), LabError> {
        let mut state = self.state();
        state.call("create_overlay", &spec.overlay)?;
        let based = state.volumes.contains(&format!("{}/{}", spec.pool, spec.base));
        state.require(based, &format!("{} is forked from nothing", spec.overlay));
        let new = state.volumes.insert(format!("{}/{}", spec.pool, spec.overlay));
        state.require(new, &format!("{} is made twice", spec.overlay));
        Ok(())
    }

    async fn machine(&self, _: bool) -> Result<BTreeMap<String, String>, LabError> {
        let mut state = self.state();
        state.call("machine", URI)?;
        Ok(state.machine.clone())
    }

    async fn pause(&self, domain: &str) -> Result<(), LabError> {
        self.state().pause(domain)
    }

    async fn resume(&self, domain: &str) -> Result<(), LabError> {
        self.state().resume(domain)
    }

    async fn save_state(&self, spec: &VmSpec, volume: &str) -> Result<(), LabError> {
        self.state().save(spec, volume)
    }

    async fn fetch_volume(&self, pool: &str, volume: &str, file: &Path) -> Result<String, LabError> {
        self.state().fetch(pool, volume, file)
    }

    async fn place_volume(
        &self,
        pool: &str,
        volume: &str,
        file: &Path,
        digest: &str,
    ) -> Result<(), LabError> {
        self.state().place(pool, volume, file, digest)
    }

    async fn create_vm(&self, spec: &VmSpec) -> Result<(), LabError> {
        let mut state = self.state();
        state.call("create_vm", &spec.name)?;
        let disk = state.volumes.contains(&format!("{}/{}", spec.pool, spec.overlay));
        state.require(disk, &format!("{} has no disk", spec.name));
        for nic in &spec.nics {
            let wired = nic
                .network
                .as_ref()
                .is_none_or(|name| state.networks.contains(name));
            state.require(wired, &format!("{} is on no network", spec.name));
            let filtered = nic
                .filter
                .as_ref()
                .is_none_or(|name| state.filters.contains(name));
            state.require(filtered, &format!("{} has a filter that is not there", spec.name));
        }
        let Some(script) = state.scripts.get(&spec.role).cloned() else {
            state.violations.push(format!("role {} has no script", spec.role));
            return Err(LabError::new(Cause::Internal, "no script"));
        };
        let Some(arm) = &spec.tag.arm else {
            state.violations.push(format!("{} belongs to no arm", spec.name));
            return Err(LabError::new(Cause::Internal, "no arm"));
        };
        let new = !state.domains.contains_key(&spec.name);
        state.require(new, &format!("{} is made twice", spec.name));
        let mut domain = guest::Domain::new(spec.clone(), arm.kind, script);
        state.power(&mut domain)?;
        state.domains.insert(spec.name.clone(), domain);
        Ok(())
    }

    async fn vm_state(&self, domain: &str) -> Result<VmState, LabError> {
        let state = self.state();
        state.alive()?;
        Ok(state
            .domains
            .get(domain)
            .map_or(VmState::Gone, guest::Domain::vm_state))
    }

    async fn console_tail(&self, domain: &str) -> String {
        format!("console of {domain}")
    }

    fn agent(&self, domain: &str) -> Box<dyn GuestAgent> {
        Box::new(guest::FakeAgent::new(self.clone(), domain))
    }

    async fn remove(&self, resource: &Resource) -> Result<(), LabError> {
        let mut state = self.state();
        state.take()?;
        let name = &resource.name;
        let here = resource.uri == *self.uri;
        state.require(here, &format!("{resource} is removed from another host"));
        state.calls.push(format!("remove {name}"));
        if state.stuck.iter().any(|suffix| name.ends_with(suffix)) {
            return Err(LabError::new(Cause::HostRefused, format!("{name} is busy")));
        }
        match resource.kind {
            ResourceKind::Domain => {
                state.domains.remove(name);
            }
            ResourceKind::Network => {
                let used = state.nics().any(|nic| nic.network.as_ref() == Some(name));
                state.require(!used, &format!("network {name} is removed under a domain"));
                state.networks.remove(name);
            }
            ResourceKind::Filter => {
                let used = state.nics().any(|nic| nic.filter.as_ref() == Some(name));
                state.require(!used, &format!("filter {name} is removed under a domain"));
                state.filters.remove(name);
            }
            ResourceKind::Volume => {
                let volume = |domain: &guest::Domain| format!("{}/{}", domain.spec.pool, domain.spec.overlay);
                let used = state.domains.values().any(|domain| volume(domain) == *name);
                state.require(!used, &format!("volume {name} is removed under a domain"));
                state.volumes.remove(name);
            }
            ResourceKind::Pool => {
                let full = state
                    .volumes
                    .iter()
                    .any(|volume| volume.starts_with(&format!("{name}/")));
                state.require(!full, &format!("pool {name} is removed with volumes in it"));
                state.pools.remove(name);
            }
        }
        Ok(())
    }

    async fn marked(&self) -> Result<Vec<Marked>, LabError> {
        let state = self.state();
        state.alive()?;
        let domains = state.domains.values().map(|domain| {
            let tag = &domain.spec.tag;
            (ResourceKind::Domain, &domain.spec.name, tag)
        });
        Ok(domains
            .map(|(kind, name, tag)| Marked {
                resource: Resource {
                    kind,
                    name: name.clone(),
                    uri: self.uri.to_string(),
                },
                run: tag.run.clone(),
                run_dir: Some(tag.run_dir.clone()),
            })
            .collect())
    }
}
