//! One host in a run: its connection, what the run has made there, and whether it still answers.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OnceCell};
use tokio::time::{sleep, timeout};

use crate::model::id::RunId;
use crate::port::{Hypervisor, LabError};
use crate::record::ledger::Ledger;
use crate::run::setup::{HostSetup, Setup};
use crate::run::site::ahead::Ahead;
use crate::run::site::loss::Loss;
use crate::run::site::outlet::Outlet;
use crate::run::site::resources::Resources;
use crate::run::site::saved::Warm;
use crate::units::Mib;

/// The pause between two looks at a host.
const BEAT: Duration = Duration::from_secs(5);

/// How long a host may take to say what it has.
const ANSWER: Duration = Duration::from_secs(30);

/// How often in a row a host may fail to say so: libvirtd takes a moment to restart, and a host under load to answer.
const TRIES: u32 = 5;

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
    /// Saved states.
    pub warm: Warm,
    /// Arms that are forked before their turn.
    pub ahead: Ahead,
    loss: Loss,
    free: Mutex<Option<Mib>>,
    /// Wakes whoever waits for news of it.
    news: Arc<Notify>,
}

impl Site {
    /// A host of that run, whose resources go into that ledger; `news` is woken when it is lost.
    pub fn new(run: &RunId, setup: &HostSetup, ledger: &Arc<Mutex<Ledger>>, news: &Arc<Notify>) -> Self {
        let loss = Loss::default();
        Self {
            host: setup.host.clone(),
            kvm: setup.kvm,
            outlet: OnceCell::new(),
            resources: Resources::new(run.clone(), setup.host.clone(), ledger.clone(), loss.clone()),
            warm: Warm::default(),
            ahead: Ahead::default(),
            loss,
            free: Mutex::default(),
            news: news.clone(),
        }
    }

    /// The run's outlet there, made by whoever asks first; `None` on a host without networks.
    pub async fn outlet(&self, setup: &Setup, run_dir: &Path) -> Result<Option<&Outlet>, LabError> {
        if !self.host.has_networks() {
            return Ok(None);
        }
        let open = || Outlet::open(setup, &*self.host, &self.resources, run_dir);
        self.outlet.get_or_try_init(open).await.map(Some)
    }

    /// Whether it is lost.
    pub fn loss(&self) -> &Loss {
        &self.loss
    }

    /// The error of what needs it and does not begin any more.
    pub fn lost_error(&self) -> LabError {
        self.loss.error(self.host.uri())
    }

    /// Memory that it last said to have free, once.
    pub fn measured(&self) -> Option<Mib> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Asks it what it has; when it never answers, it is lost.
    pub async fn look(&self) {
        let mut problem = String::new();
        for _ in 0..TRIES {
            if self.loss.reason().is_some() {
                return;
            }
            problem = match timeout(ANSWER, self.host.capacity()).await {
                Ok(Ok(capacity)) => {
                    *self.free.lock().unwrap_or_else(PoisonError::into_inner) = Some(capacity.memory_free);
                    return;
                }
                Ok(Err(error)) => error.message,
                Err(_) => format!("it did not answer within {} s", ANSWER.as_secs()),
            };
            sleep(BEAT).await;
        }
        self.loss.lose(format!("{problem} ({TRIES} tries)"));
        self.news.notify_one();
    }

    /// Looks at it again and again until it is lost.
    pub async fn watch(&self) {
        while self.loss.reason().is_none() {
            sleep(BEAT).await;
            self.look().await;
            self.news.notify_one();
        }
    }
}
