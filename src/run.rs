//! Running a plan: forks the arms, updates, reboots, tests, and removes what it made. Emits events; decides nothing.

mod ahead;
mod arm;
mod dispatcher;
mod masking;
mod names;
mod node;
mod observe;
mod outlet;
mod pair;
mod preflight;
pub mod queue;
mod reboot;
mod resources;
mod scenario;
mod scheduler;
mod site;
mod step;
mod updates;
mod waiting;
mod warm;

use std::collections::BTreeMap;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use arm::trial::{KeptNode, Trial};
pub use preflight::{Capacities, preflight};
pub use resources::clean_up;

use crate::image::warm::WarmStore;
use crate::model::event::Event;
use crate::model::expected::Expected;
use crate::model::id::RunId;
use crate::model::plan::{HostPlan, Plan};
use crate::port::{Hypervisor, LabError, Observer, ProxyLauncher};
use crate::record::journal::{Journal, JournalError};
use crate::record::ledger::{Ledger, LedgerError};
use crate::record::state::RunDir;
use crate::secret::{Mask, Secrets};
use dispatcher::{Dispatcher, Writer};
use reboot::Reboots;
use site::Site;
use updates::Pinned;

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
    /// Where states of booted nodes are kept from run to run; nowhere, where nothing is.
    pub warm: Option<WarmStore>,
    /// The hosts that answer, in the plan's order; never empty.
    pub hosts: Vec<HostSetup>,
    /// What starts the proxy through which isolated clones get their updates.
    pub proxies: Arc<dyn ProxyLauncher>,
    /// The plan's other hosts, which do not answer, as the first events tell it.
    pub absent: Vec<Event>,
    /// How long arms are expected to take.
    pub expected: Expected,
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
    /// Woken when there is news of a site.
    news: Arc<Notify>,
    /// Woken when an arm's nodes are up, and the host has time for what comes next.
    up: Notify,
    reboots: Reboots,
    pinned: Pinned,
    mask: Mask,
}

/// Runs a plan to its end, within what [`preflight`] found, and returns what could not be removed. The journal in `run_dir`
/// is the result.
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

/// What came of trying scenarios; their steps stand in the trial's own journal, [`RunDir::trial`].
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
    trial: Trial,
) -> Result<Tried, RunError> {
    let (context, ending) = open(setup, run_dir, &run_dir.trial())?;
    // Where its first arm would start in a run, so starts the trial's only one.
    let start = capacities.queue(&context.setup).admit();
    let site = start.and_then(|start| context.sites.get(start.host));
    let uri = site.map_or_else(String::new, |site| site.host.uri().to_owned());
    let kept = match site {
        Some(site) => arm::trial::run(&context, site, trial).await,
        None => Vec::new(),
    };
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
        run: setup.run.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        plan: Box::new(setup.plan.clone()),
    };
    let chosen = setup.hosts.iter().map(|host| host.chosen.clone());
    for event in iter::once(planned)
        .chain(chosen)
        .chain(setup.absent.iter().cloned())
    {
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
    let news = Arc::new(Notify::new());
    let site = |host| Site::new(host, &ledger, &news);
    let sites = setup.hosts.iter().map(site).collect();
    let context = Arc::new(Context {
        run_dir: run_dir.path().to_owned(),
        mask: setup.secrets.mask(),
        reboots: Reboots::of(&setup.plan),
        pinned: Pinned::default(),
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
        context.events.emit(Event::Interrupted {
            by: "a signal".to_owned(),
        });
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
            context.events.emit(event);
        }
        left_behind.extend(left);
    }
    context.events.emit(Event::Finished {
        left_behind: left_behind.clone(),
    });
    ending.watchers.shutdown().await;
    drop(context);
    ending.writer.finish().await?;
    Ok(left_behind)
}
