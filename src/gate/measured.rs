//! Notes on measured steps: what is worth knowing and decides nothing.

use crate::measure::Finding;
use crate::verdict::{Measured, ScenarioJudgement};

/// What is faster, or slower without being sure, or failed now and then, one sentence each. What regressed is the verdict's
/// own reason.
pub(super) fn notes(scenario: &ScenarioJudgement) -> Vec<String> {
    let failing = scenario.measured.iter().filter_map(|step| {
        let failed = step.failed?;
        let text = format!("`{}` on {}: {}", step.name, step.on, failed.words());
        match failed.finding {
            Finding::Unsure => Some(format!("{text}, which is not surely more often")),
            Finding::Alike if failed.treatment.had > 0 => Some(text),
            Finding::Alike | Finding::Regressed | Finding::Faster => None,
        }
    });
    let steps = scenario.measured.iter();
    let times = steps.filter_map(|step| match &step.result {
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
    });
    failing.chain(times).collect()
}
