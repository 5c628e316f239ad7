//! The report for CI: one suite per cell, one case per scenario and per updated node, and one for the gate itself, so
//! that CI is green exactly where the gate is open.
#![warn(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::gate::{Gate, Severity};
use crate::input::safe;
use crate::model::event::StepReport;
use crate::model::id::Arm;
use crate::report::advised;
use crate::report::view::Summary;
use crate::report::words::length;
use crate::report::{evidence, learned, measured};
use crate::verdict::{CellJudgement, DriftState, NodeJudgement, NodeState, ScenarioJudgement, Verdict};

/// The whole report as XML.
pub fn render(summary: &Summary<'_>) -> Result<String, SerializeError> {
    let mut report = Report::new(safe::line(&format!(
        "patchgate {} {}",
        summary.plan.lab, summary.run
    )));
    report.set_time(summary.wall());
    report.add_test_suite(gate(summary));
    let evidence = evidence::collect(summary);
    for cell in &summary.judgement.cells {
        let mut suite = TestSuite::new(safe::line(&cell.id.0));
        suite.add_property(("required", if cell.required { "true" } else { "false" }));
        for node in &cell.nodes {
            suite.add_test_case(of_node(summary, cell, node));
            suite.add_test_case(of_drift(cell, node));
        }
        for scenario in &cell.scenarios {
            let evidence = evidence
                .iter()
                .find(|evidence| std::ptr::eq(evidence.scenario, scenario));
            suite.add_test_case(of_scenario(cell, scenario, evidence));
        }
        report.add_test_suite(suite);
    }
    // Whatever a line forgot of what it quotes.
    Ok(safe::document(&report.to_string()?))
}

fn gate(summary: &Summary<'_>) -> TestSuite {
    let line = summary.decision.line(summary.run);
    let failed = |kind, name: &str| {
        let mut status = TestCaseStatus::non_success(kind);
        let reasons: Vec<String> = summary
            .decision
            .reasons
            .iter()
            .filter(|reason| reason.severity != Severity::Notes)
            .map(|reason| {
                let cell = reason
                    .cell
                    .as_ref()
                    .map_or_else(String::new, |cell| format!("{cell}: "));
                safe::line(&format!("{cell}{}", reason.text))
            })
            .collect();
        status
            .set_type(name)
            .set_message(line.as_str())
            .set_description(reasons.join("\n"));
        status
    };
    let status = match summary.decision.gate {
        Gate::Open => TestCaseStatus::success(),
        Gate::Closed => failed(NonSuccessKind::Failure, "closed"),
        Gate::Undecided => failed(NonSuccessKind::Error, "undecided"),
    };
    let mut case = TestCase::new("gate", status);
    case.set_classname("patchgate")
        .set_time(summary.wall())
        .set_system_out(line.as_str());
    let mut suite = TestSuite::new("patchgate");
    if let Some(as_of) = summary.as_of() {
        suite.add_property(("note", safe::whole(&as_of).as_str()));
    }
    suite.add_test_case(case);
    suite
}

/// The status of something that did not pass; what the gate does not need is skipped, so that it is seen and not red.
fn not_passed(required: bool, kind: NonSuccessKind, name: &str, message: &str) -> TestCaseStatus {
    let mut status = if required {
        TestCaseStatus::non_success(kind)
    } else {
        TestCaseStatus::skipped()
    };
    status.set_type(name).set_message(safe::line(message));
    status
}

/// What servers that read this report take for a file to show (<https://plugins.jenkins.io/junit-attachments/>).
const ATTACHMENT: &str = "[[ATTACHMENT|";

/// Lines of which none names a file to show: guests have written some.
fn said(lines: &[String]) -> String {
    lines.join("\n").replace(ATTACHMENT, "[[attachment|")
}

fn of_node(summary: &Summary<'_>, cell: &CellJudgement, node: &NodeJudgement) -> TestCase {
    let status = |kind, name| not_passed(cell.required, kind, name, node.state.words());
    let status = match node.state {
        NodeState::Proved => TestCaseStatus::success(),
        NodeState::Differs => status(NonSuccessKind::Failure, "set-not-installed"),
        NodeState::NotResolved => status(NonSuccessKind::Error, "not-resolved"),
        NodeState::SetDamaged => status(NonSuccessKind::Error, "set-damaged"),
        NodeState::NothingPending => status(NonSuccessKind::Error, "no-updates"),
        NodeState::KeptBack => status(NonSuccessKind::Error, "kept-back"),
        NodeState::NotProved => status(NonSuccessKind::Error, "not-proved"),
        NodeState::NotRebooted => status(NonSuccessKind::Error, "not-rebooted"),
    };
    let mut case = TestCase::new(safe::line(&format!("updates of {}", node.role)), status);
    case.set_classname(safe::line(&format!("{}/{}", cell.id, node.role)));
    let (mut lines, mut attached) = (Vec::new(), Vec::new());
    if let Some(set) = &node.set {
        lines.push(format!("set {}", safe::line(&set.digest)));
        lines.extend(set.updates.iter().map(|update| {
            let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "(none)".to_owned());
            safe::line(&format!(
                "{}:{} {} -> {} {}",
                update.name,
                update.arch,
                version(&update.from),
                version(&update.to),
                update.origin
            ))
        }));
    }
    lines.extend(advised::lines(node).iter().map(|line| safe::line(line)));
    if let Some(proof) = &node.proof {
        for (what, items) in proof.faults() {
            lines.extend(items.iter().map(|item| safe::line(&format!("{what}: {item}"))));
        }
    }
    let faults = cell.faults.iter();
    for (arm, fault) in faults.filter(|(_, fault)| fault.role.as_ref() == Some(&node.role)) {
        lines.push(format!("{arm}, {}: {}", fault.stage, fault.cause.words()));
        lines.extend(evidence::fault_lines(summary, fault));
        let screen = fault.screen.as_ref().map(|screen| summary.screen(screen));
        attached.extend(screen.map(|path| format!("\n{ATTACHMENT}{}]]", safe::line(&path))));
    }
    if !lines.is_empty() {
        case.set_system_out(said(&lines) + &attached.concat());
    }
    case
}

