//! What a plan is: the first record of every journal, and all that the judge needs to know what was promised.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::input::hex;
use crate::measure::Performance;
use crate::model::drift::DriftPolicy;
use crate::model::id::CellId;
use crate::model::machine::MachinePlan;
use crate::model::policy::{
    Accel, CloneMode, Confirm, Deadlines, NetworkPolicy, RebootPolicy, Soak, UpdatePolicy,
};
use crate::model::scenario::{Action, Scenario};
use crate::units::{Mib, Period};

/// A whole plan. Two plans with the same digest decide alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The lab's name.
    pub lab: String,
    /// Which updates are applied.
    pub updates: UpdatePolicy,
    /// What clones begin with.
    pub clone: CloneMode,
    /// When cells reboot.
    #[serde(default, skip_serializing_if = "RebootPolicy::is_always")]
    pub reboot: RebootPolicy,
    /// How often what would close the gate must show itself again.
    pub confirm: Confirm,
    /// What clones may reach.
    pub network: NetworkPolicy,
    /// When a measured step counts as slower.
    pub performance: Performance,
    /// What is made of differences between the arms.
    pub drift: DriftPolicy,
    /// The hosts that run the cells; never empty.
    pub hosts: Vec<HostPlan>,
    /// The cells, sorted by id.
    pub cells: Vec<CellPlan>,
    /// Cells of the lab that a selection left out, sorted: what is shown is not shown for the whole lab.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<CellId>,
    /// Every scenario that a cell runs, by name.
    pub scenarios: BTreeMap<String, Scenario>,
    /// SHA-256 (hexadecimal) of everything that decides the result, by what it is: `lab`, `image <name>`,
    /// `recipe <path>`, `scenario <name>`.
    pub inputs: BTreeMap<String, String>,
    /// SHA-256 over the rest of the plan in its JSON form.
    pub digest: String,
}

impl Plan {
    /// The digest that a plan of this content must have: SHA-256 over its JSON form with an empty digest.
    ///
    /// # Errors
    /// The plan has no JSON form.
    pub fn content_digest(&self) -> Result<String, serde_json::Error> {
        let open = Self {
            digest: String::new(),
            ..self.clone()
        };
        Ok(hex(&Sha256::digest(serde_json::to_vec(&open)?)))
    }

    /// The plan with the digest of its content.
    ///
    /// # Errors
    /// As [`Plan::content_digest`].
    pub fn sealed(self) -> Result<Self, serde_json::Error> {
        let digest = self.content_digest()?;
        Ok(Self { digest, ..self })
    }

    /// What is made of drift in a cell.
    pub fn drift_of<'a>(&'a self, cell: &'a CellPlan) -> &'a DriftPolicy {
        cell.drift.as_ref().unwrap_or(&self.drift)
    }

    /// The cell of that id.
    pub fn cell(&self, id: &CellId) -> Option<&CellPlan> {
        self.cells.iter().find(|cell| cell.id == *id)
    }

    /// Whether a cell has a step whose time is compared between the arms, which must then run at the same time.
    pub fn measures(&self, cell: &CellPlan) -> bool {
        let scenarios = cell.scenarios.iter().filter_map(|name| self.scenarios.get(name));
        scenarios
            .flat_map(|scenario| &scenario.steps)
            .any(|step| step.measure.is_some())
    }
}

/// Where cells run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPlan {
    /// A libvirt URI or `auto`.
    pub uri: String,
    /// Which accelerator is used.
    pub accel: Accel,
    /// Memory that clones may use at once; by default what the host has free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Mib>,
    /// vCPUs that clones may use at once; by default the host's CPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<u32>,
}

impl HostPlan {
    /// A host of that URI, with every default.
    pub fn at(uri: &str) -> Self {
        Self {
            uri: uri.to_owned(),
            accel: Accel::Auto,
            memory: None,
            vcpus: None,
        }
    }
}

