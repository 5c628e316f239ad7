//! What happens in a run, as the journal keeps it. Pure vocabulary.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::advisory::Advisory;
use crate::model::facts::Facts;
use crate::model::id::{Arm, ArmId, CellId, RunId};
use crate::model::observation::{Moment, Observation};
use crate::model::outcome::{Fault, ScenarioOutcome, Stage, StepOutcome};
use crate::model::plan::Plan;
use crate::model::policy::CloneMode;
use crate::model::results::{Counts, SubResult, counts};
use crate::model::screen::Screen;
use crate::model::update::{Proof, Unrehearsed, UpdateSet};

/// The number of the journal's form, in its first record. It grows whenever a journal could be read wrongly by a version
/// that does not know the change.
pub const FORMAT: u32 = 2;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counts from 0 without gaps.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The arm that says it; nothing where it is about the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<ArmId>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run begins; always the first record.
    Planned {
        /// The form of the journal, [`FORMAT`].
        format: u32,
        /// The run.
        run: RunId,
        /// patchgate's version.
        version: String,
        /// What is promised.
        plan: Box<Plan>,
    },
    /// The host was chosen.
    HostChosen {
        /// The libvirt URI in use.
        uri: String,
        /// `kvm` or `tcg`.
        accel: String,
        /// Why that accelerator.
        reason: String,
        /// libvirt's and QEMU's versions.
        version: String,
    },
    /// A host does not answer any more; nothing starts there from here on.
    HostLost {
        /// Its libvirt URI.
        uri: String,
        /// What was seen of that, in words.
        reason: String,
    },
    /// A cell begins anew on another host, as the one that it ran on was lost: what stands before this of the cell counts
    /// no more.
    CellRetried {
        /// The cell.
        cell: CellId,
        /// The libvirt URI of the host that was lost.
        from: String,
        /// That of the host that it runs on now.
        to: String,
    },
    /// What another run of the same plan had brought to its end, before its process died, is taken over: the records of
    /// those cells stand next, as they were.
    Resumed {
        /// That run.
        from: RunId,
        /// The cells.
        cells: Vec<CellId>,
    },
    /// A fresh pair of a cell's arms begins, to confirm what would close the gate; what stands before this counts on.
    CellConfirming {
        /// The cell.
        cell: CellId,
        /// What is to be confirmed, one sentence each.
        why: Vec<String>,
    },
    /// An arm begins; without an [`Event::ArmFinished`] it died.
    ArmStarted,
    /// A stage begins.
    StageStarted {
        /// Which stage.
        stage: Stage,
    },
    /// A stage is over.
    StageFinished {
        /// Which stage.
        stage: Stage,
        /// How long it took, in milliseconds.
        millis: u64,
        /// Of this, how long it waited for guests.
        guest_millis: u64,
    },
    /// The nodes of an arm are there, each with an identity of its own.
    Cloned {
        /// Whether they went on from a saved state or were booted.
        clone: CloneMode,
        /// Why they were booted, where they should have gone on from a saved state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The updates of a node were pinned.
    Resolved {
        /// The node's role.
        role: String,
        /// The set.
        set: UpdateSet,
        /// What is pending on the node, or kept back there, and not in the set.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rest: Vec<Unrehearsed>,
        /// When the oldest of the lists that this stands on was made by its source, where the node tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lists: Option<Timestamp>,
    },
    /// What the set of a node is for, and what stays open beside it.
    Advised {
        /// The node's role.
        role: String,
        /// Each advisory once.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        advisories: Vec<Advisory>,
        /// Why they could not be read, where that is so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    /// The node's package manager says whether the set wants a reboot.
    RebootNeeded {
        /// The node's role.
        role: String,
        /// Why, or nothing where no reboot is needed.
        reason: Option<String>,
    },
    /// An arm's nodes were not rebooted, as no node of its cell needs it.
    RebootSkipped,
    /// A node was looked at after the reboot, or where it would have been.
    Proved {
        /// The node's role.
        role: String,
        /// What it said.
        proof: Proof,
    },
    /// A node was looked at, whether or not a scenario does.
    Observed {
        /// The node's role.
        role: String,
        /// When in the arm's life.
        moment: Moment,
        /// What was seen.
        observation: Observation,
    },
    /// A node was asked what it is, at the first look at its image.
    Asked {
        /// The node's role.
        role: String,
        /// What it said.
        facts: Box<Facts>,
    },
    /// A step ended.
    StepFinished {
        /// The scenario's name.
        scenario: String,
        /// Which run of the scenario: 0 is the first, others are retries.
        run: u32,
        /// The step's index in the scenario.
        step: usize,
        /// How it ended.
        report: StepReport,
    },
    /// A clean-up step ended; it decides nothing.
    CleanedUp {
        /// The scenario's name.
        scenario: String,
        /// The step's index in the scenario's clean-up.
        step: usize,
        /// How it ended.
        report: StepReport,
    },
    /// A whole run of a scenario ended.
    ScenarioFinished {
        /// The scenario's name.
        scenario: String,
        /// Which run of the scenario: 0 is the first, others are retries.
        run: u32,
        /// How it ended.
        outcome: ScenarioOutcome,
        /// How many of its steps ran.
        steps: usize,
    },
    /// The samples of a measured step were taken.
    Measured {
        /// The scenario's name.
        scenario: String,
        /// The step's index in the scenario.
        step: usize,
        /// How long each sample took that passed and has a time, in microseconds of the guest's clock, in their order.
        samples_us: Vec<u64>,
        /// Samples whose expectations did not hold.
        failed: u32,
        /// What was not met in the first of those.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        failures: Vec<String>,
    },
    /// An arm ended before its time.
    ArmFailed {
        /// Why.
        fault: Fault,
    },
    /// An arm is over and what it made is removed.
    ArmFinished,
    /// A node was found to be cut off from everything but its update sources.
    Isolated {
        /// The node's role.
        role: String,
    },
    /// What passed the run's proxy.
    Fetched(Traffic),
    /// The run was asked to stop.
    Interrupted {
        /// By what, such as `SIGINT`.
        by: String,
    },
    /// The run is over; without this record the journal is incomplete.
    Finished {
        /// What could not be removed, in words; empty when all was.
        left_behind: Vec<String>,
    },
}

impl Record {
    /// The cell that it is about.
    pub fn cell(&self) -> Option<&CellId> {
        match &self.event {
            Event::CellRetried { cell, .. } | Event::CellConfirming { cell, .. } => Some(cell),
            _ => self.arm.as_ref().map(|arm| &arm.cell),
        }
    }

    /// The cell and the side of the comparison that say it; nothing where it is about the whole run, or said by an arm that
    /// is not compared.
    pub fn side(&self) -> Option<(&CellId, Arm)> {
        self.arm.as_ref().and_then(ArmId::side)
    }

    /// Whether an arm says what only an arm can say, and nobody else does.
    pub fn has_its_head(&self) -> bool {
        self.arm.is_some() == self.event.is_of_an_arm()
    }
}

impl Event {
    /// Whether it is an arm that says it.
    fn is_of_an_arm(&self) -> bool {
        match self {
            Self::ArmStarted
            | Self::StageStarted { .. }
            | Self::StageFinished { .. }
            | Self::Cloned { .. }
            | Self::Resolved { .. }
            | Self::Advised { .. }
            | Self::RebootNeeded { .. }
            | Self::RebootSkipped
            | Self::Proved { .. }
            | Self::Observed { .. }
            | Self::Asked { .. }
            | Self::StepFinished { .. }
            | Self::CleanedUp { .. }
            | Self::ScenarioFinished { .. }
            | Self::Measured { .. }
            | Self::ArmFailed { .. }
            | Self::ArmFinished
            | Self::Isolated { .. } => true,
            Self::Planned { .. }
            | Self::HostChosen { .. }
            | Self::HostLost { .. }
            | Self::CellRetried { .. }
            | Self::CellConfirming { .. }
            | Self::Fetched(_)
            | Self::Resumed { .. }
            | Self::Interrupted { .. }
            | Self::Finished { .. } => false,
        }
    }
}

/// What passed the proxy of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Answers that clones were given.
    pub requests: u64,
    /// Bytes that were fetched from the update sources.
    pub mirror_bytes: u64,
    /// Bytes that clones were given without asking the update sources for them.
    pub cache_bytes: u64,
    /// What clones asked for and were refused, each once, such as `GET http://bank.example/`; bounded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
}

