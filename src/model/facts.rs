//! What a guest said of itself when it was looked at for the first time: facts, which are no judgement yet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a guest is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its agent.
    pub agent: AgentFacts,
    /// What the guest itself said; nothing where its agent runs no commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemFacts>,
}

/// What a guest's agent is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentFacts {
    /// Its version.
    pub version: String,
    /// The commands that it knows, and whether it is allowed to perform them.
    pub commands: BTreeMap<String, bool>,
    /// How a trial of what a run does failed, which is to run a command, and to put a file there and remove it; nothing where it
    /// went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<String>,
}

impl AgentFacts {
    /// Whether it knows a command and is allowed to perform it.
    pub fn allows(&self, command: &str) -> bool {
        self.commands.get(command) == Some(&true)
    }
}

/// What a guest says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemFacts {
    /// Its release.
    pub release: Release,
    /// The running kernel's.
    pub kernel: String,
    /// Its machine id; empty where it has none.
    pub machine_id: String,
    /// What confines the agent, in words; empty where nothing does.
    pub confined: Vec<String>,
    /// Settings of the agent's files that forbid it something, as `FILE:LINE`.
    pub agent_settings: Vec<String>,
    /// The programs that manage packages.
    pub managers: Vec<String>,
    /// The addresses that packages come from, without a name and password.
    pub sources: Vec<String>,
    /// Who manages the network.
    pub network: Vec<String>,
    /// Its network cards.
    pub cards: Vec<Card>,
    /// Names of cards that are configured and not there, each as `MANAGER NAME`.
    pub strangers: Vec<String>,
    /// What is known of cloud-init; nothing where it is not installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_init: Option<CloudInit>,
    /// What says that a reboot is pending; empty where nothing does.
    pub reboot: Vec<String>,
    /// Units of the service manager that failed.
    pub failed: Vec<String>,
    /// Its file systems.
    pub disks: Vec<FileSystem>,
    /// Lines of its table of file systems which name a disk by the place where it was found.
    pub by_place: Vec<String>,
    /// Its locale; empty where none is set.
    pub locale: String,
    /// Its time zone; empty where none is set.
    pub zone: String,
    /// Drivers for virtual disks and cards that are there at once when it boots.
    pub drivers: Vec<String>,
    /// Firewalls that are active, in words.
    pub firewalls: Vec<String>,
    /// What could not be read, and why, by what it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unread: BTreeMap<String, String>,
}

/// A release of an OS, as os-release(5) has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// `ID`.
    pub id: String,
    /// `VERSION_ID`; empty where there is none.
    pub version: String,
    /// `ID_LIKE`, word by word.
    pub like: Vec<String>,
    /// `PRETTY_NAME`.
    pub name: String,
}

/// A network card.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Its name.
    pub name: String,
    /// Its MAC address.
    pub mac: String,
    /// Its addresses, with the lengths of their prefixes.
    pub addresses: Vec<String>,
}

/// What is known of cloud-init.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudInit {
    /// The id of the instance that it has set up; empty where it has never run.
    pub instance: String,
    /// The data source of that; empty where it has never run.
    pub source: String,
    /// Whether it is switched off.
    pub disabled: bool,
}

/// A file system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystem {
    /// Where it is mounted.
    pub mount: String,
    /// Its size, in MiB.
    pub size_mib: u64,
    /// What is free of it, in MiB.
    pub free_mib: u64,
}
