//! Warm clones on the fake lab: one boot for all arms, an identity for each, and a cold boot with its reason where that
//! cannot be had.

use std::path::Path;
use std::time::Duration;

use patchgate::fake::{Agent, GuestScript};
use patchgate::image::warm::WarmStore;
use patchgate::model::event::Event;
use patchgate::model::id::{Arm, ArmKind};
use patchgate::model::outcome::Cause;
use patchgate::model::plan::NodePlan;
use patchgate::model::policy::CloneMode;
use patchgate::port::LabError;
use patchgate::verdict::Verdict;

use crate::testkit::lab::{End, Lab};

fn warm() -> Lab {
    let mut lab = Lab::default();
    lab.plan.clone = CloneMode::Warm;
    lab.fake.machine_is(&[("QEMU", "10.0.2")]);
    lab
}

/// How the arms' clones began, with the reason.
fn cloned(end: &End) -> Vec<(Arm, CloneMode, Option<String>)> {
    let records = end.journal.records.iter();
    records
        .filter_map(|record| match (record.side(), &record.event) {
            (Some((_, arm)), Event::Cloned { clone, reason }) => Some((arm, *clone, reason.clone())),
            _ => None,
        })
        .collect()
}

fn all_are(end: &End, clone: CloneMode) -> bool {
    let cloned = cloned(end);
    cloned.len() == 2 && cloned.iter().all(|(_, is, _)| *is == clone)
}

