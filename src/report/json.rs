//! The report for programs. Fields are added, never renamed, within one `format`.

use serde::Serialize;

use crate::gate::{Counts, Decision, Gate, Reason};
use crate::input::safe;
use crate::measure::{Comparison, FailedSamples};
use crate::model::advisory::Advisory;
use crate::model::event::{StepReport, Traffic};
use crate::model::id::{Arm, RunId};
use crate::model::observation;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::policy::NetworkPolicy;
use crate::model::update::{Proof, Unrehearsed, UpdateSet};
use crate::report::clones::Cloned;
use crate::report::times;
use crate::report::view::Summary;
use crate::verdict::{
    self, ArmOutcome, CellJudgement, LostHost, MeasuredStep, NodeDrift, NodeJudgement, NodeState, Retried,
    ScenarioJudgement, Suspect, Verdict,
};

/// The number of the shape below.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    format: u32,
    run: &'a str,
    version: &'a str,
    lab: &'a str,
    plan: &'a str,
    started: Option<jiff::Timestamp>,
    wall_millis: u64,
    gate: Gate,
    line: String,
    counts: Counts,
    reasons: &'a [Reason],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    since: &'a [String],
    finished: bool,
    interrupted: Option<&'a str>,
    truncated: bool,
    left_behind: &'a [String],
    /// The run's folder, to which the paths of `screen` are relative.
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
    hosts: Vec<Host<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    lost_hosts: &'a [LostHost],
    network: &'a NetworkPolicy,
    traffic: Option<Traffic>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clones: Vec<Cloned<'a>>,
    cells: Vec<Cell<'a>>,
    times: Vec<Time<'a>>,
}

#[derive(Serialize)]
struct Host<'a> {
    uri: &'a str,
    accel: &'a str,
    reason: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
struct Cell<'a> {
    id: &'a str,
    required: bool,
    passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retried: Option<&'a Retried>,
    scenarios: Vec<Scenario<'a>>,
    nodes: Vec<Node<'a>>,
    faults: Vec<ArmFault<'a>>,
    unended: &'a [Arm],
    exposed: Vec<Exposed<'a>>,
    #[serde(skip_serializing_if = "<[Suspect]>::is_empty")]
    suspects: &'a [Suspect],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fresh: Vec<FreshPair<'a>>,
}

/// A fresh pair of a cell's arms, by itself.
#[derive(Serialize)]
struct FreshPair<'a> {
    why: &'a [String],
    pair: Cell<'a>,
}

#[derive(Serialize)]
struct Scenario<'a> {
    name: &'a str,
    title: Option<&'a str>,
    owner: Option<&'a str>,
    required: bool,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    reason: &'a str,
    control: Side<'a>,
    treatment: Side<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    measured: Vec<Measured<'a>>,
}

#[derive(Serialize)]
struct Measured<'a> {
    step: usize,
    name: &'a str,
    on: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<&'a Comparison>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_in: Option<&'a [Arm]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_samples: Option<&'a FailedSamples>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
}

#[derive(Serialize)]
struct Side<'a> {
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    runs: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<Failed<'a>>,
    steps: &'a [Option<StepReport>],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cleanup: Vec<Cleaned<'a>>,
}

#[derive(Serialize)]
struct Cleaned<'a> {
    step: usize,
    name: Option<&'a str>,
    report: &'a StepReport,
}

#[derive(Serialize)]
struct Failed<'a> {
    step: usize,
    name: Option<&'a str>,
    report: &'a StepReport,
}

#[derive(Serialize)]
struct Node<'a> {
    role: &'a str,
    state: NodeState,
    reboot_needed: Option<&'a str>,
    set: Option<&'a UpdateSet>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rest: &'a [Unrehearsed],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    advisories: &'a [Advisory],
    #[serde(skip_serializing_if = "Option::is_none")]
    advisories_unread: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lists: Option<jiff::Timestamp>,
    proof: Option<&'a Proof>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reboot_spared: bool,
    differences: Option<Vec<String>>,
    drift: &'a NodeDrift,
}

