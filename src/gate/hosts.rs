//! Reasons from hosts that were lost: worth knowing, and no more, since what could not be shown has reasons of its own. Pure.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::gate::decision::{Reason, Severity};
use crate::verdict::Judgement;

/// A reason for each host that was lost, and one for each cell that was tried once more.
pub(super) fn reasons(judgement: &Judgement) -> Vec<Reason> {
    let lost = judgement.lost.iter().map(|lost| {
        Reason::of_run(
            Severity::Notes,
            format!("host {} was lost: {}", lost.uri, lost.reason),
            "see that it runs and that libvirt answers; then `patchgate clean` removes what the run left there",
        )
    });
    let retried = judgement.cells.iter().filter_map(|cell| {
        let retried = cell.retried.as_ref()?;
        Some(Reason {
            severity: Severity::Notes,
            cell: Some(cell.id.clone()),
            scenario: None,
            role: None,
            text: format!(
                "tried once more on {}, since {} was lost; only that try counts",
                retried.to, retried.from
            ),
            remedy: None,
        })
    });
    lost.chain(retried).collect()
}
