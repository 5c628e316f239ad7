//! What dies after the scenarios: the look at the end of the soak, in both arms.

use std::sync::Arc;
use std::time::Duration;

use patchgate::fake::{GuestScript, LookCall, Section, Sections};
use patchgate::model::event::Event;
use patchgate::model::id::Arm;
use patchgate::model::observation::{Class, Moment};
use patchgate::model::outcome::Stage;
use patchgate::model::scenario::AGAIN;
use patchgate::verdict::{DriftFinding, DriftState, Verdict};

use crate::testkit::lab::{End, Lab, exit};

fn lab(shows: impl Fn(LookCall, &mut Sections) + Send + Sync + 'static) -> Lab {
    let lab = Lab::default().with_soak(90);
    lab.script(GuestScript {
        shows: Arc::new(shows),
        ..GuestScript::default()
    });
    lab
}

fn set(sections: &mut Sections, name: &'static str, lines: &[&str]) {
    let lines = lines.iter().map(|&line| line.to_owned()).collect();
    sections.insert(name, Section::Lines(lines));
}

fn words(end: &End) -> Vec<String> {
    end.drift().findings.iter().map(DriftFinding::words).collect()
}

type Shows = fn(&mut Sections);

/// A lab whose updated nodes show something at the end of the soak alone.
fn late(plant: Shows) -> Lab {
    lab(move |look, sections| {
        if look.updated && look.late {
            plant(sections);
        }
    })
}

const STOPPED: &[&str] = &["apt-daily.timer loaded active waiting daily"];

