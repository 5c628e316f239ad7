//! Tables: control against treatment, verdicts against the gate, faults against both.

use patchgate::gate::{Gate, Severity, decide};
use patchgate::model::event::Event;
use patchgate::model::id::Arm;
use patchgate::model::outcome::{Cause, Stage};
use patchgate::model::scenario::When;
use patchgate::model::update::{Proof, UpdateSet};
use patchgate::verdict::{ArmOutcome, NodeState, Verdict, judge, verdict};

use crate::testkit::looks::seen;
use crate::testkit::parts::{fault, good_proof, nginx_set};
use crate::testkit::plans::{self, cell, plan, scenario, two_cells};
use crate::testkit::story::{Go, Story, all_pass};

fn one_cell() -> patchgate::model::plan::Plan {
    plan(
        vec![cell("web/debian-12", &["web"], &["web/page"])],
        vec![scenario("web/page", &[When::AfterReboot, When::AfterReboot])],
    )
}

/// What an arm does, and what the judge is to make of it.
fn ways() -> Vec<(Vec<Go>, ArmOutcome)> {
    let lost = Cause::AgentLost;
    vec![
        (vec![Go::Pass], ArmOutcome::Passed),
        (vec![Go::FailAt(1), Go::Pass], ArmOutcome::FlakyPassed),
        (vec![Go::FailAt(0), Go::FailAt(1)], ArmOutcome::Failed),
        (vec![Go::FailAt(0)], ArmOutcome::Failed),
        (vec![Go::ErrorAt(1, lost)], ArmOutcome::Errored(lost)),
        (
            vec![Go::FailAt(0), Go::ErrorAt(0, lost)],
            ArmOutcome::Errored(lost),
        ),
        (vec![], ArmOutcome::NotRun),
        (vec![Go::NoEnd], ArmOutcome::NotRun),
        (vec![Go::PassWithoutLastStep], ArmOutcome::NotRun),
        (vec![Go::PassDespiteFailure], ArmOutcome::Failed),
        // A retry after a pass is a contradiction: the worst counts.
        (vec![Go::Pass, Go::FailAt(0)], ArmOutcome::Failed),
        (vec![Go::Pass, Go::Pass], ArmOutcome::FlakyPassed),
    ]
}

#[test]
fn the_whole_matrix_of_control_and_treatment() {
    use ArmOutcome::{Errored, Failed, FlakyPassed, NotRun, Passed};
    let host = Cause::HostDisk;
    let lost = Cause::AgentLost;
    let order = [Passed, FlakyPassed, Failed, Errored(lost), NotRun];
    let i = Verdict::Inconclusive(lost);
    let table = [
        [
            Verdict::Pass,
            Verdict::Flaky,
            Verdict::Regressed,
            i,
            Verdict::NotRun,
        ],
        [Verdict::Flaky, Verdict::Flaky, Verdict::Flaky, i, Verdict::NotRun],
        [
            Verdict::Fixed,
            Verdict::Flaky,
            Verdict::AlreadyBroken,
            i,
            Verdict::NotRun,
        ],
        [i, i, i, i, i],
        [
            Verdict::NotRun,
            Verdict::NotRun,
            Verdict::NotRun,
            i,
            Verdict::NotRun,
        ],
    ];
    for (control, row) in order.iter().zip(table) {
        for (treatment, expected) in order.iter().zip(row) {
            assert_eq!(
                verdict(*control, *treatment),
                expected,
                "{control:?} {treatment:?}"
            );
        }
    }
    assert_eq!(
        verdict(Errored(host), Errored(lost)),
        Verdict::Inconclusive(host),
        "control's cause comes first"
    );
}

#[test]
fn every_way_of_both_arms_through_the_journal() {
    for (control, control_is) in ways() {
        for (treatment, treatment_is) in ways() {
            let story = Story::whole(one_cell(), |_, arm, _| match arm {
                Arm::Control => control.clone(),
                Arm::Treatment => treatment.clone(),
            });
            let (judgement, decision) = story.decided();
            let scenario = &judgement.cells[0].scenarios[0];
            let of = format!("{control:?} {treatment:?}");
            assert_eq!(scenario.control.outcome, control_is, "{of}");
            assert_eq!(scenario.treatment.outcome, treatment_is, "{of}");
            // Both failed, and treatment at a step that control came through in spite of its failure: that is new.
            let is_new = matches!(control.as_slice(), [Go::PassDespiteFailure])
                && matches!(treatment.as_slice(), [Go::FailAt(0), Go::FailAt(1)]);
            let expected = if is_new {
                Verdict::Regressed
            } else {
                verdict(control_is, treatment_is)
            };
            assert_eq!(scenario.verdict, expected, "{of}");
            let gate = match scenario.verdict {
                Verdict::Pass => Gate::Open,
                Verdict::Regressed => Gate::Closed,
                Verdict::Fixed
                | Verdict::AlreadyBroken
                | Verdict::Sporadic
                | Verdict::Flaky
                | Verdict::Inconclusive(_)
                | Verdict::NotRun => Gate::Undecided,
            };
            assert_eq!(decision.gate, gate, "{of}");
        }
    }
}

