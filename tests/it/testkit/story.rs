//! Journals of runs that never were.

use std::path::Path;

use jiff::Timestamp;
use patchgate::gate::{Decision, decide};
use patchgate::model::event::{Event, FORMAT, Record, Traffic};
use patchgate::model::id::{Arm, ArmId, CellId};
use patchgate::model::observation::{Moment, Observation};
use patchgate::model::outcome::{Cause, Fault, ScenarioOutcome, Stage, StepOutcome};
use patchgate::model::plan::{CellPlan, Plan};
use patchgate::record::journal::{Journal, Loaded};
use patchgate::verdict::{Judgement, judge};

use super::looks::seen;
use super::parts::{good_proof, nginx_set, step};
use super::plans::cell_id;

/// How one whole run of a scenario goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    Pass,
    FailAt(usize),
    ErrorAt(usize, Cause),
    /// It says that it passed, without the record of its last step.
    PassWithoutLastStep,
    /// It says that it passed, and its first step failed.
    PassDespiteFailure,
    /// Its steps pass and it never ends.
    NoEnd,
}

/// An event, and the arm that says it; nothing where it is about the whole run.
pub type Said = (Option<ArmId>, Event);

/// What an arm of a first try says.
pub fn says(cell: &CellId, arm: Arm, event: Event) -> Said {
    (Some(ArmId::first(cell, arm)), event)
}

/// What is about the whole run.
pub fn of_run(event: Event) -> Said {
    (None, event)
}

/// A run as it is being told.
pub struct Story {
    pub plan: Plan,
    pub events: Vec<Said>,
    /// Which try of their cells the arms belong to that are told of now.
    pub nth_try: u32,
}

impl Story {
    pub fn begin(plan: Plan) -> Self {
        let plan = plan.sealed().expect("a digest");
        let run = "20261123-140912-7c1f".parse().expect("run id");
        let planned = Event::Planned {
            format: FORMAT,
            run,
            version: "0.1.0".to_owned(),
            plan: Box::new(plan.clone()),
        };
        let host = Event::HostChosen {
            uri: "qemu:///system".to_owned(),
            accel: "tcg".to_owned(),
            reason: "the KVM probe did not boot".to_owned(),
            version: "libvirt 11.3.0, QEMU 10.0.2".to_owned(),
        };
        Self {
            plan,
            events: vec![of_run(planned), of_run(host)],
            nth_try: 1,
        }
    }

    /// The same of another run, or of another lab.
    pub fn renamed(mut self, id: &str, lab: &str) -> Self {
        if let Event::Planned { run, plan, .. } = &mut self.events[0].1 {
            *run = id.parse().expect("run id");
            lab.clone_into(&mut plan.lab);
            **plan = plan.as_ref().clone().sealed().expect("a digest");
            self.plan = plan.as_ref().clone();
        }
        self
    }

    /// Writes its journal.
    pub fn write(&self, path: &Path) {
        let mut journal = Journal::create(path).expect("create");
        for record in self.records() {
            let back = journal
                .append(record.at, record.arm.clone(), record.event.clone())
                .expect("append");
            assert_eq!(back, record);
        }
    }

    /// Tells what an arm says.
    pub fn say(&mut self, cell: &CellId, arm: Arm, event: Event) {
        let arm = ArmId {
            nth_try: self.nth_try,
            ..ArmId::first(cell, arm)
        };
        self.events.push((Some(arm), event));
    }

    /// A whole run in which everything goes as `go` says: the runs of a scenario in an arm, by cell, arm and name.
    pub fn whole(plan: Plan, go: impl Fn(&str, Arm, &str) -> Vec<Go>) -> Self {
        let mut story = Self::begin(plan);
        for cell in story.plan.cells.clone() {
            for arm in Arm::BOTH {
                story.arm_begins(&cell, arm);
                story.scenarios(&cell, arm, &go);
                story.arm_ends(&cell.id, arm);
            }
        }
        story.finish();
        story
    }

    pub fn arm_begins(&mut self, cell: &CellPlan, arm: Arm) {
        let id = &cell.id;
        self.say(id, arm, Event::ArmStarted);
        self.stage(id, arm, Stage::Boot, 24_000);
        for node in &cell.nodes {
            self.say(
                id,
                arm,
                Event::Isolated {
                    role: node.role.clone(),
                },
            );
            self.look(id, arm, &node.role, Moment::BeforeUpdates, seen(false, false));
        }
        if arm == Arm::Treatment {
            for node in &cell.nodes {
                self.say(
                    id,
                    arm,
                    Event::Resolved {
                        role: node.role.clone(),
                        set: nginx_set(),
                        rest: Vec::new(),
                        lists: None,
                    },
                );
                self.say(
                    id,
                    arm,
                    Event::RebootNeeded {
                        role: node.role.clone(),
                        reason: Some("libssl3 is in use".to_owned()),
                    },
                );
            }
            self.stage(id, arm, Stage::Apply, 141_000);
        }
        self.stage(id, arm, Stage::Reboot, 31_000);
        for node in &cell.nodes {
            if arm == Arm::Treatment {
                self.say(
                    id,
                    arm,
                    Event::Proved {
                        role: node.role.clone(),
                        proof: good_proof(),
                    },
                );
            }
            let updated = arm == Arm::Treatment;
            self.look(id, arm, &node.role, Moment::AfterReboot, seen(updated, false));
        }
    }

    pub fn look(&mut self, cell: &CellId, arm: Arm, role: &str, moment: Moment, observation: Observation) {
        self.say(
            cell,
            arm,
            Event::Observed {
                role: role.to_owned(),
                moment,
                observation,
            },
        );
    }