#[tokio::test(start_paused = true)]
async fn what_dies_only_with_the_updates_and_only_later_closes_the_gate() {
    let cases: [(Shows, &str); 3] = [
        (
            |sections| set(sections, "units", STOPPED),
            "service nginx.service stopped (running in control), at the end of the soak",
        ),
        (
            |sections| set(sections, "restarts", &["nginx.service 3"]),
            "restart nginx.service 0 times -> 3 times, at the end of the soak",
        ),
        (
            |sections| set(sections, "listening", &[]),
            "listening tcp 0.0.0.0:80 gone (nginx), at the end of the soak",
        ),
    ];
    for (plant, finding) in cases {
        let end = late(plant).run().await;
        assert_eq!(
            end.line("CLOSED"),
            "cells=0/1 regressed=1 inconclusive=0",
            "{finding}"
        );
        assert_eq!(words(&end), [finding]);
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn what_grows_and_complains_later_is_told() {
    let cases: [(Shows, &str); 2] = [
        (
            |sections| {
                let lines = ["MemTotal: 500000 kB", "MemAvailable: 100000 kB"];
                set(sections, "memory", &lines);
            },
            "memory used 97 MiB -> 390 MiB, at the end of the soak",
        ),
        (
            |sections| set(sections, "errors", &["nginx[811]: worker 4711 exited"]),
            "journal nginx: worker # exited new, at the end of the soak",
        ),
    ];
    for (plant, finding) in cases {
        let end = late(plant).run().await;
        end.line("OPEN");
        assert_eq!(
            (words(&end), end.drift().state),
            (vec![finding.to_owned()], DriftState::Warned)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_ends_in_both_arms_is_no_drift_and_what_was_found_is_not_told_again() {
    let end = lab(|look, sections| {
        if look.late {
            set(sections, "units", STOPPED);
            set(sections, "restarts", &["cron.service 2"]);
        }
    })
    .run()
    .await;
    end.line("OPEN");
    assert_eq!(words(&end), Vec::<String>::new());

    let end = lab(|look, sections| {
        if look.updated {
            set(sections, "units", STOPPED);
        }
    })
    .run()
    .await;
    end.line("CLOSED");
    assert_eq!(
        words(&end),
        ["service nginx.service stopped (running in control)"]
    );
}

#[tokio::test(start_paused = true)]
async fn both_arms_wait_and_only_for_what_is_left() {
    for (seconds, takes) in [(150, 20), (5, 20)] {
        let lab = Lab::default().with_soak(seconds);
        lab.script(GuestScript {
            delay: Duration::from_secs(takes),
            ..GuestScript::default()
        });
        let end = lab.run().await;
        end.line("OPEN");
        let looks = |arm: Arm| {
            let records = end.journal.records.iter();
            let of = records.filter(|record| record.side().is_some_and(|(_, of)| of == arm));
            of.filter_map(|record| match &record.event {
                Event::Observed {
                    moment: Moment::AfterSoak,
                    observation,
                    ..
                } => Some(observation.readings.len()),
                _ => None,
            })
            .collect::<Vec<_>>()
        };
        assert_eq!(
            (looks(Arm::Control), looks(Arm::Treatment)),
            (vec![Class::LATE.len()], vec![Class::LATE.len()])
        );
        let took = end.journal.records.iter().find_map(|record| match &record.event {
            Event::StageFinished {
                stage: Stage::Soak,
                millis,
                ..
            } => Some(*millis),
            _ => None,
        });
        let took = took.expect("a soak") / 1000;
        // The look itself takes one command; since the agent's answer two of the reboot, three of the proof and the scenario's
        // one went before.
        let waits = seconds.saturating_sub(6 * takes);
        assert_eq!(took, waits + takes, "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn scenarios_that_run_once_more_have_to_pass_then_too() {
    let run = |fails: fn(bool) -> bool| async move {
        let mut lab = Lab::default().with_soak(90);
        lab.plan.cells[0].soak.scenarios = true;
        lab.script(GuestScript {
            steps: Arc::new(move |call| exit(i32::from(call.calls > 0 && fails(call.updated)), "")),
            ..GuestScript::default()
        });
        lab.run().await
    };
    let end = run(|_| false).await;
    end.line("OPEN");
    assert_eq!(end.verdict(), Verdict::Pass);
    // An arm that has no run of it then has no result.
    let mut journal = end.journal;
    let is_again = |event: &Event| match event {
        Event::StepFinished { run, .. } | Event::ScenarioFinished { run, .. } => *run >= AGAIN,
        _ => false,
    };
    let ran = journal
        .records
        .iter()
        .filter(|record| is_again(&record.event))
        .count();
    assert_eq!(ran, 4, "a step and an end in each arm");
    journal.records.retain(|record| !is_again(&record.event));
    let judgement = patchgate::verdict::judge(&journal.plan, &journal.records);
    let scenario = &judgement.cells[0].scenarios[0];
    assert_eq!(scenario.verdict, Verdict::NotRun);
    assert!(
        scenario
            .reason
            .contains("at the end of the soak: it has no record"),
        "{}",
        scenario.reason
    );

    let end = run(|updated| updated).await;
    assert_eq!(end.line("CLOSED"), "cells=0/1 regressed=1 inconclusive=0");
    assert_eq!(end.verdict(), Verdict::Regressed);
    end.left_nothing();

    let end = run(|_| true).await;
    end.line("UNDECIDED");
    assert_eq!(end.verdict(), Verdict::AlreadyBroken);
}

#[tokio::test(start_paused = true)]
async fn without_the_look_of_an_arm_nothing_is_decided() {
    let end = lab(|_, _| {}).run().await;
    end.line("OPEN");
    let mut loaded = end.journal;
    for arm in Arm::BOTH {
        let is_it = |event: &Event| {
            matches!(
                event,
                Event::Observed {
                    moment: Moment::AfterSoak,
                    ..
                }
            )
        };
        loaded
            .records
            .retain(|record| !(is_it(&record.event) && record.side().is_some_and(|(_, of)| of == arm)));
        let judgement = patchgate::verdict::judge(&loaded.plan, &loaded.records);
        let drift = &judgement.cells[0].nodes[0].drift;
        assert_eq!(drift.state, DriftState::Undecided, "{drift:?}");
        assert!(
            drift
                .undecided
                .contains(&format!("nobody looked at {arm} at the end of the soak")),
            "{drift:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_starts_late_is_waited_for_and_what_never_does_is_found() {
    const BACKUP: &str = "backup.service loaded active running backup";
    fn add(sections: &mut Sections) {
        if let Some(Section::Lines(lines)) = sections.get_mut("units") {
            lines.push(BACKUP.to_owned());
        }
    }
    type Runs = fn(LookCall) -> bool;
    let cases: [(Runs, &[&str]); 4] = [
        // At the end of the soak, in control alone.
        (
            |look| look.late && !look.updated,
            &["service backup.service stopped (running in control), at the end of the soak"],
        ),
        // From the reboot on, in control alone: told once.
        (
            |look| look.boots > 1 && !look.updated,
            &["service backup.service stopped (running in control)"],
        ),
        // With the updates it is slow.
        (|look| look.boots > 1 && (look.late || !look.updated), &[]),
        // It runs for a while after the boot, and with the updates it was through before anybody looked.
        (|look| look.boots > 1 && !look.late && !look.updated, &[]),
    ];
    for (runs, findings) in cases {
        let end = lab(move |look, sections| {
            if runs(look) {
                add(sections);
            }
        })
        .run()
        .await;
        end.line(if findings.is_empty() { "OPEN" } else { "CLOSED" });
        assert_eq!(words(&end), findings);
    }
}
