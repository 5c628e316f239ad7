//! A run from its first record to its last.

use std::iter;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::model::arm::ArmPlan;
use crate::model::event::{Event, FORMAT};
use crate::record::journal::Journal;
use crate::record::ledger::Ledger;
use crate::record::screens::Screens;
use crate::record::state::RunDir;
use crate::run::arm::ArmRun;
use crate::run::context::Context;
use crate::run::dispatcher::{Dispatcher, Writer};
use crate::run::life::prepare::Preparation;
use crate::run::life::{self, KeptNode};
use crate::run::pinned::Pinned;
use crate::run::preflight::Capacities;
use crate::run::reboot::Reboots;
use crate::run::scheduler;
use crate::run::setup::{RunError, Setup};
use crate::run::site::Site;

/// Runs a plan to its end, within what [`preflight`](crate::run::preflight()) found, and returns what could not be
/// removed. The journal in `run_dir` is the result.
pub async fn execute(
    setup: Setup,
    capacities: Capacities,
    run_dir: &RunDir,
) -> Result<Vec<String>, RunError> {
    let (context, ending) = open(setup, run_dir, &run_dir.journal())?;
    let queue = capacities.queue(&context.setup);
    scheduler::run(&context, queue).await;
    close(context, ending).await
}

/// How scenarios are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Whether the nodes are rebooted between the steps before the updates and the others, as in a run.
    pub reboot: bool,
    /// Whether the nodes are left running, whatever came of it. An interrupt removes them all the same.
    pub keep: bool,
}

/// What came of an arm that ran by itself; what it did stands in a journal of its own, [`RunDir::trial`].
#[derive(Debug)]
pub struct Tried {
    /// The URI of the host that the nodes were on.
    pub uri: String,
    /// What could not be removed, or was kept, in words.
    pub left_behind: Vec<String>,
    /// The nodes that were left running on purpose.
    pub kept: Vec<KeptNode>,
}

/// Tries the scenarios of the plan's first cell on clones of its nodes, without updates: no journal of a run is written,
/// and nothing is decided.
pub async fn try_scenarios(
    setup: Setup,
    capacities: &Capacities,
    run_dir: &RunDir,
    Trial { reboot, keep }: Trial,
) -> Result<Tried, RunError> {
    let cell = setup.plan.cells.first();
    let arm = cell.map(|cell| ArmPlan::trial(&setup.plan, cell, reboot, keep));
    alone(setup, capacities, run_dir, arm).await
}

/// Boots the nodes of the plan's first cell and asks each what it is: no journal of a run is written, and nothing is decided.
pub async fn first_look(setup: Setup, capacities: &Capacities, run_dir: &RunDir) -> Result<Tried, RunError> {
    let arm = setup.plan.cells.first().map(ArmPlan::first_look);
    alone(setup, capacities, run_dir, arm).await
}

/// Boots the node of the plan's first cell once to change its disks: no journal of a run is written, and nothing is decided.
pub async fn prepare(
    setup: Setup,
    capacities: &Capacities,
    run_dir: &RunDir,
    preparation: Preparation<'_>,
) -> Result<Tried, RunError> {
    let (context, ending) = open(setup, run_dir, &run_dir.trial())?;
    let site = first(&context, capacities);
    let uri = site.map_or_else(String::new, |site| site.host.uri().to_string());
    if let (Some(site), Some(cell)) = (site, context.setup.plan.cells.first()) {
        let arm = ArmRun::new(&context, site, 0, ArmPlan::first_look(cell));
        life::prepare::run(arm, preparation).await;
    }
    let left_behind = close(context, ending).await?;
    Ok(Tried {
        uri,
        left_behind,
        kept: Vec::new(),
    })
}

/// Where the first arm of a run would start.
fn first<'c>(context: &'c Context, capacities: &Capacities) -> Option<&'c Site> {
    let start = capacities.queue(&context.setup).admit()?;
    context.sites.get(start.host)
}

/// Runs one arm by itself: no journal of a run is written, and nothing is decided.
pub async fn one_arm(
    setup: Setup,
    capacities: &Capacities,
    run_dir: &RunDir,
    arm: ArmPlan,
) -> Result<Tried, RunError> {
    alone(setup, capacities, run_dir, Some(arm)).await
}

