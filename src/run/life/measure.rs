//! Sampling the time of measured steps, in turns with the other arm.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::model::event::Event;
use crate::model::outcome::{Fault, Stage};
use crate::model::scenario::{Measure, Scenario, Step};
use crate::run::arm::{ArmRun, interrupted};
use crate::run::life::step::{Known, Runner, Sample};
use crate::run::node::Node;
use crate::run::pair::{Go, Seat};

/// A step whose time is compared, of a scenario that passed in both arms.
struct Probe<'a> {
    scenario: &'a Scenario,
    index: usize,
    step: &'a Step,
    measure: Measure,
}

/// What came of a step's samples in this arm.
#[derive(Default)]
struct Samples {
    us: Vec<u64>,
    failed: u32,
    /// Why the first that failed did.
    failures: Vec<String>,
}

impl ArmRun<'_> {
    /// Waits for the other arm, and samples with it what passed in both. Where the other arm is over before its time,
    /// this one is through: what would be compared is missing.
    pub(super) async fn measure(
        &self,
        nodes: &[Node<'_>],
        passed: &BTreeMap<String, Known>,
        seat: &Seat,
    ) -> Result<(), Fault> {
        let stop = &self.context.setup.stop;
        let both = tokio::select! {
            both = seat.meet(passed.keys().cloned().collect()) => both,
            () = stop.cancelled() => return Err(interrupted(Stage::Measure)),
        };
        let probes: Vec<Probe<'_>> = self
            .scenarios()
            .into_iter()
            .filter(|scenario| both.as_ref().is_some_and(|both| both.contains(&scenario.name)))
            .flat_map(probes)
            .collect();
        if probes.is_empty() {
            return Ok(());
        }
        self.stage(Stage::Measure, async {
            for (number, probe) in probes.iter().enumerate() {
                let node = nodes.iter().find(|node| node.plan.role == probe.step.on);
                let known = passed.get(&probe.scenario.name).cloned();
                let (Some(node), Some(mut known)) = (node, known) else {
                    seat.next_step(number);
                    continue;
                };
                let mut runner = Runner {
                    arm: self,
                    nodes,
                    scenario: probe.scenario,
                    stage: Stage::Measure,
                    end: Instant::now(),
                    known: &mut known,
                };
                let Some(samples) = self.sample(node, probe, &mut runner, (seat, number)).await? else {
                    return Ok(());
                };
                self.emit(Event::Measured {
                    scenario: probe.scenario.name.clone(),
                    step: probe.index,
                    samples_us: samples.us,
                    failed: samples.failed,
                    failures: samples.failures,
                });
            }
            Ok(())
        })
        .await
    }

    /// The samples of one step; nothing where the other arm is over.
    async fn sample(
        &self,
        node: &Node<'_>,
        probe: &Probe<'_>,
        runner: &mut Runner<'_, '_>,
        (seat, number): (&Seat, usize),
    ) -> Result<Option<Samples>, Fault> {
        let Measure { repeat, warmup, .. } = probe.measure;
        let mut samples = Samples::default();
        for round in 0..warmup + repeat {
            let half = seat.half(round);
            let go = tokio::select! {
                go = seat.turn(number, half) => go,
                () = self.context.setup.stop.cancelled() => return Err(interrupted(Stage::Measure)),
            };
            match go {
                Go::Mine => {}
                Go::GivenUp => break,
                Go::Alone => return Ok(None),
            }
            let sample = runner.sample(node, probe.step).await?;
            if round >= warmup {
                samples.add(sample);
            }
            // Enough is known, and each further sample may cost the step's whole time-out.
            if probe.measure.fails_by(samples.failed) || half + 1 == (warmup + repeat) * 2 {
                seat.next_step(number);
            } else {
                seat.done(number, half);
            }
        }
        Ok(Some(samples))
    }
}

fn probes(scenario: &Scenario) -> Vec<Probe<'_>> {
    let steps = scenario.steps.iter().enumerate();
    steps
        .filter_map(|(index, step)| {
            Some(Probe {
                scenario,
                index,
                step,
                measure: step.measure?,
            })
        })
        .collect()
}

impl Samples {
    fn add(&mut self, sample: Sample) {
        match sample {
            Sample::Took(us) => self.us.push(us),
            Sample::Failed(failures) => {
                self.failed += 1;
                if self.failures.is_empty() {
                    self.failures = failures;
                }
            }
            Sample::Untimed => {}
        }
    }
}
