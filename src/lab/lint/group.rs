//! What is wrong with a lab's groups.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use crate::input::finding::Finding;
use crate::input::words::{count, did_you_mean, list, show};
use crate::lab::file::{GroupSection, HostSection, RoleSection};
use crate::lab::lint::state::Lint;
use crate::lab::names;
use crate::lab::scenario::parse::ScenarioFile;
use crate::model::plan::NODE_OVERHEAD_MIB;
use crate::model::scenario::Scenario;
use crate::model::uri::is_session;
use crate::units::Mib;

/// Looks at every group.
pub(super) fn groups(lint: &mut Lint<'_>) {
    let groups = &lint.lab.file.group;
    if groups.is_empty() {
        let finding = Finding::error(
            &lint.lab.source,
            0..0,
            "the lab has no group: nothing would be tested",
        );
        lint.findings.push(finding.with_hint(
            "add a [group.NAME] with owner, admin, os, roles and scenarios; `patchgate init` writes an example",
        ));
    }
    if let Some(first) = groups.keys().next()
        && groups.values().all(|group| !group.required)
    {
        lint.error(
            first,
            "no group is required: the gate could never open".into(),
            "take `required = false` from a group that matters",
        );
    }
    for (name, group) in groups {
        let what = |key: &str| format!("`{key}` of group {}", show(name.get_ref()));
        if let Some(rule) = names::problem(name.get_ref()) {
            lint.error(
                name,
                format!("{} cannot be the name of a group", show(name.get_ref())),
                rule,
            );
        }
        lint.twice(group.os.get_ref(), &what("os"));
        lint.twice(group.roles.get_ref(), &what("roles"));
        lint.twice(group.scenarios.get_ref(), &what("scenarios"));
        os(lint, group);
        roles(lint, group);
        hosts(lint, name, group);
        reboot(lint, name, group);
        images(lint, group);
        scenarios(lint, name, group);
        budget(lint, name, group);
        soak(lint, name, group);
    }
}

/// What a group asks of a soak that its lab has not.
fn soak(lint: &mut Lint<'_>, name: &Spanned<String>, group: &GroupSection) {
    let is_off = group.soak.look.is_none() && lint.lab.file.soak.look == Some(false);
    if is_off && (group.soak.scenarios == Some(true) || group.soak.time.is_some()) {
        lint.error(
            name,
            format!(
                "the soak of group {} has no effect with look = false below [soak]",
                show(name.get_ref())
            ),
            "write look = true in the group's own, or take it away",
        );
    }
}

fn os(lint: &mut Lint<'_>, group: &GroupSection) {
    for os in group.os.get_ref() {
        let name = os.get_ref();
        if let Some(rule) = names::problem(name) {
            lint.error(
                os,
                format!("{} cannot be the name of an OS version", show(name)),
                rule,
            );
        } else if !lint.is_known(name) {
            lint.error(
                os,
                format!("this version of patchgate cannot update {}", show(name)),
                format!(
                    "it updates {}; where it is like one of these, write package_manager = NAME below its [image], of {}; an image of any OS can \
                     be imported and verified",
                    lint.families.words(),
                    list(lint.families.managers())
                ),
            );
        }
    }
}

fn roles<'a>(lint: &mut Lint<'a>, group: &'a GroupSection) {
    let known = &lint.lab.file.role;
    for role in group.roles.get_ref() {
        let name = role.get_ref().as_str();
        if !known.contains_key(name) {
            let hint = did_you_mean(name, "role", known.keys().map(|role| role.get_ref().as_str()));
            let hint = format!("{hint} Each role has a section: [role.{}]", name.escape_debug());
            lint.error(role, format!("there is no role {}", show(name)), hint);
        }
        for os in group.os.get_ref() {
            lint.uses(os.get_ref(), name);
        }
    }
}

/// In a cell each node is known by a name of its own.
fn hosts(lint: &mut Lint<'_>, name: &Spanned<String>, group: &GroupSection) {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for role in group.roles.get_ref() {
        let Some(section) = lint.lab.file.role.get(role.get_ref().as_str()) else {
            continue;
        };
        let host = section.host_or(role.get_ref());
        match known.insert(host, role.get_ref()) {
            Some(other) if other != role.get_ref() => {
                let message = format!(
                    "roles {} and {} of group {} are both known as {}",
                    show(other),
                    show(role.get_ref()),
                    show(name.get_ref()),
                    show(host)
                );
                lint.error(
                    role,
                    message,
                    "give one of them another `host` in its [role.NAME]",
                );
            }
            Some(_) | None => {}
        }
    }
}

