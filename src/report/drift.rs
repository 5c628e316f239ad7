//! What differs between the arms beyond the updates, in lines for a reader; every text is harmless.

use crate::input::safe;
use crate::model::drift::Effect;
use crate::report::view::Summary;
use crate::report::words::count;
use crate::verdict::{DriftState, NodeDrift};

/// Findings of one node that are shown; the JSON report has them all.
const FINDINGS: usize = 40;
/// Noisy items that are named.
const NOISE: usize = 6;

/// What stands over it.
pub(super) const HEADING: &str = "Drift: what else differs between the arms";

/// The nodes of which there is anything to show, by name.
pub(super) fn shown<'a>(summary: &Summary<'a>) -> Vec<(String, &'a NodeDrift)> {
    let cells = summary.judgement.cells.iter();
    cells
        .flat_map(|cell| cell.nodes.iter().map(move |node| (cell, node)))
        .map(|(cell, node)| (format!("{}/{}", cell.id, node.role), &node.drift))
        .filter(|(_, drift)| drift.state != DriftState::None || !drift.undecided.is_empty())
        .collect()
}

/// All that is to be told of a node's drift: findings, what could not be compared, what was left out.
pub(super) fn lines(drift: &NodeDrift) -> Vec<String> {
    let mut lines: Vec<String> = drift
        .findings
        .iter()
        .take(FINDINGS)
        .map(|finding| {
            let label = match finding.effect {
                Effect::Fail => "fails",
                Effect::Warn => "warns",
                Effect::Ignore => "ignored",
            };
            format!("{label}: {}", safe::line(&finding.words()))
        })
        .collect();
    if drift.findings.len() > FINDINGS {
        lines.push(format!("... and {} more", drift.findings.len() - FINDINGS));
    }
    lines.extend(
        drift
            .undecided
            .iter()
            .map(|problem| format!("not judged: {}", safe::line(problem))),
    );
    lines.extend(left_out(drift));
    lines
}

/// What was not compared on purpose.
fn left_out(drift: &NodeDrift) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some((_, why)) = drift.unreadable.first() {
        let classes: Vec<&str> = drift.unreadable.iter().map(|(class, _)| class.word()).collect();
        lines.push(format!(
            "not readable in this guest: {} ({})",
            classes.join(", "),
            safe::line(why)
        ));
    }
    if !drift.noise.is_empty() {
        let named: Vec<String> = drift
            .noise
            .iter()
            .take(NOISE)
            .map(|item| safe::line(item))
            .collect();
        let more = match drift.noise.len() {
            n if n > NOISE => format!(" and {} more", n - NOISE),
            _ => String::new(),
        };
        lines.push(format!(
            "noise, as it differs without the updates too: {}{more}",
            named.join("; ")
        ));
    }
    if drift.ignored > 0 {
        lines.push(format!(
            "ignored by the plan: {}",
            count(drift.ignored, "difference")
        ));
    }
    lines
}
