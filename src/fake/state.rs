//! All that a fake lab is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;

use crate::fake::faults::{self, FaultKind, Planted};
use crate::fake::guest::Domain;
use crate::fake::script::GuestScript;
use crate::guest::identity::Answer;
use crate::model::hardware::Firmware;
use crate::model::name::{DomainName, FilterName, NetworkName, PoolName, VolumePath};
use crate::model::outcome::Cause;
use crate::port::{Capacity, LabError, Nic, VmSpec};

/// All that a fake lab is made of.
#[derive(Default)]
pub struct State {
    /// What it still takes before it dies: calls, and commands of its guests.
    pub lives: Option<usize>,
    pub taken: usize,
    pub capacity: Option<Capacity>,
    pub scripts: BTreeMap<String, GuestScript>,
    pub pools: BTreeSet<PoolName>,
    pub volumes: BTreeSet<VolumePath>,
    pub networks: BTreeSet<NetworkName>,
    pub filters: BTreeSet<FilterName>,
    pub domains: BTreeMap<DomainName, Domain>,
    pub faults: Vec<Planted>,
    pub refusals: BTreeMap<String, LabError>,
    pub stuck: BTreeSet<String>,
    /// How long operations copy.
    pub copying: BTreeMap<&'static str, Duration>,
    pub violations: Vec<String>,
    pub calls: Vec<String>,
    pub asked: Vec<(String, String)>,
    pub machine: BTreeMap<String, String>,
    pub saved: BTreeMap<VolumePath, Answer>,
}

impl State {
    /// Whether it still answers.
    pub fn alive(&self) -> Result<(), LabError> {
        match self.lives {
            Some(0) => Err(LabError::new(Cause::HostRefused, "the connection is lost")),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes a call or a command, if it still does.
    pub fn take(&mut self) -> Result<(), LabError> {
        self.alive()?;
        self.lives = self.lives.map(|lives| lives - 1);
        self.taken += 1;
        self.alive()
    }

    /// Notes a call and answers with the refusal that a test asked for.
    pub fn call(&mut self, operation: &str, name: impl Display) -> Result<(), LabError> {
        self.take()?;
        let name = name.to_string();
        self.calls.push(format!("{operation} {name}"));
        if let Some(kind) = self.strike(operation, &name) {
            match faults::refusal(kind) {
                Some(error) => return Err(error),
                None => self.require(false, &format!("{kind:?} is no fault of {operation}")),
            }
        }
        match self.refusals.get(operation) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// The fault that strikes at a point; one of the whole host has struck then.
    pub fn strike(&mut self, at: &str, name: &str) -> Option<FaultKind> {
        let kind = faults::strike(&mut self.faults, at, name);
        if kind == Some(FaultKind::HostGone) {
            self.lives = Some(0);
        }
        kind
    }

    /// Makes a network.
    pub fn wire(&mut self, operation: &str, name: &NetworkName) -> Result<(), LabError> {
        self.call(operation, name)?;
        let new = self.networks.insert(name.clone());
        self.require(new, &format!("network {name} is made twice"));
        Ok(())
    }

    /// Gives a VM variables of its firmware's, where that keeps any.
    pub fn flash(&mut self, spec: &VmSpec) {
        let keeps = spec.hardware.firmware != Firmware::Bios;
        self.require(
            keeps == spec.nvram.is_some(),
            &format!("{} has another firmware's variables", spec.name),
        );
        let Some(nvram) = &spec.nvram else { return };
        if let Some(template) = &nvram.template {
            let there = self.volumes.contains(&VolumePath::new(&spec.pool, template));
            self.require(there, &format!("{} is copied from nothing", nvram.volume));
        }
        let new = self.volumes.insert(VolumePath::new(&spec.pool, &nvram.volume));
        self.require(new, &format!("{} is made twice", nvram.volume));
    }

    /// The cards of all VMs.
    pub fn nics(&self) -> impl Iterator<Item = &Nic> {
        self.domains.values().flat_map(|domain| &domain.spec.nics)
    }

    /// Notes a violation where something does not hold.
    pub fn require(&mut self, holds: bool, violation: &str) {
        if !holds {
            self.violations.push(violation.to_owned());
        }
    }
}
