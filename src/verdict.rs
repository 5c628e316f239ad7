//! `judge`: from plan and events to verdicts. Pure.
//!
//! It walks the plan, never the journal: what was promised and has no result is not-run. The order of records between
//! arms does not matter; where records contradict each other the worst counts.
#![warn(clippy::wildcard_enum_match_arm)]

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::event::{Record, StepReport};
use crate::model::id::{Arm, CellId};
use crate::model::outcome::{Cause, Fault};
use crate::model::plan::{CellPlan, Plan};
use crate::model::policy::NetworkMode;
use crate::model::scenario::{Scenario, When};
use crate::model::update::{Proof, UpdateSet};

mod arm;
mod drift;
mod measured;
mod node;
mod seen;
mod tries;

pub use drift::{DriftFinding, DriftState, NodeDrift};
pub use measured::{Measured, MeasuredStep};
use seen::Seen;
pub use tries::{LostHost, Retried, standing};

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
    /// Its second try, where its host was lost; all else is of that try alone.
    pub retried: Option<Retried>,
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
    /// Whether it has a required scenario, every required scenario passed, every treatment node has its pinned set,
    /// no node is exposed or has drift that fails or could not be judged, and both arms ended in order.
    pub passed: bool,
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
    /// What the guest said after the reboot; the worst, where there are several.
    pub proof: Option<Proof>,
    /// Why the set wants a reboot, where it does.
    pub reboot_needed: Option<String>,
    /// Whether it ended with exactly its pinned set.
    pub state: NodeState,
    /// Whether it was rightly not rebooted: the plan lets that be, and no node of its cell needs it.
    pub reboot_spared: bool,
    /// What else differs between its arms; absent where the plan does not ask for it.
    pub drift: Option<NodeDrift>,
}

impl NodeJudgement {
    /// Whether its drift, where the plan asks for it, keeps nothing from passing.
    fn is_calm(&self) -> bool {
        self.drift.as_ref().is_none_or(|drift| match drift.state {
            DriftState::None | DriftState::Warned => true,
            DriftState::Undecided | DriftState::Failed => false,
        })
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
            Self::NotProved => "nobody looked at it after the reboot",
            Self::NotRebooted => "it did not reboot: its boot id is the same as before",
            Self::Differs => "what is installed is not exactly the pinned updates",
        }
    }
}

/// Judges every cell, scenario and arm of a plan by the records of its run.
pub fn judge(plan: &Plan, records: &[Record]) -> Judgement {
    let seen = Seen::read(records);
    Judgement {
        cells: plan
            .cells
            .iter()
            .map(|cell| judge_cell(plan, cell, &seen))
            .collect(),
        lost: seen.tries.lost.clone(),
        interrupted: seen.interrupted.map(str::to_owned),
        finished: seen.finished,
        left_behind: seen.left_behind.iter().map(|&text| text.to_owned()).collect(),
    }
}

fn judge_cell(plan: &Plan, cell: &CellPlan, seen: &Seen<'_>) -> CellJudgement {
    let scenarios: Vec<_> = cell
        .scenarios
        .iter()
        .map(|name| judge_scenario(plan, name, &cell.id, seen))
        .collect();
    let nodes: Vec<_> = cell
        .nodes
        .iter()
        .map(|node| node::judge(plan, cell, &node.role, seen))
        .collect();
    let mut faults = Vec::new();
    let mut unended = Vec::new();
    let mut exposed = Vec::new();
    for arm in Arm::BOTH {
        let of_arm = seen.arm(&cell.id, arm);
        faults.extend(
            of_arm
                .iter()
                .flat_map(|seen| &seen.faults)
                .map(|&fault| (arm, fault.clone())),
        );
        if of_arm.is_none_or(|seen| !seen.over) {
            unended.push(arm);
        }
        let shown = |role: &str| of_arm.is_some_and(|seen| seen.isolated.contains(role));
        match plan.network.mode {
            NetworkMode::Isolated => {
                let roles = cell.nodes.iter().map(|node| &node.role);
                exposed.extend(roles.filter(|role| !shown(role)).map(|role| (arm, role.clone())));
            }
            NetworkMode::Open => {}
        }
    }
    let mut required = scenarios.iter().filter(|scenario| scenario.required).peekable();
    let passed = required.peek().is_some()
        && required.all(|scenario| scenario.verdict == Verdict::Pass)
        && !nodes.is_empty()
        && nodes
            .iter()
            .all(|node| node.state == NodeState::Proved && node.is_calm())
        && faults.is_empty()
        && exposed.is_empty()
        && unended.is_empty();
    CellJudgement {
        id: cell.id.clone(),
        required: cell.required,
        retried: seen.tries.of(&cell.id).cloned(),
        scenarios,
        nodes,
        faults,
        unended,
        exposed,
        passed,
    }
}

