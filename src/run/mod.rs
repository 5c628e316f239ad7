//! Running a plan: forks the arms, updates, reboots, tests, and removes what it made. Emits events; decides nothing.

mod arm;
mod dispatcher;
mod masking;
mod names;
mod node;
mod observe;
mod outlet;
mod pair;
mod resources;
mod scenario;
mod scheduler;
mod site;
mod step;
mod updates;

use std::collections::BTreeMap;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

pub use arm::trial::{KeptNode, Trial};
pub use resources::clean_up;
pub use scheduler::Budget;

use crate::event::{Event, RunId};
use crate::journal::{Journal, JournalError};
use crate::outcome::Cause;
use crate::plan::model::{HostPlan, NetworkMode, Plan};
use crate::port::{Hypervisor, LabError, Observer, ProxyLauncher};
use crate::secret::{Mask, Secrets};
use crate::state::{Ledger, LedgerError, RunDir};
use crate::units::Mib;
use dispatcher::{Dispatcher, Writer};
use site::Site;

/// Disk that every running arm is given before a run is refused as too large for the host: what an overlay grows to
/// with a kernel and its packages.
const ARM_DISK: Mib = Mib(1024);

/// Everything that a run needs.
pub struct Setup {
    /// Its id.
    pub run: RunId,
    /// What is promised.
    pub plan: Plan,
    /// The sealed disks by image name.
    pub images: BTreeMap<String, PathBuf>,
    /// What the departments' files hold that steps use, by SHA-256.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The secrets that steps may be handed.
    pub secrets: Secrets,
    /// The hosts, in the plan's order; never empty.
    pub hosts: Vec<HostSetup>,
    /// What starts the proxy through which isolated clones get their updates.
    pub proxies: Arc<dyn ProxyLauncher>,
    /// Arms at once, beside the budget.
    pub jobs: Option<usize>,
    /// Whether VMs of failed arms are left for inspection.
    pub keep_failed: bool,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// Asks the run to stop, clean up and leave the gate undecided.
    pub stop: CancellationToken,
    /// The wall clock.
    pub now: fn() -> Timestamp,
}

/// A host that answers.
pub struct HostSetup {
    /// What the plan says of it.
    pub plan: HostPlan,
    /// Its connection.
    pub host: Arc<dyn Hypervisor>,
    /// How guests run on it, as the first events tell it.
    pub chosen: Event,
    /// Whether KVM is used.
    pub kvm: bool,
}