/// One cell: a group on an OS version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellPlan {
    /// Its id.
    pub id: CellId,
    /// The group's name.
    pub group: String,
    /// The OS version, such as `debian-12`.
    pub os: String,
    /// The stakeholder.
    pub owner: String,
    /// Who patches it.
    pub admin: String,
    /// Whether the gate needs it.
    pub required: bool,
    /// Its nodes in start order; never empty.
    pub nodes: Vec<NodePlan>,
    /// The order in which its nodes reboot, as indices of `nodes`; empty where that is their own order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reboot_order: Vec<usize>,
    /// Names of the scenarios it runs, in order; keys of [`Plan::scenarios`].
    pub scenarios: Vec<String>,
    /// How long its waits may take.
    pub deadlines: Deadlines,
    /// When its nodes are looked at once more after the reboot.
    pub soak: Soak,
    /// What is made of drift in this cell, where its group says something of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftPolicy>,
}

impl CellPlan {
    /// Memory that one arm needs: its nodes at once, with QEMU's own overhead.
    pub fn arm_memory(&self) -> Mib {
        Mib(self
            .nodes
            .iter()
            .map(|node| node.memory.0 + NODE_OVERHEAD_MIB)
            .sum())
    }

    /// vCPUs that one arm needs.
    pub fn arm_vcpus(&self) -> u32 {
        self.nodes.iter().map(|node| node.vcpus).sum()
    }

    /// The indices of all nodes, each once, in the order in which they reboot.
    pub fn reboots(&self) -> Vec<usize> {
        let given = self
            .reboot_order
            .iter()
            .copied()
            .filter(|at| *at < self.nodes.len());
        let mut order: Vec<usize> = Vec::new();
        for at in given.chain(0..self.nodes.len()) {
            if !order.contains(&at) {
                order.push(at);
            }
        }
        order
    }

    /// Whether nodes of it have their own addresses.
    pub fn keeps_addresses(&self) -> bool {
        self.nodes.iter().any(|node| !node.addresses.is_given())
    }

    /// The node of that role.
    pub fn node(&self, role: &str) -> Option<&NodePlan> {
        self.nodes.iter().find(|node| node.role == role)
    }
}

/// What a QEMU process takes beside its guest's memory under TCG, with a translation cache of
/// [`TB_CACHE_MIB`], in MiB.
pub const NODE_OVERHEAD_MIB: u64 = 384;

/// TCG's translation cache per guest in MiB (<https://libvirt.org/formatdomain.html#hypervisor-features>).
pub const TB_CACHE_MIB: u64 = 256;

/// One VM of a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePlan {
    /// Its role.
    pub role: String,
    /// Its host name in the cell.
    pub host: String,
    /// What must hold after a boot before the next node is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// Whose addresses it has.
    #[serde(default, skip_serializing_if = "Addresses::is_given")]
    pub addresses: Addresses,
    /// The sealed image that both arms are forked from.
    pub image: ImagePin,
    /// Guest memory.
    pub memory: Mib,
    /// Guest vCPUs.
    pub vcpus: u32,
}

/// Whose addresses a node has on its arm's wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Addresses {
    /// patchgate's, with the names of its neighbours.
    #[default]
    Given,
    /// Its own, with its own name: its network is configured as where it comes from.
    Kept {
        /// The MAC addresses of its cards there, in their order and in small letters; nothing where its image does not tell.
        macs: Vec<String>,
    },
}

impl Addresses {
    /// Whether they are patchgate's.
    pub fn is_given(&self) -> bool {
        *self == Self::Given
    }
}

/// When a node is ready after a boot, beside its agent's answer and its settled services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// What is looked at, as a scenario's step would, on the node itself.
    pub check: Action,
    /// How long it may take.
    pub within: Period,
}

/// A sealed image, pinned by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePin {
    /// Its name in the catalogue, such as `debian-12+web`.
    pub name: String,
    /// The OS version.
    pub os: String,
    /// Digest of the recipe and base that it is built from: the catalogue's key.
    pub key: String,
    /// SHA-256 of the sealed disk, hexadecimal; absent while it is not built, and then nothing can run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The machine that its clones are given.
    #[serde(default, skip_serializing_if = "MachinePlan::is_usual")]
    pub machine: MachinePlan,
    /// The package manager that installs its updates, by its family's name for it, where that is not its OS version's usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
}
