//! Whether the hosts can hold a plan at all, before anything is made.

use std::path::Path;
use std::time::Duration;

use crate::model::machine::MachinePlan;
use crate::model::outcome::Cause;
use crate::model::plan::CellPlan;
use crate::model::policy::NetworkMode;
use crate::model::uri::HostUri;
use crate::port::{Capacity, LabError};
use crate::run::queue::{ARM_DISK, CellNeeds, Queue, Room};
use crate::run::setup::{HostSetup, Setup};
use crate::units::Mib;

/// What a run's clones may use of its hosts, and how long it may take.
#[derive(Debug, Clone)]
pub struct Capacities {
    rooms: Vec<Room>,
    /// How long the run takes if every arm takes as long as is expected of it.
    pub expected: Duration,
}

impl Capacities {
    /// Every arm of the plan that is still to run, waiting.
    pub(super) fn queue(&self, setup: &Setup) -> Queue {
        queue(setup, needs(setup), &self.rooms)
    }
}

/// Checks that each cell of the plan finds a host that can hold it, and that all can isolate their clones where that is
/// promised.
pub async fn preflight(setup: &Setup) -> Result<Capacities, LabError> {
    let mut machines: Vec<&MachinePlan> = Vec::new();
    for node in setup.plan.cells.iter().flat_map(|cell| &cell.nodes) {
        if !machines.contains(&&node.image.machine) {
            machines.push(&node.image.machine);
        }
    }
    let mut rooms = Vec::new();
    let mut silent = None;
    for HostSetup { plan, host, .. } in &setup.hosts {
        match setup.plan.network.mode {
            NetworkMode::Isolated => host.can_isolate()?,
            NetworkMode::Open => {}
        }
        let has = match host.capacity().await {
            Ok(has) => {
                for machine in &machines {
                    host.can_have(machine).await?;
                }
                has
            }
            // Nothing is given to it; whoever watches it will find it lost.
            Err(error) => {
                silent.get_or_insert(error);
                Capacity::NOTHING
            }
        };
        rooms.push(Room::of(plan, has, host.has_networks()));
    }
    if let Some(error) = silent.filter(|_| setup.hosts.len() == 1) {
        return Err(error);
    }
    let needs = needs(setup);
    for (cell, needs) in setup.plan.cells.iter().zip(&needs) {
        let jobs = needs.at_once();
        if setup.jobs.is_some_and(|most| most < jobs) {
            return Err(LabError::new(
                Cause::HostRefused,
                format!("{} are two jobs, and only one is allowed", admission(cell, needs)),
            )
            .with_hint("allow two with `--jobs 2`, or take `measure` from the steps"));
        }
        if rooms.iter().any(|room| room.can_hold(needs)) {
            continue;
        }
        let uris = setup.hosts.iter().map(|host| host.host.uri());
        let mut refusals = uris
            .zip(&rooms)
            .filter_map(|(uri, room)| refusal(cell, needs, uri, room));
        let Some(first) = refusals.next() else { continue };
        return Err(refusals.fold(first, |all, next| LabError {
            message: format!("{}; {}", all.message, next.message),
            ..all
        }));
    }
    match queue(setup, needs, &rooms).predict() {
        Some(expected) => Ok(Capacities { rooms, expected }),
        // Each cell fits alone; what stays on a host until the end of a run are the images.
        None => Err(no_disk(setup, &rooms)),
    }
}

fn queue(setup: &Setup, needs: Vec<CellNeeds>, rooms: &[Room]) -> Queue {
    let mut queue = Queue::new(needs, rooms, setup.jobs.unwrap_or(usize::MAX));
    if let Some(resumed) = &setup.resumed {
        let finished = resumed.pairs();
        for (index, cell) in setup.plan.cells.iter().enumerate() {
            if let Some(&pairs) = finished.get(&cell.id) {
                queue.leave_out(index, pairs);
            }
        }
    }
    queue
}

