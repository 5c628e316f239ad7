//! Warm clones: the nodes of a cell are booted together once, settled, and saved; arms go on from there instead of booting.
//! Where that cannot be had, an arm boots its nodes and says why.

mod keep;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use crate::guest::identity::{self, Answer, Identity};
use crate::guest::linux;
use crate::image::warm::{Found, Kept, WarmStore};
use crate::input::hex;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::policy::CloneMode;
use crate::model::resource::{Resource, ResourceKind};
use crate::port::{LabError, Power, VmSpec};
use crate::run::arm::ArmRun;
use crate::run::names;
use crate::run::node::{Node, fault};
use crate::units::Period;

/// How long a clone that goes on from a saved state may take to answer.
const ANSWER: Period = Period::seconds(120);

/// A set's saved state, made by whoever asks first, or why there is none.
type Slot = OnceCell<Result<Arc<Saved>, String>>;

/// What a site has of saved states.
#[derive(Default)]
pub struct Warm {
    machine: OnceCell<Result<BTreeMap<String, String>, String>>,
    sets: Mutex<BTreeMap<String, Arc<Slot>>>,
    /// Machine ids, random numbers and keys of all clones; no two may have the same.
    known: Mutex<BTreeSet<String>>,
    keeping: Mutex<JoinSet<()>>,
}

/// The saved nodes of a cell, in volumes of the run's pool.
pub struct Saved {
    nodes: Vec<SavedNode>,
    /// Why nothing goes on from them any more.
    given_up: OnceLock<String>,
}

struct SavedNode {
    files: Files,
    who: Answer,
}

/// The names of a saved node's volumes.
#[derive(Clone)]
struct Files {
    disk: String,
    ram: String,
    state: String,
}

/// What the nodes of an arm begin with.
pub enum Origin {
    /// Their sealed images; with the reason, where it should have been a saved state.
    Cold(Option<String>),
    /// A saved state.
    Warm(Arc<Saved>),
}

impl Origin {
    /// How an arm's node begins, and the volume that its disk is forked from; nothing where that is its image's.
    pub fn of_node(&self, at: usize) -> (Power, Option<&str>) {
        match self {
            Self::Cold(_) => (Power::On, None),
            Self::Warm(saved) => {
                let files = &saved.nodes[at].files;
                let power = Power::Saved {
                    ram: files.ram.clone(),
                    state: files.state.clone(),
                };
                (power, Some(&files.disk))
            }
        }
    }
}

impl Warm {
    /// Waits until what was saved is kept for later runs.
    pub async fn settle(&self) {
        let mut keeping = std::mem::take(&mut *self.keeping.lock().unwrap_or_else(PoisonError::into_inner));
        while keeping.join_next().await.is_some() {}
    }

    fn slot(&self, set: &str) -> Arc<Slot> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.entry(set.to_owned()).or_default().clone()
    }

    /// Takes note of what only one clone may have; false where another one has it.
    fn is_unique(&self, said: &Answer) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let own = [&said.machine_id, &said.random].into_iter().chain(&said.ssh);
        // Every one of them is noted, whatever came of the others.
        let new: Vec<bool> = own.map(|own| known.insert(own.clone())).collect();
        !new.contains(&false)
    }
}