fn of_drift(cell: &CellJudgement, node: &NodeJudgement) -> TestCase {
    let drift = &node.drift;
    let lines = crate::report::drift::lines(drift);
    let status = |kind, name| {
        let mut status = not_passed(cell.required, kind, name, drift.state.words());
        status.set_description(lines.join("\n"));
        status
    };
    let status = match drift.state {
        DriftState::None | DriftState::Warned => TestCaseStatus::success(),
        DriftState::Failed => status(NonSuccessKind::Failure, "drift"),
        DriftState::Undecided => status(NonSuccessKind::Error, "drift-undecided"),
    };
    let mut case = TestCase::new(safe::line(&format!("drift of {}", node.role)), status);
    case.set_classname(safe::line(&format!("{}/{}", cell.id, node.role)));
    if !lines.is_empty() {
        case.set_system_out(said(&lines));
    }
    case
}

fn of_scenario(
    cell: &CellJudgement,
    scenario: &ScenarioJudgement,
    evidence: Option<&evidence::Evidence<'_>>,
) -> TestCase {
    let required = cell.required && scenario.required;
    let status = |kind| not_passed(required, kind, scenario.verdict.word(), &scenario.reason);
    let mut status = match scenario.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Regressed => status(NonSuccessKind::Failure),
        Verdict::Fixed
        | Verdict::AlreadyBroken
        | Verdict::Flaky
        | Verdict::Sporadic
        | Verdict::Inconclusive(_)
        | Verdict::NotRun => status(NonSuccessKind::Error),
    };
    if let Some(evidence) = evidence {
        status.set_description(describe(evidence));
    }
    let took: u64 = scenario
        .treatment
        .steps
        .iter()
        .flatten()
        .fold(0, |sum, step| step.millis.saturating_add(sum));
    let mut case = TestCase::new(safe::line(&scenario.name), status);
    case.set_classname(safe::line(&cell.id.0))
        .set_time(Duration::from_millis(took));
    let mut steps: Vec<String> = Arm::BOTH.iter().flat_map(|&arm| steps(scenario, arm)).collect();
    steps.extend(
        scenario
            .measured
            .iter()
            .map(|step| format!("measured {}", measured::line(step))),
    );
    case.set_system_out(said(&steps));
    case
}

fn steps(scenario: &ScenarioJudgement, arm: Arm) -> Vec<String> {
    let result = scenario.arm(arm);
    let mut lines = vec![format!("{arm}: {}", result.outcome.word())];
    let shown = |what: &str, number: usize, step: &StepReport| {
        let took = length(Duration::from_millis(step.millis));
        let did = safe::line(&step.did);
        let mut lines = vec![format!(
            "  {what} {number}: {did} ({took}, attempts: {})",
            step.attempts
        )];
        let learned = learned::of_step(step).into_iter().chain(learned::single(step));
        lines.extend(learned.map(|line| format!("    {line}")));
        lines
    };
    for (index, step) in result.steps.iter().enumerate() {
        let number = index + 1;
        match step {
            None => lines.push(format!("  step {number}: no record")),
            Some(step) => lines.extend(shown("step", number, step)),
        }
    }
    for (index, step) in &result.cleanup {
        lines.extend(shown("cleanup", index + 1, step));
        lines.extend(
            step.failures
                .iter()
                .map(|failure| format!("    not met: {}", safe::line(failure))),
        );
    }
    lines
}

fn describe(evidence: &evidence::Evidence<'_>) -> String {
    let mut lines = Vec::new();
    lines.extend(evidence.step.iter().map(|step| format!("step {step}")));
    lines.extend(evidence.did.iter().map(|did| format!("did {did}")));
    for (label, control, treatment) in &evidence.rows {
        for (arm, side) in [(Arm::Control, control), (Arm::Treatment, treatment)] {
            lines.extend(side.iter().map(|text| format!("{arm} {label}: {text}")));
        }
    }
    for (heading, changes) in &evidence.changes {
        lines.push(format!("changed in {heading}"));
        lines.extend(changes.iter().map(|text| format!("  {text}")));
    }
    lines.join("\n")
}
