//! From a lab, its scenarios and the catalogue's images to a plan. Pure and deterministic.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use toml::Spanned;

use crate::input::finding::Finding;
use crate::input::hex;
use crate::input::read::unplaced;
use crate::input::words::{did_you_mean, show};
use crate::lab::addresses;
use crate::lab::file::{DeadlinesSection, GroupSection, HostSection, Lab};
use crate::lab::names;
use crate::lab::select::{Candidate, Selection};
use crate::model::drift::DriftPolicy;
use crate::model::id::CellId;
use crate::model::machine::MachinePlan;
use crate::model::plan::{CellPlan, HostPlan, ImagePin, NodePlan, Plan};
use crate::model::policy::{Deadlines, NetworkPolicy, Soak, UpdatePolicy};
use crate::model::scenario::Scenario;
use crate::units::Period;

/// Cells of one plan.
pub const CELL_LIMIT: usize = 10_000;
/// Bytes of one plan in JSON. It is the first record of a run's journal, and stays well below the longest that is read there.
pub const PLAN_LIMIT: usize = 8 * 1024 * 1024;

/// The image that nodes of one role on one OS version are forked from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageChoice {
    /// The OS version.
    pub os: String,
    /// The role.
    pub role: String,
    /// The image.
    pub pin: ImagePin,
    /// SHA-256 (hexadecimal) of the recipes that it is built from, by path relative to the lab file.
    pub recipes: BTreeMap<String, String>,
    /// The update sources in it, as far as a recipe tells: lines with an address each.
    pub sources: Vec<String>,
}

/// Plans every cell of a lab that [`crate::lab::lint`] finds no error in.
///
/// # Errors
/// What keeps a cell from being planned; never empty.
pub fn build(lab: &Lab, scenarios: &[Scenario], images: &[ImageChoice]) -> Result<Plan, Vec<Finding>> {
    build_selected(lab, scenarios, images, None)
}

/// Plans the cells of a lab that a selection takes; images are asked for those alone.
///
/// # Errors
/// As [`build`], or the selection takes no cell.
pub fn build_selected(
    lab: &Lab,
    scenarios: &[Scenario],
    images: &[ImageChoice],
    selection: Option<&Selection>,
) -> Result<Plan, Vec<Finding>> {
    let (slots, left_out) = selected(lab, slots(lab)?, selection)?;
    let scenarios: Vec<&Scenario> = scenarios.iter().collect();
    let mut findings = Vec::new();
    let drift = lab.file.drift.over(DriftPolicy::default());
    let mut plan = Plan {
        lab: lab.file.lab.name.get_ref().clone(),
        updates: update_policy(lab),
        clone: lab.file.lab.clone,
        reboot: lab.file.lab.reboot,
        confirm: lab.file.lab.confirm,
        network: NetworkPolicy::default(),
        performance: lab.file.performance,
        drift: drift.clone(),
        hosts: host_plans(lab),
        cells: Vec::new(),
        left_out,
        scenarios: BTreeMap::new(),
        inputs: BTreeMap::new(),
        digest: String::new(),
    };
    for slot in &slots {
        let asked = names::all_asked(slot.section.scenarios.get_ref(), &scenarios);
        if asked.is_empty() {
            findings.push(Finding::error(
                &lab.source,
                slot.section.scenarios.span(),
                format!(
                    "cell {} has no scenario: nothing would be tested",
                    show(&slot.id())
                ),
            ));
        }
        for scenario in &asked {
            plan.inputs
                .insert(format!("scenario {}", scenario.name), scenario.digest.clone());
            plan.scenarios.insert(scenario.name.clone(), (*scenario).clone());
        }
        let mut nodes = Vec::new();
        for role in slot.section.roles.get_ref() {
            match node(lab, images, slot.os, role, &mut plan.inputs) {
                Ok(node) => nodes.push(node),
                Err(finding) => findings.push(*finding),
            }
        }
        findings.extend(addresses::twice(lab, &slot.id(), slot.section, &nodes));
        plan.cells.push(CellPlan {
            id: CellId::new(slot.group, slot.os),
            group: slot.group.to_owned(),
            os: slot.os.to_owned(),
            owner: slot.section.owner.clone(),
            admin: slot.section.admin.clone(),
            required: slot.section.required,
            reboot_order: reboot_order(slot.section),
            nodes,
            scenarios: asked.iter().map(|scenario| scenario.name.clone()).collect(),
            deadlines: deadlines(&lab.file.deadlines),
            soak: slot.section.soak.over(lab.file.soak.over(Soak::default())),
            drift: slot.section.drift.as_ref().map(|own| own.over(drift.clone())),
        });
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    plan.network = network_policy(lab, &plan.cells, images);
    plan.cells.sort_by(|a, b| a.id.cmp(&b.id));
    let sealed = json_digest(&lab.file).and_then(|lab_digest| {
        plan.inputs.insert("lab".into(), lab_digest);
        plan.sealed()
    });
    let whole = sealed.and_then(|plan| Ok((serde_json::to_vec(&plan)?.len(), plan)));
    match whole {
        Ok((bytes, plan)) if bytes <= PLAN_LIMIT => Ok(plan),
        Ok((bytes, plan)) => Err(vec![too_large(bytes, &plan)]),
        Err(error) => Err(vec![unplaced(format!(
            "the plan cannot be written as JSON: {error}"
        ))]),
    }
}

/// What keeps the whole plan of a lab that [`crate::lab::lint`] finds no error in from being made, whatever its images are.
pub fn outlook(lab: &Lab, scenarios: &[Scenario]) -> Vec<Finding> {
    let digest = "0".repeat(64);
    let groups = lab.file.group.values();
    let nodes = groups.flat_map(|group| {
        let roles = group.roles.get_ref();
        let oses = group.os.get_ref().iter();
        oses.flat_map(move |os| roles.iter().map(move |role| (os.get_ref(), role.get_ref())))
    });
    let nodes: BTreeSet<(&String, &String)> = nodes.collect();
    let image = |(os, role): (&String, &String)| ImageChoice {
        os: os.clone(),
        role: role.clone(),
        pin: ImagePin {
            name: format!("{os}+{role}"),
            os: os.clone(),
            key: digest.clone(),
            sha256: Some(digest.clone()),
            machine: MachinePlan::default(),
            manager: None,
        },
        recipes: BTreeMap::new(),
        sources: Vec::new(),
    };
    let images: Vec<ImageChoice> = nodes.into_iter().map(image).collect();
    build(lab, scenarios, &images).err().unwrap_or_default()
}

fn too_large(bytes: usize, plan: &Plan) -> Finding {
    let size = |scenario: &Scenario| serde_json::to_vec(scenario).map_or(0, |json| json.len());
    let largest = plan
        .scenarios
        .values()
        .map(|scenario| (size(scenario), &scenario.name))
        .max();
    let hint = largest.map_or_else(String::new, |(size, name)| {
        format!(
            "the largest of its {} scenarios is {}, with {size} bytes; `each` makes a step of every item, with the whole of \
             its text",
            plan.scenarios.len(),
            show(name)
        )
    });
    unplaced(format!(
        "the plan has {bytes} bytes; at most {PLAN_LIMIT} can be run"
    ))
    .with_hint(hint)
}

fn json_digest(value: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    Ok(hex(&Sha256::digest(serde_json::to_vec(value)?)))
}

/// A cell that could be planned.
struct Slot<'a> {
    group: &'a str,
    os: &'a str,
    section: &'a GroupSection,
}

