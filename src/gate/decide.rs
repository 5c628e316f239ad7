//! From all reasons to one decision.
#![warn(clippy::wildcard_enum_match_arm)]

use std::collections::BTreeSet;

use crate::gate::decision::{Counts, Decision, Gate, Reason, Severity};
use crate::gate::{cell, drift, hosts};
use crate::input::words;
use crate::input::words::count;
use crate::model::plan::Plan;
use crate::model::update::UpdateSet;
use crate::verdict::{CellJudgement, Judgement, Verdict};

/// What a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// The whole lab: a plan that leaves a cell out opens nothing.
    Lab,
    /// What was selected, and nothing else.
    Part,
}

/// Decides over a plan's judgement, for the whole lab.
pub fn decide(plan: &Plan, judgement: &Judgement) -> Decision {
    decide_about(About::Lab, plan, judgement)
}

/// Decides over a plan's judgement for the cells that it has, whatever it leaves out of the lab.
pub fn decide_part(plan: &Plan, judgement: &Judgement) -> Decision {
    decide_about(About::Part, plan, judgement)
}

fn decide_about(about: About, plan: &Plan, judgement: &Judgement) -> Decision {
    let mut reasons = of_run(judgement);
    reasons.extend(left_out(about, plan));
    let nowhere = listed_nowhere(plan, judgement);
    if !nowhere.is_empty() {
        reasons.push(Reason::of_run(
            Severity::Undecides,
            format!("listed, and pending on no node: {}", nowhere.join(", ")),
            "is the name right? Take out of `listed` what is up to date; `expect_updates = false` lets that be",
        ));
    }
    reasons.extend(hosts::reasons(judgement));
    reasons.extend(empty(judgement));
    for cell in &judgement.cells {
        reasons.extend(cell::reasons(plan, cell));
    }
    reasons.sort_by_key(|reason| reason.severity);

    // The opening does not rest on the absence of reasons: every condition is asked for by itself.
    let mut required = judgement.cells.iter().filter(|cell| cell.required).peekable();
    let opens = judgement.finished
        && judgement.interrupted.is_none()
        && (about == About::Part || plan.left_out.is_empty())
        && judgement.cells.len() == plan.cells.len()
        && required.peek().is_some()
        && required.all(|cell| cell.passed)
        && nowhere.is_empty()
        && is_rehearsed(judgement);
    let closes = reasons.iter().any(|reason| reason.severity == Severity::Closes);
    let gate = match (closes, opens) {
        (true, _) => Gate::Closed,
        (false, true) => Gate::Open,
        (false, false) => Gate::Undecided,
    };

    let scenarios = || judgement.cells.iter().flat_map(|cell| &cell.scenarios);
    let whole = judgement.cells.iter().filter(|cell| !cell::is_explained(cell));
    let counts = Counts {
        passed: judgement.cells.iter().filter(|cell| cell.passed).count(),
        planned: judgement.cells.len(),
        left_out: plan.left_out.len(),
        regressed: regressed(&reasons, judgement),
        inconclusive: scenarios()
            .filter(|s| matches!(s.verdict, Verdict::Inconclusive(_)))
            .count()
            + whole
                .flat_map(|cell| &cell.nodes)
                .filter(|node| drift::is_undecided(node))
                .count(),
    };
    Decision {
        gate,
        reasons,
        counts,
    }
}

/// What closes the gate, once for each scenario and node, and what would if its cell or scenario were required.
fn regressed(reasons: &[Reason], judgement: &Judgement) -> usize {
    let closing = reasons
        .iter()
        .filter(|reason| reason.severity == Severity::Closes);
    let mut all: BTreeSet<_> = closing
        .map(|reason| {
            (
                reason.cell.as_ref(),
                reason.scenario.as_deref(),
                reason.role.as_deref(),
            )
        })
        .collect();
    for cell in &judgement.cells {
        let scenarios = cell.scenarios.iter().filter(|s| s.verdict == Verdict::Regressed);
        all.extend(scenarios.map(|s| (Some(&cell.id), Some(s.name.as_str()), None)));
        // A required one closes only by what is confirmed, and then has its reason.
        let nodes = cell
            .nodes
            .iter()
            .filter(|node| !cell.required && drift::fails(node));
        all.extend(nodes.map(|node| (Some(&cell.id), None, Some(node.role.as_str()))));
    }
    all.len()
}