/// The order of reboots names each role of the group once.
fn reboot(lint: &mut Lint<'_>, name: &Spanned<String>, group: &GroupSection) {
    let Some(order) = &group.reboot else { return };
    lint.twice(
        order.get_ref(),
        &format!("`reboot` of group {}", show(name.get_ref())),
    );
    let names = |list: &[Spanned<String>]| -> BTreeSet<String> {
        list.iter().map(|role| role.get_ref().clone()).collect()
    };
    if names(order.get_ref()) != names(group.roles.get_ref()) {
        let message = format!(
            "`reboot` of group {} does not name exactly the group's roles",
            show(name.get_ref())
        );
        let roles: Vec<&str> = group
            .roles
            .get_ref()
            .iter()
            .map(|role| role.get_ref().as_str())
            .collect();
        let hint = format!(
            "name each of {} once, in the order in which they reboot",
            list(roles)
        );
        lint.error(order, message, hint);
    }
}

/// Each OS version needs an image, and each role that the image lacks a recipe.
fn images(lint: &mut Lint<'_>, group: &GroupSection) {
    let images = &lint.lab.file.image;
    for os in group.os.get_ref() {
        let name = os.get_ref().as_str();
        if !lint.is_known(name) || names::problem(name).is_some() {
            continue;
        }
        // Roles without a section of their own are told already.
        let known = group.roles.get_ref().iter().filter_map(|role| {
            let section = lint.lab.file.role.get(role.get_ref().as_str())?;
            Some((role, section))
        });
        let lacking: Vec<(&Spanned<String>, &RoleSection)> = known
            .filter(|(role, _)| !images.contains_key(format!("{name}+{}", role.get_ref()).as_str()))
            .collect();
        if lacking.is_empty() {
            continue;
        }
        if !images.contains_key(name) {
            let known = images.keys().map(|image| image.get_ref().as_str());
            let hint = format!(
                "{} Each OS version has a section: [image.{name}] with build = \"images/{name}.toml\"",
                did_you_mean(name, "image", known)
            );
            lint.error(os, format!("there is no image of {}", show(name)), hint);
            continue;
        }
        for (role, section) in lacking {
            if section.recipe.is_none() {
                let (at, role) = (role, role.get_ref());
                lint.error(
                    at,
                    format!("nothing makes a {} of {}: [role.{role}] has no `recipe`", show(role), show(name)),
                    format!("give [role.{role}] a recipe, or import a disk that has the role as [image.\"{name}+{role}\"]"),
                );
            }
        }
    }
}

fn scenarios<'a>(lint: &mut Lint<'a>, name: &Spanned<String>, group: &'a GroupSection) {
    let files: &'a [ScenarioFile] = lint.scenarios;
    let all: Vec<&'a Scenario> = files.iter().map(|file| &file.scenario).collect();
    let mut is_known = true;
    for entry in group.scenarios.get_ref() {
        let asked = entry.get_ref().as_str();
        let of_broken = |broken: &String| broken == asked || broken.split('/').next() == Some(asked);
        if names::asked(asked, all.iter().copied()).is_empty() && !lint.broken.iter().any(of_broken) {
            is_known = false;
            let known: BTreeSet<&str> = all
                .iter()
                .flat_map(|scenario| [scenario.department.as_str(), scenario.name.as_str()])
                .collect();
            let what = if asked.contains('/') {
                "scenario"
            } else {
                "department"
            };
            let folder = lint.lab.file.lab.scenarios.get_ref().display();
            let hint = match known.len() {
                0 => format!("there is none at all: write {folder}/<department>/<name>.toml"),
                _ => did_you_mean(asked, "scenario", known),
            };
            lint.error(entry, format!("there is no {what} {}", show(asked)), hint);
        } else if lint.broken.iter().any(of_broken) {
            is_known = false;
        }
    }
    let asked = names::all_asked(group.scenarios.get_ref(), &all);
    if is_known && group.required && !asked.is_empty() && asked.iter().all(|scenario| !scenario.required) {
        lint.error(
            &group.scenarios,
            format!(
                "no scenario of group {} is required: the gate could never open",
                show(name.get_ref())
            ),
            "ask for one that is required, or write `required = false` in the group as well",
        );
    }
    let roles: BTreeSet<&str> = group
        .roles
        .get_ref()
        .iter()
        .map(|role| role.get_ref().as_str())
        .collect();
    // A role that is misspelt in the group is told there.
    let roles_are_known = roles.iter().all(|role| lint.lab.file.role.contains_key(*role));
    for scenario in asked {
        lint.used_scenarios.insert(&scenario.name);
        let file = files.iter().find(|file| file.scenario.name == scenario.name);
        if let (true, Some(file)) = (roles_are_known, file) {
            steps(lint, name, &roles, file);
        }
    }
}

