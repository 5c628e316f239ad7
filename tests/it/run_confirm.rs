//! Runs of the fake lab in which what would close the gate is confirmed by a fresh pair of arms.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use patchgate::fake::{Agent, Apply, GuestScript};
use patchgate::model::event::Event;
use patchgate::model::id::{Arm, ArmKind};
use patchgate::model::policy::{CloneMode, Confirm};
use patchgate::verdict::Verdict;

use crate::testkit::guests::broken_by_updates;
use crate::testkit::lab::{End, Lab, exit};

const ONCE: Confirm = Confirm { again: 1, pairs: 1 };

fn lab(confirm: Confirm) -> Lab {
    let mut lab = Lab::default();
    lab.plan.confirm = confirm;
    lab
}

/// A guest whose action fails so often with the updates, and never again.
fn fails(times: usize) -> GuestScript {
    let failed = AtomicUsize::new(0);
    GuestScript {
        steps: Arc::new(move |call| {
            let fails = call.arm == ArmKind::Treatment && failed.fetch_add(1, Ordering::Relaxed) < times;
            exit(i32::from(fails), "")
        }),
        ..GuestScript::default()
    }
}

/// The tries of which treatment arms began, and the sentences that were to be confirmed.
fn tries(end: &End) -> (Vec<u32>, Vec<String>) {
    let mut tries = Vec::new();
    let mut asked = Vec::new();
    for record in &end.journal.records {
        match (&record.event, &record.arm) {
            (Event::ArmStarted, Some(arm)) if arm.kind == ArmKind::Treatment => tries.push(arm.nth_try),
            (Event::CellConfirming { why, .. }, _) => asked.extend(why.clone()),
            _ => {}
        }
    }
    (tries, asked)
}

