//! Faults of the world in the midst of a real run: each costs what it must, and no gate lies for it.

use crate::hosts::rewrite;
use crate::lab::{LiveLab, last_line, text};
use crate::machine::Machine;

/// Starts a run on the other machine, lets something happen there while the treatment arm is in a stage, and gives the
/// run's exit code and what `gate latest` says.
fn struck(stage: &str, script: &str) -> (Option<i32>, String) {
    let lab = LiveLab::new("pg-good", "app", "auto");
    let machine = Machine::start("unlimited");
    rewrite(lab.path(), &[&machine.uri()], |text| text);
    let mut run = lab.start(&["run", "--plain"]);
    lab.wait_for(&mut run, "treatment", stage);
    machine.runs(script);
    let code = run.wait().expect("it ends").code();
    let gate = lab.patchgate(&["gate", "latest"]);
    for list in ["list", "pool-list"] {
        let left = machine.virsh(&[list, "--all", "--name"]);
        assert_eq!(left.as_deref().map(str::trim), Some(""), "{list}");
    }
    (code, format!("{}\n{}", text(&gate), last_line(&gate)))
}

#[test]
fn a_libvirtd_that_is_restarted_costs_nothing() {
    let (code, said) = struck("apply", "kill -9 $(cat /run/libvirt/libvirtd.pid)");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with(" cells=1/1 regressed=0 inconclusive=0"), "{said}");
}

#[test]
fn a_qemu_that_is_killed_undecides_its_cell() {
    let (code, said) = struck("apply", "kill -9 $(cat /run/libvirt/qemu/*-treatment-*.pid)");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(" cells=0/1 regressed=0 "), "{said}");
    assert!(said.contains("the host ended the VM"), "{said}");
}

/// It would close the gate if a fresh pair of arms showed it again.
#[test]
fn an_agent_that_dies_once_is_no_regression() {
    let kill =
        r#"{"execute":"guest-exec","arguments":{"path":"/bin/systemctl","arg":["stop","qemu-guest-agent"]}}"#;
    let script = format!(
        "virsh -q list --name | grep -e -treatment- | while read -r domain; do \
         virsh -q qemu-agent-command \"$domain\" '{kill}' || true; done"
    );
    let (code, said) = struck("scenarios", &script);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("regressed=0"), "{said}");
    assert!(said.contains("sporadic, in 1 of 2 pairs of arms"), "{said}");
}