fn judge_scenario(plan: &Plan, name: &str, cell: &CellId, seen: &Seen<'_>) -> ScenarioJudgement {
    let scenario = plan.scenarios.get(name);
    let result = |arm| {
        arm::result(
            scenario,
            name,
            arm,
            seen.arm(cell, arm),
            seen.interrupted.is_some(),
        )
    };
    let (control, treatment) = (result(Arm::Control), result(Arm::Treatment));
    let seed_failed = |result: &ArmResult| {
        result.outcome == ArmOutcome::Failed
            && result.failed.as_ref().is_some_and(|(index, _)| {
                scenario
                    .and_then(|scenario| scenario.steps.get(*index))
                    .is_some_and(|step| step.when == When::BeforeUpdates)
            })
    };
    let mut verdict = verdict(control.outcome, treatment.outcome);
    // What failed before the updates in one arm only is neither their fault nor their merit.
    if (verdict == Verdict::Regressed && seed_failed(&treatment))
        || (verdict == Verdict::Fixed && seed_failed(&control))
    {
        verdict = Verdict::Inconclusive(Cause::SeedFailed);
    }
    let mut reason = reason(scenario, verdict, &control, &treatment);
    let measured = measured::judge(plan.performance, scenario, cell, seen);
    if verdict == Verdict::Pass
        && let Some(weighed) = measured::weigh(&measured, cell, seen)
    {
        (verdict, reason) = weighed;
    }
    ScenarioJudgement {
        name: name.to_owned(),
        required: scenario.is_none_or(|scenario| scenario.required),
        verdict,
        reason,
        control,
        treatment,
        measured,
    }
}

/// The verdict on a scenario's two outcomes:
///
/// | control \ treatment | passed    | on retry | failed         | errored      | not run      |
/// | ------------------- | --------- | -------- | -------------- | ------------ | ------------ |
/// | passed              | pass      | flaky    | regressed      | inconclusive | not-run      |
/// | on retry            | flaky     | flaky    | flaky          | inconclusive | not-run      |
/// | failed              | fixed     | flaky    | already-broken | inconclusive | not-run      |
/// | errored             | inconclusive, with control's cause, in the whole row |||||
/// | not run             | not-run   | not-run  | not-run        | inconclusive | not-run      |
pub fn verdict(control: ArmOutcome, treatment: ArmOutcome) -> Verdict {
    use ArmOutcome::{Errored, Failed, FlakyPassed, NotRun, Passed};
    match (control, treatment) {
        (Errored(cause), Passed | FlakyPassed | Failed | Errored(_) | NotRun)
        | (Passed | FlakyPassed | Failed | NotRun, Errored(cause)) => Verdict::Inconclusive(cause),
        (NotRun, Passed | FlakyPassed | Failed | NotRun) | (Passed | FlakyPassed | Failed, NotRun) => {
            Verdict::NotRun
        }
        (FlakyPassed, Passed | FlakyPassed | Failed) | (Passed | Failed, FlakyPassed) => Verdict::Flaky,
        (Passed, Passed) => Verdict::Pass,
        (Passed, Failed) => Verdict::Regressed,
        (Failed, Passed) => Verdict::Fixed,
        (Failed, Failed) => Verdict::AlreadyBroken,
    }
}

fn reason(
    scenario: Option<&Scenario>,
    verdict: Verdict,
    control: &ArmResult,
    treatment: &ArmResult,
) -> String {
    let step = |result: &ArmResult| match (&result.failed, scenario) {
        (Some((index, report)), Some(scenario)) => {
            let name = scenario.steps.get(*index).map_or_else(
                || format!("step {}", index + 1),
                |step| format!("`{}` on {}", step.name, step.on),
            );
            match report.failures.first() {
                Some(failure) => format!("{name}: {failure}"),
                None => name,
            }
        }
        (Some(_) | None, _) => "no step of it is recorded as failed".to_owned(),
    };
    let problem = |result: &ArmResult| {
        result
            .problem
            .clone()
            .unwrap_or_else(|| "it has no result".to_owned())
    };
    match verdict {
        Verdict::Pass => "passed in both arms".to_owned(),
        Verdict::Regressed => format!("control passed, treatment failed at {}", step(treatment)),
        Verdict::Fixed => format!("control failed at {}; treatment passed", step(control)),
        Verdict::AlreadyBroken => format!("it fails without the updates too, at {}", step(control)),
        Verdict::Flaky => {
            let arms: Vec<String> = [(Arm::Control, control), (Arm::Treatment, treatment)]
                .into_iter()
                .filter(|(_, result)| result.outcome == ArmOutcome::FlakyPassed)
                .map(|(arm, result)| format!("{arm} first failed at {}", step(result)))
                .collect();
            format!("passed only on a retry: {}", arms.join("; "))
        }
        Verdict::Inconclusive(Cause::SeedFailed) => {
            let (arm, result) = match control.outcome {
                ArmOutcome::Failed => (Arm::Control, control),
                ArmOutcome::Passed
                | ArmOutcome::FlakyPassed
                | ArmOutcome::Errored(_)
                | ArmOutcome::NotRun => (Arm::Treatment, treatment),
            };
            format!(
                "before the updates, and in {arm} only, it failed at {}",
                step(result)
            )
        }
        Verdict::Inconclusive(cause) => {
            let arm = match control.outcome {
                ArmOutcome::Errored(_) => Arm::Control,
                ArmOutcome::Passed | ArmOutcome::FlakyPassed | ArmOutcome::Failed | ArmOutcome::NotRun => {
                    Arm::Treatment
                }
            };
            format!("no result in {arm}: {}", cause.words())
        }
        Verdict::NotRun => match (control.outcome, treatment.outcome) {
            (ArmOutcome::NotRun, ArmOutcome::NotRun) => format!("in both arms {}", problem(control)),
            (ArmOutcome::NotRun, _) => format!("in control {}", problem(control)),
            (_, _) => format!("in treatment {}", problem(treatment)),
        },
    }
}
