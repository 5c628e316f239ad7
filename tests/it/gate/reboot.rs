//! An unchanged boot id is believed only where the plan, the run and every node say that no reboot was needed.

use patchgate::gate::Gate;
use patchgate::model::event::Event;
use patchgate::model::id::Arm;
use patchgate::model::policy::RebootPolicy;
use patchgate::model::scenario::When;
use patchgate::model::update::{Update, UpdateSet};
use patchgate::verdict::NodeState;

use crate::testkit::parts::{good_proof, nginx_set};
use crate::testkit::plans::{cell, plan, scenario};
use crate::testkit::story::{Said, Story, all_pass, says};

/// A good run of one cell of two nodes, in which nobody rebooted as nobody needed to.
fn spared() -> Story {
    let mut plan = plan(
        vec![cell("web/debian-12", &["web", "database"], &["web/page"])],
        vec![scenario("web/page", &[When::AfterReboot])],
    );
    plan.reboot = RebootPolicy::WhenNeeded;
    let mut story = Story::whole(plan, all_pass);
    for (_, event) in &mut story.events {
        match event {
            Event::RebootNeeded { reason, .. } => *reason = None,
            Event::Proved { proof, .. } => proof.boot_changed = false,
            _ => {}
        }
    }
    let cell = story.plan.cells[0].id.clone();
    for arm in Arm::BOTH {
        story.events.insert(0, says(&cell, arm, Event::RebootSkipped));
    }
    story
}

/// One package more in the set of a node.
fn pin_too(story: &mut Story, role_is: &str, name: &str) {
    for (_, event) in &mut story.events {
        if let Event::Resolved { role, set, .. } = event
            && role == role_is
        {
            let mut updates = set.updates.clone();
            updates.push(Update {
                name: name.to_owned(),
                kernel: true,
                ..updates[0].clone()
            });
            *set = UpdateSet::pin(updates);
        }
    }
}

#[test]
fn an_unchanged_boot_id_needs_the_plan_the_run_and_every_node() {
    type Change = fn(&mut Story);
    let table: [(&str, Change, bool); 9] = [
        ("as it is", |_| {}, true),
        (
            "the plan says always",
            |story| story.plan.reboot = RebootPolicy::Always,
            false,
        ),
        (
            "the treatment arm was not spared",
            |story| story.events.retain(|said| !is_skip(said, Arm::Treatment)),
            false,
        ),
        (
            "the control arm was not spared",
            |story| story.events.retain(|said| !is_skip(said, Arm::Control)),
            false,
        ),
        (
            "one node was never asked",
            |story| {
                story.events.retain(
                    |(_, event)| !matches!(event, Event::RebootNeeded { role, .. } if role == "database"),
                );
            },
            false,
        ),
        (
            "one node needs it",
            |story| {
                for (_, event) in &mut story.events {
                    if let Event::RebootNeeded { role, reason, .. } = event
                        && role == "database"
                    {
                        *reason = Some("libc6 was updated".to_owned());
                    }
                }
            },
            false,
        ),
        (
            "one node said first that it needs it and then that it does not",
            |story| {
                let first = Event::RebootNeeded {
                    role: "web".to_owned(),
                    reason: Some("libc6 was updated".to_owned()),
                };
                let cell = story.plan.cells[0].id.clone();
                story.events.insert(0, says(&cell, Arm::Treatment, first));
            },
            false,
        ),
        (
            "a set has a kernel",
            |story| pin_too(story, "database", "linux-image-6.1.0-18-amd64"),
            false,
        ),
        (
            "control was rebooted all the same",
            |story| {
                let proved = Event::Proved {
                    role: "web".to_owned(),
                    proof: good_proof(),
                };
                let cell = story.plan.cells[0].id.clone();
                story.events.insert(0, says(&cell, Arm::Control, proved));
            },
            false,
        ),
    ];
    for (what, change, believed) in table {
        let mut story = spared();
        change(&mut story);
        let (judgement, decision) = story.decided();
        let nodes = &judgement.cells[0].nodes;
        let expected = if believed {
            NodeState::Proved
        } else {
            NodeState::NotRebooted
        };
        assert!(
            nodes.iter().all(|node| node.state == expected),
            "{what}: {nodes:?}"
        );
        assert!(nodes.iter().all(|node| node.reboot_spared == believed), "{what}");
        let gate = if believed { Gate::Open } else { Gate::Undecided };
        assert_eq!(decision.gate, gate, "{what}");
    }
    assert!(!nginx_set().has_kernel());
}

fn is_skip((arm, event): &Said, of: Arm) -> bool {
    *event == Event::RebootSkipped && arm.as_ref().is_some_and(|arm| arm.kind == of.into())
}

#[test]
fn what_is_spared_must_be_exact_all_the_same() {
    let mut story = spared();
    for (_, event) in &mut story.events {
        if let Event::Proved { proof, .. } = event {
            proof.unexpected = vec!["stowaway: new 1".to_owned()];
        }
    }
    let (judgement, decision) = story.decided();
    assert_eq!(judgement.cells[0].nodes[0].state, NodeState::Differs);
    assert_eq!(decision.gate, Gate::Closed);
}

#[test]
fn a_reboot_where_none_was_needed_is_no_fault() {
    let mut story = spared();
    for (_, event) in &mut story.events {
        if let Event::Proved { proof, .. } = event {
            proof.boot_changed = true;
        }
    }
    story.events.retain(|(_, event)| *event != Event::RebootSkipped);
    let (judgement, decision) = story.decided();
    assert_eq!(decision.gate, Gate::Open);
    assert!(!judgement.cells[0].nodes[0].reboot_spared);
}
