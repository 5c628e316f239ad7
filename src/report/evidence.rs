//! What shows that a scenario did not pass: the failed step, control beside treatment, and what changed in the guest.

use std::time::Duration;

use crate::input::safe;
use crate::model::event::StepReport;
use crate::model::id::Arm;
use crate::model::observation;
use crate::model::outcome::{Fault, StepOutcome};
use crate::model::scenario::Step;
use crate::model::screen::Screen;
use crate::report::view::Summary;
use crate::report::words::{count, length};
use crate::verdict::{self, ArmOutcome, CellJudgement, ScenarioJudgement, Verdict};

/// Changes that are shown of the node on which the step failed.
const CHANGES: usize = 24;
/// Changes that are shown of each other node of the cell.
const CHANGES_ELSEWHERE: usize = 8;

/// The evidence on one scenario; every text in it is harmless.
pub(super) struct Evidence<'a> {
    pub(super) cell: &'a CellJudgement,
    pub(super) scenario: &'a ScenarioJudgement,
    /// Where it is of a fresh pair of arms: of which, in words.
    pub(super) fresh: Option<String>,
    pub(super) title: String,
    pub(super) owner: String,
    /// `2 of 3: `the page is served` on web`, where a step failed.
    pub(super) step: Option<String>,
    /// The command or request.
    pub(super) did: Option<String>,
    /// The pictures of the node's screen, by arm.
    pub(super) screens: Vec<(Arm, &'a Screen)>,
    /// By what it is: label, in control, in treatment. Both sides may have several lines.
    pub(super) rows: Vec<(&'static str, Vec<String>, Vec<String>)>,
    /// Node by node: a heading and its lines.
    pub(super) changes: Vec<(String, Vec<String>)>,
}

impl Evidence<'_> {
    /// `, in a fresh pair of arms`, where it is of one.
    pub(super) fn of_which(&self) -> String {
        self.fresh
            .as_ref()
            .map_or_else(String::new, |fresh| format!(", {fresh} of arms"))
    }
}

/// The evidence on every scenario that did not pass and has any, worst first; after that of the first pair of arms that of the
/// pairs that were to confirm it.
pub(super) fn collect<'a>(summary: &Summary<'a>) -> Vec<Evidence<'a>> {
    let mut all: Vec<_> = summary
        .judgement
        .cells
        .iter()
        .flat_map(|cell| cell.scenarios.iter().map(move |scenario| (cell, scenario)))
        .filter(|(_, scenario)| scenario.verdict != Verdict::Pass)
        .collect();
    all.sort_by_key(|(cell, scenario)| (!cell.required, !scenario.required, scenario.verdict));
    all.into_iter()
        .flat_map(|(cell, scenario)| {
            let fresh = cell.fresh.iter().enumerate().flat_map(move |(at, fresh)| {
                let own = fresh.pair.scenarios.iter();
                let own = own.filter(|own| own.name == scenario.name && own.verdict != Verdict::Pass);
                own.map(move |own| (&fresh.pair, own, Some(verdict::pair_words(at + 1))))
            });
            std::iter::once((cell, scenario, None)).chain(fresh)
        })
        .filter(|(_, scenario, _)| Arm::BOTH.iter().any(|&arm| scenario.arm(arm).failed.is_some()))
        .map(|(cell, scenario, fresh)| of_scenario(summary, cell, scenario, fresh))
        .collect()
}

fn of_scenario<'a>(
    summary: &Summary<'a>,
    cell: &'a CellJudgement,
    scenario: &'a ScenarioJudgement,
    fresh: Option<String>,
) -> Evidence<'a> {
    let planned = summary.plan.scenarios.get(&scenario.name);
    let failed = scenario
        .treatment
        .failed
        .as_ref()
        .or(scenario.control.failed.as_ref());
    let index = failed.map(|(index, _)| *index);
    let report = |arm: Arm| {
        let result = scenario.arm(arm);
        let index = index?;
        match &result.failed {
            Some((at, report)) if *at == index => Some(report),
            Some(_) | None => result.steps.get(index).and_then(Option::as_ref),
        }
    };
    let step = planned.and_then(|planned| planned.steps.get(index?));
    let (control, treatment) = (report(Arm::Control), report(Arm::Treatment));
    Evidence {
        cell,
        scenario,
        title: planned.map_or_else(String::new, |planned| safe::line(&planned.title)),
        owner: planned.map_or_else(String::new, |planned| safe::line(&planned.owner)),
        step: index.map(|index| step_text(index, step, planned.map_or(0, |planned| planned.steps.len()))),
        did: treatment.or(control).map(|report| safe::line(&report.did)),
        screens: [(Arm::Control, control), (Arm::Treatment, treatment)]
            .into_iter()
            .filter_map(|(arm, report)| Some((arm, report?.screen.as_ref()?)))
            .collect(),
        rows: rows(summary, (scenario, index), control, treatment),
        // What its nodes showed is told of the first pair.
        changes: match fresh {
            None => changes(summary, cell, step.map(|step| step.on.as_str())),
            Some(_) => Vec::new(),
        },
        fresh,
    }
}

