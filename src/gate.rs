//! `decide`: from verdicts and policy to the gate. Pure.
#![warn(clippy::wildcard_enum_match_arm)]

mod measured;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::id::{Arm, CellId, RunId};
use crate::model::outcome::{Blame, Cause, Fault, Stage, StepOutcome};
use crate::model::plan::Plan;
use crate::verdict::{CellJudgement, Judgement, NodeJudgement, NodeState, ScenarioJudgement, Verdict};

mod drift;
mod hosts;

/// The decision over all verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// Production may be touched.
    Open,
    /// It must not be: the updates broke something.
    Closed,
    /// Nobody can tell.
    Undecided,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "OPEN",
            Self::Closed => "CLOSED",
            Self::Undecided => "UNDECIDED",
        })
    }
}

/// What a reason does to the gate, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It closes the gate.
    Closes,
    /// It keeps the gate from opening.
    Undecides,
    /// It is worth knowing.
    Notes,
}

/// One reason for a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What it does.
    pub severity: Severity,
    /// The cell that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<CellId>,
    /// The scenario that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// The role of the node that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What happened. It may quote a guest, so it is made harmless where it is shown.
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// What the last line counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Cells that passed.
    pub passed: usize,
    /// Cells of the plan.
    pub planned: usize,
    /// Scenarios, in all cells, that regressed, and nodes whose drift closes the gate.
    pub regressed: usize,
    /// Scenarios, in all cells, that are inconclusive, and nodes whose arms could not be compared though both came to
    /// their end.
    pub inconclusive: usize,
}

/// The gate and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The decision.
    pub gate: Gate,
    /// Why, worst first, in the plan's order.
    pub reasons: Vec<Reason>,
    /// What the last line counts.
    pub counts: Counts,
}

impl Decision {
    /// The line that ends `run` and `gate`; a contract with scripts.
    pub fn line(&self, run: &RunId) -> String {
        let Counts {
            passed,
            planned,
            regressed,
            inconclusive,
        } = self.counts;
        format!(
            "gate: {} run={run} cells={passed}/{planned} regressed={regressed} inconclusive={inconclusive}",
            self.gate
        )
    }
}

/// Decides over a plan's judgement.
pub fn decide(plan: &Plan, judgement: &Judgement) -> Decision {
    let mut reasons = of_run(judgement);
    reasons.extend(hosts::reasons(judgement));
    for cell in &judgement.cells {
        reasons.extend(of_cell(plan, cell));
    }
    reasons.sort_by_key(|reason| reason.severity);

    // The opening does not rest on the absence of reasons: every condition is asked for by itself.
    let mut required = judgement.cells.iter().filter(|cell| cell.required).peekable();
    let opens = judgement.finished
        && judgement.interrupted.is_none()
        && judgement.cells.len() == plan.cells.len()
        && required.peek().is_some()
        && required.all(|cell| cell.passed);
    let closes = reasons.iter().any(|reason| reason.severity == Severity::Closes);
    let gate = match (closes, opens) {
        (true, _) => Gate::Closed,
        (false, true) => Gate::Open,
        (false, false) => Gate::Undecided,
    };

    let scenarios = || judgement.cells.iter().flat_map(|cell| &cell.scenarios);
    let nodes = || judgement.cells.iter().flat_map(|cell| &cell.nodes);
    let whole = judgement.cells.iter().filter(|cell| !is_explained(cell));
    Decision {
        gate,
        reasons,
        counts: Counts {
            passed: judgement.cells.iter().filter(|cell| cell.passed).count(),
            planned: judgement.cells.len(),
            regressed: scenarios().filter(|s| s.verdict == Verdict::Regressed).count()
                + nodes().filter(|node| drift::fails(node)).count(),
            inconclusive: scenarios()
                .filter(|s| matches!(s.verdict, Verdict::Inconclusive(_)))
                .count()
                + whole
                    .flat_map(|cell| &cell.nodes)
                    .filter(|node| drift::is_undecided(node))
                    .count(),
        },
    }
}