/// The calls of some operations, each with the last part of what it is about.
fn calls(end: &End, operations: &[&str]) -> Vec<String> {
    let calls = end.fake.calls();
    let named = calls.iter().filter_map(|call| call.split_once(' '));
    named
        .filter(|(operation, _)| operations.contains(operation))
        .map(|(operation, name)| {
            let name = name.split("7c1f-").last().unwrap_or(name);
            let name = if name.starts_with("warm-") {
                name.rsplit_once('-').map_or(name, |(_, role)| role)
            } else {
                name
            };
            format!("{operation} {name}")
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn both_arms_go_on_from_one_boot_and_are_themselves() {
    let end = warm().run().await;
    assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    assert!(all_are(&end, CloneMode::Warm), "{:?}", cloned(&end));
    assert_eq!(calls(&end, &["save_state"]).len(), 1);
    assert_eq!(calls(&end, &["resume"]).len(), 2);
    let renewed = |(_, what): &&(String, String)| what == "give the clone an identity of its own";
    assert_eq!(end.fake.asked().iter().filter(renewed).count(), 2);
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn what_is_booted_to_be_saved_is_an_arm_of_its_own_kind() {
    let lab = warm();
    lab.script(GuestScript {
        agent: Agent::Silent,
        agent_in: Some(ArmKind::Warm),
        ..GuestScript::default()
    });
    let end = lab.run().await;
    // The boot of a cold clone would have failed as well, so both arms fail that wait for it.
    let faults = end.faults();
    assert!(
        faults.iter().all(|(_, cause)| *cause == Cause::AgentSilent) && faults.len() == 2,
        "{faults:?}"
    );
    let said = end
        .journal
        .records
        .iter()
        .filter_map(|record| record.arm.as_ref());
    assert!(said.clone().count() > 0 && said.clone().all(|arm| arm.side().is_some()));
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn nodes_of_a_cell_are_saved_at_one_moment_and_go_on_at_one() {
    let mut lab = warm();
    let first = lab.plan.cells[0].nodes[0].clone();
    lab.plan.cells[0].nodes.push(NodePlan {
        role: "app".into(),
        host: "app".into(),
        ..first
    });
    lab.fake.script("app", GuestScript::default());
    let end = lab.run().await;
    assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    let calls = calls(&end, &["pause", "save_state", "go_on", "resume"]);
    assert_eq!(
        calls[..8],
        [
            "pause web",
            "pause app",
            "save_state web",
            "save_state app",
            "go_on 0-treatment-web",
            "go_on 0-treatment-app",
            "resume 0-treatment-web",
            "resume 0-treatment-app"
        ]
    );
    end.left_nothing();
}

/// One arm after the other, on guests that take their time.
fn in_turn() -> Lab {
    let lab = warm().with_jobs(1);
    lab.script(GuestScript {
        delay: Duration::from_secs(1),
        ..GuestScript::default()
    });
    lab
}

/// Where a call stands among the calls.
fn at(calls: &[String], call: &str) -> usize {
    let found = calls.iter().position(|made| made == call);
    found.unwrap_or_else(|| panic!("no `{call}` in {calls:#?}"))
}

#[tokio::test(start_paused = true)]
async fn the_next_arm_waits_paused_while_another_runs() {
    let end = in_turn().run().await;
    assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    assert!(all_are(&end, CloneMode::Warm), "{:?}", cloned(&end));
    let calls = calls(&end, &["go_on", "resume", "remove"]);
    let over = at(&calls, "remove 0-treatment-web");
    assert!(at(&calls, "go_on 0-control-web") < over, "{calls:#?}");
    let resumed = calls.iter().filter(|call| call.starts_with("resume")).count();
    assert_eq!(resumed, 2, "{calls:#?}");
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn what_was_forked_ahead_goes_with_a_run_that_is_stopped() {
    let end = in_turn().run().await;
    let whole = calls(&end, &["go_on", "resume"]);
    assert_eq!(whole[2], "go_on 0-control-web", "{whole:#?}");
    // At some of these moments it waits for its turn.
    let mut seen = false;
    for seconds in (1..100).step_by(7) {
        let lab = in_turn().stop_after(Duration::from_secs(seconds));
        let end = lab.run().await;
        seen |= calls(&end, &["go_on", "resume"]) == whole[..3];
        end.left_nothing();
    }
    assert!(seen, "no stop came while one waited");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_warm_is_cold_and_says_why() {
    type Plant = fn(&Lab);
    let cases: [(Plant, &str); 4] = [
        (|lab| refuse(lab, "machine"), "no machine here"),
        (|lab| refuse(lab, "save_state"), "no save_state here"),
        (|lab| refuse(lab, "go_on"), "no go_on here"),
        (
            |lab| {
                lab.script(GuestScript {
                    renews: false,
                    ..GuestScript::default()
                });
            },
            "no identity of its own: its machine id is",
        ),
    ];
    for (plant, why) in cases {
        let lab = warm();
        plant(&lab);
        let end = lab.run().await;
        assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0", "{why}");
        assert!(all_are(&end, CloneMode::Cold), "{why}");
        for (arm, _, reason) in cloned(&end) {
            let reason = reason.expect("a reason");
            assert!(reason.contains(why), "{arm}: {reason}");
        }
        end.left_nothing();
    }
}

fn refuse(lab: &Lab, operation: &str) {
    let error = LabError::new(Cause::HostRefused, format!("no {operation} here"));
    lab.fake.refuse(operation, error);
}

#[tokio::test(start_paused = true)]
async fn cold_is_cold_without_a_reason() {
    let mut lab = warm();
    lab.plan.clone = CloneMode::Cold;
    let end = lab.run().await;
    assert!(all_are(&end, CloneMode::Cold));
    assert!(cloned(&end).iter().all(|(_, _, reason)| reason.is_none()));
    assert_eq!(calls(&end, &["save_state", "machine"]), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_boot_that_fails_is_the_arms_own_fault() {
    let lab = warm();
    lab.script(GuestScript {
        agent: Agent::Silent,
        ..GuestScript::default()
    });
    let end = lab.run().await;
    assert_eq!(end.verdict(), Verdict::Inconclusive(Cause::AgentSilent));
    end.left_nothing();
}

/// A run with what earlier ones kept in a folder.
async fn run_with(store: &Path, plant: fn(&Lab)) -> End {
    let mut lab = warm();
    lab.warm = Some(WarmStore::at(store).expect("a store"));
    plant(&lab);
    let end = lab.run().await;
    assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    assert!(all_are(&end, CloneMode::Warm), "{:?}", cloned(&end));
    end.left_nothing();
    end
}

/// Every file in a folder and below.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).expect("readable").flatten();
    entries
        .flat_map(|entry| {
            if entry.path().is_dir() {
                files(&entry.path())
            } else {
                vec![entry.path()]
            }
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_state_is_kept_for_later_runs_as_long_as_it_fits_and_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let boots = |end: &End| calls(end, &["save_state"]).len();
    let first = run_with(folder.path(), |_| {}).await;
    assert_eq!((boots(&first), files(folder.path()).len()), (1, 4));
    let second = run_with(folder.path(), |_| {}).await;
    assert_eq!(boots(&second), 0, "what was kept is used");
    let other = run_with(folder.path(), |lab| lab.fake.machine_is(&[("QEMU", "10.0.3")])).await;
    assert_eq!(boots(&other), 1, "it is another machine");
    for file in files(folder.path()) {
        if file.extension().is_some_and(|extension| extension == "ram") {
            std::fs::write(file, "rotten").expect("written");
        }
    }
    let damaged = run_with(folder.path(), |_| {}).await;
    assert_eq!(boots(&damaged), 1, "what is damaged is not used");
    let mended = run_with(folder.path(), |_| {}).await;
    assert_eq!(boots(&mended), 0, "and was made anew");
}
