//! One host in a run: its connection, and what the run has made there.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;

use super::outlet::Outlet;
use super::resources::Resources;
use super::{HostSetup, Setup};
use crate::port::{Hypervisor, LabError};
use crate::state::Ledger;

/// A host in a run.
pub struct Site {
    /// Its connection.
    pub host: Arc<dyn Hypervisor>,
    /// Whether its guests use KVM.
    pub kvm: bool,
    /// The run's outlet there, once an arm has asked for it.
    pub outlet: OnceCell<Outlet>,
    /// What the run has made there.
    pub resources: Resources,
}

impl Site {
    /// A host of a run whose resources go into that ledger.
    pub fn new(setup: &HostSetup, ledger: &Arc<Mutex<Ledger>>) -> Self {
        Self {
            host: setup.host.clone(),
            kvm: setup.kvm,
            outlet: OnceCell::new(),
            resources: Resources::new(setup.host.clone(), ledger.clone()),
        }
    }

    /// The run's outlet there, made by whoever asks first; `None` on a host without networks.
    pub async fn outlet(&self, setup: &Setup, run_dir: &Path) -> Result<Option<&Outlet>, LabError> {
        if !self.host.has_networks() {
            return Ok(None);
        }
        let open = || Outlet::open(setup, self, run_dir);
        self.outlet.get_or_try_init(open).await.map(Some)
    }
}
