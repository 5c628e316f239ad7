//! Notes on measured steps: what is worth knowing and decides nothing.

use crate::measure::Finding;
use crate::verdict::{Measured, ScenarioJudgement};

/// What is faster, or slower without being sure, one sentence each. What regressed is the verdict's own reason.
pub(super) fn notes(scenario: &ScenarioJudgement) -> Vec<String> {
    let steps = scenario.measured.iter();
    steps
        .filter_map(|step| match &step.result {
            Measured::Compared(comparison) => match comparison.finding {
                Finding::Unsure => Some(format!(
                    "`{}` on {} may be slower, which the samples do not show surely: {}",
                    step.name,
                    step.on,
                    comparison.words()
                )),
                Finding::Faster => Some(format!(
                    "`{}` on {} is faster: {}",
                    step.name,
                    step.on,
                    comparison.words()
                )),
                Finding::Regressed | Finding::Alike => None,
            },
            Measured::Failed(_) | Measured::Missing(_) => None,
        })
        .collect()
}
