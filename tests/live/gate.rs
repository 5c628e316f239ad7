//! Real clones, real updates: what each update does to the gate.

use std::process::Output;

use crate::isolation::World;
use crate::lab::{LiveLab, last_line, text};

/// Holds exit code, gate and counts of a run, and gives its standard output and last line.
fn ended(output: &Output, code: i32, gate: &str, counts: &str) -> (String, String) {
    let line = last_line(output);
    let as_expected = output.status.code() == Some(code)
        && line.starts_with(&format!("gate: {gate} run="))
        && line.ends_with(&format!(" {counts}"));
    assert!(as_expected, "expected {code}, {gate}, {counts}: {}", text(output));
    (String::from_utf8_lossy(&output.stdout).into_owned(), line)
}

fn holds(stdout: &str, parts: &[&str]) {
    for part in parts {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
}

#[test]
fn a_good_update_opens_the_gate_on_clones_that_reach_nothing_else() {
    let lab = LiveLab::new("pg-good", "app", "auto");
    let world = World::begin();
    lab.add_scenario("isolation", &world.scenario("app"));
    let output = lab.patchgate(&["run", "--plain", "--report", "report.json"]);
    let (stdout, line) = ended(&output, 0, "OPEN", "cells=1/1 regressed=0 inconclusive=0");
    holds(
        &stdout,
        &["network isolated", "clones: all 2 arms went on from saved states"],
    );
    let report = std::fs::read_to_string(lab.path().join("report.json")).expect("report");
    holds(&report, &["pg-good", "\"1.0\"", "\"2.0\""]);
    // What patchgate itself tries is not told as if the clones did.
    assert!(!stdout.contains("refused:"), "{stdout}");
    assert_eq!(world.arrived(), Vec::<String>::new());
    let again = lab.patchgate(&["gate", "latest"]);
    assert_eq!((again.status.code(), last_line(&again)), (Some(0), line));
    assert_eq!(lab.left("auto"), Vec::<String>::new());
}

#[test]
fn an_update_that_breaks_the_service_after_the_reboot_closes_it() {
    let lab = LiveLab::new("pg-bad", "app", "auto");
    let output = lab.patchgate(&["run", "--plain"]);
    let (stdout, _) = ended(&output, 1, "CLOSED", "cells=0/1 regressed=2 inconclusive=0");
    let parts = [
        "app/service",
        "the service answers",
        "pg-bad.service",
        "no licence in /run/pg-bad",
    ];
    holds(&stdout, &parts);
    assert_eq!(lab.left("auto"), Vec::<String>::new());
}

/// On the embedded daemon of the session, which needs no network of its own for one node.
#[test]
fn an_installation_that_fails_half_way_never_opens_it() {
    let lab = LiveLab::new("pg-half", "app", "qemu:///session");
    let output = lab.patchgate(&["run", "--plain"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        last_line(&output).starts_with("gate: CLOSED run="),
        "{}",
        text(&output)
    );
    let stdout = String::from_utf8_lossy(&output.stdout);
    holds(
        &stdout,
        &["pg-half", "cannot migrate the settings", "network open"],
    );
    assert_eq!(lab.left("qemu:///session"), Vec::<String>::new());
}

#[test]
fn an_agent_that_never_answers_leaves_it_undecided() {
    let lab = LiveLab::new("pg-good", "silent", "auto");
    let output = lab.patchgate(&["run", "--plain"]);
    let (stdout, _) = ended(&output, 3, "UNDECIDED", "cells=0/1 regressed=0 inconclusive=1");
    holds(&stdout, &["the guest agent never answered"]);
    assert_eq!(lab.left("auto"), Vec::<String>::new());
}
