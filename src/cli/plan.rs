//! `patchgate plan`: what `run` would do, before it does it.

pub mod time;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use clap::Args;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;
use time::Prediction;

use crate::cli::check::{self, Format};
use crate::error::UserError;
use crate::input::finding::Finding;
use crate::input::words::count;
use crate::lab::build::{ImageChoice, build_selected};
use crate::lab::file::Lab;
use crate::lab::select::Selection;
use crate::model::drift::Effect;
use crate::model::expected::Expected;
use crate::model::observation::Class;
use crate::model::plan::{HostPlan, Plan};
use crate::model::policy::{
    Accel, CloneMode, NetworkMode, NetworkPolicy, RebootPolicy, UpdateMode, UpdatePolicy,
};

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Only these cells: patterns over GROUP/OS, or a group, OS version or role; `!` leaves out
    #[arg(long, value_name = "EXPR")]
    pub select: Option<String>,
    /// How the plan is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// A plan, and what was loaded for it.
#[derive(Debug)]
pub struct Planned {
    /// The lab file.
    pub lab: Lab,
    /// The plan.
    pub plan: Plan,
    /// What is likely not meant as it is written.
    pub warnings: Vec<Finding>,
}

/// Loads, lints and plans a lab; `images` has the catalogue's choice for each OS version and role of the lab.
///
/// # Errors
/// All findings; or the selection takes no cell.
pub fn planned(
    lab_file: &Path,
    select: Option<&str>,
    images: impl FnOnce(&Lab) -> Result<Vec<ImageChoice>, Vec<Finding>>,
) -> Result<Planned, UserError> {
    let selection = select
        .map(Selection::parse)
        .transpose()
        .map_err(|error| UserError::usage(error.to_string()).with_hint(error.hint))?;
    let inputs = check::inputs(lab_file)?;
    let refused = |findings| {
        UserError::findings(
            format!("{}: cannot be planned; nothing was started", lab_file.display()),
            findings,
        )
    };
    let images = images(&inputs.lab).map_err(refused)?;
    let plan =
        build_selected(&inputs.lab, &inputs.scenarios, &images, selection.as_ref()).map_err(refused)?;
    Ok(Planned {
        lab: inputs.lab,
        plan,
        warnings: inputs.warnings,
    })
}

/// The plan in the form that was asked for, with the time that it is expected to take; `expected` is asked for the lab of
/// that name.
///
/// # Errors
/// As [`planned`].
pub fn run(
    args: &PlanArgs,
    lab_file: &Path,
    images: impl FnOnce(&Lab) -> Result<Vec<ImageChoice>, Vec<Finding>>,
    expected: impl FnOnce(&str) -> Expected,
) -> Result<String, UserError> {
    #[derive(Serialize)]
    struct Shown<'a> {
        #[serde(flatten)]
        plan: &'a Plan,
        expected: Prediction,
    }
    let planned = planned(lab_file, args.select.as_deref(), images)?;
    let plan = &planned.plan;
    let expected = time::predict(plan, &expected(&plan.lab));
    match args.format {
        Format::Json => serde_json::to_string_pretty(&Shown { plan, expected })
            .map(|text| text + "\n")
            .map_err(|error| UserError::usage(format!("the plan cannot be written as JSON: {error}"))),
        Format::Text => {
            let mut text = text(plan, &expected.text());
            if !planned.warnings.is_empty() {
                let warnings = count(planned.warnings.len(), "warning");
                // Writing to a String cannot fail.
                let _ = writeln!(text, "\n{warnings}: `patchgate check` shows them");
            }
            Ok(text)
        }
    }
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
                    format!("{}{required}", cell.id)
                } else {
                    String::new()
                },
                node.role.clone(),
                node.image.name.clone(),
                if node.image.sha256.is_some() { "yes" } else { "no" }.to_owned(),
                node.memory.to_string(),
                node.vcpus.to_string(),
                if is_first {
                    cell.scenarios.join("\n")
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
        format!("drift: {}", drift(plan)),
        format!("network: {}", network(&plan.network)),
    ];
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
        lines.push(format!(
            "\n{} not built yet; nothing can run before:",
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
        let _ = writeln!(text, "{line}");
        text
    })
}

fn updates(policy: &UpdatePolicy) -> String {
    let mut text = match policy.mode {
        UpdateMode::Security => "those of the security archive".to_owned(),
        UpdateMode::All => "all that are pending".to_owned(),
        UpdateMode::Listed => format!("of {}", policy.listed.join(", ")),
    };
    if !policy.exclude.is_empty() {
        let _ = write!(text, ", but {}", policy.exclude.join(", "));
    }
    if !policy.expect_updates {
        text.push_str("; none pending is no fault");
    }
    text
}

fn clones(mode: CloneMode) -> &'static str {
    match mode {
        CloneMode::Warm => "go on from saved states, where they can be had",
        CloneMode::Cold => "are booted",
    }
}

fn reboot(policy: RebootPolicy) -> &'static str {
    match policy {
        RebootPolicy::Always => "of every node, in both arms",
        RebootPolicy::WhenNeeded => "of the nodes of cells that need it, in both arms",
    }
}

fn drift(plan: &Plan) -> String {
    let Some(policy) = &plan.drift else {
        return "is not judged".to_owned();
    };
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