impl Slot<'_> {
    fn id(&self) -> String {
        CellId::new(self.group, self.os).0
    }
}

/// One slot for each group and OS version, bounded.
fn slots(lab: &Lab) -> Result<Vec<Slot<'_>>, Vec<Finding>> {
    let groups = &lab.file.group;
    let count: usize = groups.values().map(|group| group.os.get_ref().len()).sum();
    if count == 0 || count > CELL_LIMIT {
        let message = match count {
            0 => "the lab has no cell: nothing would be tested".into(),
            _ => format!("the lab has {count} cells; at most {CELL_LIMIT} are planned"),
        };
        return Err(vec![
            unplaced(message).with_hint("a group has one cell for each OS version in its `os`"),
        ]);
    }
    Ok(groups
        .iter()
        .flat_map(|(name, section)| {
            section.os.get_ref().iter().map(move |os| Slot {
                group: name.get_ref(),
                os: os.get_ref(),
                section,
            })
        })
        .collect())
}

fn selected<'a>(
    lab: &Lab,
    slots: Vec<Slot<'a>>,
    selection: Option<&Selection>,
) -> Result<(Vec<Slot<'a>>, Vec<CellId>), Vec<Finding>> {
    let Some(selection) = selection else {
        return Ok((slots, Vec::new()));
    };
    let candidates: Vec<Candidate<'_>> = slots
        .iter()
        .map(|slot| Candidate {
            id: slot.id(),
            group: slot.group,
            os: slot.os,
            roles: slot
                .section
                .roles
                .get_ref()
                .iter()
                .map(|role| role.get_ref().as_str())
                .collect(),
        })
        .collect();
    let mask = selection.apply(&candidates).map_err(|error| {
        let message = format!("{}: {error}", lab.source.path.display());
        vec![unplaced(message).with_hint(error.hint)]
    })?;
    let mut left_out = Vec::new();
    let mut kept = Vec::new();
    for (slot, is_kept) in slots.into_iter().zip(mask) {
        if is_kept {
            kept.push(slot);
        } else {
            left_out.push(CellId::new(slot.group, slot.os));
        }
    }
    left_out.sort();
    Ok((kept, left_out))
}

