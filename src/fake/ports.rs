//! The ports of the fake lab.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use async_trait::async_trait;

use crate::fake::agent::FakeAgent;
use crate::fake::guest::Domain;
use crate::fake::lab::{FakeLab, URI};
use crate::model::id::RunId;
use crate::model::machine::MachinePlan;
use crate::model::name::{DomainName, PoolName, VolumeName, VolumePath};
use crate::model::outcome::Cause;
use crate::model::resource::{Made, Resource};
use crate::model::uri::HostUri;
use crate::port::{
    Capacity, Disk, FilterSpec, GuestAgent, Hypervisor, LabError, Machines, Marked, NetworkSpec, Networks,
    Nic, OutletInfo, OutletSpec, Storage, VmSpec, VmState, foreign, is_to_be_removed,
};

#[async_trait]
impl Storage for FakeLab {
    async fn create_pool(&self, pool: &PoolName) -> Result<(), LabError> {
        let mut state = self.state();
        state.call("create_pool", pool)?;
        let new = state.pools.insert(pool.clone());
        state.require(new, &format!("pool {pool} is made twice"));
        Ok(())
    }

    async fn place_image(&self, volume: &VolumePath, _: &Path, _: &str) -> Result<(), LabError> {
        self.copy("place_image").await;
        let mut state = self.state();
        state.call("place_image", &volume.name)?;
        let in_pool = state.pools.contains(&volume.pool);
        state.require(in_pool, &format!("{volume} is placed into no pool"));
        let new = state.volumes.insert(volume.clone());
        state.require(new, &format!("{volume} is placed twice"));
        Ok(())
    }

    async fn place_file(&self, volume: &VolumePath, _: &Path, _: &str) -> Result<(), LabError> {
        self.copy("place_file").await;
        let mut state = self.state();
        state.call("place_file", &volume.name)?;
        let in_pool = state.pools.contains(&volume.pool);
        state.require(in_pool, &format!("{volume} is placed into no pool"));
        let new = state.volumes.insert(volume.clone());
        state.require(new, &format!("{volume} is placed twice"));
        Ok(())
    }

    async fn create_overlay(&self, pool: &PoolName, disk: &Disk) -> Result<(), LabError> {
        let mut state = self.state();
        state.call("create_overlay", &disk.volume)?;
        let based = state.volumes.contains(&VolumePath::new(pool, &disk.base));
        state.require(based, &format!("{} is forked from nothing", disk.volume));
        let new = state.volumes.insert(VolumePath::new(pool, &disk.volume));
        state.require(new, &format!("{} is made twice", disk.volume));
        Ok(())
    }

    async fn fetch_volume(&self, volume: &VolumePath, file: &Path) -> Result<String, LabError> {
        self.copy("fetch_volume").await;
        self.state().fetch(volume, file)
    }

    async fn place_volume(&self, volume: &VolumePath, file: &Path, digest: &str) -> Result<(), LabError> {
        self.copy("place_volume").await;
        self.state().place(volume, file, digest)
    }
}

#[async_trait]
impl Networks for FakeLab {
    fn has_networks(&self) -> bool {
        true
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
}

#[async_trait]
impl Machines for FakeLab {
    async fn machine(&self, _: bool) -> Result<BTreeMap<String, String>, LabError> {
        let mut state = self.state();
        state.call("machine", URI)?;
        Ok(state.machine.clone())
    }

    async fn can_have(&self, machine: &MachinePlan) -> Result<(), LabError> {
        let state = self.state();
        state.alive()?;
        match state.refusals.get("can_have") {
            Some(error) if !machine.is_usual() => Err(error.clone()),
            Some(_) | None => Ok(()),
        }
    }