/// The roles that steps name must be the group's.
fn steps(lint: &mut Lint<'_>, group: &Spanned<String>, roles: &BTreeSet<&str>, file: &ScenarioFile) {
    let group = show(group.get_ref());
    let has = list(roles.iter().copied());
    let known = &lint.lab.file.role;
    let every: BTreeSet<&str> = known
        .iter()
        .map(|(role, section)| section.host_or(role.get_ref()))
        .collect();
    let hosts: BTreeSet<&str> = roles
        .iter()
        .filter_map(|role| Some(known.get(*role)?.host_or(role)))
        .collect();
    let all = file.scenario.steps.iter().chain(&file.scenario.cleanup);
    for (step, span) in all.zip(&file.on) {
        if !roles.contains(step.on.as_str()) {
            let message = format!(
                "step {} is on role {}, and group {group} has no such role",
                show(&step.name),
                show(&step.on)
            );
            let hint = format!(
                "roles of the group: {has}; or the group should not ask for {}",
                show(&file.scenario.name)
            );
            lint.findings
                .push(Finding::error(&file.source, span.clone(), message).with_hint(hint));
        }
        if let Some(host) = step.action.host()
            && !hosts.contains(host)
            && (lint.lab.file.role.contains_key(host) || every.contains(host))
        {
            let message = format!(
                "step {} asks host {}, and no node of group {group} is known by that name",
                show(&step.name),
                show(host)
            );
            let hint = format!("hosts of the group: {}", list(hosts.iter().copied()));
            lint.findings
                .push(Finding::warning(&file.source, span.clone(), message).with_hint(hint));
        }
    }
}

/// One arm must fit some host whole: its nodes run at the same time.
fn budget(lint: &mut Lint<'_>, name: &Spanned<String>, group: &GroupSection) {
    let hosts: Vec<&HostSection> = lint.lab.file.host.iter().map(Spanned::get_ref).collect();
    let roles = group.roles.get_ref().iter();
    let nodes: Vec<&RoleSection> = roles
        .filter_map(|role| lint.lab.file.role.get(role.get_ref().as_str()))
        .collect();
    let guests = nodes
        .iter()
        .fold(0_u64, |sum, node| sum.saturating_add(node.memory.0));
    let overhead = NODE_OVERHEAD_MIB.saturating_mul(nodes.len() as u64);
    let needed = Mib(guests.saturating_add(overhead));
    let vcpus: u64 = nodes.iter().map(|node| u64::from(*node.vcpus.get_ref())).sum();
    let memory_of = |host: &'_ HostSection| host.memory.as_ref().map(|memory| *memory.get_ref());
    let vcpus_of = |host: &'_ HostSection| host.vcpus.as_ref().map(|vcpus| *vcpus.get_ref());
    let holds = |host: &&HostSection| {
        memory_of(host).is_none_or(|memory| needed <= memory)
            && vcpus_of(host).is_none_or(|budget| vcpus <= u64::from(budget))
            && !(is_session(host.uri.get_ref()) && group.roles.get_ref().len() > 1)
    };
    if hosts.iter().any(holds) {
        return;
    }
    for host in hosts {
        session(lint, host, name, group);
        if let Some(memory) = &host.memory
            && needed > *memory.get_ref()
        {
            lint.error(
                memory,
                format!(
                    "one arm of group {} needs {needed}, and the host's budget is {}",
                    show(name.get_ref()),
                    memory.get_ref()
                ),
                format!(
                    "{} of the guests and {} for QEMU's own needs ({}); raise the budget, or lower `memory` of the roles",
                    Mib(guests),
                    Mib(overhead),
                    count(nodes.len(), "node")
                ),
            );
        }
        if let Some(budget) = &host.vcpus
            && vcpus > u64::from(*budget.get_ref())
        {
            lint.error(
                budget,
                format!(
                    "one arm of group {} needs {}, and the host's budget is {}",
                    show(name.get_ref()),
                    count(usize::try_from(vcpus).unwrap_or(usize::MAX), "vCPU"),
                    budget.get_ref()
                ),
                "raise the budget, or lower `vcpus` of the roles",
            );
        }
    }
}

/// `qemu:///session` may not make networks, which nodes of one cell need to reach each other.
fn session(lint: &mut Lint<'_>, host: &HostSection, name: &Spanned<String>, group: &GroupSection) {
    let roles = group.roles.get_ref().len();
    if is_session(host.uri.get_ref()) && roles > 1 {
        lint.error(
            &group.roles,
            format!(
                "group {} has {roles} roles, and on {} their nodes cannot reach each other",
                show(name.get_ref()),
                show(host.uri.get_ref())
            ),
            "networks between nodes need uri = \"qemu:///system\"",
        );
    }
}
