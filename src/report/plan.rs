//! A plan as a person reads it: what would be run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

use crate::input::safe::{line, whole};
use crate::input::words::count;
use crate::model::drift::Effect;
use crate::model::machine::MachinePlan;
use crate::model::observation::Class;
use crate::model::plan::{HostPlan, Plan};
use crate::model::policy::{
    Accel, CloneMode, Confirm, NetworkMode, NetworkPolicy, RebootPolicy, UpdateMode, UpdatePolicy,
};
use crate::report::words::length;

/// What is expected of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Prediction {
    /// How long it runs, in seconds; nothing where no cell is known, or the hosts cannot hold it.
    pub seconds: Option<u64>,
    /// How many cells ran to their end before, in this lab.
    pub known_cells: usize,
    /// How many cells there are.
    pub cells: usize,
    /// Whether every host's budget stands in the lab file. Where one does not, as much as is wanted is taken to be free
    /// there, and the run may take longer.
    pub budgets_known: bool,
}

/// A predicted time in words, and what it rests on.
pub fn about(time: Duration, known: usize, cells: usize) -> String {
    let basis = if known == cells {
        "as the last runs took".to_owned()
    } else {
        format!(
            "by the last runs of {known} of {}; of the others as much is expected as of these on average",
            count(cells, "cell")
        )
    };
    format!("about {}, {basis}", length(time))
}

impl Prediction {
    /// In words.
    pub fn text(&self) -> String {
        match self.seconds {
            _ if self.known_cells == 0 => {
                "not known yet: none of these cells came to its end in one of the last runs".to_owned()
            }
            None => "not known: no host can hold every cell".to_owned(),
            Some(seconds) => {
                let text = about(Duration::from_secs(seconds), self.known_cells, self.cells);
                if self.budgets_known {
                    text
                } else {
                    format!("{text}; longer where the hosts have not room for all arms at once")
                }
            }
        }
    }
}

/// A plan and how long it is expected to run, for a program.
#[derive(Debug, Serialize)]
pub struct Expecting<'a> {
    /// The plan.
    #[serde(flatten)]
    pub plan: &'a Plan,
    /// How long.
    pub expected: Prediction,
}

/// The plan as a table with totals; `time` says how long it runs.
pub fn text(plan: &Plan, time: &str) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["CELL", "NODE", "IMAGE", "BUILT", "MEMORY", "VCPUS", "SCENARIOS"]);
    for cell in &plan.cells {
        let required = if cell.required { "" } else { " (not required)" };
        for (index, node) in cell.nodes.iter().enumerate() {
            let is_first = index == 0;
            table.add_row([
                if is_first {
                    line(&format!("{}{required}", cell.id))
                } else {
                    String::new()
                },
                line(&node.role),
                line(&node.image.name),
                if node.image.sha256.is_some() { "yes" } else { "no" }.to_owned(),
                node.memory.to_string(),
                node.vcpus.to_string(),
                if is_first {
                    let names: Vec<String> = cell.scenarios.iter().map(|name| line(name)).collect();
                    names.join("\n")
                } else {
                    String::new()
                },
            ]);
        }
    }
    let table: String = table
        .to_string()
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect();
    format!("{table}\n{}", totals(plan, time))
}

fn totals(plan: &Plan, time: &str) -> String {
    let nodes: usize = plan.cells.iter().map(|cell| cell.nodes.len()).sum();
    let steps: usize = plan.scenarios.values().map(|scenario| scenario.steps.len()).sum();
    let mut lines = vec![
        format!(
            "lab {}: {}, {} arms, {}, {} with {}",
            plan.lab,
            count(plan.cells.len(), "cell"),
            plan.cells.len() * 2,
            count(nodes * 2, "VM"),
            count(plan.scenarios.len(), "scenario"),
            count(steps, "step"),
        ),
        format!("updates: {}", updates(&plan.updates)),
        format!("clones: {}", clones(plan.clone)),
        format!("reboot: {}", reboot(plan.reboot)),
        format!("confirmed: {}", confirm(plan.confirm)),
        format!("drift: {}", drift(plan)),
        format!("soak: {}", soak(plan)),
        format!("network: {}", network(&plan.network)),
    ];
    lines.extend(machines(plan));
    let nodes = plan.cells.iter().flat_map(|cell| &cell.nodes);
    let kept = nodes.filter(|node| !node.addresses.is_given()).count();
    if kept > 0 {
        lines.push(format!(
            "addresses: {} with production's own",
            count(kept, "node")
        ));
    }
    lines.extend(plan.hosts.iter().map(|plan| format!("host: {}", host(plan))));
    if let Some(largest) = plan.cells.iter().max_by_key(|cell| cell.arm_memory()) {
        lines.push(format!(
            "largest arm: {} with QEMU's own needs, {} ({})",
            largest.arm_memory(),
            count(largest.arm_vcpus() as usize, "vCPU"),
            largest.id,
        ));
    }
    lines.push(format!("time: {time}"));
    lines.push(format!("plan: {}", plan.digest.get(..12).unwrap_or(&plan.digest)));
    let unbuilt: BTreeSet<&str> = plan
        .cells
        .iter()
        .flat_map(|cell| &cell.nodes)
        .filter(|node| node.image.sha256.is_none())
        .map(|node| node.image.name.as_str())
        .collect();
    if !unbuilt.is_empty() {
        lines.push(String::new());
        lines.push(format!(
            "{} not built yet; nothing can run before:",
            count(unbuilt.len(), "image")
        ));
        lines.extend(
            unbuilt
                .iter()
                .map(|name| format!("  patchgate image build {name}")),
        );
    }
    lines.iter().fold(String::new(), |mut text, line| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", whole(line));
        text
    })
}

