//! What a lab file chooses: which updates, how clones begin, when they reboot, what they may reach, how long waits may take.

use serde::{Deserialize, Serialize};

use crate::model::update::{Update, Why};
use crate::units::Period;

/// Which pending updates make up the set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdatePolicy {
    /// Which kind.
    pub mode: UpdateMode,
    /// The packages, for [`UpdateMode::Listed`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<String>,
    /// Packages that are left as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Whether a node without pending updates is a fault (an empty window proves nothing).
    pub expect_updates: bool,
    /// What becomes of the gate where a guest keeps back what would be chosen.
    #[serde(default, skip_serializing_if = "KeptBack::is_note")]
    pub kept_back: KeptBack,
    /// The origins of which an update is one of security, in place of those that the guest's family knows: `LABEL` or
    /// `LABEL:ARCHIVE`, with `*` for anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_origins: Vec<String>,
}

/// What becomes of the gate where updates are pending that a guest's package manager does not install: held, kept back,
/// phased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptBack {
    /// They are named.
    #[default]
    Note,
    /// They leave it undecided.
    Undecide,
}

impl KeptBack {
    /// Whether they are named alone.
    pub fn is_note(&self) -> bool {
        *self == Self::Note
    }
}

/// Whether an entry of `listed` or `exclude` means a package: `NAME` in every architecture, or `NAME:ARCH`. The package
/// manager writes the architecture of foreign packages alone behind their names.
fn means(entry: &str, update: &Update) -> bool {
    let name = update.name.split(':').next().unwrap_or_default();
    match entry.split_once(':') {
        None => entry == name,
        Some((wanted, arch)) => {
            let own = update
                .name
                .split_once(':')
                .map_or(update.arch.as_str(), |(_, arch)| arch);
            wanted == name && (arch == own || arch == "any")
        }
    }
}

impl UpdatePolicy {
    /// Those of the pending updates that it asks for.
    pub fn choose(&self, pending: &[Update], is_security: impl Fn(&Update) -> bool) -> Vec<Update> {
        let chosen = pending
            .iter()
            .filter(|update| self.leaves_out(update, &is_security).is_none());
        chosen.cloned().collect()
    }

    /// Why it does not ask for an update; `None` where it does.
    pub fn leaves_out(&self, update: &Update, is_security: impl Fn(&Update) -> bool) -> Option<Why> {
        if self.excludes(update) {
            return Some(Why::Excluded);
        }
        let left = match self.mode {
            UpdateMode::All => return None,
            UpdateMode::Security => (!is_security(update)).then_some(Why::NotSecurity),
            UpdateMode::Listed => {
                let is_listed = self.listed.iter().any(|entry| means(entry, update));
                (!is_listed).then_some(Why::NotListed)
            }
        };
        left.or_else(|| update.to.is_none().then_some(Why::Removal))
    }

    /// The origins of which an update is one of security; `usual` are the family's own.
    pub fn origins_or<'p>(&'p self, usual: &'p [&'p str]) -> Vec<&'p str> {
        if self.security_origins.is_empty() {
            return usual.to_vec();
        }
        self.security_origins.iter().map(String::as_str).collect()
    }

    /// Whether it leaves a package as it is.
    pub fn excludes(&self, update: &Update) -> bool {
        self.exclude.iter().any(|entry| means(entry, update))
    }

    /// The listed packages that none of these updates is of.
    pub fn listed_in_none<'p>(&'p self, updates: &[&Update]) -> Vec<&'p str> {
        match self.mode {
            UpdateMode::Security | UpdateMode::All => Vec::new(),
            UpdateMode::Listed => {
                let absent = |entry: &&String| !updates.iter().any(|update| means(entry, update));
                self.listed.iter().filter(absent).map(String::as_str).collect()
            }
        }
    }
}

/// When both arms of a cell reboot after the updates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RebootPolicy {
    /// In every cell.
    #[default]
    Always,
    /// In cells of which a node needs it for its updates.
    WhenNeeded,
}

impl RebootPolicy {
    /// Whether every cell reboots, as before there was a choice.
    pub fn is_always(&self) -> bool {
        *self == Self::Always
    }
}

/// How often what would close the gate must show itself again, each time in a fresh pair of arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    /// In so many fresh pairs; 0 takes a single sight for proof.
    pub again: u32,
    /// Of so many at most.
    pub pairs: u32,
}

impl Confirm {
    /// A single sight is proof.
    pub const OFF: Self = Self { again: 0, pairs: 0 };

    /// Whether anything is confirmed at all.
    pub fn is_on(self) -> bool {
        self.again > 0
    }
}

impl Default for Confirm {
    fn default() -> Self {
        Self { again: 1, pairs: 1 }
    }
}

/// How long a cell goes on after its reboot until its nodes are looked at once more: what an update lets die later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Soak {
    /// Whether they are.
    pub look: bool,
    /// How long after the reboot at the earliest; what the scenarios take of it is not waited for again.
    pub time: Period,
    /// Whether required scenarios that passed run once more then.
    pub scenarios: bool,
}

impl Soak {
    /// Whether required scenarios are to have a result at its end, too.
    pub fn repeats(&self) -> bool {
        self.look && self.scenarios
    }
}

impl Default for Soak {
    fn default() -> Self {
        Self {
            look: true,
            time: Period::seconds(90),
            scenarios: false,
        }
    }
}

/// What clones may reach beside the nodes of their own arm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkPolicy {
    /// How far.
    pub mode: NetworkMode,
    /// The update sources, as `http://host[:port]/path`, sorted; what an isolated clone may ask for through the proxy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

/// How far a clone's network leads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// To the update sources, through a proxy.
    Isolated,
    /// Wherever the host's own leads. What journals of runs before isolation say by saying nothing.
    #[default]
    Open,
}

/// A kind of update set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateMode {
    /// Those of the distribution's security archive.
    Security,
    /// Everything that is pending.
    All,
    /// Those of the packages that are listed.
    Listed,
}

/// What an arm's nodes begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloneMode {
    /// A state that was saved after a boot, where one can be had.
    Warm,
    /// A boot of their own.
    Cold,
}

/// How guests are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accel {
    /// KVM where a probe shows that it runs a guest, else TCG.
    #[default]
    Auto,
    /// Hardware virtualisation.
    Kvm,
    /// QEMU's own translation; slow and always there.
    Tcg,
}

/// How long each wait may take; each ends in words that name what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// From power-on to the agent's first answer.
    pub boot: Period,
    /// Reading the update sources and resolving the set.
    pub resolve: Period,
    /// Fetching the set.
    pub download: Period,
    /// Installing the set.
    pub apply: Period,
    /// From the reboot request to the agent's answer with a new boot id.
    pub reboot: Period,
}
