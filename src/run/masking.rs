//! The last gate before the journal: no event carries a secret past it, wherever its texts came from.

use crate::model::event::{Event, StepReport};
use crate::model::observation::{Observation, Reading};
use crate::secret::Mask;

/// The event with every text that a guest can have written masked. Names, which the plan fixes, stay as they are.
pub fn event(mut event: Event, mask: &Mask) -> Event {
    match &mut event {
        Event::StepFinished { report: step, .. } | Event::CleanedUp { report: step, .. } => {
            report(step, mask);
        }
        Event::ArmFailed { fault } => {
            fault.message = mask.apply(&fault.message);
            fault.detail = mask.apply(&fault.detail);
        }
        Event::Observed { observation, .. } => observed(observation, mask),
        Event::Measured { failures, .. } => {
            for failure in failures {
                *failure = mask.apply(failure);
            }
        }
        Event::Fetched(traffic) => {
            for refused in &mut traffic.refused {
                *refused = mask.apply(refused);
            }
        }
        Event::RebootNeeded { reason, .. } | Event::Cloned { reason, .. } => {
            *reason = reason.as_deref().map(|text| mask.apply(text));
        }
        Event::Planned { .. }
        | Event::HostChosen { .. }
        | Event::HostLost { .. }
        | Event::CellRetried { .. }
        | Event::CellConfirming { .. }
        | Event::ArmStarted
        | Event::StageStarted { .. }
        | Event::StageFinished { .. }
        | Event::Resolved { .. }
        | Event::Advised { .. }
        | Event::RebootSkipped
        | Event::Proved { .. }
        | Event::Asked { .. }
        | Event::Isolated { .. }
        | Event::ScenarioFinished { .. }
        | Event::ArmFinished
        | Event::Resumed { .. }
        | Event::Interrupted { .. }
        | Event::Finished { .. } => {}
    }
    event
}

/// Masks what a node showed of itself: names of files and programs, log lines and all the rest.
fn observed(observation: &mut Observation, mask: &Mask) {
    for log in observation.unit_logs.values_mut() {
        *log = mask.apply(log);
    }
    observation.writers = std::mem::take(&mut observation.writers)
        .into_iter()
        .map(|(path, packages)| (mask.apply(&path), packages))
        .collect();
    for reading in observation.readings.values_mut() {
        match reading {
            Reading::Items(items) => {
                *items = std::mem::take(items)
                    .into_iter()
                    .map(|(item, value)| (mask.apply(&item), mask.apply(&value)))
                    .collect();
            }
            Reading::Absent(words) | Reading::Unreadable(words) => *words = mask.apply(words),
        }
    }
}

/// Masks every text of a step's report.
pub fn report(report: &mut StepReport, mask: &Mask) {
    let texts = [&mut report.did, &mut report.stdout, &mut report.stderr];
    let results = report
        .results
        .iter_mut()
        .flat_map(|result| [&mut result.name, &mut result.message]);
    let all = texts
        .into_iter()
        .chain(&mut report.failures)
        .chain(report.captured.values_mut())
        .chain(results);
    for text in all {
        *text = mask.apply(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observation::{Class, Moment};
    use crate::model::outcome::{Cause, Fault, Stage};
    use crate::secret::Secrets;

    #[test]
    fn what_a_guest_says_on_the_side_has_no_secret_either() {
        let mut secrets = Secrets::default();
        secrets
            .add("PASSWORD", "hunter2".to_owned().into())
            .expect("a secret");
        let role = "web".to_owned();
        let processes = [("login hunter2".to_owned(), "hunter2".to_owned())];
        let observation = Observation {
            unit_logs: [("app.service".to_owned(), "login with hunter2\n".to_owned())].into(),
            readings: [(Class::Stale, Reading::Items(processes.into()))].into(),
            writers: [("/etc/hunter2.conf".to_owned(), ["app".to_owned()].into())].into(),
        };
        let observed = Event::Observed {
            role: role.clone(),
            moment: Moment::AfterReboot,
            observation,
        };
        let failed = Event::ArmFailed {
            fault: Fault {
                cause: Cause::AgentLost,
                stage: Stage::Scenarios,
                role: Some(role),
                message: "to run hunter2".to_owned(),
                detail: "console: hunter2".to_owned(),
                screen: None,
                hint: None,
            },
        };
        for told in [observed, failed] {
            let text = serde_json::to_string(&event(told, &secrets.mask())).expect("JSON");
            assert!(
                text.contains("[secret PASSWORD]") && !text.contains("hunter2"),
                "{text}"
            );
        }
    }
}
