//! The gate against an oracle that is written from the invariants alone, on random plans and damaged journals.

use patchgate::gate::{Gate, Severity, decide};
use patchgate::model::event::{Event, Record};
use patchgate::model::id::Arm;
use patchgate::model::observation::Moment;
use patchgate::model::outcome::{Blame, Cause, ScenarioOutcome, Stage, StepOutcome};
use patchgate::model::plan::Plan;
use patchgate::model::policy::NetworkMode;
use patchgate::model::scenario::When;
use patchgate::model::update::UpdateSet;
use patchgate::verdict::judge;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;

use crate::testkit::parts::fault;
use crate::testkit::plans::{cell, plan, scenario, two_cells};
use crate::testkit::story::{Go, Story, all_pass, of_run};

const POOL: [&str; 3] = ["web/a", "web/b", "shop/c"];
const CELLS: [(&str, &[&str]); 3] = [
    ("web/debian-12", &["web"]),
    ("shop/debian-12", &["database", "web"]),
    ("shop/debian-13", &["web"]),
];

fn any_go() -> impl Strategy<Value = Vec<Go>> {
    let ways = vec![
        vec![],
        vec![Go::FailAt(0)],
        vec![Go::FailAt(0), Go::FailAt(0)],
        vec![Go::FailAt(0), Go::Pass],
        vec![Go::ErrorAt(0, Cause::AgentLost)],
        vec![Go::PassWithoutLastStep],
        vec![Go::PassDespiteFailure],
        vec![Go::NoEnd],
        vec![Go::Pass, Go::FailAt(0)],
    ];
    // Rare, or no journal would ever open the gate.
    prop_oneof![40 => Just(vec![Go::Pass]), 1 => proptest::sample::select(ways)]
}

prop_compose! {
    fn any_plan()(
        cells in vec((prop::bool::weighted(0.8), prop::sample::subsequence(POOL.to_vec(), 0..=3)), 1..=3),
        scenarios in vec((prop::bool::weighted(0.7), vec(any::<bool>(), 1..=3)), 3),
        expect_updates in any::<bool>(),
        isolated in any::<bool>(),
    ) -> Plan {
        let scenarios = scenarios.into_iter().zip(POOL).map(|((required, steps), name)| {
            let when = |seed| if seed { When::BeforeUpdates } else { When::AfterReboot };
            let mut whens: Vec<When> = steps.into_iter().map(when).collect();
            whens.push(When::AfterReboot);
            let mut scenario = scenario(name, &whens);
            scenario.required = required;
            scenario
        });
        let cells = cells.into_iter().zip(CELLS).map(|((required, names), (id, roles))| {
            let mut cell = cell(id, roles, &names);
            cell.required = required;
            cell
        });
        let mut plan = plan(cells.collect(), scenarios.collect());
        plan.updates.expect_updates = expect_updates;
        plan.network.mode = if isolated { NetworkMode::Isolated } else { NetworkMode::Open };
        plan
    }
}

/// One thing that is done to a journal.
#[derive(Debug, Clone)]
enum Damage {
    Remove(Index),
    Repeat(Index),
    Truncate(Index),
    Fault(Index, Arm, Cause),
    Interrupt,
    EmptySet(Index),
    BadProof(Index, u8),
    /// An arm says something of another try.
    Stray(Index, u32),
    /// A cell is said to be tried once more, and no host was lost.
    Retry(Index, Index),
}

fn any_damage() -> impl Strategy<Value = Damage> {
    let arm = prop::sample::select(Arm::BOTH.to_vec());
    let tries = prop::sample::select(vec![0, 2, 3]);
    let cause = prop::sample::select(vec![Cause::AgentSilent, Cause::UpdateFailed, Cause::Internal]);
    prop_oneof![
        4 => any::<Index>().prop_map(Damage::Remove),
        2 => any::<Index>().prop_map(Damage::Repeat),
        1 => any::<Index>().prop_map(Damage::Truncate),
        1 => (any::<Index>(), arm, cause).prop_map(|(at, arm, cause)| Damage::Fault(at, arm, cause)),
        1 => Just(Damage::Interrupt),
        1 => any::<Index>().prop_map(Damage::EmptySet),
        1 => (any::<Index>(), 0..4_u8).prop_map(|(at, kind)| Damage::BadProof(at, kind)),
        1 => (any::<Index>(), tries).prop_map(|(at, nth)| Damage::Stray(at, nth)),
        1 => any::<(Index, Index)>().prop_map(|(at, cell)| Damage::Retry(at, cell)),
    ]
}

