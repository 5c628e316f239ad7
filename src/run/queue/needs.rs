//! What hosts have, and what cells take of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::id::Arm;
use crate::model::plan::{CellPlan, HostPlan, Plan};
use crate::port::Capacity;
use crate::units::Mib;

/// Memory of a host that is never given to clones.
pub const RESERVE: Mib = Mib(1024);

/// Disk that every running arm is given: what an overlay grows to with a kernel and its packages.
pub const ARM_DISK: Mib = Mib(1024);

/// An amount of what arms take of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// Memory.
    pub memory: Mib,
    /// vCPUs.
    pub vcpus: u32,
    /// Disk.
    pub disk: Mib,
}

impl Amount {
    /// More than any host has.
    pub const UNLIMITED: Self = Self {
        memory: Mib(u64::MAX),
        vcpus: u32::MAX,
        disk: Mib(u64::MAX),
    };

    pub(super) fn holds(self, other: Self) -> bool {
        other.memory <= self.memory && other.vcpus <= self.vcpus && other.disk <= self.disk
    }

    pub(super) fn times(self, arms: usize) -> Self {
        let arms = u32::try_from(arms).unwrap_or(u32::MAX);
        Self {
            memory: Mib(self.memory.0.saturating_mul(u64::from(arms))),
            vcpus: self.vcpus.saturating_mul(arms),
            disk: Mib(self.disk.0.saturating_mul(u64::from(arms))),
        }
    }

    pub(super) fn take(&mut self, other: Self) {
        self.memory.0 = self.memory.0.saturating_sub(other.memory.0);
        self.vcpus = self.vcpus.saturating_sub(other.vcpus);
        self.disk.0 = self.disk.0.saturating_sub(other.disk.0);
    }

    pub(super) fn give_back(&mut self, other: Self) {
        self.memory.0 = self.memory.0.saturating_add(other.memory.0);
        self.vcpus = self.vcpus.saturating_add(other.vcpus);
        self.disk.0 = self.disk.0.saturating_add(other.disk.0);
    }
}

/// What clones may use on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// At once.
    pub budget: Amount,
    /// Whether it has networks between nodes.
    pub networks: bool,
}

impl Room {
    /// What the lab file allows of a host, and never more memory and disk than it has.
    pub fn of(host: &HostPlan, has: Capacity, networks: bool) -> Self {
        let free = Mib(has.memory_free.0.saturating_sub(RESERVE.0));
        Self {
            budget: Amount {
                memory: host.memory.map_or(free, |memory| memory.min(free)),
                vcpus: host.vcpus.unwrap_or(has.vcpus),
                disk: has.disk_free,
            },
            networks,
        }
    }

    /// As far as the lab file tells without asking the host.
    pub fn promised(host: &HostPlan, networks: bool) -> Self {
        Self {
            budget: Amount {
                memory: host.memory.unwrap_or(Amount::UNLIMITED.memory),
                vcpus: host.vcpus.unwrap_or(Amount::UNLIMITED.vcpus),
                disk: Amount::UNLIMITED.disk,
            },
            networks,
        }
    }

    /// Whether it could hold a cell's first admission, if nothing else were there.
    pub fn can_hold(&self, cell: &CellNeeds) -> bool {
        (self.networks || !cell.networks) && self.budget.holds(cell.alone())
    }
}

/// What a cell takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellNeeds {
    /// Its group.
    pub group: String,
    /// What one arm takes, without the images.
    pub arm: Amount,
    /// Whether its nodes need networks between them.
    pub networks: bool,
    /// Whether both arms must run at once.
    pub together: bool,
    /// The images that its nodes are forked from, and their sizes.
    pub images: BTreeMap<String, Mib>,
    /// How long the control arm is expected to take.
    pub control: Duration,
    /// How long the treatment arm is.
    pub treatment: Duration,
}

impl CellNeeds {
    /// What a cell of a plan takes; `image` tells the size of an image, `expected` how long an arm takes.
    pub fn of(
        plan: &Plan,
        cell: &CellPlan,
        image: impl Fn(&str) -> Mib,
        expected: impl Fn(Arm) -> Duration,
    ) -> Self {
        let names = cell.nodes.iter().map(|node| &node.image.name);
        Self {
            group: cell.group.clone(),
            arm: Amount {
                memory: cell.arm_memory(),
                vcpus: cell.arm_vcpus(),
                disk: ARM_DISK,
            },
            networks: cell.nodes.len() > 1 || cell.keeps_addresses(),
            together: plan.measures(cell),
            images: names.map(|name| (name.clone(), image(name))).collect(),
            control: expected(Arm::Control),
            treatment: expected(Arm::Treatment),
        }
    }

    pub(super) fn takes(&self, arm: Arm) -> Duration {
        match arm {
            Arm::Control => self.control,
            Arm::Treatment => self.treatment,
        }
    }

    /// The admissions that its two arms make.
    pub(super) fn admissions(&self) -> &'static [&'static [Arm]] {
        if self.together {
            &[&[Arm::Treatment, Arm::Control]]
        } else {
            &[&[Arm::Treatment], &[Arm::Control]]
        }
    }

    /// How many of its arms start at once.
    pub fn at_once(&self) -> usize {
        if self.together { 2 } else { 1 }
    }

    /// What its first admission takes of a host on which nothing is.
    pub fn alone(&self) -> Amount {
        let mut all = self.arm.times(self.at_once());
        all.give_back(Amount {
            memory: Mib(0),
            vcpus: 0,
            disk: Mib(self
                .images
                .values()
                .fold(0, |sum, size| sum.saturating_add(size.0))),
        });
        all
    }
}
