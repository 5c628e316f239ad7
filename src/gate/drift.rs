//! Reasons from what differs between the arms beyond the updates. Pure.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::gate::decision::Severity;
use crate::gate::suspects;
use crate::model::drift::Effect;
use crate::model::observation::Class;
use crate::verdict::{CellJudgement, Closing, DriftFinding, DriftState, NodeJudgement, NodeState, Suspect};

/// Findings of one node that have a reason each; the report has them all.
const MOST: usize = 5;

/// A reason before it is put to its cell: what it does, what happened, and, after the last of its kind, what to do.
pub(super) type Found = (Severity, String, Option<&'static str>);

/// The reasons of one node. `explained` tells that a fault of its cell says why something was not looked at.
pub(super) fn reasons(cell: &CellJudgement, node: &NodeJudgement, explained: bool) -> Vec<Found> {
    let drift = &node.drift;
    let mut reasons = Vec::new();
    for (effect, severity, remedy) in [
        (
            Effect::Fail,
            Severity::Undecides,
            "keep these updates back until it is explained; if it is meant to be so, `ignore` it in [drift]",
        ),
        (
            Effect::Warn,
            Severity::Notes,
            "look at it before the rollout; `ignore` it in [drift] if it is meant to be so",
        ),
    ] {
        let findings: Vec<&DriftFinding> = drift
            .findings
            .iter()
            .filter(|finding| finding.effect == effect)
            // The node that has not its pinned set says it already.
            .filter(|finding| finding.class != Class::Package || node.state != NodeState::Differs)
            .collect();
        let mut found: Vec<(Severity, String)> = findings
            .iter()
            .map(|finding| {
                let text = format!("drift on {}: {}", node.role, finding.words());
                match suspect(cell, node, finding) {
                    Some(suspect) => (
                        suspects::severity(Some(suspect)),
                        suspects::told(Some(suspect), text),
                    ),
                    None => (severity, text),
                }
            })
            .collect();
        // What closes is told, however much there is of what does not.
        found.sort_by_key(|(severity, _)| *severity);
        if found.len() > MOST {
            let more = found.len() - MOST;
            found.truncate(MOST);
            let worst = found.last().map_or(severity, |(severity, _)| *severity);
            let text = format!("drift on {}: and {more} more, which the report has", node.role);
            found.push((worst, text));
        }
        reasons.extend(kind(found, remedy));
    }
    if !explained {
        let severity = match drift.state {
            DriftState::Undecided | DriftState::Failed => Severity::Undecides,
            DriftState::None | DriftState::Warned => Severity::Notes,
        };
        let problems = drift.undecided.iter().take(MOST);
        let texts = problems.map(|problem| format!("drift on {} cannot be judged: {problem}", node.role));
        reasons.extend(kind(
            texts.map(|text| (severity, text)).collect(),
            "run this cell again; if this kind of guest cannot tell it, `ignore` the class in [drift]",
        ));
    }
    reasons
}

/// Reasons of one kind, the last with their remedy.
fn kind(found: Vec<(Severity, String)>, remedy: &'static str) -> impl Iterator<Item = Found> {
    let last = found.len().saturating_sub(1);
    let remedies = (0..).map(move |at| (at == last).then_some(remedy));
    found
        .into_iter()
        .zip(remedies)
        .map(|((severity, text), remedy)| (severity, text, remedy))
}

/// What all pairs of arms say of a finding that fails.
fn suspect<'a>(cell: &'a CellJudgement, node: &NodeJudgement, finding: &DriftFinding) -> Option<&'a Suspect> {
    let what = Closing::Drift {
        role: node.role.clone(),
        class: finding.class,
        item: finding.item.clone(),
    };
    cell.suspect(&what).filter(|_| finding.effect == Effect::Fail)
}

/// Whether a node's drift keeps the gate from opening.
pub(super) fn is_undecided(node: &NodeJudgement) -> bool {
    node.drift.state == DriftState::Undecided
}

/// Whether a node's drift fails, by its own pair of arms.
pub(super) fn fails(node: &NodeJudgement) -> bool {
    node.drift.state == DriftState::Failed
}
