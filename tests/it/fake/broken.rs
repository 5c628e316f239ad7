//! What was broken before the updates, or is so in both arms: it is not theirs, and hides nothing that is.

use std::sync::Arc;

use patchgate::fake::{GuestScript, LookCall, Section, Sections};
use patchgate::model::drift::DriftPolicy;
use patchgate::verdict::DriftFinding;

use crate::testkit::lab::Lab;

fn add(sections: &mut Sections, name: &'static str, line: &str) {
    match sections.get_mut(name) {
        Some(Section::Lines(lines)) => lines.push(line.to_owned()),
        other => panic!("{name} is {other:?}"),
    }
}

fn set(sections: &mut Sections, name: &'static str, lines: &[&str]) {
    let lines = lines.iter().map(|&line| line.to_owned()).collect();
    sections.insert(name, Section::Lines(lines));
}

#[tokio::test(start_paused = true)]
async fn what_is_broken_in_both_arms_hides_nothing_new() {
    type Shows = fn(LookCall, &mut Sections);
    let cases: [(Shows, &str, &str); 4] = [
        // Another service fails beside the one that always did.
        (
            |look, sections| {
                add(sections, "units", "old.service loaded failed failed old");
                if look.updated {
                    add(sections, "units", "new.service loaded failed failed new");
                }
            },
            "CLOSED",
            "service new.service failed (not running in control)",
        ),
        // Control does not boot its newest kernel, and treatment boots an older one still.
        (
            |look, sections| {
                let running = if look.updated {
                    "running 5.0.0"
                } else {
                    "running 6.1.0"
                };
                set(sections, "kernel", &[running, "newest 6.2.0"]);
            },
            "CLOSED",
            "kernel running the newest that is installed -> 5.0.0, with 6.2.0 installed",
        ),
        // The order of the rules, beside a new one that the lab leaves out.
        (
            |look, sections| {
                let rules = [
                    ["-A INPUT -s a", "-A INPUT -s b"],
                    ["-A INPUT -s b", "-A INPUT -s a"],
                ];
                for rule in rules[usize::from(look.updated)] {
                    add(sections, "firewall", rule);
                }
                if look.updated {
                    add(sections, "firewall", "-A INPUT -s ignored");
                }
            },
            "CLOSED",
            "firewall (order) ",
        ),
        // The service that always failed fails for another reason.
        (
            |look, sections| {
                add(sections, "units", "old.service loaded failed failed old");
                let why = if look.updated {
                    "cannot load libnew.so.2"
                } else {
                    "no such database"
                };
                set(sections, "log old.service", &["old[7]: starts", why]);
            },
            "OPEN",
            "service old.service failed in another way: cannot load libnew.so.# (failed in control)",
        ),
    ];
    for (plant, gate, finding) in cases {
        let lab = Lab::default();
        lab.script(GuestScript {
            shows: Arc::new(plant),
            ..GuestScript::default()
        });
        let lab = lab.with_drift(DriftPolicy {
            ignore: vec!["firewall:*ignored".to_owned()],
            ..DriftPolicy::default()
        });
        let end = lab.run().await;
        end.line(gate);
        let words: Vec<String> = end.drift().findings.iter().map(DriftFinding::words).collect();
        assert_eq!(words.len(), 1, "{words:?}");
        assert!(words[0].starts_with(finding), "{finding}: {words:?}");
    }
}
