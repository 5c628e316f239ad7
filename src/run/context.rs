//! What all arms of a run share.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::model::arm::ArmPlan;
use crate::model::id::Arm;
use crate::record::screens::Screens;
use crate::run::dispatcher::Dispatcher;
use crate::run::pinned::Pinned;
use crate::run::reboot::Reboots;
use crate::run::setup::Setup;
use crate::run::site::Site;
use crate::secret::Mask;

/// What an arm may see of its run.
pub struct Context {
    pub setup: Setup,
    pub run_dir: PathBuf,
    pub events: Dispatcher,
    /// One for each host of the set-up.
    pub sites: Vec<Site>,
    /// Woken when there is news of a site.
    pub news: Arc<Notify>,
    /// Woken when an arm's nodes are up, and the host has time for what comes next.
    pub up: Notify,
    pub reboots: Reboots,
    pub pinned: Pinned,
    pub screens: Screens,
    pub mask: Mask,
}

impl Context {
    /// The plan of a side of the cell with that index.
    pub fn side(&self, cell: usize, arm: Arm, nth_try: u32) -> ArmPlan {
        let plan = &self.setup.plan;
        ArmPlan::side(plan, &plan.cells[cell], arm, nth_try, self.setup.keep_failed)
    }
}
