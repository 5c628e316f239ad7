//! The reasons of one cell.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::gate::decision::{Reason, Severity};
use crate::gate::{drift, measured, suspects};
use crate::model::id::Arm;
use crate::model::outcome::{Cause, Fault, StepOutcome};
use crate::model::plan::Plan;
use crate::model::update::unrehearsed_words;
use crate::verdict::{CellJudgement, Closing, NodeJudgement, NodeState, ScenarioJudgement, Verdict};

/// Every reason of a cell.
pub(super) fn reasons(plan: &Plan, cell: &CellJudgement) -> Vec<Reason> {
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
        let suspect = cell.blamed(*arm, fault).and_then(|what| cell.suspect(&what));
        reasons.push(Reason {
            role: fault.role.clone(),
            ..about(
                suspects::severity(suspect),
                suspects::told(suspect, fault_text(*arm, fault, cell)),
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
    if cell.strays > 0 {
        let text = format!(
            "records of a try that had not begun or was over: {}; the journal contradicts itself",
            cell.strays
        );
        reasons.push(about(
            Severity::Undecides,
            text,
            Some("run this cell again".to_owned()),
        ));
    }
    let explained = is_explained(cell);
    for node in &cell.nodes {
        if let Some(text) = unrehearsed_words(&node.rest) {
            reasons.push(Reason {
                role: Some(node.role.clone()),
                ..about(Severity::Notes, text, None)
            });
        }
        if let Some(text) = of_node(node, explained) {
            let suspect = (node.state == NodeState::Differs)
                .then(|| Closing::Install {
                    role: Some(node.role.clone()),
                })
                .and_then(|what| cell.suspect(&what));
            reasons.push(Reason {
                role: Some(node.role.clone()),
                ..about(
                    suspects::severity(suspect),
                    suspects::told(suspect, text),
                    node_remedy(node.state).map(str::to_owned),
                )
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
        for (severity, text, remedy) in drift::reasons(cell, node, explained) {
            reasons.push(Reason {
                role: Some(node.role.clone()),
                ..about(severity, text, remedy.map(str::to_owned))
            });
        }
    }
    for suspect in suspects::only_fresh(cell) {
        reasons.push(Reason {
            role: suspects::role(suspect).map(str::to_owned),
            ..about(
                suspects::severity(Some(suspect)),
                suspects::told(Some(suspect), "not in the first pair".to_owned()),
                Some("run this cell again".to_owned()),
            )
        });
    }
    for fresh in &cell.fresh {
        reasons.push(about(Severity::Notes, suspects::of_fresh(fresh), None));
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
pub(super) fn is_explained(cell: &CellJudgement) -> bool {
    !cell.faults.is_empty() || !cell.unended.is_empty()
}

/// Whether a verdict stands for the lack of a result.
fn lacks_result(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Inconclusive(Cause::SeedFailed | Cause::NotConfirmed)
        | Verdict::Pass
        | Verdict::Regressed
        | Verdict::Fixed
        | Verdict::AlreadyBroken
        | Verdict::Sporadic
        | Verdict::Flaky => false,
        Verdict::Inconclusive(_) | Verdict::NotRun => true,
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
    text
}

fn of_node(node: &NodeJudgement, explained: bool) -> Option<String> {
    let text = || node.state.words().to_owned();
    match node.state {
        NodeState::Proved => None,
        NodeState::Differs => {
            let proof = node.proof.clone().unwrap_or_default();
            let mut parts = vec![text()];
            for (what, items) in proof.faults() {
                if let Some(first) = items.first() {
                    let more = match items.len() {
                        1 => String::new(),
                        n => format!(" and {} more", n - 1),
                    };
                    parts.push(format!("{what}: {first}{more}"));
                }
            }
            Some(parts.join("; "))
        }
        // What is kept back is said beside this.
        NodeState::SetDamaged | NodeState::KeptBack => Some(text()),
        NodeState::NotResolved
        | NodeState::NothingPending
        | NodeState::NotProved
        | NodeState::NotRebooted => (!explained).then(text),
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
        NodeState::KeptBack => Some(
            "lift the hold or repair what keeps them back in the image; or set `kept_back = \"note\"` in [lab]",
        ),
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
        Verdict::Sporadic => Some((
            Severity::Undecides,
            format!("{owner} looks at what both pairs of arms show; then run this cell again"),
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
