//! What is wrong with nodes that keep their own addresses.

use std::collections::BTreeSet;

use crate::input::finding::Finding;
use crate::input::words::{list, show};
use crate::lab::file::{AddressMode, GroupSection, Lab};
use crate::lab::lint::state::Lint;
use crate::lab::names;
use crate::lab::scenario::parse::ScenarioFile;
use crate::model::policy::NetworkMode;
use crate::model::scenario::Scenario;

/// Looks at every role, and at every group.
pub(super) fn addresses(lint: &mut Lint<'_>) {
    let file = &lint.lab.file;
    let open = *file.network.mode.get_ref() == NetworkMode::Open;
    for (name, role) in &file.role {
        if open && *role.addresses.get_ref() == AddressMode::Keep {
            lint.error(
                &role.addresses,
                format!(
                    "nodes of role {} keep their own network, and with `mode = \"open\"` clones need one that leads out",
                    show(name.get_ref())
                ),
                "take `mode` from [network], or `addresses` from the role: copies of servers with their own addresses are \
                 run isolated",
            );
        }
    }
    for group in file.group.values() {
        of_group(lint, group);
    }
}

fn of_group<'a>(lint: &mut Lint<'a>, group: &'a GroupSection) {
    let (lab, scenarios): (&'a Lab, &'a [ScenarioFile]) = (lint.lab, lint.scenarios);
    let roles = || group.roles.get_ref().iter().map(|role| role.get_ref().as_str());
    let mode = |role: &str| {
        lab.file
            .role
            .get(role)
            .map(|section| *section.addresses.get_ref())
    };
    let kept: Vec<&str> = roles()
        .filter(|role| mode(role) == Some(AddressMode::Keep))
        .collect();
    let given: Vec<&str> = roles()
        .filter(|role| mode(role) == Some(AddressMode::Give))
        .collect();
    if kept.is_empty() {
        return;
    }
    if !given.is_empty() {
        lint.error(
            &group.roles,
            format!(
                "{} with addresses of their own, and {} without: they would not reach each other",
                list(kept),
                list(given)
            ),
            "in a group all roles have `addresses = \"keep\"`, or none",
        );
        return;
    }
    // A name that the lab file gives for such a node is production's, which its own host table or name server may know.
    let has_name = |role: &str| {
        lab.file
            .role
            .get(role)
            .is_some_and(|section| section.host.is_some())
    };
    let unknown: BTreeSet<&str> = kept.into_iter().filter(|role| !has_name(role)).collect();
    let all: Vec<&Scenario> = scenarios.iter().map(|file| &file.scenario).collect();
    let asked: BTreeSet<&str> = names::all_asked(group.scenarios.get_ref(), &all)
        .into_iter()
        .map(|scenario| scenario.name.as_str())
        .collect();
    for file in scenarios
        .iter()
        .filter(|file| asked.contains(file.scenario.name.as_str()))
    {
        let steps = file.scenario.steps.iter().chain(&file.scenario.cleanup);
        for (step, span) in steps.zip(&file.on) {
            let Some(host) = step.action.host().filter(|host| unknown.contains(host)) else {
                continue;
            };
            let message = format!(
                "step {} asks host {}, and nodes that keep their own addresses are not given that name",
                show(&step.name),
                show(host)
            );
            let hint = "write the address, or the name by which production knows it, into the step; with that name as `host` of \
                        the role this is not warned of";
            lint.findings
                .push(Finding::warning(&file.source, span.clone(), message).with_hint(hint));
        }
    }
}
