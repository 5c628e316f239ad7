//! Runs of the fake lab in which something breaks, and whose doing it is.

use std::sync::Arc;
use std::time::Duration;

use patchgate::fake::{Agent, Apply, GuestScript, Section};
use patchgate::image::warm::WarmStore;
use patchgate::model::event::Event;
use patchgate::model::id::{Arm, ArmKind};
use patchgate::model::outcome::{Cause, Fault};
use patchgate::model::policy::{CloneMode, Confirm};
use patchgate::model::scenario::{Action, Tcp};
use tokio::time::Instant;

use crate::testkit::lab::{End, Lab, exit};

fn lab() -> Lab {
    let mut lab = Lab::default();
    lab.plan.confirm = Confirm::default();
    lab
}

/// The faults of treatment, in the order in which they were told.
fn faults(end: &End) -> Vec<&Fault> {
    let records = end.journal.records.iter();
    let faults = records.filter_map(|record| match (record.side(), &record.event) {
        (Some((_, Arm::Treatment)), Event::ArmFailed { fault }) => Some(fault),
        _ => None,
    });
    faults.collect()
}

#[tokio::test(start_paused = true)]
async fn a_panic_on_the_console_ends_the_wait_at_once_and_closes_when_it_comes_again() {
    let lab = lab();
    lab.script(GuestScript {
        agent: Agent::Panics,
        agent_in: Some(ArmKind::Treatment),
        ..GuestScript::default()
    });
    let reboot = lab.plan.cells[0].deadlines.reboot;
    let begun = Instant::now();
    let end = lab.run().await;
    assert!(begun.elapsed() < reboot.0 / 2, "{:?}", begun.elapsed());
    assert_eq!(end.line("CLOSED"), "cells=0/1 regressed=1 inconclusive=1");
    let first = end.reasons()[0];
    assert!(
        first.starts_with("confirmed, in 2 of 2 pairs of arms: treatment, reboot: the guest does not run, as its console says")
            && first.contains("Kernel panic - not syncing: sysrq triggered crash"),
        "{first}"
    );
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn of_an_installation_that_hangs_the_output_the_package_and_the_processes_are_told() {
    let lab = lab();
    lab.script(GuestScript {
        apply: Apply::Hangs,
        ..GuestScript::default()
    });
    let end = lab.run().await;
    assert_eq!(end.line("CLOSED"), "cells=0/1 regressed=1 inconclusive=1");
    let first = end.reasons()[0];
    for said in [
        "confirmed, in 2 of 2 pairs of arms: treatment, apply: a deadline passed",
        "was not installed within 10m",
        "last running: 44 S sleep 3600",
        "nginx:amd64 is `iF`",
    ] {
        assert!(first.contains(said), "{said}: {first}");
    }
    let faults = faults(&end);
    assert_eq!(faults.len(), 2);
    for said in ["Setting up nginx", "what ran of it then:", "nginx.postinst"] {
        assert!(faults[0].detail.contains(said), "{said}: {}", faults[0].detail);
    }
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn what_was_broken_before_the_updates_is_not_theirs() {
    let broken = |apply| GuestScript {
        broken: Some("bash:amd64"),
        apply,
        ..GuestScript::default()
    };
    let lab_good = lab();
    lab_good.script(broken(Apply::Good));
    assert_eq!(
        lab_good.run().await.line("OPEN"),
        "cells=1/1 regressed=0 inconclusive=0"
    );

    let lab_balks = lab();
    lab_balks.script(broken(Apply::Balks));
    let end = lab_balks.run().await;
    assert_eq!(end.line("UNDECIDED"), "cells=0/1 regressed=0 inconclusive=1");
    assert_eq!(end.faults(), [(Arm::Treatment, Cause::BrokenBefore)]);
    assert!(
        end.reasons()[0].contains("bash:amd64 is `iF`"),
        "{:?}",
        end.reasons()
    );

    let lab_half = lab();
    lab_half.script(broken(Apply::HalfWay));
    end_closed(lab_half).await;
}

async fn end_closed(lab: Lab) {
    let end = lab.run().await;
    assert_eq!(end.line("CLOSED"), "cells=0/1 regressed=1 inconclusive=0");
}

#[tokio::test(start_paused = true)]
async fn a_failure_just_before_a_fault_of_the_host_is_not_the_updates() {
    for retries in [0, 1] {
        let mut lab = lab().with_reruns(retries);
        // One scenario fails, and then the host's disk is full under another.
        let mut second = lab.plan.scenarios["web/page"].clone();
        second.name = "web/second".into();
        second.steps[0].action = Action::Tcp(Tcp {
            host: "localhost".into(),
            port: 80,
            open: true,
        });
        lab.plan.scenarios.insert(second.name.clone(), second);
        lab.plan.cells[0].scenarios.push("web/second".into());
        lab.script(GuestScript {
            agent: Agent::DiskFullAt("tcp"),
            agent_in: Some(ArmKind::Treatment),
            steps: Arc::new(|call| exit(i32::from(call.arm == ArmKind::Treatment), "")),
            ..GuestScript::default()
        });
        let end = lab.run().await;
        assert_eq!(end.line("UNDECIDED"), "cells=0/1 regressed=0 inconclusive=2");
        assert_eq!(end.faults(), [(Arm::Treatment, Cause::HostDisk)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_soft_lockup_under_load_is_worth_a_look_and_closes_nothing() {
    let shows = |line: &'static str, flags: &'static str| GuestScript {
        shows: Arc::new(move |call, sections| {
            if call.arm == ArmKind::Treatment && call.updated {
                sections.insert("sick", Section::Lines(vec![line.to_owned()]));
                sections.insert("taint", Section::Lines(vec![flags.to_owned()]));
            }
        }),
        ..GuestScript::default()
    };
    let load = lab();
    load.script(shows(
        "[  61.1] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [apt:1]",
        "16384",
    ));
    let end = load.run().await;
    assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    assert!(
        end.reasons().iter().any(|text| text.contains("soft lockup")),
        "{:?}",
        end.reasons()
    );
    let oops = lab();
    oops.script(shows("[  61.1] Oops: 0002 [#1] SMP", "128"));
    assert!(
        oops.run()
            .await
            .line("CLOSED")
            .starts_with("cells=0/1 regressed=1")
    );
}

#[tokio::test(start_paused = true)]
async fn a_panicked_arm_is_removed_and_gives_back_its_place() {
    let lab = Lab::default().with_cells(3).with_jobs(1);
    lab.script(GuestScript {
        delay: Duration::from_millis(10),
        steps: Arc::new(|call| {
            let first = call.arm == ArmKind::Control && call.command.what == "run";
            assert!(!first, "planted");
            exit(0, "")
        }),
        ..GuestScript::default()
    });
    let end = lab.run().await;
    assert_eq!(end.line("UNDECIDED"), "cells=0/3 regressed=0 inconclusive=3");
    assert_eq!(end.faults(), [(Arm::Control, Cause::Internal); 3]);
    assert!(
        end.reasons()[0].contains("the arm's task panicked: planted"),
        "{:?}",
        end.reasons()
    );
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_heard_while_something_is_copied() {
    for operation in ["place_image", "fetch_volume", "place_volume"] {
        let folder = tempfile::tempdir().expect("folder");
        let warm = || {
            let mut lab = Lab::default().with_cells(2);
            lab.plan.clone = CloneMode::Warm;
            lab.fake.machine_is(&[("QEMU", "10.0.2")]);
            lab.warm = Some(WarmStore::at(folder.path()).expect("a store"));
            lab
        };
        if operation == "place_volume" {
            // What an earlier run has kept.
            warm().run().await.line("OPEN");
        }
        let lab = warm().stop_after(Duration::from_secs(5));
        lab.fake.copies_for(operation, Duration::from_secs(3600));
        let begun = Instant::now();
        let end = lab.run().await;
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(60), "{operation}: {took:?}");
        // Whether a state is kept for later runs decides nothing.
        if operation != "fetch_volume" {
            assert_eq!(end.line("UNDECIDED"), "cells=0/2 regressed=0 inconclusive=2");
        }
        end.left_nothing();
    }
}