    pub fn stage(&mut self, cell: &CellId, arm: Arm, stage: Stage, millis: u64) {
        self.say(cell, arm, Event::StageStarted { stage });
        self.say(
            cell,
            arm,
            Event::StageFinished {
                stage,
                millis,
                guest_millis: 0,
            },
        );
    }

    pub fn scenarios(&mut self, cell: &CellPlan, arm: Arm, go: &impl Fn(&str, Arm, &str) -> Vec<Go>) {
        for name in &cell.scenarios {
            for (run, go) in (0..).zip(go(&cell.id.0, arm, name)) {
                self.run(&cell.id, arm, name, run, go);
            }
        }
    }

    pub fn run(&mut self, cell: &CellId, arm: Arm, name: &str, run: u32, go: Go) {
        let planned = self.plan.scenarios[name].steps.len();
        let (outcomes, end): (Vec<StepOutcome>, Option<ScenarioOutcome>) = match go {
            Go::Pass => (vec![StepOutcome::Passed; planned], Some(ScenarioOutcome::Passed)),
            Go::PassWithoutLastStep => (
                vec![StepOutcome::Passed; planned.saturating_sub(1)],
                Some(ScenarioOutcome::Passed),
            ),
            Go::PassDespiteFailure => {
                let mut steps = vec![StepOutcome::Passed; planned];
                steps[0] = StepOutcome::Failed;
                (steps, Some(ScenarioOutcome::Passed))
            }
            Go::FailAt(at) => {
                let mut steps = vec![StepOutcome::Passed; at];
                steps.push(StepOutcome::Failed);
                (steps, Some(ScenarioOutcome::Failed))
            }
            Go::ErrorAt(at, cause) => {
                let mut steps = vec![StepOutcome::Passed; at];
                steps.push(StepOutcome::Errored(cause));
                (steps, Some(ScenarioOutcome::Errored(cause)))
            }
            Go::NoEnd => (vec![StepOutcome::Passed; planned], None),
        };
        let ran = outcomes.len();
        for (index, outcome) in outcomes.into_iter().enumerate() {
            self.say(
                cell,
                arm,
                Event::StepFinished {
                    scenario: name.to_owned(),
                    run,
                    step: index,
                    report: step(outcome),
                },
            );
        }
        if let Some(outcome) = end {
            self.say(
                cell,
                arm,
                Event::ScenarioFinished {
                    scenario: name.to_owned(),
                    run,
                    outcome,
                    steps: ran,
                },
            );
        }
    }

    /// Tells of a step's samples, before the end of the run.
    pub fn samples(&mut self, arm: Arm, step: usize, samples_us: &[u64], failed: u32) {
        let before_end = self.events.len() - 1;
        let event = Event::Measured {
            scenario: "web/page".to_owned(),
            step,
            samples_us: samples_us.to_vec(),
            failed,
            failures: vec!["status is 500, expected 200".to_owned(); usize::from(failed > 0)],
        };
        let cell = cell_id("web/debian-12");
        self.events.insert(before_end, says(&cell, arm, event));
    }

    pub fn fail(&mut self, cell: &str, arm: Arm, fault: Fault) {
        self.say(&cell_id(cell), arm, Event::ArmFailed { fault });
    }

    pub fn arm_ends(&mut self, cell: &CellId, arm: Arm) {
        self.stage(cell, arm, Stage::Destroy, 900);
        self.say(cell, arm, Event::ArmFinished);
    }

    pub fn finish(&mut self) {
        self.events.push(of_run(Event::Fetched(Traffic {
            requests: 52,
            mirror_bytes: 54_525_952,
            cache_bytes: 20_971_520,
            refused: vec!["POST http://bank.example/transfer".to_owned()],
        })));
        self.events.push(of_run(Event::Finished {
            left_behind: Vec::new(),
        }));
    }

    /// Changes what was seen of a node after the reboot in treatment.
    pub fn drift(&mut self, id: &str, node: &str, change: impl Fn(&mut Observation)) {
        for event in &mut self.events {
            if let (
                Some(arm),
                Event::Observed {
                    role,
                    moment: Moment::AfterReboot,
                    observation,
                },
            ) = event
                && arm.side() == Some((&cell_id(id), Arm::Treatment))
                && role == node
            {
                change(observation);
            }
        }
    }

    /// Marks nginx as broken in what was seen of a treatment node.
    pub fn break_nginx(&mut self, id: &str, node: &str) {
        self.drift(id, node, |observation| *observation = seen(true, true));
    }

    pub fn records(&self) -> Vec<Record> {
        let start: Timestamp = "2026-11-23T14:09:12Z".parse().expect("time");
        (0..)
            .zip(&self.events)
            .map(|(seq, (arm, event))| Record {
                seq,
                at: start + jiff::SignedDuration::from_secs(i64::try_from(seq).expect("small") * 7),
                arm: arm.clone(),
                event: event.clone(),
            })
            .collect()
    }

    pub fn loaded(&self) -> Loaded {
        let Event::Planned {
            run, version, plan, ..
        } = &self.events[0].1
        else {
            panic!("a story begins with its plan");
        };
        Loaded {
            run: run.clone(),
            version: version.clone(),
            plan: (**plan).clone(),
            records: self.records(),
            truncated: false,
        }
    }

    pub fn decided(&self) -> (Judgement, Decision) {
        let judgement = judge(&self.plan, &self.records());
        let decision = decide(&self.plan, &judgement);
        (judgement, decision)
    }
}

pub fn all_pass(_: &str, _: Arm, _: &str) -> Vec<Go> {
    vec![Go::Pass]
}
