//! The records of a run, sorted by what they are about.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::advisory::Advisory;
use crate::model::event::{Event, Record, StepReport};
use crate::model::id::{Arm, CellId, RunId};
use crate::model::outcome::{Fault, ScenarioOutcome, StepOutcome};
use crate::model::update::{Proof, Unrehearsed, UpdateSet};
use crate::verdict::drift::Looks;
use crate::verdict::tries::Tries;

#[derive(Default)]
pub(super) struct Seen<'a> {
    arms: BTreeMap<(&'a CellId, Arm), ArmSeen<'a>>,
    nodes: BTreeMap<(&'a CellId, &'a str), NodeSeen<'a>>,
    pub(super) resumed: Option<(&'a RunId, usize)>,
    pub(super) interrupted: Option<&'a str>,
    pub(super) finished: bool,
    pub(super) left_behind: Vec<&'a str>,
}

#[derive(Default)]
pub(super) struct ArmSeen<'a> {
    pub(super) faults: Vec<&'a Fault>,
    /// The roles of nodes that were shown to be cut off.
    pub(super) isolated: BTreeSet<&'a str>,
    /// Whether its nodes were not rebooted on purpose.
    pub(super) reboot_skipped: bool,
    /// Whether the arm has an end.
    pub(super) over: bool,
    /// The clean-up of scenarios, by scenario.
    pub(super) cleanup: BTreeMap<&'a str, Vec<(usize, &'a StepReport)>>,
    /// By scenario and number of the run.
    pub(super) runs: BTreeMap<(&'a str, u32), RunSeen<'a>>,
    /// By scenario and index of the step.
    measured: BTreeMap<(&'a str, usize), Vec<Samples<'a>>>,
}

impl ArmSeen<'_> {
    /// The sets of samples of a step; one, where all is well.
    pub(super) fn samples<'s>(&'s self, scenario: &'s str, step: usize) -> &'s [Samples<'s>] {
        self.measured.get(&(scenario, step)).map_or(&[], Vec::as_slice)
    }
}

/// Samples of one step in one arm.
pub(super) struct Samples<'a> {
    /// Times in microseconds.
    pub(super) us: &'a [u64],
    pub(super) failed: u32,
    /// What was not met in the first that failed.
    pub(super) failures: &'a [String],
}

#[derive(Default)]
pub(super) struct RunSeen<'a> {
    /// By index in the scenario; of several for one step the worst.
    pub(super) steps: BTreeMap<usize, &'a StepReport>,
    /// The worst, where there are several.
    pub(super) outcome: Option<ScenarioOutcome>,
}

/// A node: its updates in the treatment arm, and what was seen of it in both.
#[derive(Default)]
pub(super) struct NodeSeen<'a> {
    pub(super) sets: Vec<&'a UpdateSet>,
    /// What is not in the last of them.
    pub(super) rest: &'a [Unrehearsed],
    /// What its set is for, or why that could not be read.
    pub(super) advised: Option<(&'a [Advisory], Option<&'a str>)>,
    /// When the oldest of its lists was made, and when it told so.
    pub(super) lists: Option<(Timestamp, Timestamp)>,
    /// Whether updates were pinned in control, which has none.
    pub(super) resolved_in_control: bool,
    pub(super) proofs: Vec<&'a Proof>,
    /// Whether it was asked whether its updates need a reboot.
    pub(super) reboot_weighed: bool,
    /// Why they do; any reason counts.
    pub(super) reboot_needed: Option<&'a str>,
    pub(super) rebooted_in_control: bool,
    pub(super) looks: Looks<'a>,
}

fn step_rank(outcome: StepOutcome) -> u8 {
    match outcome {
        StepOutcome::Passed => 0,
        StepOutcome::Failed => 1,
        // An environment fault makes any other result of the same step worthless.
        StepOutcome::Errored(_) => 2,
    }
}

fn scenario_rank(outcome: ScenarioOutcome) -> u8 {
    match outcome {
        ScenarioOutcome::Passed => 0,
        ScenarioOutcome::Failed => 1,
        ScenarioOutcome::Errored(_) => 2,
    }
}