fn needs(setup: &Setup) -> Vec<CellNeeds> {
    let plan = &setup.plan;
    let size = |image: &str| {
        let mut nodes = plan.cells.iter().flat_map(|cell| &cell.nodes);
        let node = nodes.find(|node| node.image.name == image);
        let more = node.into_iter().flat_map(|node| &node.image.machine.more_disks);
        let disks = setup.images.get(image).map(|first| {
            let files = more.map(|disk| first.with_file_name(&disk.file));
            let bytes = |file: &Path| file.metadata().map_or(0, |metadata| metadata.len());
            files.fold(bytes(first), |sum, file| sum.saturating_add(bytes(&file)))
        });
        Mib(disks.unwrap_or(0) / (1024 * 1024))
    };
    let cells = plan.cells.iter();
    cells
        .map(|cell| CellNeeds::of(plan, cell, size, |arm| setup.expected.of(&cell.id, arm)))
        .collect()
}

/// What starts of a cell at once, in words.
fn admission(cell: &CellPlan, needs: &CellNeeds) -> String {
    if needs.together {
        format!(
            "both arms of cell {}, whose measured steps need them at once,",
            cell.id
        )
    } else {
        format!("an arm of cell {}", cell.id)
    }
}

/// Why a host cannot hold a cell, if it cannot.
fn refusal(cell: &CellPlan, needs: &CellNeeds, uri: &HostUri, room: &Room) -> Option<LabError> {
    let what = admission(cell, needs);
    let alone = needs.alone();
    let budget = room.budget;
    let (verb, instead) = if needs.together {
        ("need", "; or take `measure` from the steps")
    } else {
        ("needs", "")
    };
    if needs.networks && !room.networks {
        let needs = if cell.keeps_addresses() {
            "keeps the addresses of its nodes"
        } else {
            "has several nodes"
        };
        let message = format!("cell {} {needs}, and {uri} has no networks between them", cell.id);
        return Some(
            LabError::new(Cause::HostRefused, message)
                .with_hint("run it on qemu:///system; `patchgate doctor` tells why that does not answer"),
        );
    }
    if alone.memory > budget.memory {
        let message = format!(
            "{what} {verb} {} of memory and {uri} lets it have {}",
            alone.memory, budget.memory
        );
        return Some(LabError::new(Cause::HostMemory, message).with_hint(format!(
            "free memory on the host, give the roles less `memory`, or raise `memory` of [[host]]{instead}"
        )));
    }
    if alone.vcpus > budget.vcpus {
        let message = format!(
            "{what} {verb} {} vCPUs and the budget of {uri} is {}",
            alone.vcpus, budget.vcpus
        );
        return Some(LabError::new(Cause::HostRefused, message).with_hint(format!(
            "give the roles fewer `vcpus`, or raise `vcpus` of [[host]]{instead}"
        )));
    }
    (alone.disk > budget.disk).then(|| disk(alone.disk, &format!("{} is free on {uri}", budget.disk)))
}

fn no_disk(setup: &Setup, rooms: &[Room]) -> LabError {
    let needs = needs(setup);
    let arms = needs.iter().map(CellNeeds::at_once).max().unwrap_or(1);
    let images: std::collections::BTreeMap<_, _> = needs.iter().flat_map(|cell| &cell.images).collect();
    let images: u64 = images.values().map(|size| size.0).sum();
    let free: Vec<String> = setup
        .hosts
        .iter()
        .zip(rooms)
        .map(|(host, room)| format!("{} is free on {}", room.budget.disk, host.host.uri()))
        .collect();
    let arms = u64::try_from(arms).unwrap_or(u64::MAX);
    disk(
        Mib(images.saturating_add(arms.saturating_mul(ARM_DISK.0))),
        &free.join(", "),
    )
}

fn disk(needed: Mib, free: &str) -> LabError {
    LabError::new(
        Cause::HostDisk,
        format!("the clones need {needed} of disk and {free}"),
    )
    .with_hint("free disk space where the storage pools are (`patchgate clean` removes what dead runs left)")
}