#[derive(Serialize)]
struct Exposed<'a> {
    arm: Arm,
    role: &'a str,
}

#[derive(Serialize)]
struct ArmFault<'a> {
    arm: Arm,
    #[serde(flatten)]
    fault: &'a Fault,
}

#[derive(Serialize)]
struct Time<'a> {
    stage: Stage,
    control_millis: u64,
    treatment_millis: u64,
    longest_millis: u64,
    longest_cell: Option<&'a str>,
    longest_arm: Option<Arm>,
}

/// The whole report, indented, with a line feed at its end.
pub fn render(summary: &Summary<'_>) -> Result<String, serde_json::Error> {
    let judgement = summary.judgement;
    let report = Report {
        format: FORMAT,
        run: summary.run.as_str(),
        version: summary.version,
        lab: &summary.plan.lab,
        plan: &summary.plan.digest,
        started: summary.records.first().map(|record| record.at),
        wall_millis: millis(summary.wall()),
        gate: summary.decision.gate,
        line: summary.decision.line(summary.run),
        counts: summary.decision.counts,
        reasons: &summary.decision.reasons,
        since: &summary.since,
        finished: judgement.finished,
        interrupted: judgement.interrupted.as_deref(),
        truncated: summary.truncated,
        left_behind: &judgement.left_behind,
        folder: summary.folder.map(|folder| folder.display().to_string()),
        hosts: summary
            .hosts()
            .into_iter()
            .map(|host| Host {
                uri: host.uri,
                accel: host.accel,
                reason: host.reason,
                version: host.version,
            })
            .collect(),
        lost_hosts: &judgement.lost,
        network: &summary.plan.network,
        traffic: summary.traffic(),
        clones: summary.cloned(),
        cells: judgement
            .cells
            .iter()
            .map(|cell| of_cell(summary, cell, true))
            .collect(),
        times: of_times(summary),
    };
    document(&report)
}

/// The decision alone.
pub fn render_gate(summary: &Summary<'_>) -> Result<String, serde_json::Error> {
    gate(summary.run, summary.decision)
}

/// The decision over a run, whatever is known of it.
pub fn gate(run: &RunId, decision: &Decision) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct GateReport<'a> {
        format: u32,
        run: &'a str,
        gate: Gate,
        line: String,
        counts: Counts,
        reasons: &'a [Reason],
    }
    document(&GateReport {
        format: FORMAT,
        run: run.as_str(),
        gate: decision.gate,
        line: decision.line(run),
        counts: decision.counts,
        reasons: &decision.reasons,
    })
}

