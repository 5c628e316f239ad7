//! SIGKILL in the middle of a real run: `clean` removes every trace of it, and never touches a live one.

use std::process::Command;

use crate::lab::{LiveLab, text};

/// Where runs are killed: an arm's kind, and its stage. `PATCHGATE_KILLS=all` takes all of them, else it is every other one.
const STAGES: [(&str, &str); 12] = [
    ("treatment", "isolate"),
    ("treatment", "clone"),
    ("treatment", "download"),
    ("treatment", "boot"),
    ("treatment", "prove"),
    ("treatment", "resolve"),
    ("treatment", "destroy"),
    ("treatment", "apply"),
    ("control", "reboot"),
    ("treatment", "reboot"),
    ("control", "scenarios"),
    ("treatment", "scenarios"),
];

#[test]
fn clean_removes_what_a_run_that_was_killed_at_any_stage_left() {
    let all = std::env::var("PATCHGATE_KILLS").is_ok_and(|kills| kills == "all");
    let lab = LiveLab::new("pg-good", "app", "auto");
    for (kind, stage) in STAGES
        .into_iter()
        .skip(usize::from(!all))
        .step_by(if all { 1 } else { 2 })
    {
        let mut child = lab.start(&["run", "--plain"]);
        lab.wait_for(&mut child, kind, stage);
        if stage == "boot" {
            let live = lab.patchgate(&["clean"]);
            assert!(
                String::from_utf8_lossy(&live.stdout).contains("is alive"),
                "{}",
                text(&live)
            );
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("wait");
        // Something is on the host, or stands in the ledger before it is made: the kill was in the midst of a run.
        let cleaned = lab.patchgate(&["clean"]);
        assert_eq!(
            cleaned.status.code(),
            Some(0),
            "{kind} {stage}: {}",
            text(&cleaned)
        );
        assert!(
            String::from_utf8_lossy(&cleaned.stdout).contains("removed "),
            "{kind} {stage}: {}",
            text(&cleaned)
        );
        assert_eq!(lab.left("auto"), Vec::<String>::new(), "{kind} {stage}");
        let gate = lab.patchgate(&["gate", "latest"]);
        assert_eq!(gate.status.code(), Some(3), "{kind} {stage}: {}", text(&gate));
        let again = lab.patchgate(&["clean"]);
        assert!(
            String::from_utf8_lossy(&again.stdout).contains("clean: 0 removed"),
            "{kind} {stage}: {}",
            text(&again)
        );
    }
}

#[test]
fn an_interrupt_stops_the_run_cleans_up_and_leaves_the_gate_undecided() {
    let lab = LiveLab::new("pg-good", "app", "auto");
    let mut child = lab.start(&["run", "--plain"]);
    lab.wait_for(&mut child, "treatment", "boot");
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .expect("kill")
            .success()
    );
    assert_eq!(child.wait().expect("wait").code(), Some(3));
    assert_eq!(lab.left("auto"), Vec::<String>::new());
}