    async fn create_vm(&self, spec: &VmSpec) -> Result<(), LabError> {
        let mut state = self.state();
        state.call("create_vm", &spec.name)?;
        let mut disks = spec
            .disks
            .iter()
            .map(|disk| VolumePath::new(&spec.pool, &disk.volume));
        let there = !spec.disks.is_empty() && disks.all(|disk| state.volumes.contains(&disk));
        state.require(there, &format!("{} has no disk", spec.name));
        state.flash(spec);
        for (at, nic) in spec.nics.iter().enumerate() {
            let arm = |other: &Nic| other.network == nic.network && other.mac == nic.mac;
            let twice = spec.nics[..at].iter().chain(state.nics()).any(arm);
            state.require(
                !twice,
                &format!("{} has the MAC address of another on its network", spec.name),
            );
            let wired = nic
                .network
                .as_ref()
                .is_none_or(|name| state.networks.contains(name));
            state.require(wired, &format!("{} is on no network", spec.name));
            let filtered = nic
                .filter
                .as_ref()
                .is_none_or(|filter| state.filters.contains(&filter.name));
            state.require(filtered, &format!("{} has a filter that is not there", spec.name));
            let address = |nic: &Nic| nic.filter.as_ref().map(|filter| filter.address);
            let alone = address(nic).is_none_or(|its| !state.nics().any(|other| address(other) == Some(its)));
            state.require(alone, &format!("{} has the address of another", spec.name));
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
        let mut domain = Domain::new(spec.clone(), arm.kind, script);
        state.power(&mut domain)?;
        state.domains.insert(spec.name.clone(), domain);
        Ok(())
    }

    async fn pause(&self, domain: &DomainName) -> Result<(), LabError> {
        self.state().pause(domain)
    }

    async fn resume(&self, domain: &DomainName) -> Result<(), LabError> {
        self.state().resume(domain)
    }

    async fn save_state(&self, spec: &VmSpec, volume: &VolumeName) -> Result<(), LabError> {
        self.state().save(spec, volume)
    }

    async fn vm_state(&self, domain: &DomainName) -> Result<VmState, LabError> {
        let state = self.state();
        state.alive()?;
        Ok(state.domains.get(domain).map_or(VmState::Gone, Domain::vm_state))
    }

    async fn console_tail(&self, domain: &DomainName) -> String {
        let state = self.state();
        state.domains.get(domain).map(Domain::console).unwrap_or_default()
    }

    async fn screenshot(&self, domain: &DomainName) -> Option<Vec<u8>> {
        let mut state = self.state();
        state.call("screenshot", domain).ok()?;
        state.domains.get(domain)?.screen()
    }

    fn agent(&self, domain: &DomainName) -> Box<dyn GuestAgent> {
        Box::new(FakeAgent::new(self.clone(), domain))
    }
}

#[async_trait]
impl Hypervisor for FakeLab {
    fn uri(&self) -> &HostUri {
        self.its_uri()
    }

    async fn capacity(&self) -> Result<Capacity, LabError> {
        let state = self.state();
        state.alive()?;
        state
            .capacity
            .ok_or_else(|| LabError::new(Cause::HostRefused, "the fake host has no capacity"))
    }

    async fn remove(&self, resource: &Resource, run: &RunId) -> Result<(), LabError> {
        let mut state = self.state();
        state.take()?;
        let name = resource.made.name();
        if let Err(error) = is_to_be_removed(resource, run, self.uri()) {
            state.violations.push(error.message.clone());
            return Err(error);
        }
        state.calls.push(format!("remove {name}"));
        if state.stuck.iter().any(|suffix| name.ends_with(suffix)) {
            return Err(LabError::new(Cause::HostRefused, format!("{name} is busy")));
        }
        match &resource.made {
            Made::Domain(name) => {
                let domain = state.domains.get(name);
                if domain.is_some_and(|domain| domain.spec.tag.run != *run) {
                    return Err(foreign(&resource.to_string(), run));
                }
                state.domains.remove(name);
            }
            Made::Network(name) => {
                let used = state.nics().any(|nic| nic.network.as_ref() == Some(name));
                state.require(!used, &format!("network {name} is removed under a domain"));
                state.networks.remove(name);
            }
            Made::Filter(name) => {
                let used = state
                    .nics()
                    .any(|nic| nic.filter.as_ref().is_some_and(|filter| filter.name == *name));
                state.require(!used, &format!("filter {name} is removed under a domain"));
                state.filters.remove(name);
            }
            Made::Volume(path) => {
                let has = |spec: &VmSpec| {
                    let nvram = spec.nvram.as_ref().map(|nvram| &nvram.volume);
                    let mut own = spec.disks.iter().map(|disk| &disk.volume).chain(nvram);
                    spec.pool == path.pool && own.any(|volume| *volume == path.name)
                };
                let used = state.domains.values().any(|domain| has(&domain.spec));
                state.require(!used, &format!("volume {path} is removed under a domain"));
                state.volumes.remove(path);
            }
            Made::Pool(name) => {
                let full = state.volumes.iter().any(|volume| volume.pool == *name);
                state.require(!full, &format!("pool {name} is removed with volumes in it"));
                state.pools.remove(name);
            }
        }
        Ok(())
    }

    async fn marked(&self) -> Result<Vec<Marked>, LabError> {
        let state = self.state();
        state.alive()?;
        Ok(state
            .domains
            .values()
            .map(|Domain { spec, .. }| Marked {
                resource: Resource {
                    made: Made::Domain(spec.name.clone()),
                    uri: self.uri().clone(),
                },
                run: spec.tag.run.clone(),
                run_dir: Some(spec.tag.run_dir.clone()),
            })
            .collect())
    }
}