fn about_run(severity: Severity, text: impl Into<String>, remedy: &str) -> Reason {
    Reason {
        severity,
        cell: None,
        scenario: None,
        role: None,
        text: text.into(),
        remedy: Some(remedy.to_owned()),
    }
}

fn of_run(judgement: &Judgement) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some(by) = &judgement.interrupted {
        let text = format!("the run was interrupted ({by})");
        reasons.push(about_run(Severity::Undecides, text, "run it again"));
    }
    if !judgement.finished {
        reasons.push(about_run(
            Severity::Undecides,
            "the journal ends before the run did: it is still running, or it died",
            "see `patchgate history`; if it died, `patchgate clean` and run it again",
        ));
    }
    if !judgement.cells.iter().any(|cell| cell.required) {
        reasons.push(about_run(
            Severity::Undecides,
            "no required cell was planned, so nothing was shown",
            "select at least one required cell",
        ));
    }
    for text in &judgement.left_behind {
        let text = format!("left behind on the host: {text}");
        reasons.push(about_run(
            Severity::Notes,
            text,
            "remove it with `patchgate clean`",
        ));
    }
    reasons
}

fn of_cell(plan: &Plan, cell: &CellJudgement) -> Vec<Reason> {
    let weigh = |severity: Severity| match severity {
        Severity::Closes | Severity::Undecides if cell.required => severity,
        Severity::Closes | Severity::Undecides | Severity::Notes => Severity::Notes,
    };
    let about = |severity: Severity, text: String, remedy: Option<String>| Reason {
        severity: weigh(severity),
        cell: Some(cell.id.clone()),
        scenario: None,
        role: None,
        text,
        remedy,
    };
    let mut reasons = Vec::new();
    let differs = cell.nodes.iter().any(|node| node.state == NodeState::Differs);
    let without = cell
        .scenarios
        .iter()
        .filter(|scenario| lacks_result(scenario.verdict))
        .count();

    for (arm, fault) in &cell.faults {
        // The node that differs says it better.
        if fault.cause == Cause::SetNotInstalled && differs && *arm == Arm::Treatment {
            continue;
        }
        reasons.push(Reason {
            role: fault.role.clone(),
            ..about(
                fault_severity(*arm, fault),
                fault_text(*arm, fault, cell),
                fault.hint.clone(),
            )
        });
    }
    if cell.faults.is_empty() && !cell.unended.is_empty() {
        let arms: Vec<String> = cell.unended.iter().map(ToString::to_string).collect();
        let text = format!(
            "no end of {} in the journal; scenarios without a result: {without} of {}",
            arms.join(" and "),
            cell.scenarios.len()
        );
        reasons.push(about(
            Severity::Undecides,
            text,
            Some("run this cell again".to_owned()),
        ));
    }
    let explained = is_explained(cell);
    for node in &cell.nodes {
        if let Some((severity, text)) = of_node(node, explained) {
            reasons.push(Reason {
                role: Some(node.role.clone()),
                ..about(severity, text, node_remedy(node.state).map(str::to_owned))
            });
        }
    }
    if let (false, Some((arm, role))) = (explained, cell.exposed.first()) {
        let more = match cell.exposed.len() {
            1 => String::new(),
            n => format!(", nor {} more", n - 1),
        };
        let text = format!("{arm}: nobody showed that node {role} is cut off from the world{more}");
        reasons.push(about(
            Severity::Undecides,
            text,
            Some("run this cell again".to_owned()),
        ));
    }
    for scenario in &cell.scenarios {
        reasons.extend(measured::notes(scenario).into_iter().map(|text| Reason {
            scenario: Some(scenario.name.clone()),
            ..about(Severity::Notes, text, None)
        }));
        // One fault, one reason: the scenarios that it took with it are counted in it.
        if explained && lacks_result(scenario.verdict) {
            continue;
        }
        reasons.extend(of_cleanup(plan, scenario).map(|text| Reason {
            scenario: Some(scenario.name.clone()),
            ..about(Severity::Notes, text, None)
        }));
        let Some((severity, remedy)) = of_scenario(scenario, plan) else {
            continue;
        };
        let severity = if scenario.required {
            severity
        } else {
            Severity::Notes
        };
        let note = if scenario.required { "" } else { " (not required)" };
        let text = format!("{}{note}: {}", scenario.verdict, scenario.reason);
        reasons.push(Reason {
            scenario: Some(scenario.name.clone()),
            ..about(severity, text, Some(remedy))
        });
    }
    for node in &cell.nodes {
        for (severity, text, remedy) in drift::reasons(node, explained) {
            reasons.push(Reason {
                role: Some(node.role.clone()),
                ..about(severity, text, remedy.map(str::to_owned))
            });
        }
    }
    if !cell.scenarios.iter().any(|scenario| scenario.required) {
        let text = "it has no required scenario, so it cannot pass".to_owned();
        reasons.push(about(
            Severity::Undecides,
            text,
            Some("give its group a required scenario".to_owned()),
        ));
    }
    if cell.nodes.is_empty() {
        let text = "it has no node, so nothing was updated".to_owned();
        reasons.push(about(
            Severity::Undecides,
            text,
            Some("give its group a role".to_owned()),
        ));
    }
    reasons
}