fn damage(story: &mut Story, damage: &Damage) {
    let events = &mut story.events;
    match *damage {
        Damage::Remove(at) => drop(events.remove(at.index(events.len()))),
        Damage::Repeat(at) => {
            let from = at.index(events.len());
            let again = events[from].clone();
            events.insert(from, again);
        }
        Damage::Truncate(at) => events.truncate(at.index(events.len()).max(1)),
        Damage::Fault(at, arm, cause) => {
            let cells = &story.plan.cells;
            let id = cells[at.index(cells.len())].id.0.clone();
            story.fail(&id, arm, fault(cause, Stage::Boot));
            let last = story.events.len() - 1;
            story.events.swap(last - 1, last);
        }
        Damage::Interrupt => events.insert(
            1,
            of_run(Event::Interrupted {
                by: "SIGINT".to_owned(),
            }),
        ),
        Damage::EmptySet(at) => {
            let index = at.index(events.len());
            if let Event::Resolved { set, .. } = &mut events[index].1 {
                *set = UpdateSet::pin(Vec::new());
            }
        }
        Damage::BadProof(at, kind) => {
            let proofs: Vec<usize> = (0..events.len())
                .filter(|&index| matches!(events[index].1, Event::Proved { .. }))
                .collect();
            if proofs.is_empty() {
                return;
            }
            if let Event::Proved { proof, .. } = &mut events[proofs[at.index(proofs.len())]].1 {
                match kind {
                    0 => proof.boot_changed = false,
                    1 => proof.missing.push("x".to_owned()),
                    2 => proof.unexpected.push("x".to_owned()),
                    _ => proof.half_configured.push("x".to_owned()),
                }
            }
        }
        Damage::Stray(at, nth_try) => {
            let index = at.index(events.len());
            if let Some(arm) = &mut events[index].0 {
                arm.nth_try = nth_try;
            }
        }
        Damage::Retry(at, cell) => {
            let cells = &story.plan.cells;
            let retried = Event::CellRetried {
                cell: cells[cell.index(cells.len())].id.clone(),
                from: "qemu:///system".to_owned(),
                to: "qemu+ssh://lab2/system".to_owned(),
            };
            // Not behind the end of the run.
            events.insert(1 + at.index(events.len() - 1), of_run(retried));
        }
    }
}

