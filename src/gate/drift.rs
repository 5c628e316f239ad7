//! Reasons from what differs between the arms beyond the updates. Pure.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::gate::decision::Severity;
use crate::model::drift::Effect;
use crate::model::observation::Class;
use crate::verdict::{DriftFinding, DriftState, NodeJudgement, NodeState};

/// Findings of one node that have a reason each; the report has them all.
const MOST: usize = 5;

/// A reason before it is put to its cell: what it does, what happened, and, after the last of its kind, what to do.
pub(super) type Found = (Severity, String, Option<&'static str>);

/// The reasons of one node. `explained` tells that a fault of its cell says why something was not looked at.
pub(super) fn reasons(node: &NodeJudgement, explained: bool) -> Vec<Found> {
    let drift = &node.drift;
    let mut reasons = Vec::new();
    for (effect, severity, remedy) in [
        (
            Effect::Fail,
            Severity::Closes,
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
        let mut texts: Vec<String> = findings
            .iter()
            .take(MOST)
            .map(|finding| format!("drift on {}: {}", node.role, finding.words()))
            .collect();
        if findings.len() > MOST {
            let more = findings.len() - MOST;
            texts.push(format!(
                "drift on {}: and {more} more, which the report has",
                node.role
            ));
        }
        reasons.extend(kind(severity, texts, remedy));
    }
    if !explained {
        let severity = match drift.state {
            DriftState::Undecided | DriftState::Failed => Severity::Undecides,
            DriftState::None | DriftState::Warned => Severity::Notes,
        };
        let problems = drift.undecided.iter().take(MOST);
        let texts = problems.map(|problem| format!("drift on {} cannot be judged: {problem}", node.role));
        reasons.extend(kind(
            severity,
            texts.collect(),
            "run this cell again; if this kind of guest cannot tell it, `ignore` the class in [drift]",
        ));
    }
    reasons
}

/// Reasons of one kind, the last with their remedy.
fn kind(severity: Severity, texts: Vec<String>, remedy: &'static str) -> impl Iterator<Item = Found> {
    let last = texts.len().saturating_sub(1);
    let remedies = (0..).map(move |at| (at == last).then_some(remedy));
    texts
        .into_iter()
        .zip(remedies)
        .map(move |(text, remedy)| (severity, text, remedy))
}

/// Whether a node's drift closes the gate.
pub(super) fn fails(node: &NodeJudgement) -> bool {
    node.drift.state == DriftState::Failed
}

/// Whether a node's drift keeps the gate from opening.
pub(super) fn is_undecided(node: &NodeJudgement) -> bool {
    node.drift.state == DriftState::Undecided
}