fn document(value: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(safe::json(&serde_json::to_string_pretty(value)?) + "\n")
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// `is_first` tells the first pair of its arms from one that was to confirm it.
fn of_cell<'a>(summary: &Summary<'a>, cell: &'a CellJudgement, is_first: bool) -> Cell<'a> {
    Cell {
        id: &cell.id.0,
        required: cell.required,
        passed: cell.passed,
        retried: cell.retried.as_ref(),
        scenarios: cell
            .scenarios
            .iter()
            .map(|scenario| of_scenario(summary, scenario))
            .collect(),
        nodes: cell
            .nodes
            .iter()
            .map(|node| of_node(summary, cell, node, is_first))
            .collect(),
        faults: cell
            .faults
            .iter()
            .map(|(arm, fault)| ArmFault { arm: *arm, fault })
            .collect(),
        unended: &cell.unended,
        exposed: cell
            .exposed
            .iter()
            .map(|(arm, role)| Exposed { arm: *arm, role })
            .collect(),
        suspects: &cell.suspects,
        fresh: cell
            .fresh
            .iter()
            .map(|fresh| FreshPair {
                why: &fresh.why,
                pair: of_cell(summary, &fresh.pair, false),
            })
            .collect(),
    }
}

fn of_scenario<'a>(summary: &Summary<'a>, scenario: &'a ScenarioJudgement) -> Scenario<'a> {
    let planned = summary.plan.scenarios.get(&scenario.name);
    let side = |arm: Arm| {
        let result = scenario.arm(arm);
        let (outcome, cause) = match result.outcome {
            ArmOutcome::Passed => ("passed", None),
            ArmOutcome::FlakyPassed => ("passed-on-retry", None),
            ArmOutcome::Failed => ("failed", None),
            ArmOutcome::Errored(cause) => ("errored", Some(cause)),
            ArmOutcome::NotRun => ("not-run", None),
        };
        Side {
            outcome,
            cause,
            runs: result.runs,
            problem: result.problem.as_deref(),
            failed: result.failed.as_ref().map(|(step, report)| Failed {
                step: *step,
                name: planned
                    .and_then(|planned| planned.steps.get(*step))
                    .map(|step| step.name.as_str()),
                report,
            }),
            steps: &result.steps,
            cleanup: result
                .cleanup
                .iter()
                .map(|(step, report)| Cleaned {
                    step: *step,
                    name: planned
                        .and_then(|planned| planned.cleanup.get(*step))
                        .map(|step| step.name.as_str()),
                    report,
                })
                .collect(),
        }
    };
    Scenario {
        name: &scenario.name,
        title: planned.map(|planned| planned.title.as_str()),
        owner: planned.map(|planned| planned.owner.as_str()),
        required: scenario.required,
        verdict: scenario.verdict.word(),
        cause: match scenario.verdict {
            Verdict::Inconclusive(cause) => Some(cause),
            Verdict::Pass
            | Verdict::Regressed
            | Verdict::Fixed
            | Verdict::AlreadyBroken
            | Verdict::Flaky
            | Verdict::Sporadic
            | Verdict::NotRun => None,
        },
        reason: &scenario.reason,
        control: side(Arm::Control),
        treatment: side(Arm::Treatment),
        measured: scenario.measured.iter().map(of_measured).collect(),
    }
}

fn of_measured(step: &MeasuredStep) -> Measured<'_> {
    let (compared, failed_in, problem) = match &step.result {
        verdict::Measured::Compared(comparison) => (Some(comparison), None, None),
        verdict::Measured::Failed(arms) => (None, Some(arms.as_slice()), None),
        verdict::Measured::Missing(problem) => (None, None, Some(problem.as_str())),
    };
    Measured {
        step: step.step,
        name: &step.name,
        on: &step.on,
        compared,
        failed_in,
        failed_samples: step.failed.as_ref(),
        problem,
    }
}

fn of_node<'a>(
    summary: &Summary<'a>,
    cell: &CellJudgement,
    node: &'a NodeJudgement,
    is_first: bool,
) -> Node<'a> {
    // What nodes showed is kept of the first pair.
    let seen = |arm| {
        summary
            .observation(&cell.id, arm, &node.role)
            .filter(|_| is_first)
    };
    Node {
        role: &node.role,
        state: node.state,
        reboot_needed: node.reboot_needed.as_deref(),
        set: node.set.as_ref(),
        rest: &node.rest,
        advisories: &node.advisories,
        advisories_unread: node.advisories_unread.as_deref(),
        lists: node.lists.map(|(made, _)| made),
        proof: node.proof.as_ref(),
        reboot_spared: node.reboot_spared,
        differences: seen(Arm::Control)
            .zip(seen(Arm::Treatment))
            .map(|(control, treatment)| observation::differences(control, treatment, node.set.as_ref())),
        drift: &node.drift,
    }
}

fn of_times<'a>(summary: &Summary<'a>) -> Vec<Time<'a>> {
    times::by_stage(summary)
        .into_iter()
        .map(|(stage, time)| Time {
            stage,
            control_millis: millis(time.control),
            treatment_millis: millis(time.treatment),
            longest_millis: time.longest.map_or(0, |(took, _, _)| millis(took)),
            longest_cell: time.longest.map(|(_, cell, _)| cell.0.as_str()),
            longest_arm: time.longest.map(|(_, _, arm)| arm),
        })
        .collect()
}
