//! What a run is given, and why it may not start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::guest::families::Families;
use crate::image::warm::WarmStore;
use crate::model::event::{Event, Record};
use crate::model::expected::Expected;
use crate::model::id::{CellId, RunId};
use crate::model::plan::{HostPlan, Plan};
use crate::port::{Hypervisor, LabError, Observer, ProxyLauncher};
use crate::record::journal::JournalError;
use crate::record::ledger::LedgerError;
use crate::record::resume::Resumed;
use crate::secret::Secrets;

/// Everything that a run needs.
pub struct Setup {
    /// Its id.
    pub run: RunId,
    /// What is promised.
    pub plan: Plan,
    /// The OS families that can be run.
    pub families: Families,
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
    /// What is taken over of a run of the same plan that died.
    pub resumed: Option<Resumed>,
    /// Whether VMs of failed arms are left for inspection.
    pub keep_failed: bool,
    /// What of a cell is to be confirmed.
    pub confirm: ToConfirm,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// Asks the run to stop, clean up and leave the gate undecided.
    pub stop: CancellationToken,
    /// The wall clock.
    pub now: fn() -> Timestamp,
}

/// Says what of a cell, of which both arms are over, is to be confirmed by a fresh pair of them, by the records so far and one
/// sentence each; nothing where there is nothing. A run does what it says, and knows no verdict.
pub type ToConfirm = fn(&Plan, &CellId, &[Record]) -> Option<Vec<String>>;

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
