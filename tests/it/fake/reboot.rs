//! `reboot = "when-needed"`: both arms of a cell do the same, and what the treatment arm finds decides.

use patchgate::fake::{Agent, Apply, GuestScript};
use patchgate::model::event::Event;
use patchgate::model::id::{Arm, ArmKind};
use patchgate::model::outcome::Cause;
use patchgate::model::policy::RebootPolicy;
use patchgate::model::update::Update;
use patchgate::verdict::Verdict;

use crate::testkit::guests::broken_by_updates;
use crate::testkit::lab::{End, Lab};

const STALE: &str = "running 6.1.0\nnext 6.1.0\nstale x /usr/lib/libpcre2-8.so.0\nend\n";

fn lab() -> Lab {
    let mut lab = Lab::default();
    lab.plan.reboot = RebootPolicy::WhenNeeded;
    lab
}

/// How many nodes were asked to reboot, in control and in treatment.
fn reboots(end: &End) -> (usize, usize) {
    let asked = end.fake.asked();
    let of = |arm: &str| {
        let asked = asked.iter().filter(|(_, what)| what == "reboot");
        asked.filter(|(domain, _)| domain.contains(arm)).count()
    };
    (of("-control-"), of("-treatment-"))
}

/// The arms of which the journal says that they were not rebooted.
fn spared(end: &End) -> Vec<Arm> {
    let records = end.journal.records.iter();
    let mut arms: Vec<Arm> = records
        .filter(|record| record.event == Event::RebootSkipped)
        .filter_map(|record| Some(record.side()?.1))
        .collect();
    arms.sort();
    arms
}

#[tokio::test(start_paused = true)]
async fn where_no_update_needs_it_neither_arm_reboots() {
    // One after the other, and at once.
    for jobs in [1, 2] {
        let end = lab().with_jobs(jobs).run().await;
        assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
        assert_eq!(reboots(&end), (0, 0));
        assert_eq!(spared(&end), Arm::BOTH);
        let reports = end.reports();
        assert_eq!(
            reports.matches("1 of 1 cells needed none").count(),
            2,
            "{reports}"
        );
        assert!(
            reports.contains("not rebooted: its updates need no reboot"),
            "{reports}"
        );
        assert!(reports.contains("\"reboot_spared\": true"), "{reports}");
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn where_an_update_needs_it_both_arms_reboot() {
    let kernel = Update {
        name: "linux-image-6.1.0-18-cloud-amd64".into(),
        arch: "amd64".into(),
        from: Some("6.1.76-1".into()),
        to: Some("6.1.85-1".into()),
        origin: "Debian-Security:12/oldstable-security".into(),
        kernel: true,
        ..Update::default()
    };
    let mut with_kernel = GuestScript {
        pending: vec![kernel],
        ..GuestScript::default()
    };
    with_kernel
        .packages
        .insert("linux-image-6.1.0-18-cloud-amd64:amd64".into(), "6.1.76-1".into());
    let stale = GuestScript {
        hints: STALE,
        ..GuestScript::default()
    };
    let unknown = GuestScript {
        hints: "",
        ..GuestScript::default()
    };
    for script in [with_kernel, stale, unknown] {
        let lab = lab();
        lab.script(script);
        let end = lab.run().await;
        assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
        assert_eq!(reboots(&end), (1, 1));
        assert_eq!(spared(&end), []);
        assert!(end.reports().contains("0 of 1 cells needed none"));
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn one_node_that_needs_it_takes_its_whole_cell_along() {
    let mut lab = lab();
    lab.fake.script(
        "database",
        GuestScript {
            hints: STALE,
            ..GuestScript::default()
        },
    );
    let cell = &mut lab.plan.cells[0];
    let mut database = cell.nodes[0].clone();
    (database.role, database.host) = ("database".into(), "db".into());
    cell.nodes.push(database);
    let end = lab.run().await;
    assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    assert_eq!(reboots(&end), (2, 2));
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_cell_with_measured_steps_is_spared_in_both_arms_too() {
    let end = lab().with_measure(5, 0).run().await;
    assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    assert_eq!(reboots(&end), (0, 0));
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn what_breaks_without_a_reboot_closes_the_gate() {
    let lab1 = lab();
    lab1.script(broken_by_updates());
    let end = lab1.run().await;
    end.line("CLOSED");
    assert_eq!(end.verdict(), Verdict::Regressed);
    assert_eq!(reboots(&end), (0, 0));

    // What is installed is not what was pinned.
    let lab2 = lab();
    lab2.script(GuestScript {
        apply: Apply::Extra,
        ..GuestScript::default()
    });
    let end = lab2.run().await;
    end.line("CLOSED");
    assert_eq!(end.faults(), [(Arm::Treatment, Cause::SetNotInstalled)]);
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_treatment_that_says_nothing_is_waited_for_no_more() {
    for (agent, apply) in [
        (Agent::DiesAt("install the update set"), Apply::Good),
        (Agent::DiesAt("see whether a reboot is needed"), Apply::Good),
        (Agent::Answers, Apply::HalfWay),
    ] {
        let lab = lab();
        lab.script(GuestScript {
            agent,
            agent_in: Some(ArmKind::Treatment),
            apply,
            ..GuestScript::default()
        });
        let end = lab.run().await;
        let faults: Vec<Arm> = end.faults().into_iter().map(|(arm, _)| arm).collect();
        assert_eq!(faults, [Arm::Treatment], "control came to its end");
        assert_eq!(reboots(&end), (1, 0));
        end.left_nothing();
    }
}