/// The machines that are not usual, by image.
fn machines(plan: &Plan) -> Vec<String> {
    let nodes = plan.cells.iter().flat_map(|cell| &cell.nodes);
    let images: BTreeMap<&str, &MachinePlan> = nodes
        .map(|node| (node.image.name.as_str(), &node.image.machine))
        .collect();
    let unusual = images.into_iter().filter(|(_, machine)| !machine.is_usual());
    unusual
        .map(|(image, machine)| format!("machine of {image}: {machine}"))
        .collect()
}

fn updates(policy: &UpdatePolicy) -> String {
    let mut text = match policy.mode {
        UpdateMode::Security if policy.security_origins.is_empty() => {
            "those of the security archive".to_owned()
        }
        UpdateMode::Security => format!("those of {}", policy.security_origins.join(", ")),
        UpdateMode::All => "all that are pending".to_owned(),
        UpdateMode::Listed => format!("of {}", policy.listed.join(", ")),
    };
    if !policy.exclude.is_empty() {
        let _ = write!(text, ", but {}", policy.exclude.join(", "));
    }
    if !policy.expect_updates {
        text.push_str("; none pending is no fault");
    }
    if !policy.kept_back.is_note() {
        text.push_str("; none may be kept back");
    }
    text
}

fn clones(mode: CloneMode) -> &'static str {
    match mode {
        CloneMode::Warm => "go on from saved states, where they can be had",
        CloneMode::Cold => "are booted",
    }
}

fn confirm(policy: Confirm) -> String {
    match (policy.again, policy.pairs) {
        (0, _) => "nothing: a single sight closes the gate".to_owned(),
        (1, 1) => "what would close the gate, in a fresh pair of arms".to_owned(),
        (again, pairs) => format!("what would close the gate, in {again} of {pairs} fresh pairs of arms"),
    }
}

fn reboot(policy: RebootPolicy) -> &'static str {
    match policy {
        RebootPolicy::Always => "of every node, in both arms",
        RebootPolicy::WhenNeeded => "of the nodes of cells that need it, in both arms",
    }
}

fn drift(plan: &Plan) -> String {
    let policy = &plan.drift;
    let classes = |effect: Effect| {
        let classes = Class::ALL
            .into_iter()
            .filter(|&class| policy.effect(class) == effect);
        classes.map(Class::word).collect::<Vec<_>>().join(", ")
    };
    let effects = [Effect::Fail, Effect::Warn, Effect::Ignore].map(|effect| (effect, classes(effect)));
    let mut parts: Vec<String> = effects
        .iter()
        .filter(|(_, classes)| !classes.is_empty())
        .map(|(effect, classes)| format!("{effect} on {classes}"))
        .collect();
    if !policy.ignore.is_empty() {
        parts.push(format!("{} left out", count(policy.ignore.len(), "pattern")));
    }
    let own = plan.cells.iter().filter(|cell| cell.drift.is_some()).count();
    if own > 0 {
        parts.push(format!("{} otherwise", count(own, "cell")));
    }
    parts.join("; ")
}

fn soak(plan: &Plan) -> String {
    let mut times: Vec<String> = plan
        .cells
        .iter()
        .map(|cell| {
            if cell.soak.look {
                format!("looked at once more {} after the reboot", cell.soak.time)
            } else {
                "not looked at once more".to_owned()
            }
        })
        .collect();
    times.sort();
    times.dedup();
    times.join("; or ")
}

fn network(policy: &NetworkPolicy) -> String {
    match policy.mode {
        NetworkMode::Isolated if policy.sources.is_empty() => "isolated; nothing is let through".to_owned(),
        NetworkMode::Isolated => format!("isolated; let through: {}", policy.sources.join(", ")),
        NetworkMode::Open => "open: clones reach whatever the host can".to_owned(),
    }
}

fn host(host: &HostPlan) -> String {
    let accel = match host.accel {
        Accel::Auto => "KVM where it works, else TCG",
        Accel::Kvm => "KVM",
        Accel::Tcg => "TCG",
    };
    let memory = host
        .memory
        .map_or("what is free".to_owned(), |memory| memory.to_string());
    let vcpus = host
        .vcpus
        .map_or("all its CPUs".to_owned(), |vcpus| count(vcpus as usize, "vCPU"));
    format!("{} ({accel}); budget: {memory}, {vcpus}", host.uri)
}