impl<'a> Seen<'a> {
    pub(super) fn arm<'s>(&'s self, cell: &'s CellId, arm: Arm) -> Option<&'s ArmSeen<'s>> {
        self.arms.get(&(cell, arm))
    }

    pub(super) fn node<'s>(&'s self, cell: &'s CellId, role: &'s str) -> Option<&'s NodeSeen<'s>> {
        self.nodes.get(&(cell, role))
    }

    /// What counts in every cell's pair of arms of that place.
    pub(super) fn read(records: &'a [Record], tries: &Tries<'a>, place: usize) -> Self {
        let mut seen = Self::default();
        for record in records.iter().filter(|record| tries.counts(record, place)) {
            match record.side() {
                Some((cell, arm)) => seen.of_arm(cell, arm, &record.event, record.at),
                None => seen.of_run(&record.event),
            }
        }
        seen.finished = matches!(
            records.last(),
            Some(Record {
                event: Event::Finished { .. },
                ..
            })
        );
        seen
    }

    fn of_run(&mut self, event: &'a Event) {
        match event {
            Event::Resumed { from, cells } => self.resumed = Some((from, cells.len())),
            Event::Interrupted { by } => self.interrupted = Some(by),
            Event::Finished { left_behind } => {
                self.left_behind.extend(left_behind.iter().map(String::as_str));
            }
            Event::Planned { .. }
            | Event::HostChosen { .. }
            | Event::HostLost { .. }
            | Event::CellRetried { .. }
            | Event::CellConfirming { .. }
            | Event::Fetched(_)
            // Of an arm that is no side of the comparison.
            | Event::ArmStarted
            | Event::StageStarted { .. }
            | Event::StageFinished { .. }
            | Event::Cloned { .. }
            | Event::Resolved { .. }
            | Event::Advised { .. }
            | Event::RebootNeeded { .. }
            | Event::RebootSkipped
            | Event::Proved { .. }
            | Event::Observed { .. }
            | Event::Asked { .. }
            | Event::StepFinished { .. }
            | Event::CleanedUp { .. }
            | Event::ScenarioFinished { .. }
            | Event::Measured { .. }
            | Event::ArmFailed { .. }
            | Event::ArmFinished
            | Event::Isolated { .. } => {}
        }
    }

    fn of_arm(&mut self, cell: &'a CellId, arm: Arm, event: &'a Event, at: Timestamp) {
        match event {
            Event::Isolated { role } => {
                self.seen(cell, arm).isolated.insert(role);
            }
            Event::Observed {
                role,
                moment,
                observation,
            } => {
                let node = self.nodes.entry((cell, role)).or_default();
                node.looks.add(arm, *moment, observation);
            }
            Event::Resolved {
                role,
                set,
                rest,
                lists,
            } => {
                let node = self.nodes.entry((cell, role)).or_default();
                match arm {
                    Arm::Treatment => {
                        node.sets.push(set);
                        node.rest = rest;
                        node.lists = lists.map(|lists| (lists, at));
                    }
                    Arm::Control => node.resolved_in_control = true,
                }
            }
            Event::Advised {
                role,
                advisories,
                problem,
            } => {
                let node = self.nodes.entry((cell, role)).or_default();
                match arm {
                    Arm::Treatment => node.advised = Some((advisories, problem.as_deref())),
                    Arm::Control => {}
                }
            }
            Event::RebootNeeded { role, reason } => {
                let node = self.nodes.entry((cell, role)).or_default();
                match arm {
                    Arm::Treatment => node.reboot_weighed = true,
                    Arm::Control => {}
                }
                node.reboot_needed = reason.as_deref().or(node.reboot_needed);
            }
            Event::RebootSkipped => self.seen(cell, arm).reboot_skipped = true,
            Event::Proved { role, proof } => {
                let node = self.nodes.entry((cell, role)).or_default();
                match arm {
                    Arm::Treatment => node.proofs.push(proof),
                    // The invariant is about the updated nodes; control only has to give a comparison.
                    Arm::Control => node.rebooted_in_control |= proof.boot_changed,
                }
            }
            Event::StepFinished {
                scenario,
                run,
                step,
                report,
            } => {
                let run = self.seen(cell, arm).runs.entry((scenario, *run)).or_default();
                let slot = run.steps.entry(*step).or_insert(report);
                if step_rank(report.outcome) > step_rank(slot.outcome) {
                    *slot = report;
                }
            }
            Event::CleanedUp {
                scenario,
                step,
                report,
            } => self
                .seen(cell, arm)
                .cleanup
                .entry(scenario)
                .or_default()
                .push((*step, report)),
            Event::ScenarioFinished {
                scenario,
                run,
                outcome,
                steps: _,
            } => {
                let run = self.seen(cell, arm).runs.entry((scenario, *run)).or_default();
                let slot = run.outcome.get_or_insert(*outcome);
                if scenario_rank(*outcome) > scenario_rank(*slot) {
                    *slot = *outcome;
                }
            }
            Event::Measured {
                scenario,
                step,
                samples_us,
                failed,
                failures,
            } => {
                let samples = Samples {
                    us: samples_us,
                    failed: *failed,
                    failures,
                };
                self.seen(cell, arm)
                    .measured
                    .entry((scenario, *step))
                    .or_default()
                    .push(samples);
            }
            Event::ArmFailed { fault } => self.seen(cell, arm).faults.push(fault),
            Event::ArmFinished => self.seen(cell, arm).over = true,
            Event::ArmStarted
            | Event::Cloned { .. }
            | Event::StageStarted { .. }
            | Event::StageFinished { .. }
            // No arm says these, and a journal in which one does is not read.
            | Event::Planned { .. }
            | Event::HostChosen { .. }
            | Event::HostLost { .. }
            | Event::CellRetried { .. }
            | Event::CellConfirming { .. }
            | Event::Fetched(_)
            | Event::Resumed { .. }
            | Event::Interrupted { .. }
            | Event::Asked { .. }
            | Event::Finished { .. } => {}
        }
    }

    fn seen(&mut self, cell: &'a CellId, arm: Arm) -> &mut ArmSeen<'a> {
        self.arms.entry((cell, arm)).or_default()
    }
}