/// Whether the gate may be open: the invariants of the verdict, one after the other.
fn may_open(plan: &Plan, records: &[Record]) -> bool {
    let events = || records.iter().map(|record| &record.event);
    let ends = matches!(records.last(), Some(record) if matches!(record.event, Event::Finished { .. }));
    let calm = !events().any(|event| matches!(event, Event::Interrupted { .. }));
    let required: Vec<_> = plan.cells.iter().filter(|cell| cell.required).collect();
    let cells = required.iter().all(|planned| {
        let said = |arm: Arm| {
            let of_arm = records
                .iter()
                .filter(move |record| record.side() == Some((&planned.id, arm)));
            of_arm.map(|record| &record.event)
        };
        // No host was lost, so there is no second try.
        let one_try = records.iter().all(|record| match &record.arm {
            Some(arm) => arm.cell != planned.id || arm.nth_try == 1,
            None => record.cell() != Some(&planned.id),
        });
        let names: Vec<_> = planned
            .scenarios
            .iter()
            .filter(|name| plan.scenarios[*name].required)
            .collect();
        let faults = Arm::BOTH
            .iter()
            .any(|&arm| said(arm).any(|event| matches!(event, Event::ArmFailed { .. })));
        let over = |arm: Arm| said(arm).any(|event| *event == Event::ArmFinished);
        let passed = |name: &str, arm: Arm| {
            let mut steps = vec![false; plan.scenarios[name].steps.len()];
            let mut ended = false;
            for event in said(arm) {
                match event {
                    Event::StepFinished {
                        scenario,
                        run,
                        step,
                        report,
                    } if scenario == name => {
                        if *run != 0 || report.outcome != StepOutcome::Passed || *step >= steps.len() {
                            return false;
                        }
                        steps[*step] = true;
                    }
                    Event::ScenarioFinished {
                        scenario,
                        run,
                        outcome,
                        ..
                    } if scenario == name => {
                        if *run != 0 || *outcome != ScenarioOutcome::Passed {
                            return false;
                        }
                        ended = true;
                    }
                    _ => {}
                }
            }
            ended && steps.iter().all(|&seen| seen)
        };
        let nodes = planned.nodes.iter().all(|node| {
            let sets: Vec<_> = said(Arm::Treatment)
                .filter_map(|event| match event {
                    Event::Resolved { role, set, .. } if *role == node.role => Some(set),
                    _ => None,
                })
                .collect();
            let proofs: Vec<_> = said(Arm::Treatment)
                .filter_map(|event| match event {
                    Event::Proved { role, proof } if *role == node.role => Some(proof),
                    _ => None,
                })
                .collect();
            let cut_off = |arm: Arm| {
                plan.network.mode == NetworkMode::Open
                    || said(arm).any(|event| matches!(event, Event::Isolated { role } if *role == node.role))
            };
            // Every look at the node is there, and nothing differs but what was pinned.
            let looked = Arm::BOTH.iter().all(|&arm| {
                [Moment::BeforeUpdates, Moment::AfterReboot].iter().all(|when| {
                    said(arm).any(|event| {
                        matches!(event, Event::Observed { role, moment, .. }
                            if *role == node.role && moment == when)
                    })
                })
            });
            let explained = sets.iter().all(|set| !set.is_empty());
            Arm::BOTH.into_iter().all(cut_off)
                && looked
                && explained
                && !sets.is_empty()
                && sets.iter().all(|set| *set == sets[0])
                && !proofs.is_empty()
                && proofs.iter().all(|proof| proof.holds())
        });
        !names.is_empty()
            && names
                .iter()
                .all(|name| Arm::BOTH.iter().all(|&arm| passed(name, arm)))
            && nodes
            && !faults
            && one_try
            && Arm::BOTH.iter().all(|&arm| over(arm))
    });
    ends && calm && !required.is_empty() && cells
}

