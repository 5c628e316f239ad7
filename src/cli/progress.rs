//! What a person sees while a run goes on: one bar per cell on a terminal, plain lines elsewhere. On standard error, so
//! that standard output holds the result alone.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::cli::print;
use crate::input::safe;
use crate::input::words::count;
use crate::model::event::{Event, Record};
use crate::model::id::{ArmId, ArmKind, CellId};
use crate::model::outcome::Stage;
use crate::model::plan::Plan;
use crate::port::Observer;
use crate::report;

/// Shows a run's events as they happen.
pub struct Progress {
    inner: Mutex<Inner>,
}

struct Inner {
    bars: Option<MultiProgress>,
    cells: BTreeMap<CellId, Cell>,
    started: Instant,
}

#[derive(Default)]
struct Cell {
    bar: Option<ProgressBar>,
    arms: BTreeMap<ArmKind, String>,
}

impl Progress {
    /// Bars where standard error is a terminal, unless `plain`.
    #[expect(clippy::disallowed_methods, reason = "a terminal shows the time that passes")]
    pub fn new(plain: bool) -> Self {
        let bars = (!plain && std::io::stderr().is_terminal()).then(MultiProgress::new);
        Self {
            inner: Mutex::new(Inner {
                bars,
                cells: BTreeMap::new(),
                started: Instant::now(),
            }),
        }
    }
}

impl Inner {
    fn plan(&mut self, plan: &Plan) {
        let width = plan.cells.iter().map(|cell| cell.id.0.len()).max().unwrap_or(0);
        for plan in &plan.cells {
            let mut cell = Cell::default();
            if let Some(bars) = &self.bars {
                let bar = bars.add(ProgressBar::new(2));
                // The template is a constant that is known to parse.
                if let Ok(style) =
                    ProgressStyle::with_template("{spinner} {prefix} [{elapsed_precise}] {msg}")
                {
                    bar.set_style(style);
                }
                bar.set_prefix(format!("{:width$}", plan.id.0));
                bar.enable_steady_tick(Duration::from_millis(200));
                bar.set_message("waiting");
                cell.bar = Some(bar);
            }
            self.cells.insert(plan.id.clone(), cell);
        }
    }

    fn line(&self, text: &str) {
        if let Some(bars) = &self.bars {
            // A terminal that cannot be written to is no reason to stop.
            let _ = bars.println(safe::whole(text));
        } else {
            let seconds = self.started.elapsed().as_secs();
            print::note(&format!("[{:02}:{:02}] {text}", seconds / 60, seconds % 60));
        }
    }

    /// Sets what an arm is doing; `line` is what plain output says of it.
    fn doing(&mut self, arm: &ArmId, doing: &str, line: Option<&str>) {
        if let Some(entry) = self.cells.get_mut(&arm.cell) {
            entry.arms.insert(arm.kind, doing.to_owned());
            if let Some(bar) = &entry.bar {
                let message: Vec<String> = entry
                    .arms
                    .iter()
                    .map(|(arm, doing)| format!("{arm}: {doing}"))
                    .collect();
                bar.set_message(message.join("   "));
                if entry.arms.len() == 2 && entry.arms.values().all(|doing| doing == "done") {
                    bar.finish();
                }
                return;
            }
        }
        if let Some(line) = line {
            self.line(&format!("{arm}: {line}"));
        }
    }

    fn record(&mut self, record: &Record) {
        match &record.arm {
            Some(arm) => self.arm(arm, &record.event),
            None => self.event(&record.event),
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Planned { plan, .. } => self.plan(plan),
            Event::HostChosen {
                uri,
                accel,
                reason,
                version,
            } => {
                self.line(&format!("host {uri} ({version}), accelerator {accel}: {reason}"));
            }
            Event::Resumed { from, cells } => {
                let finished = count(cells.len(), "cell");
                self.line(&format!(
                    "{finished} of run {from}, finished before it ended, taken over"
                ));
                for cell in cells {
                    if let Some(bar) = self.cells.get(cell).and_then(|cell| cell.bar.as_ref()) {
                        bar.finish_with_message("taken over");
                    }
                }
            }
            Event::HostLost { uri, reason } => self.line(&format!("host {uri} is lost: {reason}")),
            Event::CellRetried { cell, from, to } => {
                self.line(&format!("{cell}: tried once more on {to}, since {from} is lost"));
                if let Some(entry) = self.cells.get_mut(cell) {
                    entry.arms.clear();
                    if let Some(bar) = &entry.bar {
                        bar.reset();
                    }
                }
            }
            Event::CellConfirming { cell, why } => {
                let what = why.first().map_or("", String::as_str);
                self.line(&format!("{cell}: a fresh pair of arms is to confirm: {what}"));
                if let Some(entry) = self.cells.get_mut(cell) {
                    entry.arms.clear();
                    if let Some(bar) = &entry.bar {
                        bar.reset();
                    }
                }
            }
            Event::Fetched(traffic) => self.line(&format!("updates: {}", report::traffic(traffic))),
            Event::Interrupted { by } => self.line(&format!("interrupted by {by}: stopping and cleaning up")),
            Event::Finished { .. } => {
                if let Some(bars) = &self.bars {
                    // As above.
                    let _ = bars.clear();
                }
            }
            _ => {}
        }
    }

    fn arm(&mut self, arm: &ArmId, event: &Event) {
        match event {
            Event::StageStarted { stage } => self.doing(arm, &stage.to_string(), None),
            Event::StageFinished { stage, millis, .. } if *stage != Stage::Queue => {
                let line = format!(
                    "{stage} took {:.1} s",
                    Duration::from_millis(*millis).as_secs_f64()
                );
                self.doing(arm, &stage.to_string(), Some(&line));
            }
            Event::Cloned {
                reason: Some(reason), ..
            } => self.line(&format!("{arm}: no warm clone: {reason}")),
            Event::Resolved { role, set, .. } => {
                self.line(&format!(
                    "{}/{role}: {} updates pinned",
                    arm.cell,
                    set.updates.len()
                ));
            }
            Event::ScenarioFinished {
                scenario, outcome, ..
            } => {
                self.line(&format!("{arm}: scenario {scenario} {outcome}"));
            }
            Event::Measured {
                scenario,
                step,
                samples_us,
                failed,
                ..
            } => {
                let step = step + 1;
                let taken = samples_us.len();
                self.line(&format!(
                    "{arm}: {taken} samples of step {step} of {scenario}, {failed} failed"
                ));
            }
            Event::ArmFailed { fault } => {
                let role = fault
                    .role
                    .as_deref()
                    .map(|role| format!(" on {role}"))
                    .unwrap_or_default();
                let text = format!(
                    "{arm}: {} in {}{role}: {}",
                    fault.cause.words(),
                    fault.stage,
                    fault.message
                );
                self.line(&text);
            }
            Event::ArmFinished => self.doing(arm, "done", Some("done")),
            Event::RebootSkipped => self.doing(
                arm,
                "not rebooted",
                Some("not rebooted: no node of the cell needs it"),
            ),
            _ => {}
        }
    }
}

impl Observer for Progress {
    fn record(&self, record: &Record) {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(record);
    }

    fn notice(&self, text: &str) {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .line(text);
    }
}