fn step_text(index: usize, step: Option<&Step>, of: usize) -> String {
    let number = index + 1;
    match step {
        Some(step) => format!(
            "{number} of {of}: {} (on {})",
            safe::line(&step.name),
            safe::line(&step.on)
        ),
        None => format!("{number}, which is not in the plan"),
    }
}

fn rows(
    summary: &Summary<'_>,
    (scenario, index): (&ScenarioJudgement, Option<usize>),
    control: Option<&StepReport>,
    treatment: Option<&StepReport>,
) -> Vec<(&'static str, Vec<String>, Vec<String>)> {
    let row = |label, of: &dyn Fn(&StepReport) -> Vec<String>| {
        let side = |report: Option<&StepReport>| report.map_or_else(Vec::new, of);
        (label, side(control), side(treatment))
    };
    let whole = |arm: Arm| {
        let result = scenario.arm(arm);
        let mut text = result.outcome.word().to_owned();
        if let ArmOutcome::Errored(cause) = result.outcome {
            text = format!("{text}: {}", cause.words());
        }
        if result.runs > 1 {
            text = format!("{text} (after {})", count(result.runs, "run"));
        }
        vec![text]
    };
    // A step can have passed in an arm where another failed, or not have run at all.
    let outcome = |arm: Arm, report: Option<&StepReport>| {
        vec![match (report.map(|report| report.outcome), index) {
            (Some(StepOutcome::Passed), _) => "passed".to_owned(),
            (Some(StepOutcome::Failed), _) => "FAILED".to_owned(),
            (Some(StepOutcome::Errored(cause)), _) => format!("errored: {}", cause.words()),
            (None, Some(_)) => match &scenario.arm(arm).failed {
                Some((at, _)) => format!("not run: step {} failed", at + 1),
                None => "not run".to_owned(),
            },
            (None, None) => String::new(),
        }]
    };
    let mut rows = vec![
        ("scenario", whole(Arm::Control), whole(Arm::Treatment)),
        (
            "this step",
            outcome(Arm::Control, control),
            outcome(Arm::Treatment, treatment),
        ),
        row("not met", &|report| {
            report.failures.iter().map(|text| safe::line(text)).collect()
        }),
        row("exit", &|report| {
            report.exit.iter().map(ToString::to_string).collect()
        }),
        row("took", &|report| {
            let took = length(Duration::from_millis(report.millis));
            vec![match report.attempts {
                0 | 1 => took,
                n => format!("{took}, the last of {n} attempts"),
            }]
        }),
        row("screen", &|report| {
            report
                .screen
                .iter()
                .map(|screen| safe::line(&summary.screen(screen)))
                .collect()
        }),
        row("output", &|report| safe::excerpt(&report.stdout)),
        row("errors", &|report| safe::excerpt(&report.stderr)),
    ];
    rows.retain(|(_, control, treatment)| !(control.is_empty() && treatment.is_empty()));
    rows
}

/// What differs between the arms in a cell's nodes, the given node first.
fn changes(summary: &Summary<'_>, cell: &CellJudgement, first: Option<&str>) -> Vec<(String, Vec<String>)> {
    let mut nodes: Vec<_> = cell.nodes.iter().collect();
    nodes.sort_by_key(|node| Some(node.role.as_str()) != first);
    nodes
        .into_iter()
        .map(|node| {
            let role = safe::line(&node.role);
            let seen = |arm| summary.observation(&cell.id, arm, &node.role);
            let (Some(control), Some(treatment)) = (seen(Arm::Control), seen(Arm::Treatment)) else {
                return (format!("{role}: nobody looked at it in both arms"), Vec::new());
            };
            let mut all = observation::differences(control, treatment, node.set.as_ref());
            if Some(node.role.as_str()) != first {
                // What was meant to change is listed with the updates.
                all.retain(|line| !line.starts_with("pinned "));
            }
            let limit = if Some(node.role.as_str()) == first {
                CHANGES
            } else {
                CHANGES_ELSEWHERE
            };
            let mut lines: Vec<String> = all.iter().take(limit).map(|text| safe::line(text)).collect();
            if all.len() > limit {
                lines.push(format!("... and {} more", all.len() - limit));
            }
            let heading = match all.len() {
                0 => format!("{role}: no difference"),
                n => format!("{role}: {}", count(n, "difference")),
            };
            (heading, lines)
        })
        .collect()
}

/// A fault in lines that are harmless: what, its detail, where its node's screen is, and the remedy.
pub(super) fn fault_lines(summary: &Summary<'_>, fault: &Fault) -> Vec<String> {
    let mut lines = vec![safe::line(&fault.message)];
    lines.extend(
        safe::excerpt(&fault.detail)
            .into_iter()
            .map(|text| format!("| {text}")),
    );
    let screen = fault.screen.as_ref().map(|screen| summary.screen(screen));
    lines.extend(screen.map(|path| format!("screen: {}", safe::line(&path))));
    lines.extend(fault.hint.iter().map(|hint| format!("-> {}", safe::line(hint))));
    lines
}
