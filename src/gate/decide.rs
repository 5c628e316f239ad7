//! From all reasons to one decision.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::gate::decision::{Counts, Decision, Gate, Reason, Severity};
use crate::gate::{cell, drift, hosts};
use crate::model::plan::Plan;
use crate::verdict::{Judgement, Verdict};

/// Decides over a plan's judgement.
pub fn decide(plan: &Plan, judgement: &Judgement) -> Decision {
    let mut reasons = of_run(judgement);
    reasons.extend(hosts::reasons(judgement));
    for cell in &judgement.cells {
        reasons.extend(cell::reasons(plan, cell));
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
    let whole = judgement.cells.iter().filter(|cell| !cell::is_explained(cell));
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
