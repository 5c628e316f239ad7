//! What became of a plan: the words of every judgement.
#![warn(clippy::wildcard_enum_match_arm)]

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::measure::{Comparison, FailedSamples};
use crate::model::advisory::Advisory;
use crate::model::event::StepReport;
use crate::model::id::{Arm, CellId, RunId};
use crate::model::outcome::{Blame, Cause, Fault};
use crate::model::update::{Proof, Unrehearsed, UpdateSet};
use crate::verdict::blame;
use crate::verdict::drift::{DriftState, NodeDrift};
use crate::verdict::suspect::{Closing, Suspect};
use crate::verdict::tries::{LostHost, Retried};

/// The verdict on one scenario in one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Both arms passed at the first run.
    Pass,
    /// Control passed and treatment failed.
    Regressed,
    /// Control failed and treatment passed.
    Fixed,
    /// Both arms failed: not the updates' fault.
    AlreadyBroken,
    /// An arm passed only on a retry.
    Flaky,
    /// Control passed and treatment failed, and a fresh pair of arms does not show it again.
    Sporadic,
    /// The lab failed; the cause says how.
    Inconclusive(Cause),
    /// It has no result in an arm.
    NotRun,
}

impl Verdict {
    /// The verdict without its cause, such as `already-broken`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Regressed => "regressed",
            Self::Fixed => "fixed",
            Self::AlreadyBroken => "already-broken",
            Self::Flaky => "flaky",
            Self::Sporadic => "sporadic",
            Self::Inconclusive(_) => "inconclusive",
            Self::NotRun => "not-run",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What became of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Every cell of the plan, in its order.
    pub cells: Vec<CellJudgement>,
    /// The hosts that were lost on the way, or did not answer from the start.
    pub lost: Vec<LostHost>,
    /// The run of which finished cells were taken over, and how many.
    pub resumed: Option<(RunId, usize)>,
    /// What interrupted the run, such as `SIGINT`.
    pub interrupted: Option<String>,
    /// Whether the last record says that the run is over.
    pub finished: bool,
    /// What could not be removed, in words.
    pub left_behind: Vec<String>,
}

/// What became of one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CellJudgement {
    /// The cell.
    pub id: CellId,
    /// Whether the gate needs it.
    pub required: bool,
    /// Its second try, where its host was lost; all else is of that try alone, and of those that confirm it.
    pub retried: Option<Retried>,
    /// Records of a try of it that had not begun or was over, and tries that nothing asked for: they should not be there.
    pub strays: usize,
    /// Its scenarios, in the plan's order.
    pub scenarios: Vec<ScenarioJudgement>,
    /// Its nodes in the treatment arm, in start order.
    pub nodes: Vec<NodeJudgement>,
    /// What ended an arm before its time.
    pub faults: Vec<(Arm, Fault)>,
    /// Arms that have no end in the journal: they died.
    pub unended: Vec<Arm>,
    /// Arms and roles of nodes that were promised to be isolated and never shown to be.
    pub exposed: Vec<(Arm, String)>,
    /// What would close the gate, and what all pairs of its arms say of that.
    pub suspects: Vec<Suspect>,
    /// The fresh pairs of its arms that were to confirm that, each judged by itself. All above is of the first pair, but the
    /// verdicts on scenarios that are suspects.
    pub fresh: Vec<Fresh>,
    /// Whether it has a required scenario, every required scenario passed, every treatment node has its pinned set,
    /// no node is exposed or has drift that fails or could not be judged, both arms ended in order, nothing had to be
    /// confirmed, and no record is astray.
    pub passed: bool,
}

impl CellJudgement {
    /// What all pairs of arms say of something that would close the gate; nothing where none of them shows it, or the gate
    /// does not need the cell.
    pub fn suspect(&self, what: &Closing) -> Option<&Suspect> {
        self.suspects.iter().find(|suspect| suspect.what == *what)
    }

    /// What a fault of an arm would close the gate as, by what its own pair of arms says; nothing where the updates have no
    /// part in it, or control did not come through the same window.
    pub fn blamed(&self, arm: Arm, fault: &Fault) -> Option<Closing> {
        let control_is_well =
            !self.unended.contains(&Arm::Control) && !self.faults.iter().any(|(arm, _)| *arm == Arm::Control);
        match (arm, fault.cause.blame()) {
            (Arm::Control, _) => None,
            // Control installs nothing, so it has no say in that.
            (Arm::Treatment, Blame::Product) => blame::by_updates(fault),
            (Arm::Treatment, Blame::Environment | Blame::Scenario | Blame::Unknown) => {
                blame::by_updates(fault).filter(|_| control_is_well)
            }
        }
    }
}

/// A fresh pair of a cell's arms.
#[derive(Debug, Clone, PartialEq)]
pub struct Fresh {
    /// What it was to confirm, one sentence each.
    pub why: Vec<String>,
    /// What became of it, by itself.
    pub pair: CellJudgement,
}

/// What became of one scenario in one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioJudgement {
    /// Its name.
    pub name: String,
    /// Whether the gate needs it.
    pub required: bool,
    /// The verdict.
    pub verdict: Verdict,
    /// What happened without the updates.
    pub control: ArmResult,
    /// What happened with them.
    pub treatment: ArmResult,
    /// Why that verdict, one sentence without a full stop.
    pub reason: String,
    /// Its measured steps, in order.
    pub measured: Vec<MeasuredStep>,
}

