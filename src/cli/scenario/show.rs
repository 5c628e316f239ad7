//! What a person sees of a trial: each step as it goes, and how it ended.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::input::safe;
use crate::model::event::{Event, Record, StepReport};
use crate::model::outcome::{Fault, Stage, StepOutcome};
use crate::model::plan::Plan;
use crate::model::scenario::When;
use crate::port::Observer;
use crate::report::{length, safe_excerpt, safe_line};
use crate::session::outcome::{Outcome, TryResult};

/// Writes a trial's events as they happen.
pub struct Show(Mutex<Inner>);

struct Inner {
    out: Box<dyn Write + Send>,
    plan: Option<Box<Plan>>,
    /// The scenario and moment of the step before.
    heading: Option<(String, When)>,
}

impl Show {
    /// Writes there.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(Inner {
            out,
            plan: None,
            heading: None,
        }))
    }

    /// Says how it ended, what is left, and, in the last line, the result.
    pub fn end(&self, outcome: &Outcome) {
        let mut text = String::new();
        // Writing to a String cannot fail.
        for screen in &outcome.screens {
            let _ = writeln!(
                text,
                "screen of the node: {}",
                safe_line(&screen.display().to_string())
            );
        }
        if !outcome.kept.is_empty() {
            let _ = writeln!(text, "left running:");
            for node in &outcome.kept {
                let _ = writeln!(text, "  {}: {}", node.role, node.console);
            }
            let _ = writeln!(text, "remove it with: patchgate clean {}", outcome.run);
        } else if !outcome.left_behind.is_empty() {
            for left in &outcome.left_behind {
                let _ = writeln!(text, "could not be removed: {}", safe_line(left));
            }
            let _ = writeln!(text, "try again with: patchgate clean {}", outcome.run);
        }
        let word = match outcome.result {
            TryResult::Passed => "PASSED",
            TryResult::Failed => "FAILED",
            TryResult::Undecided => "UNDECIDED",
        };
        let _ = writeln!(
            text,
            "try: {word} cell={} scenarios={}/{}",
            outcome.cell,
            outcome.passed(),
            outcome.scenarios.len()
        );
        self.write(&text);
    }

    fn write(&self, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(text);
    }
}

impl Observer for Show {
    fn record(&self, record: &Record) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .event(&record.event);
    }

    fn notice(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }
}

impl Inner {
    /// A reader that has gone away is no reason to leave clones behind.
    fn write(&mut self, text: &str) {
        let written = self
            .out
            .write_all(safe::document(text).as_bytes())
            .and_then(|()| self.out.flush());
        if let Err(error) = written {
            tracing::debug!("the trial cannot be shown: {error}");
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Planned { plan, .. } => self.begin(plan),
            Event::HostChosen { uri, accel, .. } => self.write(&format!("host {uri}, accelerator {accel}\n")),
            Event::StageFinished { stage, millis, .. } => {
                if matches!(stage, Stage::Clone | Stage::Boot | Stage::Reboot | Stage::Destroy) {
                    let took = length(Duration::from_millis(*millis));
                    self.write(&format!("{stage} took {took}\n"));
                }
            }
            Event::StepFinished {
                scenario,
                step,
                report,
                ..
            } => self.step(scenario, *step, report),
            Event::ScenarioFinished {
                scenario, outcome, ..
            } => self.write(&format!("{scenario}: {outcome}\n")),
            Event::ArmFailed { fault, .. } => self.write(&lab_failed(fault)),
            _ => {}
        }
    }

    fn begin(&mut self, plan: &Plan) {
        for cell in &plan.cells {
            let scenarios = cell.scenarios.join(", ");
            self.write(&format!(
                "trying {scenarios} on fresh clones of {}, without updates\n",
                cell.id
            ));
        }
        self.plan = Some(Box::new(plan.clone()));
    }

    fn step(&mut self, scenario: &str, index: usize, report: &StepReport) {
        let planned = self.plan.as_ref().and_then(|plan| plan.scenarios.get(scenario));
        let step = planned.and_then(|planned| planned.steps.get(index));
        let mut text = String::new();
        // Writing to a String cannot fail.
        if let (Some(planned), Some(step)) = (planned, step) {
            let heading = Some((scenario.to_owned(), step.when));
            if self.heading != heading {
                let moment = match step.when {
                    When::BeforeUpdates => ", before the updates",
                    When::AfterReboot => "",
                };
                let _ = writeln!(text, "{scenario}{moment}: {}", safe_line(&planned.title));
                self.heading = heading;
            }
        }
        let word = match report.outcome {
            StepOutcome::Passed => "ok",
            StepOutcome::Failed => "FAIL",
            StepOutcome::Errored(_) => "ERROR",
        };
        let (name, on) = step.map_or(("", ""), |step| (&step.name, &step.on));
        let took = length(Duration::from_millis(report.millis));
        let attempts = match report.attempts {
            0 | 1 => String::new(),
            many => format!(", the last of {many} attempts"),
        };
        let _ = writeln!(
            text,
            "  {word:5} {}/{} {} (on {}), {took}{attempts}",
            index + 1,
            planned.map_or(0, |planned| planned.steps.len()),
            safe_line(name),
            safe_line(on),
        );
        let _ = writeln!(text, "        {}", safe_line(&report.did));
        if report.outcome != StepOutcome::Passed {
            for failure in &report.failures {
                let _ = writeln!(text, "        not met: {}", safe_line(failure));
            }
            if let Some(exit) = report.exit {
                let _ = writeln!(text, "        exit code: {exit}");
            }
            for (label, output) in [("output", &report.stdout), ("errors", &report.stderr)] {
                for line in safe_excerpt(output) {
                    let _ = writeln!(text, "        {label} | {line}");
                }
            }
        }
        self.write(&text);
    }
}

fn lab_failed(fault: &Fault) -> String {
    let role = fault
        .role
        .as_ref()
        .map_or_else(String::new, |role| format!(" on {}", safe_line(role)));
    let mut text = format!(
        "the lab failed in {}{role}: {} ({})\n",
        fault.stage,
        fault.cause.words(),
        safe_line(&fault.message)
    );
    // Writing to a String cannot fail.
    for line in safe_excerpt(&fault.detail) {
        let _ = writeln!(text, "  | {line}");
    }
    if let Some(hint) = &fault.hint {
        let _ = writeln!(text, "  -> {}", safe_line(hint));
    }
    text
}