impl Traffic {
    /// What passed this proxy and another of the same run.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.requests = self.requests.saturating_add(other.requests);
        self.mirror_bytes = self.mirror_bytes.saturating_add(other.mirror_bytes);
        self.cache_bytes = self.cache_bytes.saturating_add(other.cache_bytes);
        for refused in other.refused {
            if !self.refused.contains(&refused) {
                self.refused.push(refused);
            }
        }
        self
    }
}

/// How a step ended, with all that a reader needs to believe it. Every text is bounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// How.
    pub outcome: StepOutcome,
    /// How many attempts the retry window took; 1 without one.
    pub attempts: u32,
    /// The last attempt's length in milliseconds.
    pub millis: u64,
    /// What was done: the command line, or the request in words.
    pub did: String,
    /// The command's exit code, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// What was expected and not met, one sentence each; empty on a pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// The output, or the response.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// The error output.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// The picture of the node's screen, where the run kept one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<Screen>,
    /// The variables that it gave to later steps.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub captured: BTreeMap<String, String>,
    /// The single results of a script's tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<SubResult>,
    /// How many results there were, where only some of them are here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
}

impl StepReport {
    /// How many results there were.
    pub fn counts(&self) -> Counts {
        self.counts.unwrap_or_else(|| counts(&self.results))
    }

    /// The report of a step that was not attempted yet.
    pub fn new(did: String) -> Self {
        Self {
            outcome: StepOutcome::Failed,
            attempts: 0,
            millis: 0,
            did,
            exit: None,
            failures: Vec::new(),
            stdout: String::new(),
            stderr: String::new(),
            screen: None,
            captured: BTreeMap::new(),
            results: Vec::new(),
            counts: None,
        }
    }
}
