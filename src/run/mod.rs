//! Running a plan: forks the arms, updates, reboots, tests, and removes what it made. Emits events; decides nothing.

mod arm;
mod dispatcher;
mod masking;
mod names;
mod node;
mod observe;
mod outlet;
mod pair;
mod reboot;
mod resources;
mod scenario;
mod scheduler;
mod step;
mod updates;
mod waiting;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

pub use arm::trial::{KeptNode, Trial};
pub use resources::clean_up;
pub use scheduler::Budget;

use crate::event::{Event, RunId};
use crate::journal::{Journal, JournalError};
use crate::outcome::Cause;
use crate::plan::model::{NetworkMode, Plan};
use crate::port::{Hypervisor, LabError, Observer, ProxyLauncher};
use crate::secret::{Mask, Secrets};
use crate::state::{LedgerError, RunDir};
use crate::units::Mib;
use dispatcher::{Dispatcher, Writer};
use outlet::Outlet;
use reboot::Reboots;
use resources::Resources;
use updates::Pinned;

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
    /// The host.
    pub host: Arc<dyn Hypervisor>,
    /// What starts the proxy through which isolated clones get their updates.
    pub proxies: Arc<dyn ProxyLauncher>,
    /// How guests run on it, as the first events tell it.
    pub host_chosen: Event,
    /// Whether KVM is used.
    pub kvm: bool,
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
    resources: Resources,
    outlet: OnceCell<Outlet>,
    reboots: Reboots,
    pinned: Pinned,
    mask: Mask,
}

impl Context {
    /// The run's outlet, made by whoever asks first; `None` on a host without networks.
    async fn outlet(&self) -> Result<Option<&Outlet>, LabError> {
        if !self.setup.host.has_networks() {
            return Ok(None);
        }
        let open = || Outlet::open(&self.setup, &self.resources, &self.run_dir);
        self.outlet.get_or_try_init(open).await.map(Some)
    }
}

/// Checks that the host can hold the plan at all, before anything is made.
pub async fn preflight(setup: &Setup) -> Result<Budget, LabError> {
    match setup.plan.network.mode {
        NetworkMode::Isolated => setup.host.can_isolate()?,
        NetworkMode::Open => {}
    }
    let capacity = setup.host.capacity().await?;
    let budget = Budget::of(&setup.plan.host, capacity);
    for (index, cell) in setup.plan.cells.iter().enumerate() {
        if cell.nodes.len() > 1 && !setup.host.has_networks() {
            return Err(LabError::new(
                Cause::HostRefused,
                format!(
                    "cell {} has several nodes, and {} has no networks between them",
                    cell.id,
                    setup.host.uri()
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
                    setup.host.uri(),
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
                setup.host.uri(),
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
    let kept = arm::trial::run(&context, trial).await;
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
    for event in [planned, setup.host_chosen.clone()] {
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
    let resources = Resources::open(setup.host.clone(), run_dir)?;
    let context = Arc::new(Context {
        run_dir: run_dir.path().to_owned(),
        mask: setup.secrets.mask(),
        reboots: Reboots::of(&setup.plan),
        pinned: Pinned::default(),
        setup,
        events,
        resources,
        outlet: OnceCell::new(),
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
    if let Some(outlet) = context.outlet.get()
        && let Some(event) = outlet.close().await
    {
        context.events.emit(event);
    }
    let left_behind = context.resources.finish().await;
    context.events.emit(Event::Finished {
        left_behind: left_behind.clone(),
    });
    drop(context);
    writer.finish().await?;
    Ok(left_behind)
}