/// Whether anything in the journal can close the gate at all.
fn may_close(plan: &Plan, records: &[Record]) -> bool {
    let required = |id| plan.cell(id).is_some_and(|cell| cell.required);
    let passed_in_control = |id: &_, name: &str| {
        records.iter().any(|record| {
            record.side() == Some((id, Arm::Control))
                && matches!(&record.event, Event::ScenarioFinished { scenario, run: 0, outcome: ScenarioOutcome::Passed, .. }
                    if scenario == name)
        })
    };
    records.iter().any(|record| {
        let Some((cell, Arm::Treatment)) = record.side() else {
            return false;
        };
        required(cell)
            && match &record.event {
                Event::ArmFailed { fault } => fault.cause.blame() == Blame::Product,
                Event::Proved { proof, .. } => {
                    !(proof.missing.is_empty()
                        && proof.unexpected.is_empty()
                        && proof.half_configured.is_empty())
                }
                // What changed in the guest and was not pinned.
                Event::Resolved { set, .. } => set.is_empty(),
                Event::StepFinished { scenario, report, .. } => {
                    report.outcome == StepOutcome::Failed && passed_in_control(cell, scenario)
                }
                Event::ScenarioFinished {
                    scenario,
                    outcome: ScenarioOutcome::Failed,
                    ..
                } => passed_in_control(cell, scenario),
                _ => false,
            }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_gate_opens_exactly_where_every_invariant_holds(
        plan in any_plan(),
        ways in vec(any_go(), 18),
        damages in prop_oneof![1 => Just(Vec::new()), 2 => vec(any_damage(), 1..4)],
        order in prop::option::of(any::<u64>()),
    ) {
        let index = |id: &str, arm: Arm, name: &str| {
            let cell = CELLS.iter().position(|(cell, _)| *cell == id).unwrap_or_default();
            let scenario = POOL.iter().position(|known| *known == name).unwrap_or_default();
            cell * 6 + scenario * 2 + usize::from(arm == Arm::Treatment)
        };
        let mut story = Story::whole(plan, |id, arm, name| ways[index(id, arm, name)].clone());
        for each in damages {
            if story.events.len() > 2 {
                damage(&mut story, &each);
            }
        }
        if let Some(seed) = order {
            // Any order but of the ends: arms run beside each other. A fixed shuffle from the seed.
            let last = story.events.len() - 1;
            let mut state = seed | 1;
            for at in (1..last.max(1)).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let other = 1 + usize::try_from(state >> 33).unwrap_or_default() % at;
                story.events.swap(at, other);
            }
        }
        let records = story.records();
        let judgement = judge(&story.plan, &records);
        let decision = decide(&story.plan, &judgement);
        prop_assert_eq!(decision.gate == Gate::Open, may_open(&story.plan, &records), "{:#?}", decision);
        if decision.gate == Gate::Closed {
            prop_assert!(may_close(&story.plan, &records), "{:#?}", decision);
        }
        let worst = decision.reasons.first().map(|reason| reason.severity);
        match decision.gate {
            Gate::Closed => prop_assert_eq!(worst, Some(Severity::Closes)),
            Gate::Undecided => prop_assert_eq!(worst, Some(Severity::Undecides)),
            Gate::Open => prop_assert!(matches!(worst, None | Some(Severity::Notes))),
        }
    }
}

#[test]
fn a_whole_good_run_opens_and_no_beginning_of_it_does() {
    let story = Story::whole(two_cells(), all_pass);
    let records = story.records();
    let gate = |records: &[Record]| decide(&story.plan, &judge(&story.plan, records)).gate;
    assert_eq!(gate(&records), Gate::Open);
    for length in 0..records.len() {
        assert_eq!(gate(&records[..length]), Gate::Undecided, "{length} records");
    }
}

#[test]
fn removing_a_record_keeps_the_gate_open_only_where_nothing_rests_on_it() {
    let story = Story::whole(two_cells(), all_pass);
    let records = story.records();
    for at in 0..records.len() {
        let mut fewer = records.clone();
        let removed = fewer.remove(at).event;
        let matters = match removed {
            Event::Resolved { .. }
            | Event::Observed { .. }
            | Event::Proved { .. }
            | Event::Isolated { .. }
            | Event::StepFinished { .. }
            | Event::ScenarioFinished { .. }
            | Event::ArmFinished
            | Event::Finished { .. } => true,
            // That the plan comes first is the journal's to hold.
            Event::Planned { .. }
            | Event::HostChosen { .. }
            | Event::HostLost { .. }
            | Event::CellRetried { .. }
            | Event::ArmStarted
            | Event::StageStarted { .. }
            | Event::Cloned { .. }
            | Event::StageFinished { .. }
            | Event::Advised { .. }
            | Event::RebootNeeded { .. }
            | Event::RebootSkipped
            | Event::Fetched(_)
            | Event::CleanedUp { .. } => false,
            Event::ArmFailed { .. }
            | Event::Asked { .. }
            | Event::CellConfirming { .. }
            | Event::Interrupted { .. }
            | Event::Resumed { .. }
            | Event::Measured { .. } => {
                panic!("not in a good run without measured steps")
            }
        };
        let gate = decide(&story.plan, &judge(&story.plan, &fewer)).gate;
        let expected = if matters { Gate::Undecided } else { Gate::Open };
        assert_eq!(gate, expected, "without {removed:?}");
    }
}

#[test]
fn each_damage_is_reached_and_some_random_journals_open() {
    // The property above is empty if its journals never open: count over a fixed seed.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut open = 0;
    for _ in 0..200 {
        let tree = any_plan().new_tree(&mut runner).expect("a plan");
        let story = Story::whole(tree.current(), all_pass);
        open += usize::from(may_open(&story.plan, &story.records()));
    }
    assert!(open > 40, "{open} of 200 plans can open");
}
