//! What can happen to an arm and to a step, and whose fault it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::screen::Screen;

/// A stretch of an arm's life, in the order in which they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Waiting for memory and vCPUs on the host.
    Queue,
    /// The nodes of the cell are booted together, and saved for all arms to go on from.
    Warm,
    /// Network, overlay and domain are created.
    Clone,
    /// From power-on until the guest agent answers and the node has its identity.
    Boot,
    /// The nodes are shown to be cut off from everything but their update sources.
    Isolate,
    /// Pending updates become a pinned set.
    Resolve,
    /// Scenario steps that are to run before the updates.
    Seed,
    /// The pinned set is fetched.
    Download,
    /// The pinned set is installed.
    Apply,
    /// From the reboot request until the agent answers with a new boot id.
    Reboot,
    /// The set is compared with what the guest says is installed, and the node is observed.
    Prove,
    /// The scenarios run.
    Scenarios,
    /// Measured steps are sampled, in turns with the other arm.
    Measure,
    /// The nodes go on for a while, and are looked at once more.
    Soak,
    /// Everything the arm made is removed.
    Destroy,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Queue => "queue",
            Self::Warm => "warm",
            Self::Clone => "clone",
            Self::Boot => "boot",
            Self::Isolate => "isolate",
            Self::Resolve => "resolve",
            Self::Seed => "seed",
            Self::Download => "download",
            Self::Apply => "apply",
            Self::Reboot => "reboot",
            Self::Prove => "prove",
            Self::Scenarios => "scenarios",
            Self::Measure => "measure",
            Self::Soak => "soak",
            Self::Destroy => "destroy",
        })
    }
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The updates under test.
    Product,
    /// The lab: host, libvirt, network, mirror, or a time-out of our own.
    Environment,
    /// The department's scenario, which cannot be run as it is written.
    Scenario,
    /// Nobody can tell.
    Unknown,
}

/// Why an arm ended before its scenarios were through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The guest agent never answered after power-on.
    AgentSilent,
    /// The guest agent answered once and then no more.
    AgentLost,
    /// The guest agent is set up not to run commands.
    AgentForbids,
    /// The node did not come back from the reboot.
    RebootTimeout,
    /// The guest stopped by itself.
    GuestStopped,
    /// The console says that the guest does not boot, or runs no more: a panic, an emergency mode.
    BootBroken,
    /// The VM was ended by its host, not by its guest.
    VmKilled,
    /// A package was broken before the updates.
    BrokenBefore,
    /// The guest answered something that is no answer.
    GuestProtocol,
    /// A wait of ours ended at its deadline.
    Deadline,
    /// The host has not enough memory.
    HostMemory,
    /// The host's disk is full.
    HostDisk,
    /// The guest's own disk is full.
    GuestDisk,
    /// A hook that the guest's own package manager is set up with failed.
    GuestHook,
    /// The guest's own package manager was at work and did not end.
    GuestBusy,
    /// The host gave the guest so little time that its kernel gave up.
    HostBusy,
    /// The host does not answer any more.
    HostLost,
    /// libvirt refused or failed.
    HostRefused,
    /// A clone can reach what it must not.
    NotIsolated,
    /// A sealed image is not what its manifest says.
    ImageDamaged,
    /// The update sources could not be read or fetched from.
    MirrorUnreachable,
    /// The pending updates could not be resolved to a set that can be installed.
    ResolveFailed,
    /// The update sources have no more what was pinned.
    SourcesChanged,
    /// Installing the pinned set failed.
    UpdateFailed,
    /// After the reboot the guest does not have exactly the pinned set.
    SetNotInstalled,
    /// Updates were expected and none are pending.
    NoUpdates,
    /// A step before the updates failed in one arm only: the arms did not start alike.
    SeedFailed,
    /// A scenario names what does not exist in this cell.
    ScenarioInvalid,
    /// A measured step has no samples that could be compared.
    NotMeasured,
    /// What a pair of arms shows was to be confirmed by a fresh one, and there is none that could.
    NotConfirmed,
    /// The run was interrupted.
    Interrupted,
    /// A defect in patchgate.
    Internal,
}

impl Cause {
    /// Whose fault a cause is by itself. That of a guest that went away under its updates, in one arm only and again in a
    /// fresh pair of arms, is for the verdict to say.
    pub fn blame(self) -> Blame {
        match self {
            Self::UpdateFailed | Self::SetNotInstalled => Blame::Product,
            Self::AgentSilent
            | Self::AgentLost
            | Self::AgentForbids
            | Self::RebootTimeout
            | Self::GuestStopped
            | Self::BootBroken
            | Self::VmKilled
            | Self::BrokenBefore
            | Self::GuestProtocol
            | Self::Deadline
            | Self::HostMemory
            | Self::HostDisk
            | Self::GuestDisk
            | Self::GuestHook
            | Self::GuestBusy
            | Self::HostBusy
            | Self::HostLost
            | Self::HostRefused
            | Self::NotIsolated
            | Self::ImageDamaged
            | Self::MirrorUnreachable
            | Self::SourcesChanged
            | Self::NoUpdates
            | Self::NotMeasured
            | Self::NotConfirmed
            | Self::Interrupted => Blame::Environment,
            Self::ScenarioInvalid => Blame::Scenario,
            Self::ResolveFailed | Self::SeedFailed | Self::Internal => Blame::Unknown,
        }
    }

