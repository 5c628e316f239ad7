//! Getting a saved state: from what earlier runs kept, or by booting the nodes of a cell together, once.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::guest::identity::Way;
use crate::image::warm::{Found, Kept, Part, WarmStore};
use crate::input::hex;
use crate::model::arm::{ArmPlan, Ends};
use crate::model::machine::MachinePlan;
use crate::model::name::{VolumeName, VolumePath};
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::plan::{CellPlan, NodePlan};
use crate::model::policy::CloneMode;
use crate::model::resource::{Made, Resource};
use crate::port::LabError;
use crate::run::arm::ArmRun;
use crate::run::context::Context;
use crate::run::names;
use crate::run::setup::Setup;
use crate::run::site::Site;
use crate::run::site::saved::{Files, Origin, Saved, SavedNode};
use crate::run::warm::keep;

/// The life of an arm that prepares a saved state: what it saved, or why it could not be saved. A fault is that of the boot
/// it took.
pub type Prepare = for<'l> fn(ArmRun<'l>, &'l mut Vec<Resource>) -> Preparing<'l>;

/// Such a life.
pub type Preparing<'l> = Pin<Box<dyn Future<Output = Result<Result<Saved, LabError>, Fault>> + Send + 'l>>;

/// What an arm begins with: a saved state, made first where there is none. A fault is that of the boot it took.
pub async fn origin(arm: &ArmRun<'_>, prepare: Prepare) -> Result<Origin, Fault> {
    match arm.plan.origin {
        CloneMode::Cold => {
            return Ok(match &arm.plan.ends {
                Ends::Saved(set) => Origin::Savable(set.clone()),
                Ends::Removed | Ends::KeptOnFault | Ends::Kept => Origin::Cold(None),
            });
        }
        CloneMode::Warm => {}
    }
    let mut machines = arm.cell.nodes.iter().map(|node| &node.image.machine);
    if let Some(reason) = machines.find_map(MachinePlan::unsavable) {
        return Ok(Origin::Cold(Some(reason.to_owned())));
    }
    let warm = &arm.site.warm;
    let asked = warm.machine.get_or_init(|| async {
        let asked = arm.site.host.machine(arm.site.kvm).await;
        asked.map_err(|error| error.message)
    });
    let machine = match asked.await {
        Ok(machine) => machine,
        Err(reason) => return Ok(Origin::Cold(Some(reason.clone()))),
    };
    let set = set(arm.setup(), arm.site, arm.cell);
    let slot = warm.slot(&set);
    let made = slot.get_or_try_init(|| async {
        let made = arm
            .stage(Stage::Warm, obtain(arm, &set, machine, prepare))
            .await?;
        Ok::<_, Fault>(made.map(Arc::new))
    });
    Ok(match made.await? {
        Ok(saved) => match saved.given_up() {
            None => Origin::Warm(saved.clone()),
            Some(reason) => Origin::Cold(Some(reason.to_owned())),
        },
        Err(reason) => Origin::Cold(Some(reason.clone())),
    })
}

/// Names a set of nodes that are booted together by all that their state depends on beside the machine.
fn set(setup: &Setup, site: &Site, cell: &CellPlan) -> String {
    let nodes: Vec<_> = cell
        .nodes
        .iter()
        .map(|node| {
            let ready = node.ready.as_ref().map(|ready| &ready.check);
            let image = (&node.image.name, &node.image.sha256);
            let room = (node.memory, node.vcpus);
            let machine = &node.image.machine;
            serde_json::json!([image, machine, room, node.host, ready, node.addresses])
        })
        .collect();
    let network = site.host.has_networks().then(|| names::hosts(cell));
    let family = |node: &NodePlan| setup.families.of_image(&cell.os, node.image.manager.as_deref());
    let family = cell.nodes.first().and_then(family);
    let named = family.map(|family| {
        let way = Way {
            mac: String::new(),
            address: Ipv4Addr::UNSPECIFIED,
            gateway: Ipv4Addr::UNSPECIFIED,
        };
        let keeps = cell.keeps_addresses().then(|| family.system.attach(&way).argv);
        (family.system.identify("", None).argv, keeps)
    });
    let said = serde_json::json!([nodes, network, named]);
    hex(&Sha256::digest(said.to_string()))[..16].to_owned()
}

/// Places what a cell's arms will be forked from before they start. What fails here is tried again by the arm, which tells
/// of it.
pub async fn place_ahead(context: &Context, site: &Site, index: usize) {
    let setup = &context.setup;
    let cell = &setup.plan.cells[index];
    let set = set(setup, site, cell);
    let arm = &ArmRun::new(context, site, index, ArmPlan::preparation(cell, 1, &set));
    for node in &cell.nodes {
        if let Err(error) = arm.base(node).await {
            tracing::debug!("image {} is not placed ahead: {error}", node.image.name);
            return;
        }
    }
    let warm = &site.warm;
    let (Some(store), Some(Ok(machine))) = (&setup.warm, warm.machine.get()) else {
        return;
    };
    let Found::Fit(kept, folder) = store.find(&set, machine) else {
        return;
    };
    let placed = warm.slot(&set);
    let placed = placed.get_or_try_init(|| async {
        let saved = fetch(arm, store, &set, &kept, &folder).await;
        saved.map(|saved| Ok(Arc::new(saved))).ok_or(())
    });
    if placed.await.is_err() {
        tracing::debug!("the saved state of {} is not placed ahead", cell.id);
    }
}