/// What an arm begins with: a saved state, made first where there is none. A fault is that of the boot it took.
pub async fn origin(arm: &ArmRun<'_>) -> Result<Origin, Fault> {
    match arm.setup().plan.clone {
        CloneMode::Cold => return Ok(Origin::Cold(None)),
        CloneMode::Warm => {}
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
    let set = set(arm);
    let slot = warm.slot(&set);
    let made = slot.get_or_try_init(|| async {
        let made = arm.stage(Stage::Warm, obtain(arm, &set, machine)).await?;
        Ok::<_, Fault>(made.map(Arc::new))
    });
    Ok(match made.await? {
        Ok(saved) => match saved.given_up.get() {
            None => Origin::Warm(saved.clone()),
            Some(reason) => Origin::Cold(Some(reason.clone())),
        },
        Err(reason) => Origin::Cold(Some(reason.clone())),
    })
}

/// Names a set of nodes that are booted together by all that their state depends on beside the machine.
fn set(arm: &ArmRun<'_>) -> String {
    let nodes: Vec<_> = arm
        .cell
        .nodes
        .iter()
        .map(|node| {
            let ready = node.ready.as_ref().map(|ready| &ready.check);
            let image = (&node.image.name, &node.image.sha256);
            serde_json::json!([image, node.memory, node.vcpus, node.host, ready])
        })
        .collect();
    let network = arm.site.host.has_networks().then(|| arm.hosts());
    let said = serde_json::json!([nodes, network, linux::identify("", None).argv]);
    hex(&Sha256::digest(said.to_string()))[..16].to_owned()
}

/// Places what an arm will be forked from before it starts. What fails here is tried again by the arm, which tells of it.
pub async fn prepare(arm: &ArmRun<'_>) {
    for node in &arm.cell.nodes {
        if let Err(error) = arm.base(node).await {
            tracing::debug!("image {} is not placed ahead: {error}", node.image.name);
            return;
        }
    }
    let warm = &arm.site.warm;
    let (Some(store), Some(Ok(machine))) = (&arm.setup().warm, warm.machine.get()) else {
        return;
    };
    let set = set(arm);
    let Found::Fit(kept, folder) = store.find(&set, machine) else {
        return;
    };
    let placed = warm.slot(&set);
    let placed = placed.get_or_try_init(|| async {
        let saved = fetch(arm, store, &set, &kept, &folder).await;
        saved.map(|saved| Ok(Arc::new(saved))).ok_or(())
    });
    if placed.await.is_err() {
        tracing::debug!("the saved state of {} is not placed ahead", arm.cell.id);
    }
}

/// The saved state of an arm's cell, where it is in the run's pool already and can be used.
pub fn placed(arm: &ArmRun<'_>) -> Option<Arc<Saved>> {
    let slot = arm.site.warm.slot(&set(arm));
    let saved = slot.get()?.as_ref().ok()?;
    saved.given_up.get().is_none().then(|| saved.clone())
}

/// Gets a set's state from what earlier runs kept, or boots and saves it. The inner error says why there is none.
async fn obtain(
    arm: &ArmRun<'_>,
    set: &str,
    machine: &BTreeMap<String, String>,
) -> Result<Result<Saved, String>, Fault> {
    if let Some(saved) = kept(arm, set, machine).await {
        return Ok(Ok(saved));
    }
    let mut made = Vec::new();
    let saved = save(arm, set, &mut made).await;
    if let Ok(Ok(_)) = saved {
        // What was saved stays until the run's end.
        made.retain(|resource| resource.kind != ResourceKind::Volume);
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
        arm.base(plan).await?;
        let files = files(set, at);
        for (volume, part) in [
            (&files.disk, &node.disk),
            (&files.ram, &node.ram),
            (&files.state, &node.state),
        ] {
            let name = format!("{pool}/{volume}");
            made.push(arm.site.resources.intend(ResourceKind::Volume, &name)?);
            arm.site
                .host
                .place_volume(&pool, volume, &folder.join(&part.file), &part.digest)
                .await?;
        }
        nodes.push(SavedNode {
            files,
            who: node.who.clone(),
        });
    }
    Ok(Saved::of(nodes))
}

fn files(set: &str, at: usize) -> Files {
    let name = |what: &str| format!("warm-{set}-{at}.{what}");
    Files {
        disk: name("qcow2"),
        ram: name("ram"),
        state: name("state"),
    }
}

/// Boots the nodes of an arm's cell, and saves them together. A fault is the boot's own, which a cold clone would have had
/// too; the inner error is that of saving.
async fn save(
    arm: &ArmRun<'_>,
    set: &str,
    made: &mut Vec<Resource>,
) -> Result<Result<Saved, LabError>, Fault> {
    let template = arm.named(names::template(&arm.setup().run, set));
    let warm = |error| fault(Stage::Warm, None, error);
    let mut specs = template.fork(&Origin::Cold(None), made).await?;
    for (at, spec) in specs.iter_mut().enumerate() {
        let volume = format!("{}/{}", spec.pool, files(set, at).ram);
        let ram = arm.site.resources.intend(ResourceKind::Volume, &volume);
        made.push(ram.map_err(warm)?);
        spec.power = Power::Savable {
            ram: files(set, at).ram,
        };
    }
    let nodes = match template.boot(&specs, made).await {
        Ok(nodes) => nodes,
        // Without an agent that was asked, it was libvirt that refused what only this takes.
        Err(fault) if fault.cause == Cause::HostRefused => {
            return Ok(Err(LabError::new(fault.cause, fault.message)));
        }
        Err(fault) => return Err(fault),
    };
    let mut who = Vec::new();
    for node in &nodes {
        let answer = node.ask(Stage::Warm, &identity::ask()).await?;
        let said = identity::parse(&answer).map_err(|error| node.garbled(Stage::Warm, &error))?;
        arm.site.warm.is_unique(&said);
        who.push(said);
    }
    Ok(freeze(arm, set, &specs, who, made).await)
}

/// Saves nodes as they are at one moment.
async fn freeze(
    arm: &ArmRun<'_>,
    set: &str,
    specs: &[VmSpec],
    who: Vec<Answer>,
    made: &mut Vec<Resource>,
) -> Result<Saved, LabError> {
    let host = &arm.site.host;
    for spec in specs {
        host.pause(&spec.name).await?;
    }
    let mut nodes = Vec::new();
    for (at, (spec, who)) in specs.iter().zip(who).enumerate() {
        let files = Files {
            disk: spec.overlay.clone(),
            ..files(set, at)
        };
        let volume = format!("{}/{}", spec.pool, files.state);
        made.push(arm.site.resources.intend(ResourceKind::Volume, &volume)?);
        host.save_state(spec, &files.state).await?;
        nodes.push(SavedNode { files, who });
    }
    Ok(Saved::of(nodes))
}

/// Lets an arm's nodes, which are paused, go on from a saved state, each with an identity of its own.
pub async fn thaw<'a>(arm: &ArmRun<'a>, saved: &Saved, specs: &[VmSpec]) -> Result<Vec<Node<'a>>, Fault> {
    let mut nodes = Vec::new();
    for (spec, plan) in specs.iter().zip(&arm.cell.nodes) {
        nodes.push(arm.node(spec, plan)?);
    }
    // None goes on before all are there: they have spoken to each other.
    for node in &nodes {
        let resumed = arm.site.host.resume(&node.domain).await;
        resumed.map_err(|error| fault(Stage::Boot, Some(&node.plan.role), error))?;
    }
    for node in &nodes {
        node.ready(Stage::Boot, ANSWER.min(arm.cell.deadlines.boot), None)
            .await?;
    }
    for (at, ((node, spec), from)) in nodes.iter().zip(specs).zip(&saved.nodes).enumerate() {
        renew(arm, at, node, spec, &from.who).await?;
    }
    for node in &nodes {
        if let Some(fault) = node.await_ready(Stage::Boot).await? {
            return Err(fault);
        }
    }
    Ok(nodes)
}

