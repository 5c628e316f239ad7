//! Which arms run at once: as many as fit the host's budget, treatments first, since they take longest.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::pair::{self, Seat};
use super::{Context, arm};
use crate::outcome::Arm;
use crate::plan::model::{CellPlan, HostPlan, Plan};
use crate::port::Capacity;
use crate::units::Mib;

/// Memory of a host that is never given to clones.
const RESERVE: Mib = Mib(1024);

/// What clones may use at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Memory.
    pub memory: Mib,
    /// vCPUs.
    pub vcpus: u32,
}

impl Budget {
    /// What the lab file allows, and never more memory than the host has.
    pub fn of(host: &HostPlan, capacity: Capacity) -> Self {
        let free = Mib(capacity.memory_free.0.saturating_sub(RESERVE.0));
        Self {
            memory: host.memory.map_or(free, |memory| memory.min(free)),
            vcpus: host.vcpus.unwrap_or(capacity.vcpus),
        }
    }
}

/// Arms of one cell that start together: one, or both where their times are compared.
pub struct Admission {
    cell: usize,
    /// Which arms.
    pub arms: &'static [Arm],
    /// What one arm takes.
    memory: Mib,
    vcpus: u32,
}

impl Admission {
    /// How the first arms of a cell of that index start.
    pub fn of(plan: &Plan, index: usize, cell: &CellPlan) -> Self {
        Self {
            cell: index,
            arms: if plan.measures(cell) {
                &[Arm::Treatment, Arm::Control]
            } else {
                &[Arm::Treatment]
            },
            memory: cell.arm_memory(),
            vcpus: cell.arm_vcpus(),
        }
    }

    /// Memory of all its arms.
    pub fn memory(&self) -> Mib {
        Mib(self.memory.0.saturating_mul(u64::from(self.count())))
    }

    /// vCPUs of all its arms.
    pub fn vcpus(&self) -> u32 {
        self.vcpus.saturating_mul(self.count())
    }

    fn count(&self) -> u32 {
        if self.arms.len() > 1 { 2 } else { 1 }
    }

    /// The verb for its arms.
    pub fn need(&self) -> &'static str {
        if self.arms.len() > 1 { "need" } else { "needs" }
    }
}

/// Every arm of a plan: treatments and pairs first, in the plan's order, then the other controls.
fn admissions(plan: &Plan) -> VecDeque<Admission> {
    let all = || {
        let cells = plan.cells.iter().enumerate();
        cells.map(|(index, cell)| Admission::of(plan, index, cell))
    };
    let controls = all().filter(|admission| admission.arms.len() == 1);
    all()
        .chain(controls.map(|admission| Admission {
            arms: &[Arm::Control],
            ..admission
        }))
        .collect()
}

/// Runs every arm of every cell; returns when all are over and cleaned up.
pub async fn run(context: &Arc<Context>, budget: Budget) {
    let mut pending = admissions(&context.setup.plan);
    let started = tokio::time::Instant::now();
    let most = context.setup.jobs.unwrap_or(usize::MAX);
    let (mut memory, mut vcpus) = (budget.memory, budget.vcpus);
    let mut running = JoinSet::new();
    loop {
        let fits = |admission: &Admission| {
            admission.memory() <= memory
                && admission.vcpus() <= vcpus
                && running.len().saturating_add(admission.arms.len()) <= most
        };
        if let Some(admission) = pending.iter().position(fits).and_then(|at| pending.remove(at)) {
            memory = Mib(memory.0 - admission.memory().0);
            vcpus -= admission.vcpus();
            for (arm, seat) in seats(&admission) {
                let context = context.clone();
                let cell = admission.cell;
                let held = (admission.memory, admission.vcpus);
                running.spawn(async move {
                    if let Some(site) = context.sites.first() {
                        arm::run(&context, site, cell, arm, started.elapsed(), seat).await;
                    }
                    held
                });
            }
            continue;
        }
        match running.join_next().await {
            None => break,
            Some(Ok((freed, cpus))) => {
                memory = Mib(memory.0 + freed.0);
                vcpus += cpus;
            }
            // The arm's missing end stands in the journal; what it holds of the budget is not given back.
            Some(Err(died)) => tracing::error!("an arm's task died: {died}"),
        }
    }
}

fn seats(admission: &Admission) -> Vec<(Arm, Option<Seat>)> {
    if let [arm] = admission.arms {
        return vec![(*arm, None)];
    }
    let (control, treatment) = pair::seats();
    vec![(Arm::Treatment, Some(treatment)), (Arm::Control, Some(control))]
}