async fn alone(
    setup: Setup,
    capacities: &Capacities,
    run_dir: &RunDir,
    arm: Option<ArmPlan>,
) -> Result<Tried, RunError> {
    let (context, ending) = open(setup, run_dir, &run_dir.trial())?;
    // Where the first arm of a run would start, this only one does.
    let site = first(&context, capacities);
    let uri = site.map_or_else(String::new, |site| site.host.uri().to_string());
    let mut kept = Vec::new();
    if let (Some(site), Some(arm)) = (site, arm) {
        let cells = &context.setup.plan.cells;
        if let Some(index) = cells.iter().position(|cell| cell.id == arm.id.cell) {
            let arm = ArmRun::new(&context, site, index, arm);
            kept = life::run(arm, Duration::ZERO, None, || ()).await.kept;
        }
    }
    let left_behind = close(context, ending).await?;
    Ok(Tried {
        uri,
        left_behind,
        kept,
    })
}

/// What goes on until the end of a run.
struct Ending {
    writer: Writer,
    /// One for each site, also while what is left is removed: a host may be lost even then.
    watchers: JoinSet<()>,
}

/// Opens the journal and the ledger, and writes the first records.
fn open(setup: Setup, run_dir: &RunDir, journal: &Path) -> Result<(Arc<Context>, Ending), RunError> {
    let mut journal = Journal::create(journal)?;
    let planned = Event::Planned {
        format: FORMAT,
        run: setup.run.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        plan: Box::new(setup.plan.clone()),
    };
    let resumed = setup.resumed.iter().map(|resumed| Event::Resumed {
        from: resumed.from.clone(),
        cells: resumed.cells.clone(),
    });
    let chosen = setup.hosts.iter().map(|host| host.chosen.clone());
    for event in iter::once(planned)
        .chain(chosen)
        .chain(setup.absent.iter().cloned())
        .chain(resumed)
    {
        let record = journal.append((setup.now)(), None, event)?;
        setup.observer.record(&record);
    }
    // Whoever looks on is told of the cells, and not of all that was recorded of them.
    let mut known = Vec::new();
    for record in setup.resumed.iter().flat_map(|resumed| &resumed.records) {
        known.push(journal.write(record.at, record.arm.clone(), record.event.clone())?);
    }
    journal.commit()?;
    let (events, writer) = Dispatcher::start(
        journal,
        setup.observer.clone(),
        setup.now,
        setup.stop.clone(),
        setup.secrets.mask(),
        setup.plan.confirm.is_on().then_some(known),
    );
    let ledger = Arc::new(Mutex::new(Ledger::create(&run_dir.resources())?));
    let news = Arc::new(Notify::new());
    let site = |host| Site::new(&setup.run, host, &ledger, &news);
    let sites = setup.hosts.iter().map(site).collect();
    let resumed = setup.resumed.as_ref().map_or(&[][..], |resumed| &resumed.records);
    let pinned = Pinned::known(&setup.plan, resumed);
    let screens = Screens::of(run_dir.path());
    if let Some(resumed) = &setup.resumed
        && let Err(error) = screens.take_over(&run_dir.path().with_file_name(resumed.from.as_str()))
    {
        tracing::warn!("pictures of run {} are not taken over: {error}", resumed.from);
    }
    let context = Arc::new(Context {
        screens,
        run_dir: run_dir.path().to_owned(),
        mask: setup.secrets.mask(),
        reboots: Reboots::of(&setup.plan),
        pinned,
        setup,
        events,
        sites,
        news,
        up: Notify::new(),
    });
    let mut watchers = JoinSet::new();
    for host in 0..context.sites.len() {
        let context = context.clone();
        watchers.spawn(async move { context.sites[host].watch().await });
    }
    Ok((context, Ending { writer, watchers }))
}

/// Removes what is left and writes the last records.
async fn close(context: Arc<Context>, mut ending: Ending) -> Result<Vec<String>, RunError> {
    if context.setup.stop.is_cancelled() {
        context.events.emit(
            None,
            Event::Interrupted {
                by: "a signal".to_owned(),
            },
        );
    }
    let mut left_behind = Vec::new();
    for site in &context.sites {
        let proxied = async {
            match site.outlet.get() {
                Some(outlet) => outlet.close().await,
                None => None,
            }
        };
        let removed = async {
            if !context.setup.stop.is_cancelled() && site.loss().reason().is_none() {
                site.warm.settle().await;
            }
            site.resources.finish().await
        };
        let (traffic, left) = tokio::join!(proxied, removed);
        if let Some(event) = traffic {
            context.events.emit(None, event);
        }
        left_behind.extend(left);
    }
    context.events.emit(
        None,
        Event::Finished {
            left_behind: left_behind.clone(),
        },
    );
    ending.watchers.shutdown().await;
    drop(context);
    ending.writer.finish().await?;
    Ok(left_behind)
}