/// Whether a fault or a missing end tells why something of a cell has no result.
fn is_explained(cell: &CellJudgement) -> bool {
    !cell.faults.is_empty() || !cell.unended.is_empty()
}

/// Whether a verdict stands for the lack of a result.
fn lacks_result(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Inconclusive(Cause::SeedFailed)
        | Verdict::Pass
        | Verdict::Regressed
        | Verdict::Fixed
        | Verdict::AlreadyBroken
        | Verdict::Flaky => false,
        Verdict::Inconclusive(_) | Verdict::NotRun => true,
    }
}

fn fault_severity(arm: Arm, fault: &Fault) -> Severity {
    match (fault.cause.blame(), arm) {
        (Blame::Product, Arm::Treatment) => Severity::Closes,
        (Blame::Product, Arm::Control) | (Blame::Environment | Blame::Scenario | Blame::Unknown, _) => {
            Severity::Undecides
        }
    }
}

fn fault_text(arm: Arm, fault: &Fault, cell: &CellJudgement) -> String {
    let mut text = format!(
        "{arm}, {}: {} ({})",
        fault.stage,
        fault.cause.words(),
        fault.message
    );
    let lost = cell
        .scenarios
        .iter()
        .filter(|scenario| lacks_result(scenario.verdict))
        .count();
    if lost > 0 {
        let all = cell.scenarios.len();
        text = format!("{text}; scenarios without a result: {lost} of {all}");
    }
    // Inconclusive all the same: one boot that fails is no proof. But an admin should look here first.
    let control_is_well = !cell.faults.iter().any(|(arm, _)| *arm == Arm::Control);
    if arm == Arm::Treatment && fault.stage >= Stage::Reboot && control_is_well && guest_went(fault.cause) {
        text += "; control came through the same window without this, so suspect the updates";
    }
    text
}

/// Whether the guest itself went away.
fn guest_went(cause: Cause) -> bool {
    match cause {
        Cause::AgentSilent | Cause::AgentLost | Cause::RebootTimeout | Cause::GuestStopped => true,
        Cause::GuestProtocol
        | Cause::Deadline
        | Cause::HostMemory
        | Cause::HostDisk
        | Cause::GuestDisk
        | Cause::HostLost
        | Cause::HostRefused
        | Cause::NotIsolated
        | Cause::ImageDamaged
        | Cause::MirrorUnreachable
        | Cause::ResolveFailed
        | Cause::UpdateFailed
        | Cause::SetNotInstalled
        | Cause::NoUpdates
        | Cause::ScenarioInvalid
        | Cause::SeedFailed
        | Cause::NotMeasured
        | Cause::Interrupted
        | Cause::Internal => false,
    }
}