#[test]
fn what_is_not_required_neither_closes_nor_opens() {
    let regress = |_: &str, arm: Arm, name: &str| match (arm, name) {
        (Arm::Treatment, "shop/ledger") => vec![Go::FailAt(1), Go::FailAt(1)],
        _ => vec![Go::Pass],
    };
    let mut plan = two_cells();
    plan.scenarios.get_mut("shop/ledger").expect("planned").required = false;
    let (judgement, decision) = Story::whole(plan, regress).decided();
    assert_eq!(judgement.cells[0].scenarios[0].verdict, Verdict::Regressed);
    assert_eq!(decision.gate, Gate::Open);
    assert_eq!(decision.counts.regressed, 1);
    let severities: Vec<Severity> = decision.reasons.iter().map(|reason| reason.severity).collect();
    assert_eq!(severities, [Severity::Notes]);

    let mut plan = two_cells();
    plan.cells[0].required = false;
    let (_, decision) = Story::whole(plan.clone(), regress).decided();
    assert_eq!((decision.gate, decision.counts.passed), (Gate::Open, 1));

    plan.cells[1].required = false;
    let (_, decision) = Story::whole(plan, all_pass).decided();
    assert_eq!(decision.gate, Gate::Undecided, "no required cell shows nothing");

    let mut plan = two_cells();
    plan.scenarios.get_mut("web/page").expect("planned").required = false;
    let (_, decision) = Story::whole(plan, all_pass).decided();
    assert_eq!(
        decision.gate,
        Gate::Undecided,
        "a required cell without a required scenario"
    );

    let (_, decision) = Story::whole(plans::plan(Vec::new(), Vec::new()), all_pass).decided();
    assert_eq!(decision.gate, Gate::Undecided, "an empty plan");
}

#[test]
fn a_scenario_that_tests_nothing_never_passes() {
    for whens in [&[][..], &[When::BeforeUpdates]] {
        let plan = plan(
            vec![cell("web/debian-12", &["web"], &["web/page"])],
            vec![scenario("web/page", whens)],
        );
        let (judgement, decision) = Story::whole(plan, all_pass).decided();
        assert_eq!(
            judgement.cells[0].scenarios[0].verdict,
            Verdict::NotRun,
            "{whens:?}"
        );
        assert_eq!(decision.gate, Gate::Undecided, "{whens:?}");
    }
}

#[test]
fn a_failure_before_the_updates_is_not_their_fault() {
    let plan = || {
        plan(
            vec![cell("web/debian-12", &["web"], &["web/page"])],
            vec![scenario("web/page", &[When::BeforeUpdates, When::AfterReboot])],
        )
    };
    let seed = Verdict::Inconclusive(Cause::SeedFailed);
    for (control, treatment, expected) in [
        (Go::Pass, Go::FailAt(0), seed),
        (Go::FailAt(0), Go::Pass, seed),
        (Go::FailAt(0), Go::FailAt(0), Verdict::AlreadyBroken),
        (Go::FailAt(0), Go::FailAt(1), Verdict::AlreadyBroken),
        (Go::Pass, Go::FailAt(1), Verdict::Regressed),
    ] {
        let story = Story::whole(plan(), |_, arm, _| match arm {
            Arm::Control => vec![control],
            Arm::Treatment => vec![treatment],
        });
        let (judgement, _) = story.decided();
        assert_eq!(
            judgement.cells[0].scenarios[0].verdict, expected,
            "{control:?} {treatment:?}"
        );
    }
}

#[test]
fn a_retry_stands_on_the_seed_of_the_first_run() {
    let plan = plan(
        vec![cell("web/debian-12", &["web"], &["web/page"])],
        vec![scenario("web/page", &[When::BeforeUpdates, When::AfterReboot])],
    );
    let mut story = Story::whole(plan, |_, arm, _| match arm {
        Arm::Control => vec![Go::Pass],
        Arm::Treatment => vec![Go::FailAt(1), Go::Pass],
    });
    story
        .events
        .retain(|(_, event)| !matches!(event, Event::StepFinished { run: 1, step: 0, .. }));
    let (judgement, _) = story.decided();
    assert_eq!(judgement.cells[0].scenarios[0].verdict, Verdict::Flaky);
}

/// A run in which an arm ends with a fault before its scenarios.
fn faulted(arm: Arm, cause: Cause) -> Story {
    let mut story = Story::begin(one_cell());
    let cell = story.plan.cells[0].clone();
    for each in Arm::BOTH {
        story.arm_begins(&cell, each);
        if each == arm {
            story.fail("web/debian-12", arm, fault(cause, Stage::Reboot));
        } else {
            story.scenarios(&cell, each, &all_pass);
        }
        story.arm_ends(&cell.id, each);
    }
    story.finish();
    story
}