fn node(
    lab: &Lab,
    images: &[ImageChoice],
    os: &str,
    role: &Spanned<String>,
    inputs: &mut BTreeMap<String, String>,
) -> Result<NodePlan, Box<Finding>> {
    let name = role.get_ref().as_str();
    let refuse = |message: String| Box::new(Finding::error(&lab.source, role.span(), message));
    let Some(section) = lab.file.role.get(name) else {
        let known = lab.file.role.keys().map(|role| role.get_ref().as_str());
        let finding = refuse(format!("there is no role {}", show(name)));
        return Err(Box::new(finding.with_hint(did_you_mean(name, "role", known))));
    };
    let Some(choice) = images
        .iter()
        .find(|choice| choice.os == os && choice.role == name)
    else {
        return Err(refuse(format!(
            "there is no image of {} for role {}",
            show(os),
            show(name)
        )));
    };
    let pin = &choice.pin;
    pin.machine.check().map_err(|error| {
        let message = format!("image {}: {error}", show(&pin.name));
        Box::new(Finding::error(&lab.source, role.span(), message).with_hint(error.hint()))
    })?;
    inputs.insert(
        format!("image {}", pin.name),
        pin.sha256.as_ref().unwrap_or(&pin.key).clone(),
    );
    for (path, digest) in &choice.recipes {
        inputs.insert(format!("recipe {path}"), digest.clone());
    }
    Ok(NodePlan {
        role: name.to_owned(),
        host: section.host_or(name).to_owned(),
        ready: section.ready.clone(),
        addresses: addresses::of(lab, section, &choice.pin.name, &choice.pin.machine.nics)?,
        image: pin.clone(),
        memory: section.memory,
        vcpus: *section.vcpus.get_ref(),
    })
}

/// Where each role of `reboot` is in the start order; the lint holds that both name the same roles.
fn reboot_order(group: &GroupSection) -> Vec<usize> {
    let place = |role: &Spanned<String>| {
        let mut roles = group.roles.get_ref().iter();
        roles.position(|other| other.get_ref() == role.get_ref())
    };
    let order: Vec<usize> = group
        .reboot
        .iter()
        .flat_map(Spanned::get_ref)
        .filter_map(place)
        .collect();
    if order.is_sorted() { Vec::new() } else { order }
}

/// The sources of the images that the cells use, and those that the lab file adds.
fn network_policy(lab: &Lab, cells: &[CellPlan], images: &[ImageChoice]) -> NetworkPolicy {
    let network = &lab.file.network;
    let used: BTreeSet<&str> = cells
        .iter()
        .flat_map(|cell| &cell.nodes)
        .map(|node| node.image.name.as_str())
        .collect();
    let of_images = images
        .iter()
        .filter(|choice| used.contains(choice.pin.name.as_str()))
        .flat_map(|choice| &choice.sources)
        .filter_map(|line| source_address(line));
    let of_lab = network.sources.iter().map(|source| source.get_ref().as_str());
    let sources: BTreeSet<&str> = of_images.chain(of_lab).collect();
    NetworkPolicy {
        mode: *network.mode.get_ref(),
        sources: sources.into_iter().map(str::to_owned).collect(),
    }
}

/// The address in a line of an image's update sources that is asked over a network, as in `deb [options] URI suite ...`.
fn source_address(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    words.find(|word| word.starts_with("http://") || word.starts_with("https://"))
}

fn update_policy(lab: &Lab) -> UpdatePolicy {
    let lab = &lab.file.lab;
    let sorted = |names: &[Spanned<String>]| {
        let mut names: Vec<String> = names.iter().map(|name| name.get_ref().clone()).collect();
        names.sort();
        names.dedup();
        names
    };
    UpdatePolicy {
        mode: *lab.updates.get_ref(),
        listed: sorted(&lab.listed),
        exclude: sorted(&lab.exclude),
        expect_updates: lab.expect_updates,
        kept_back: lab.kept_back,
        security_origins: sorted(&lab.security_origins),
    }
}

/// The hosts of a lab; one with every default where it names none.
pub fn host_plans(lab: &Lab) -> Vec<HostPlan> {
    let hosts = &lab.file.host;
    if hosts.is_empty() {
        return vec![HostPlan::at("auto")];
    }
    let plan = |host: &Spanned<HostSection>| {
        let host = host.get_ref();
        HostPlan {
            uri: host.uri.get_ref().clone(),
            accel: host.accel,
            memory: host.memory.as_ref().map(|memory| *memory.get_ref()),
            vcpus: host.vcpus.as_ref().map(|vcpus| *vcpus.get_ref()),
        }
    };
    hosts.iter().map(plan).collect()
}

/// The deadlines, with defaults that a guest under TCG keeps.
fn deadlines(given: &DeadlinesSection) -> Deadlines {
    const MINUTE: u64 = 60;
    Deadlines {
        boot: given.boot.unwrap_or(Period::seconds(5 * MINUTE)),
        resolve: given.resolve.unwrap_or(Period::seconds(5 * MINUTE)),
        download: given.download.unwrap_or(Period::seconds(15 * MINUTE)),
        apply: given.apply.unwrap_or(Period::seconds(60 * MINUTE)),
        reboot: given.reboot.unwrap_or(Period::seconds(10 * MINUTE)),
    }
}