/// The saved state of an arm's cell, where it is in the run's pool already and can be used.
pub fn placed(arm: &ArmRun<'_>) -> Option<Arc<Saved>> {
    let slot = arm.site.warm.slot(&set(arm.setup(), arm.site, arm.cell));
    let saved = slot.get()?.as_ref().ok()?;
    saved.given_up().is_none().then(|| saved.clone())
}

/// Gets a set's state from what earlier runs kept, or boots and saves it. The inner error says why there is none.
async fn obtain(
    arm: &ArmRun<'_>,
    set: &str,
    machine: &BTreeMap<String, String>,
    prepare: Prepare,
) -> Result<Result<Saved, String>, Fault> {
    if let Some(saved) = kept(arm, set, machine).await {
        return Ok(Ok(saved));
    }
    let mut made = Vec::new();
    let saved = match prepare(arm.preparing(set), &mut made).await {
        // Without an agent that was asked, it was libvirt that refused what only this takes.
        Err(fault) if fault.stage == Stage::Boot && fault.cause == Cause::HostRefused => {
            Ok(Err(LabError::new(fault.cause, fault.message)))
        }
        saved => saved,
    };
    if let Ok(Ok(_)) = saved {
        // What was saved stays until the run's end.
        made.retain(|resource| !matches!(resource.made, Made::Volume(_)));
    }
    arm.site.resources.remove_all(made).await;
    let saved = match saved? {
        Ok(saved) => saved,
        Err(error) => return Ok(Err(error.message)),
    };
    if let Some(store) = &arm.setup().warm {
        keep::keep(arm, store.clone(), set.to_owned(), machine.clone(), &saved);
    }
    Ok(Ok(saved))
}

/// A set's state from what earlier runs kept, in volumes of the run's pool; nothing where there is none that can be used.
async fn kept(arm: &ArmRun<'_>, set: &str, machine: &BTreeMap<String, String>) -> Option<Saved> {
    let store = arm.setup().warm.as_ref()?;
    match store.find(set, machine) {
        Found::Fit(kept, folder) => fetch(arm, store, set, &kept, &folder).await,
        Found::Misfit(why) => {
            arm.notice(&format!("the saved state of {} does not fit: {why}", arm.cell.id));
            None
        }
        Found::Nothing => None,
    }
}

/// A kept state, in volumes of the run's pool; nothing where it cannot be used, which a person is told.
async fn fetch(arm: &ArmRun<'_>, store: &WarmStore, set: &str, kept: &Kept, folder: &Path) -> Option<Saved> {
    let mut made = Vec::new();
    match place(arm, set, kept, folder, &mut made).await {
        Ok(saved) => Some(saved),
        Err(error) => {
            arm.site.resources.remove_all(made).await;
            arm.notice(&format!(
                "the saved state of {} is not used: {error}",
                arm.cell.id
            ));
            // A host that would not take it says nothing of the state.
            if error.cause == Cause::ImageDamaged
                && let Err(error) = store.discard(set, &kept.machine)
            {
                tracing::warn!("a saved state could not be removed: {error}");
            }
            None
        }
    }
}

/// Copies a kept state into the run's pool.
async fn place(
    arm: &ArmRun<'_>,
    set: &str,
    kept: &Kept,
    folder: &Path,
    made: &mut Vec<Resource>,
) -> Result<Saved, LabError> {
    let pool = names::pool(&arm.setup().run);
    if kept.nodes.len() != arm.cell.nodes.len() {
        return Err(LabError::new(Cause::ImageDamaged, "it is of other nodes"));
    }
    let mut nodes = Vec::new();
    for (at, (node, plan)) in kept.nodes.iter().zip(&arm.cell.nodes).enumerate() {
        let base = arm.base(plan).await?;
        if node.disks.len() != base.disks.len() {
            return Err(LabError::new(Cause::ImageDamaged, "it is of other disks"));
        }
        let files = Files::of(set, at, node.disks.len())?;
        let mut parts: Vec<(&VolumeName, &Part)> = files.disks.iter().zip(&node.disks).collect();
        parts.extend([(&files.ram, &node.ram), (&files.state, &node.state)]);
        for (volume, part) in parts {
            let path = VolumePath::new(&pool, volume);
            made.push(arm.site.resources.intend(Made::Volume(path.clone()))?);
            let file = folder.join(&part.file);
            let placed = arm.site.host.place_volume(&path, &file, &part.digest);
            arm.copied(placed).await?;
        }
        nodes.push(SavedNode {
            files,
            who: node.who.clone(),
        });
    }
    Ok(Saved::of(nodes))
}