#[test]
fn a_fault_of_the_lab_is_inconclusive_and_one_of_the_updates_closes() {
    for arm in Arm::BOTH {
        for (cause, verdict_is, gate) in [
            (
                Cause::AgentSilent,
                Verdict::Inconclusive(Cause::AgentSilent),
                Gate::Undecided,
            ),
            (
                Cause::Internal,
                Verdict::Inconclusive(Cause::Internal),
                Gate::Undecided,
            ),
            (
                Cause::ScenarioInvalid,
                Verdict::Inconclusive(Cause::ScenarioInvalid),
                Gate::Undecided,
            ),
            (Cause::UpdateFailed, Verdict::NotRun, Gate::Closed),
            (Cause::SetNotInstalled, Verdict::NotRun, Gate::Closed),
        ] {
            let (judgement, decision) = faulted(arm, cause).decided();
            let found = judgement.cells[0].scenarios[0].verdict;
            let (verdict_is, gate) = if arm == Arm::Control && gate == Gate::Closed {
                // Control is not updated, so no update can have failed in it.
                (Verdict::Inconclusive(cause), Gate::Undecided)
            } else {
                (verdict_is, gate)
            };
            assert_eq!(found, verdict_is, "{arm} {cause:?}");
            assert_eq!(decision.gate, gate, "{arm} {cause:?}");
        }
    }
}

#[test]
fn a_failure_whose_retry_was_lost_with_the_arm_is_no_regression() {
    let mut story = Story::whole(one_cell(), |_, arm, _| match arm {
        Arm::Control => vec![Go::Pass],
        Arm::Treatment => vec![Go::FailAt(0)],
    });
    story.fail(
        "web/debian-12",
        Arm::Treatment,
        fault(Cause::AgentLost, Stage::Scenarios),
    );
    // The fault comes before the end of the run.
    let last = story.events.len() - 1;
    story.events.swap(last - 1, last);
    let (judgement, decision) = story.decided();
    assert_eq!(
        judgement.cells[0].scenarios[0].verdict,
        Verdict::Inconclusive(Cause::AgentLost)
    );
    assert_eq!(decision.gate, Gate::Undecided);
}

#[test]
fn each_treatment_node_must_prove_its_own_set() {
    let with = |set: Option<UpdateSet>, proof: Option<Proof>, expect_updates: bool| {
        let mut plan = one_cell();
        plan.updates.expect_updates = expect_updates;
        let mut story = Story::whole(plan, all_pass);
        story.events.retain_mut(|(_, event)| match event {
            Event::Resolved { set: told, .. } => set.clone().map(|set| *told = set).is_some(),
            Event::Proved { proof: told, .. } => proof.clone().map(|proof| *told = proof).is_some(),
            _ => true,
        });
        if set.as_ref().is_some_and(UpdateSet::is_empty) {
            // Nothing was pinned and nothing changed.
            story.drift("web/debian-12", "web", |observation| {
                *observation = seen(false, false);
            });
        }
        let judgement = judge(&story.plan, &story.records());
        let gate = decide(&story.plan, &judgement).gate;
        (judgement.cells[0].nodes[0].state, gate)
    };
    let empty = || Some(UpdateSet::pin(Vec::new()));
    let damaged = UpdateSet {
        digest: "0".repeat(64),
        ..nginx_set()
    };
    let problem = |list: fn(&mut Proof) -> &mut Vec<String>| {
        let mut proof = good_proof();
        list(&mut proof).push("nginx: is 1, pinned 2".to_owned());
        Some(proof)
    };
    let (open, undecided, closed) = (Gate::Open, Gate::Undecided, Gate::Closed);
    let set = || Some(nginx_set());
    for (name, found, state, gate) in [
        (
            "good",
            with(set(), Some(good_proof()), true),
            NodeState::Proved,
            open,
        ),
        (
            "no set",
            with(None, Some(good_proof()), true),
            NodeState::NotResolved,
            undecided,
        ),
        (
            "no proof",
            with(set(), None, true),
            NodeState::NotProved,
            undecided,
        ),
        (
            "empty",
            with(empty(), Some(good_proof()), true),
            NodeState::NothingPending,
            undecided,
        ),
        (
            "empty is no fault, and an empty window shows nothing",
            with(empty(), Some(good_proof()), false),
            NodeState::Proved,
            undecided,
        ),
        (
            "empty, unproved",
            with(empty(), None, false),
            NodeState::NotProved,
            undecided,
        ),
        (
            "damaged",
            with(Some(damaged), Some(good_proof()), true),
            NodeState::SetDamaged,
            undecided,
        ),
        (
            "no boot",
            with(set(), Some(Proof::default()), true),
            NodeState::NotRebooted,
            undecided,
        ),
        (
            "missing",
            with(set(), problem(|p| &mut p.missing), true),
            NodeState::Differs,
            closed,
        ),
        (
            "unexpected",
            with(set(), problem(|p| &mut p.unexpected), true),
            NodeState::Differs,
            closed,
        ),
        (
            "half",
            with(set(), problem(|p| &mut p.half_configured), true),
            NodeState::Differs,
            closed,
        ),
    ] {
        assert_eq!(found, (state, gate), "{name}");
    }
}