impl ScenarioJudgement {
    /// The result in an arm.
    pub fn arm(&self, arm: Arm) -> &ArmResult {
        match arm {
            Arm::Control => &self.control,
            Arm::Treatment => &self.treatment,
        }
    }
}

/// How a scenario ended in one arm, over all its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArmOutcome {
    /// Its first run passed, with a passed record for every step.
    Passed,
    /// It passed, but not at its first run.
    FlakyPassed,
    /// It failed, and no run of it is left to come.
    Failed,
    /// The lab failed before there was a result.
    Errored(Cause),
    /// There is no result.
    NotRun,
}

impl ArmOutcome {
    /// The outcome in a word or two.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::FlakyPassed => "passed on retry",
            Self::Failed => "failed",
            Self::Errored(_) => "errored",
            Self::NotRun => "not run",
        }
    }
}

/// A scenario's result in one arm, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmResult {
    /// How it ended.
    pub outcome: ArmOutcome,
    /// How many runs of it the journal has.
    pub runs: usize,
    /// The step that failed or errored, with its index in the scenario; of a scenario that passed on a retry, that of
    /// the first run.
    pub failed: Option<(usize, StepReport)>,
    /// The step that failed in each of its runs that failed, with its index.
    pub failed_runs: Vec<(usize, StepReport)>,
    /// The last run's steps, one for each planned step; `None` where there is no record.
    pub steps: Vec<Option<StepReport>>,
    /// What keeps a result from being believed, or what is missing.
    pub problem: Option<String>,
    /// The clean-up steps that were run, with their indices; they have no part in the outcome.
    pub cleanup: Vec<(usize, StepReport)>,
}

/// What became of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeJudgement {
    /// Its role.
    pub role: String,
    /// The updates that were pinned.
    pub set: Option<UpdateSet>,
    /// What is pending on it, or kept back there, and not in the set.
    pub rest: Vec<Unrehearsed>,
    /// What the set is for, and what stays open beside it, as far as the node's own sources tell.
    pub advisories: Vec<Advisory>,
    /// Why they could not be read, where that is so.
    pub advisories_unread: Option<String>,
    /// When the oldest of the lists that the set stands on was made, and when it was pinned.
    pub lists: Option<(Timestamp, Timestamp)>,
    /// What the guest said after the reboot; the worst, where there are several.
    pub proof: Option<Proof>,
    /// Why the set wants a reboot, where it does.
    pub reboot_needed: Option<String>,
    /// Whether it ended with exactly its pinned set.
    pub state: NodeState,
    /// Whether it was rightly not rebooted: the plan lets that be, and no node of its cell needs it.
    pub reboot_spared: bool,
    /// What else differs between its arms.
    pub drift: NodeDrift,
}

impl NodeJudgement {
    /// Whether its drift keeps nothing from passing.
    pub(super) fn is_calm(&self) -> bool {
        match self.drift.state {
            DriftState::None | DriftState::Warned => true,
            DriftState::Undecided | DriftState::Failed => false,
        }
    }
}

/// Whether a treatment node ended with exactly its pinned update set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    /// It did: the guest said so after the reboot.
    Proved,
    /// Its updates were never pinned.
    NotResolved,
    /// The journal has two sets for it, or one that is not what its digest says.
    SetDamaged,
    /// Updates were expected and none are pending.
    NothingPending,
    /// Updates are kept back that were to be rehearsed.
    KeptBack,
    /// Nobody looked after the reboot.
    NotProved,
    /// It was looked at without having been rebooted.
    NotRebooted,
    /// The guest has something else than the pinned set: the updates' fault.
    Differs,
}

impl NodeState {
    /// The state in words, to stand after the node's name and a colon.
    pub fn words(self) -> &'static str {
        match self {
            Self::Proved => "exactly the pinned updates are installed",
            Self::NotResolved => "the updates were never pinned",
            Self::SetDamaged => "the update set in the journal contradicts itself",
            Self::NothingPending => "updates were expected and none are pending",
            Self::KeptBack => "its package manager keeps updates back that were to be rehearsed",
            Self::NotProved => "nobody looked at it after the reboot",
            Self::NotRebooted => "it did not reboot: its boot id is the same as before",
            Self::Differs => "what is installed is not exactly the pinned updates",
        }
    }
}

/// What became of one measured step.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredStep {
    /// Its index in the scenario.
    pub step: usize,
    /// Its name.
    pub name: String,
    /// The role of its node.
    pub on: String,
    /// What its samples say.
    pub result: Measured,
    /// How many of them failed, where any did and both arms have theirs.
    pub failed: Option<FailedSamples>,
}

/// What a measured step's samples say.
#[derive(Debug, Clone, PartialEq)]
pub enum Measured {
    /// Both arms have all their samples.
    Compared(Comparison),
    /// Too many samples failed in these arms: there the step fails.
    Failed(Vec<Arm>),
    /// Samples are missing, with the reason; nothing may be said.
    Missing(String),
}
