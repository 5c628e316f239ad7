//! Which arms run at once: as many as fit the host's budget, treatments first, since they take longest.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Context, arm};
use crate::outcome::Arm;
use crate::plan::model::HostPlan;
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

struct Job {
    cell: usize,
    arm: Arm,
    memory: Mib,
    vcpus: u32,
}

/// Runs every arm of every cell; returns when all are over and cleaned up.
pub async fn run(context: &Arc<Context>, budget: Budget) {
    let mut pending: VecDeque<Job> = [Arm::Treatment, Arm::Control]
        .into_iter()
        .flat_map(|arm| {
            context
                .setup
                .plan
                .cells
                .iter()
                .enumerate()
                .map(move |(cell, plan)| Job {
                    cell,
                    arm,
                    memory: plan.arm_memory(),
                    vcpus: plan.arm_vcpus(),
                })
        })
        .collect();
    let started = tokio::time::Instant::now();
    let most = context.setup.jobs.unwrap_or(usize::MAX);
    let (mut memory, mut vcpus) = (budget.memory, budget.vcpus);
    let mut running = JoinSet::new();
    loop {
        let fits = |job: &Job| job.memory <= memory && job.vcpus <= vcpus;
        if running.len() < most
            && let Some(job) = pending.iter().position(fits).and_then(|at| pending.remove(at))
        {
            memory = Mib(memory.0 - job.memory.0);
            vcpus -= job.vcpus;
            let context = context.clone();
            running.spawn(async move {
                arm::run(&context, job.cell, job.arm, started.elapsed()).await;
                job
            });
            continue;
        }
        match running.join_next().await {
            None => break,
            Some(Ok(job)) => {
                memory = Mib(memory.0 + job.memory.0);
                vcpus += job.vcpus;
            }
            // The arm's missing end stands in the journal; what it holds of the budget is not given back.
            Some(Err(died)) => tracing::error!("an arm's task died: {died}"),
        }
    }
}