    /// Whether it is the host's own, so that whatever went on there at the time cannot be believed.
    pub fn is_of_the_host(self) -> bool {
        match self {
            Self::HostMemory
            | Self::HostDisk
            | Self::HostBusy
            | Self::HostLost
            | Self::HostRefused
            | Self::VmKilled => true,
            Self::AgentSilent
            | Self::AgentLost
            | Self::AgentForbids
            | Self::RebootTimeout
            | Self::GuestStopped
            | Self::BootBroken
            | Self::BrokenBefore
            | Self::GuestProtocol
            | Self::Deadline
            | Self::GuestDisk
            | Self::GuestHook
            | Self::GuestBusy
            | Self::NotIsolated
            | Self::ImageDamaged
            | Self::MirrorUnreachable
            | Self::SourcesChanged
            | Self::ResolveFailed
            | Self::UpdateFailed
            | Self::SetNotInstalled
            | Self::NoUpdates
            | Self::SeedFailed
            | Self::ScenarioInvalid
            | Self::NotMeasured
            | Self::NotConfirmed
            | Self::Interrupted
            | Self::Internal => false,
        }
    }

    /// The cause in words, a fragment that names no subject.
    pub fn words(self) -> &'static str {
        match self {
            Self::AgentSilent => "the guest agent never answered",
            Self::AgentLost => "the guest agent was lost",
            Self::AgentForbids => "the guest agent is not allowed to run commands",
            Self::RebootTimeout => "the node did not come back from the reboot",
            Self::GuestStopped => "the guest stopped by itself",
            Self::BootBroken => "the guest does not run, as its console says",
            Self::VmKilled => "the host ended the VM",
            Self::BrokenBefore => "a package was broken before the updates",
            Self::GuestProtocol => "the guest answered with something that is no answer",
            Self::Deadline => "a deadline passed",
            Self::HostMemory => "the host has not enough memory",
            Self::HostDisk => "the host's disk is full",
            Self::GuestDisk => "the guest's disk is full",
            Self::GuestHook => "a hook of the guest's own package manager failed",
            Self::GuestBusy => "the guest's own package manager was at work and did not end",
            Self::HostBusy => "the host is too busy",
            Self::HostLost => "the host was lost",
            Self::HostRefused => "libvirt refused",
            Self::NotIsolated => "a clone is not cut off from the world",
            Self::ImageDamaged => "a sealed image is damaged",
            Self::MirrorUnreachable => "the update sources cannot be reached",
            Self::SourcesChanged => "the update sources have no more what was pinned",
            Self::ResolveFailed => "the pending updates cannot be resolved",
            Self::UpdateFailed => "installing the updates failed",
            Self::SetNotInstalled => "the pinned update set is not what is installed",
            Self::NoUpdates => "updates were expected and none are pending",
            Self::SeedFailed => "a step before the updates failed in one arm only",
            Self::ScenarioInvalid => "the scenario does not fit the cell",
            Self::NotMeasured => "the times of a measured step cannot be compared",
            Self::NotConfirmed => "no fresh pair of arms could confirm it",
            Self::Interrupted => "the run was interrupted",
            Self::Internal => "a defect in patchgate",
        }
    }
}

/// The end of an arm before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Why.
    pub cause: Cause,
    /// Where in the arm's life.
    pub stage: Stage,
    /// The node's role, where it happened on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What happened, one line.
    pub message: String,
    /// What to look at: an error's output or the end of the console; bounded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The picture of the node's screen, where the run kept one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<Screen>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How one step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepOutcome {
    /// Every expectation held.
    Passed,
    /// An expectation did not hold, or the step's own deadline passed in the guest.
    Failed,
    /// The lab failed under the step; its words say how.
    Errored(Cause),
}

/// How one whole run of a scenario ended in one arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScenarioOutcome {
    /// All its steps passed.
    Passed,
    /// A step failed.
    Failed,
    /// The lab failed under it.
    Errored(Cause),
}

impl fmt::Display for ScenarioOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed => f.write_str("failed"),
            Self::Errored(cause) => write!(f, "could not be judged: {}", cause.words()),
        }
    }
}