#[tokio::test(start_paused = true)]
async fn one_failure_under_load_is_sporadic_and_closes_nothing() {
    // As it was before anything was confirmed.
    let lab_before = lab(Confirm::OFF);
    lab_before.script(fails(1));
    assert_eq!(
        lab_before.run().await.line("CLOSED"),
        "cells=0/1 regressed=1 inconclusive=0"
    );

    let lab = lab(ONCE);
    lab.script(fails(1));
    let end = lab.run().await;
    assert_eq!(end.line("UNDECIDED"), "cells=0/1 regressed=0 inconclusive=0");
    assert_eq!(end.verdict(), Verdict::Sporadic);
    assert!(
        end.reasons()[0].starts_with("sporadic: in 1 of 2 pairs of arms: "),
        "{:?}",
        end.reasons()
    );
    let (tries, asked) = tries(&end);
    assert_eq!(tries, [1, 2]);
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0].starts_with("control passed, treatment failed at"),
        "{asked:?}"
    );
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn what_fails_again_closes_with_both_evidences_and_good_cells_are_run_once() {
    for clone in [CloneMode::Cold, CloneMode::Warm] {
        let mut lab = lab(ONCE).with_cells(3);
        lab.plan.clone = clone;
        lab.script(fails(usize::MAX));
        let end = lab.run().await;
        assert_eq!(end.line("CLOSED"), "cells=0/3 regressed=3 inconclusive=0");
        assert!(
            end.reasons()[0].starts_with("regressed: in 2 of 2 pairs of arms: "),
            "{:?}",
            end.reasons()
        );
        assert!(end.reports().contains("a fresh pair of arms was run to confirm"));
        end.left_nothing();
    }
    let end = lab(ONCE).with_cells(3).run().await;
    assert_eq!(end.line("OPEN"), "cells=3/3 regressed=0 inconclusive=0");
    assert_eq!(tries(&end).0, [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn measured_cells_are_confirmed_together_and_two_hosts_share_the_work() {
    let mut lab = lab(ONCE).with_measure(30, 1).with_host("fake:///other");
    lab.plan.confirm = ONCE;
    let times: fn(ArmKind) -> &'static str = |arm| {
        if arm == ArmKind::Treatment {
            "30000"
        } else {
            "10000"
        }
    };
    for fake in std::iter::once(&lab.fake).chain(&lab.others) {
        fake.script(
            "web",
            GuestScript {
                times: Arc::new(move |call| times(call.arm).to_owned()),
                ..GuestScript::default()
            },
        );
    }
    let end = lab.run().await;
    assert_eq!(end.line("CLOSED"), "cells=0/1 regressed=1 inconclusive=0");
    assert_eq!(tries(&end).0, [1, 2]);
    assert_eq!(end.fake.violations(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_dies_anywhere_takes_no_evidence_with_it() {
    let breaks = || {
        let lab = lab(ONCE).with_cells(2).with_host("fake:///other");
        for fake in std::iter::once(&lab.fake).chain(&lab.others) {
            fake.script("web", broken_by_updates());
        }
        lab
    };
    let most = breaks().run().await.fake.taken();
    let mut reached = BTreeSet::new();
    for taken in (0..most).step_by(4) {
        let lab = breaks();
        lab.fake.dies_after(taken);
        let end = lab.run().await;
        assert_eq!(
            end.line("CLOSED"),
            "cells=0/2 regressed=2 inconclusive=0",
            "after {taken}: {:?}",
            end.reasons()
        );
        assert!(
            !end.reasons()
                .iter()
                .any(|text| text.contains("contradicts itself")),
            "after {taken}: {:?}",
            end.reasons()
        );
        let mut tries = tries(&end).0;
        tries.sort_unstable();
        reached.insert(tries);
        assert_eq!(end.others[0].present(), Vec::<String>::new(), "after {taken}");
    }
    // It died in the first pair of a cell, and in one that was to confirm it.
    assert!(reached.iter().any(|tries| tries.contains(&3)), "{reached:?}");
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_its_updates_kill_twice_closes_the_gate() {
    let treatment = Some(ArmKind::Treatment);
    let silent = |agent| GuestScript {
        agent,
        agent_in: treatment,
        ..GuestScript::default()
    };
    for (agent, said) in [
        (
            Agent::DiesAt("install the update set"),
            "the guest agent was lost",
        ),
        (Agent::DiesAt("observe the node"), "the guest agent was lost"),
        (
            Agent::PowersOffAt("install the update set"),
            "the guest stopped by itself",
        ),
        (Agent::NeverBack, "the node did not come back from the reboot"),
    ] {
        let lab = lab(ONCE);
        lab.script(silent(agent));
        let end = lab.run().await;
        let before_the_updates = agent == Agent::DiesAt("observe the node");
        if before_the_updates {
            assert_eq!(end.line("UNDECIDED"), "cells=0/1 regressed=0 inconclusive=1");
            assert_eq!(tries(&end).0, [1]);
        } else {
            assert_eq!(
                end.line("CLOSED"),
                "cells=0/1 regressed=1 inconclusive=1",
                "{agent:?}"
            );
            let first = end.reasons()[0];
            assert!(
                first.starts_with("confirmed, in 2 of 2 pairs of arms: treatment, ") && first.contains(said),
                "{first}"
            );
        }
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_host_does_is_never_confirmed() {
    for agent in [
        Agent::DiskFullAt("install the update set"),
        Agent::KilledAt("install the update set"),
    ] {
        let lab = lab(ONCE);
        lab.script(GuestScript {
            agent,
            agent_in: Some(ArmKind::Treatment),
            ..GuestScript::default()
        });
        let end = lab.run().await;
        assert_eq!(
            end.line("UNDECIDED"),
            "cells=0/1 regressed=0 inconclusive=1",
            "{agent:?}"
        );
        assert_eq!(tries(&end).0, [1], "{agent:?}");
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_of_the_guests_own_apt_never_closes_and_a_disk_that_the_updates_fill_twice_does() {
    for (apply, gate, all) in [
        (Apply::Locked, "UNDECIDED", &[1][..]),
        (Apply::NoSpace, "CLOSED", &[1, 2]),
    ] {
        let lab = lab(ONCE);
        lab.script(GuestScript {
            apply,
            ..GuestScript::default()
        });
        let end = lab.run().await;
        end.line(gate);
        assert_eq!(tries(&end).0, all, "{apply:?}");
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_at_any_moment_of_a_confirmation_leaves_the_gate_undecided() {
    let mut reached = BTreeSet::new();
    for seconds in (1..60).step_by(2) {
        let lab = lab(ONCE).stop_after(Duration::from_secs(seconds));
        lab.script(GuestScript {
            delay: Duration::from_secs(1),
            ..fails(usize::MAX)
        });
        let end = lab.run().await;
        end.left_nothing();
        let (tries, _) = tries(&end);
        let over = end.said_by(Arm::Treatment, 2, |event| {
            matches!(event, Event::ScenarioFinished { .. })
        });
        if !over {
            end.line("UNDECIDED");
        }
        reached.insert((tries.len(), over));
    }
    assert!(
        reached.contains(&(1, false)) && reached.contains(&(2, false)),
        "{reached:?}"
    );
}