fn of_node(node: &NodeJudgement, explained: bool) -> Option<(Severity, String)> {
    let text = || node.state.words().to_owned();
    match node.state {
        NodeState::Proved => None,
        NodeState::Differs => {
            let proof = node.proof.clone().unwrap_or_default();
            let mut parts = vec![text()];
            for (what, items) in [
                ("not installed", &proof.missing),
                ("changed and not pinned", &proof.unexpected),
                ("half-configured", &proof.half_configured),
            ] {
                if let Some(first) = items.first() {
                    let more = match items.len() {
                        1 => String::new(),
                        n => format!(" and {} more", n - 1),
                    };
                    parts.push(format!("{what}: {first}{more}"));
                }
            }
            Some((Severity::Closes, parts.join("; ")))
        }
        NodeState::SetDamaged => Some((Severity::Undecides, text())),
        NodeState::NotResolved
        | NodeState::NothingPending
        | NodeState::NotProved
        | NodeState::NotRebooted => (!explained).then(|| (Severity::Undecides, text())),
    }
}

fn node_remedy(state: NodeState) -> Option<&'static str> {
    match state {
        NodeState::Proved => None,
        NodeState::Differs => Some("see its update set and proof in the report; do not roll this set out"),
        NodeState::SetDamaged => Some("the journal was changed: run it again"),
        NodeState::NothingPending => {
            Some("if nothing is meant to be pending, set `expect_updates = false` in [lab]")
        }
        NodeState::NotResolved | NodeState::NotProved | NodeState::NotRebooted => Some("run this cell again"),
    }
}

/// The clean-up steps of a scenario that did not pass, in words; they decide nothing.
fn of_cleanup(plan: &Plan, scenario: &ScenarioJudgement) -> impl Iterator<Item = String> {
    let planned = plan.scenarios.get(&scenario.name);
    Arm::BOTH.into_iter().flat_map(move |arm| {
        let failed = scenario
            .arm(arm)
            .cleanup
            .iter()
            .filter(|(_, report)| report.outcome != StepOutcome::Passed);
        failed.map(move |(index, report)| {
            let step = planned.and_then(|planned| planned.cleanup.get(*index));
            let name = step.map_or_else(|| (index + 1).to_string(), |step| format!("`{}`", step.name));
            let why = report.failures.first().map_or("it did not pass", String::as_str);
            format!("clean-up step {name} failed in {arm}: {why}")
        })
    })
}

fn of_scenario(scenario: &ScenarioJudgement, plan: &Plan) -> Option<(Severity, String)> {
    let owner = plan
        .scenarios
        .get(&scenario.name)
        .map_or("its owner", |planned| planned.owner.as_str());
    match scenario.verdict {
        Verdict::Pass => None,
        Verdict::Regressed => Some((
            Severity::Closes,
            format!("keep these updates back; the evidence in the report is for {owner}"),
        )),
        Verdict::Fixed => Some((
            Severity::Undecides,
            format!(
                "it is broken before the updates: {owner} confirms that they repair it, or repairs it, then run again"
            ),
        )),
        Verdict::AlreadyBroken => Some((
            Severity::Undecides,
            format!("not the updates' fault: {owner} repairs the scenario or the system, then run again"),
        )),
        Verdict::Flaky => Some((
            Severity::Undecides,
            format!(
                "{owner} makes it steady (a `retry` window on the step that is slow after a boot), then run again"
            ),
        )),
        Verdict::Inconclusive(Cause::ScenarioInvalid) => Some((
            Severity::Undecides,
            format!("{owner} repairs the scenario; `patchgate check` shows where"),
        )),
        Verdict::Inconclusive(_) | Verdict::NotRun => Some((
            Severity::Undecides,
            "repair the lab and run this cell again".to_owned(),
        )),
    }
}