/// Gives a node an identity of its own, and looks whether it has it.
async fn renew(
    arm: &ArmRun<'_>,
    at: usize,
    node: &Node<'_>,
    spec: &VmSpec,
    origin: &Answer,
) -> Result<(), Fault> {
    let own = |what: &str| {
        hex(&Sha256::digest(format!(
            "{what} {} {}",
            spec.name,
            uuid::Uuid::new_v4()
        )))
    };
    let identity = Identity {
        machine_id: own("machine id")[..32].to_owned(),
        seed: own("seed") + &own("more of it"),
        macs: spec.nics.iter().map(|nic| nic.mac.clone()).collect(),
    };
    let now = || u64::try_from((arm.setup().now)().as_millisecond()).unwrap_or(0);
    node.ask(Stage::Boot, &identity::renew(&identity, now())).await?;
    arm.identify(at, node).await?;
    let answer = node.ask(Stage::Boot, &identity::ask()).await?;
    let said = identity::parse(&answer).map_err(|error| node.garbled(Stage::Boot, &error))?;
    let wrong = identity::fault(&identity, &node.plan.host, &said, origin, now());
    let twice = || {
        let unique = arm.site.warm.is_unique(&said);
        (!unique).then(|| "it has the machine id, keys or random numbers of another clone".to_owned())
    };
    match wrong.or_else(twice) {
        None => Ok(()),
        Some(why) => {
            let message = format!("a warm clone has no identity of its own: {why}");
            Err(node.fault(Stage::Boot, Cause::GuestProtocol, message))
        }
    }
}

impl Saved {
    fn of(nodes: Vec<SavedNode>) -> Self {
        Self {
            nodes,
            given_up: OnceLock::new(),
        }
    }

    /// Lets nothing go on from it any more.
    pub fn give_up(&self, why: &str) {
        // The first reason is the one that is told.
        let _ = self.given_up.set(why.to_owned());
    }
}