/// Why a run did not start, or could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The host cannot hold it; nothing was started.
    #[error(transparent)]
    Host(#[from] LabError),
    /// The journal cannot be written: without it there is no result.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What is made cannot be written down, so nothing is made.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What an arm may see of its run.
struct Context {
    setup: Setup,
    run_dir: PathBuf,
    events: Dispatcher,
    /// One for each host of the set-up.
    sites: Vec<Site>,
    mask: Mask,
}

/// Checks that the host can hold the plan at all, before anything is made.
pub async fn preflight(setup: &Setup) -> Result<Budget, LabError> {
    let Some(HostSetup { plan, host, .. }) = setup.hosts.first() else {
        return Err(LabError::new(Cause::Internal, "the run has no host"));
    };
    match setup.plan.network.mode {
        NetworkMode::Isolated => host.can_isolate()?,
        NetworkMode::Open => {}
    }
    let capacity = host.capacity().await?;
    let budget = Budget::of(plan, capacity);
    for (index, cell) in setup.plan.cells.iter().enumerate() {
        if cell.nodes.len() > 1 && !host.has_networks() {
            return Err(LabError::new(
                Cause::HostRefused,
                format!(
                    "cell {} has several nodes, and {} has no networks between them",
                    cell.id,
                    host.uri()
                ),
            )
            .with_hint("run it on qemu:///system; `patchgate doctor` tells why that does not answer"));
        }
        let admission = scheduler::Admission::of(&setup.plan, index, cell);
        let (memory, vcpus) = (admission.memory(), admission.vcpus());
        let (what, instead) = if admission.arms.len() > 1 {
            (
                format!(
                    "both arms of cell {}, whose measured steps need them at once,",
                    cell.id
                ),
                "; or take `measure` from the steps",
            )
        } else {
            (format!("an arm of cell {}", cell.id), "")
        };
        if setup.jobs.is_some_and(|jobs| jobs < admission.arms.len()) {
            return Err(LabError::new(
                Cause::HostRefused,
                format!("{what} are two jobs, and only one is allowed"),
            )
            .with_hint("allow two with `--jobs 2`, or take `measure` from the steps"));
        }
        if memory > budget.memory {
            return Err(LabError::new(
                Cause::HostMemory,
                format!(
                    "{what} {} {memory} of memory and {} lets it have {}",
                    admission.need(),
                    host.uri(),
                    budget.memory
                ),
            )
            .with_hint(format!(
                "free memory on the host, give the roles less `memory`, or raise `memory` of [[host]]{instead}"
            )));
        }
        if vcpus > budget.vcpus {
            return Err(LabError::new(
                Cause::HostRefused,
                format!(
                    "{what} {} {vcpus} vCPUs and the budget is {}",
                    admission.need(),
                    budget.vcpus
                ),
            )
            .with_hint(format!(
                "give the roles fewer `vcpus`, or raise `vcpus` of [[host]]{instead}"
            )));
        }
    }
    let images: u64 = setup
        .images
        .values()
        .filter_map(|file| file.metadata().ok())
        .map(|metadata| metadata.len() / (1024 * 1024))
        .sum();
    let measures = |cell| setup.plan.measures(cell);
    let arms = if setup.plan.cells.iter().any(measures) {
        2
    } else {
        1
    };
    let needed = Mib(images + arms * ARM_DISK.0);
    if capacity.disk_free < needed {
        return Err(LabError::new(
            Cause::HostDisk,
            format!(
                "the clones need {needed} of disk on {} and {} is free",
                host.uri(),
                capacity.disk_free
            ),
        )
        .with_hint(
            "free disk space where the storage pools are (`patchgate clean` removes what dead runs left)",
        ));
    }
    Ok(budget)
}

/// Runs a plan to its end, within the budget that [`preflight`] found, and returns what could not be removed. The journal
/// in `run_dir` is the result.
pub async fn execute(setup: Setup, budget: Budget, run_dir: &RunDir) -> Result<Vec<String>, RunError> {
    let (context, writer) = open(setup, run_dir, &run_dir.journal())?;
    scheduler::run(&context, budget).await;
    close(context, writer).await
}

/// What came of trying scenarios; their steps stand in the trial's own journal, [`RunDir::trial`].
#[derive(Debug)]
pub struct Tried {
    /// What could not be removed, or was kept, in words.
    pub left_behind: Vec<String>,
    /// The nodes that were left running on purpose.
    pub kept: Vec<KeptNode>,
}

/// Tries the scenarios of the plan's first cell on clones of its nodes, without updates: no journal of a run is written,
/// and nothing is decided.
pub async fn try_scenarios(setup: Setup, run_dir: &RunDir, trial: Trial) -> Result<Tried, RunError> {
    let (context, writer) = open(setup, run_dir, &run_dir.trial())?;
    let kept = match context.sites.first() {
        Some(site) => arm::trial::run(&context, site, trial).await,
        None => Vec::new(),
    };
    let left_behind = close(context, writer).await?;
    Ok(Tried { left_behind, kept })
}

/// Opens the journal and the ledger, and writes the first records.
fn open(setup: Setup, run_dir: &RunDir, journal: &Path) -> Result<(Arc<Context>, Writer), RunError> {
    let mut journal = Journal::create(journal)?;
    let planned = Event::Planned {
        run: setup.run.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        plan: Box::new(setup.plan.clone()),
    };
    let chosen = setup.hosts.iter().map(|host| host.chosen.clone());
    for event in iter::once(planned).chain(chosen) {
        let record = journal.append((setup.now)(), event)?;
        setup.observer.record(&record);
    }
    let (events, writer) = Dispatcher::start(
        journal,
        setup.observer.clone(),
        setup.now,
        setup.stop.clone(),
        setup.secrets.mask(),
    );
    let ledger = Arc::new(Mutex::new(Ledger::create(&run_dir.resources())?));
    let sites = setup.hosts.iter().map(|host| Site::new(host, &ledger)).collect();
    let context = Arc::new(Context {
        run_dir: run_dir.path().to_owned(),
        mask: setup.secrets.mask(),
        setup,
        events,
        sites,
    });
    Ok((context, writer))
}

/// Removes what is left and writes the last records.
async fn close(context: Arc<Context>, writer: Writer) -> Result<Vec<String>, RunError> {
    if context.setup.stop.is_cancelled() {
        context.events.emit(Event::Interrupted {
            by: "a signal".to_owned(),
        });
    }
    let mut left_behind = Vec::new();
    for site in &context.sites {
        if let Some(outlet) = site.outlet.get()
            && let Some(event) = outlet.close().await
        {
            context.events.emit(event);
        }
        left_behind.extend(site.resources.finish().await);
    }
    context.events.emit(Event::Finished {
        left_behind: left_behind.clone(),
    });
    drop(context);
    writer.finish().await?;
    Ok(left_behind)
}