/// Whether a required cell had updates at all: an empty window shows nothing.
fn is_rehearsed(judgement: &Judgement) -> bool {
    let mut required = judgement.cells.iter().filter(|cell| cell.required);
    required.any(|cell| {
        cell.nodes
            .iter()
            .any(|node| node.set.as_ref().is_some_and(|set| !set.is_empty()))
    })
}

/// The cells in which no update was pending, and that nothing was rehearsed where that is so of all.
fn empty(judgement: &Judgement) -> Vec<Reason> {
    let is_empty = |cell: &&CellJudgement| {
        !cell.nodes.is_empty()
            && cell
                .nodes
                .iter()
                .all(|node| node.set.as_ref().is_some_and(UpdateSet::is_empty))
    };
    let cells: Vec<&CellJudgement> = judgement.cells.iter().filter(is_empty).collect();
    let mut reasons: Vec<Reason> = cells
        .iter()
        .map(|cell| Reason {
            severity: Severity::Notes,
            cell: Some(cell.id.clone()),
            scenario: None,
            role: None,
            text: "nothing was rehearsed: no update is pending on any of its nodes".to_owned(),
            remedy: None,
        })
        .collect();
    let mut required = judgement.cells.iter().filter(|cell| cell.required).peekable();
    if required.peek().is_some() && required.all(|cell| is_empty(&cell)) {
        reasons.push(Reason::of_run(
            Severity::Undecides,
            "no update is pending in any required cell: an empty window shows nothing",
            "run it again when there are updates",
        ));
    }
    reasons
}

/// Cells that are named where a plan leaves some out.
const NAMED: usize = 8;

fn left_out(about: About, plan: &Plan) -> Option<Reason> {
    if plan.left_out.is_empty() {
        return None;
    }
    let severity = match about {
        About::Lab => Severity::Undecides,
        About::Part => Severity::Notes,
    };
    let names: Vec<String> = plan.left_out.iter().map(ToString::to_string).collect();
    let text = format!(
        "{} of the lab's {} cells were selected; left out: {}",
        plan.cells.len(),
        plan.cells.len() + plan.left_out.len(),
        words::first(&names, NAMED),
    );
    let remedy = match about {
        About::Lab => "run the whole lab, or say `--partial` where the selection alone is to be decided",
        About::Part => "this gate is that of the selection alone",
    };
    Some(Reason::of_run(severity, text, remedy))
}

/// The listed packages of which no node has an update, where updates are expected: nobody rehearsed them.
fn listed_nowhere<'p>(plan: &'p Plan, judgement: &Judgement) -> Vec<&'p str> {
    let nodes = || judgement.cells.iter().flat_map(|cell| &cell.nodes);
    // Where a set is missing or a cell left out, that is said, and what it would have had is not known.
    let is_part = !plan.left_out.is_empty();
    if is_part || !plan.updates.expect_updates || nodes().any(|node| node.set.is_none()) {
        return Vec::new();
    }
    let updates: Vec<_> = nodes()
        .filter_map(|node| node.set.as_ref())
        .flat_map(|set| &set.updates)
        .collect();
    plan.updates.listed_in_none(&updates)
}

fn of_run(judgement: &Judgement) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some(by) = &judgement.interrupted {
        let text = format!("the run was interrupted ({by})");
        reasons.push(Reason::of_run(Severity::Undecides, text, "run it again"));
    }
    if !judgement.finished {
        reasons.push(Reason::of_run(
            Severity::Undecides,
            "the journal ends before the run did: it is still running, or it died",
            "see `patchgate history`; if it died, `patchgate clean` and run it again",
        ));
    }
    if !judgement.cells.iter().any(|cell| cell.required) {
        reasons.push(Reason::of_run(
            Severity::Undecides,
            "no required cell was planned, so nothing was shown",
            "select at least one required cell",
        ));
    }
    if let Some((run, cells)) = &judgement.resumed {
        let text = format!(
            "{} taken over from run {run}, finished before it ended",
            count(*cells, "cell")
        );
        let remedy = "where that is too long ago, run all of it again";
        reasons.push(Reason::of_run(Severity::Notes, text, remedy));
    }
    for text in &judgement.left_behind {
        let text = format!("left behind on the host: {text}");
        reasons.push(Reason::of_run(
            Severity::Notes,
            text,
            "remove it with `patchgate clean`",
        ));
    }
    reasons
}
