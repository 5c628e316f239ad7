//! Another machine, which goes away or has less than it claims.

use std::fs;
use std::path::Path;

use crate::lab::{LiveLab, last_line, text};
use crate::machine::{Machine, wait};

/// Gives a lab those hosts, with room for one arm on each, and changes what else is to be changed of its file.
pub fn rewrite(lab: &Path, hosts: &[&str], change: impl FnOnce(String) -> String) {
    let file = lab.join("patchgate.toml");
    let text = fs::read_to_string(&file).expect("a lab file");
    let host = |uri: &&str| format!("[[host]]\nuri = \"{uri}\"\naccel = \"tcg\"\nvcpus = 1\n");
    let hosts = hosts.iter().map(host).collect::<Vec<_>>().join("\n");
    let text = text
        .replace("[[host]]\nuri = \"auto\"\n", &hosts)
        .replace("mode = \"isolated\"", "mode = \"open\"");
    fs::write(&file, change(text)).expect("written");
}

/// A second group like the first.
const AGAIN: &str = "
[group.again]
owner = \"tests\"
admin = \"tests\"
os = [\"debian-12\"]
roles = [\"app\"]
scenarios = [\"app\"]
";

#[test]
fn a_host_that_goes_away_costs_its_own_cells_a_second_try_elsewhere() {
    let lab = LiveLab::new("pg-good", "app", "auto");
    let mut other = Machine::start("unlimited");
    rewrite(lab.path(), &["qemu:///system", &other.uri()], |text| text + AGAIN);
    let mut run = lab.start(&["run", "--plain"]);
    wait("clones on both hosts", || {
        let there = other.virsh(&["list", "--name"]).unwrap_or_default();
        let journal = lab.journal();
        assert!(matches!(run.try_wait(), Ok(None)), "{journal}");
        there.contains("treatment") && journal.contains("\"stage\":\"seed\"")
    });
    other.power_off();
    let ended = run.wait().expect("it ends");
    let gate = lab.patchgate(&["gate", "latest"]);
    assert_eq!(
        (ended.code(), gate.status.code()),
        (Some(0), Some(0)),
        "{}",
        text(&gate)
    );
    assert!(
        last_line(&gate).ends_with(" cells=2/2 regressed=0 inconclusive=0"),
        "{}",
        text(&gate)
    );
    let journal = lab.journal();
    for event in ["\"event\":\"host-lost\"", "\"event\":\"cell-retried\""] {
        assert!(journal.contains(event), "{event}");
    }
    assert_eq!(lab.left("auto"), Vec::<String>::new());
}

#[test]
fn a_host_with_less_memory_than_it_claims_decides_nothing_and_says_so() {
    let lab = LiveLab::new("pg-good", "app", "auto");
    let other = Machine::start("2500000");
    rewrite(lab.path(), &[&other.uri()], |text| text.replace("384MiB", "2GiB"));
    let run = lab.patchgate(&["run", "--plain"]);
    let said = text(&run);
    assert_eq!(run.status.code(), Some(3), "{said}");
    assert!(said.contains("the host has not enough memory"), "{said}");
    assert!(
        last_line(&run).ends_with(" cells=0/1 regressed=0 inconclusive=1"),
        "{said}"
    );
    for list in ["list", "pool-list"] {
        assert_eq!(
            other.virsh(&[list, "--all", "--name"]).as_deref(),
            Some(""),
            "{list}"
        );
    }
}
