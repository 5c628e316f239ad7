//! Real clones, real updates: what each update does to the gate.

use crate::lab::{LiveLab, last_line, text};

#[test]
fn a_good_update_opens_the_gate_and_gate_says_so_again() {
    let lab = LiveLab::new("pg-good", "app", "auto");
    let output = lab.patchgate(&["run", "--plain", "--report", "report.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let line = last_line(&output);
    assert!(line.starts_with("gate: OPEN run="), "{}", text(&output));
    assert!(line.ends_with(" cells=1/1 regressed=0 inconclusive=0"), "{line}");
    let report = std::fs::read_to_string(lab.path().join("report.json")).expect("report");
    for part in ["pg-good", "\"1.0\"", "\"2.0\""] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let again = lab.patchgate(&["gate", "latest"]);
    assert_eq!((again.status.code(), last_line(&again)), (Some(0), line));
    assert_eq!(lab.left("auto"), Vec::<String>::new());
}

#[test]
fn an_update_that_breaks_the_service_after_the_reboot_closes_it() {
    let lab = LiveLab::new("pg-bad", "app", "auto");
    let output = lab.patchgate(&["run", "--plain"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        last_line(&output).starts_with("gate: CLOSED run="),
        "{}",
        text(&output)
    );
    assert!(
        last_line(&output).ends_with(" cells=0/1 regressed=2 inconclusive=0"),
        "{}",
        text(&output)
    );
    for part in [
        "app/service",
        "the service answers",
        "pg-bad.service",
        "no licence in /run/pg-bad",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    assert_eq!(lab.left("auto"), Vec::<String>::new());
}

/// On the embedded daemon of the session, which needs no network of its own for one node.
#[test]
fn an_installation_that_fails_half_way_never_opens_it() {
    let lab = LiveLab::new("pg-half", "app", "qemu:///session");
    let output = lab.patchgate(&["run", "--plain"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        last_line(&output).starts_with("gate: CLOSED run="),
        "{}",
        text(&output)
    );
    for part in ["pg-half", "cannot migrate the settings"] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    assert_eq!(lab.left("qemu:///session"), Vec::<String>::new());
}

#[test]
fn an_agent_that_never_answers_leaves_it_undecided() {
    let lab = LiveLab::new("pg-good", "silent", "auto");
    let output = lab.patchgate(&["run", "--plain"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(
        last_line(&output).starts_with("gate: UNDECIDED run="),
        "{}",
        text(&output)
    );
    assert!(
        last_line(&output).ends_with(" cells=0/1 regressed=0 inconclusive=1"),
        "{}",
        text(&output)
    );
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("the guest agent never answered"), "{stdout}");
    assert_eq!(lab.left("auto"), Vec::<String>::new());
}
