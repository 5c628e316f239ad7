//! Removing what dead runs left on their hosts; a live one is never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::host::connect::connect;
use crate::host::connected::Connected;
use crate::model::id::RunId;
use crate::model::outcome::Cause;
use crate::model::plan::HostPlan;
use crate::model::resource::Resource;
use crate::model::uri::HostUri;
use crate::port::LabError;
use crate::record::ledger::{Ledger, LedgerError};
use crate::record::state::{self, State, StateError};
use crate::run::clean_up;

/// What is to be removed.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// What this run left, kept or not, and nothing else.
    pub run: Option<RunId>,
    /// What was kept on purpose too, and what carries patchgate's mark and is of no run that is known here.
    pub all: bool,
    /// Nothing: only what would be is told.
    pub dry_run: bool,
}

/// What a clean-up tells as it goes.
#[derive(Debug)]
pub enum News<'a> {
    /// A run lives.
    Alive(&'a RunId),
    /// A run left things on purpose.
    Kept {
        /// The run.
        run: &'a RunId,
        /// How many.
        count: usize,
    },
    /// Something would be removed.
    WouldRemove {
        /// What.
        resource: &'a Resource,
        /// The run that made it.
        run: &'a RunId,
    },
    /// Something was removed.
    Removed {
        /// What.
        resource: &'a Resource,
        /// The run that made it.
        run: &'a RunId,
    },
    /// Something could not be removed.
    NotRemoved {
        /// What.
        resource: &'a Resource,
        /// Why not.
        reason: &'a str,
    },
    /// A host does not answer.
    NotLookedAt {
        /// Its URI.
        uri: &'a str,
        /// Why not.
        error: &'a LabError,
    },
    /// A host does not tell what it has.
    NotSearched {
        /// Its URI.
        uri: &'a str,
        /// Why not.
        error: &'a LabError,
    },
    /// A host has things of a run that is not known here.
    Unknown {
        /// The run.
        run: &'a RunId,
        /// How many.
        count: usize,
    },
}

impl fmt::Display for News<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alive(run) => write!(f, "run {run} is alive; it is left alone"),
            Self::Kept { run, count } => write!(
                f,
                "run {run} kept {count} resources on purpose; `patchgate clean {run}` removes them"
            ),
            Self::WouldRemove { resource, run } => write!(f, "would remove {resource} (run {run})"),
            Self::Removed { resource, run } => write!(f, "removed {resource} (run {run})"),
            Self::NotRemoved { resource, reason } => write!(f, "not removed: {resource}: {reason}"),
            Self::NotLookedAt { uri, error } => write!(f, "host {uri} was not looked at: {error}"),
            Self::NotSearched { uri, error } => write!(f, "{uri} cannot be searched: {error}"),
            Self::Unknown { run, count } => write!(
                f,
                "{count} resources of run {run} are on the host and the run is not known here; `--all` removes them"
            ),
        }
    }
}

/// Why it cannot be told what is left.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The runs cannot be listed.
    #[error(transparent)]
    State(#[from] StateError),
    /// A run's ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// How much was removed, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// What was, or would be.
    pub removed: usize,
    /// What could not be.
    pub unremoved: usize,
}

impl Swept {
    fn add(&mut self, other: Self) {
        self.removed += other.removed;
        self.unremoved += other.unremoved;
    }
}

/// What was found of one run.
struct Trace {
    run: RunId,
    left: Vec<Resource>,
}

/// A clean-up under way.
struct Clean<'a> {
    state: &'a State,
    wish: &'a Wish,
    tell: &'a (dyn Fn(&News<'_>) + Sync),
    hosts: BTreeMap<HostUri, Arc<dyn Connected>>,
}

/// Removes what dead runs left; `known` are the hosts that are searched beside those of dead runs.
pub async fn clean(
    state: &State,
    known: &[HostPlan],
    wish: &Wish,
    tell: &(dyn Fn(&News<'_>) + Sync),
) -> Result<Swept, CleanError> {
    let runs = match &wish.run {
        Some(run) => vec![run.clone()],
        None => state.runs()?,
    };
    let mut clean = Clean {
        state,
        wish,
        tell,
        hosts: BTreeMap::new(),
    };
    let mut swept = Swept::default();
    for run in runs {
        swept.add(clean.run(run).await?);
    }
    if wish.run.is_none() {
        swept.add(clean.marked(known).await);
    }
    Ok(swept)
}

impl Clean<'_> {
    /// Removes what stands in a run's ledger.
    async fn run(&mut self, run: RunId) -> Result<Swept, CleanError> {
        let dir = self.state.run_dir(&run);
        if state::is_live(&dir) {
            (self.tell)(&News::Alive(&run));
            return Ok(Swept::default());
        }
        let ledger = dir.join(state::RESOURCES);
        let left = Ledger::left(&ledger)?;
        if left.is_empty() {
            return Ok(Swept::default());
        }
        if state::is_kept(&dir) && self.wish.run.is_none() && !self.wish.all {
            (self.tell)(&News::Kept {
                run: &run,
                count: left.len(),
            });
            return Ok(Swept::default());
        }
        let swept = self.sweep(Trace { run, left }, Some(&ledger)).await;
        if swept.unremoved == 0 && !self.wish.dry_run {
            state::forget_kept(&dir);
        }
        Ok(swept)
    }

    /// Removes one run's traces, host by host.
    async fn sweep(&mut self, trace: Trace, ledger: Option<&Path>) -> Swept {
        let (tell, run) = (self.tell, &trace.run);
        let mut by_host: BTreeMap<HostUri, Vec<Resource>> = BTreeMap::new();
        for resource in trace.left {
            by_host.entry(resource.uri.clone()).or_default().push(resource);
        }
        let mut swept = Swept::default();
        for (uri, left) in by_host {
            if self.wish.dry_run {
                for resource in &left {
                    tell(&News::WouldRemove { resource, run });
                }
                swept.removed += left.len();
                continue;
            }
            let host = match self.host(&uri).await {
                Ok(host) => host,
                Err(error) => {
                    for resource in &left {
                        let reason = &error.to_string();
                        tell(&News::NotRemoved { resource, reason });
                    }
                    swept.unremoved += left.len();
                    continue;
                }
            };
            let mut book = ledger.and_then(|path| Ledger::create(path).ok());
            let (gone, failed) = clean_up(host, left, book.as_mut()).await;
            for resource in &gone {
                tell(&News::Removed { resource, run });
            }
            for (resource, reason) in &failed {
                tell(&News::NotRemoved { resource, reason });
            }
            swept.removed += gone.len();
            swept.unremoved += failed.len();
        }
        swept
    }

    /// Removes what carries patchgate's mark on a host and stands in no ledger here: the state folder was lost, or belongs to
    /// somebody else.
    async fn marked(&mut self, known: &[HostPlan]) -> Swept {
        for HostPlan { uri, .. } in known {
            if self.hosts.keys().any(|known| known.as_str() == uri) {
                continue;
            }
            match connect(&HostPlan::at(uri)).await {
                Ok(host) => {
                    self.hosts.insert(host.uri().clone(), host);
                }
                Err(error) => (self.tell)(&News::NotLookedAt { uri, error: &error }),
            }
        }
        let mut traces: BTreeMap<RunId, Vec<Resource>> = BTreeMap::new();
        let mut unknown: BTreeMap<RunId, usize> = BTreeMap::new();
        for host in self.hosts.values() {
            let marked = match host.marked().await {
                Ok(marked) => marked,
                Err(error) => {
                    (self.tell)(&News::NotSearched {
                        uri: host.uri().as_str(),
                        error: &error,
                    });
                    continue;
                }
            };
            // Pools and filters carry no folder; what else their run has tells whether it lives, wherever its state is.
            let live: BTreeSet<RunId> = marked
                .iter()
                .filter(|mark| mark.run_dir.as_deref().is_some_and(state::is_live))
                .map(|mark| mark.run.clone())
                .collect();
            for mark in marked {
                let dir = mark.run_dir.unwrap_or_else(|| self.state.run_dir(&mark.run));
                let alive = live.contains(&mark.run) || state::is_live(&dir);
                if alive || (state::is_kept(&dir) && !self.wish.all) {
                    continue;
                }
                if self.wish.all || dir.is_dir() {
                    traces.entry(mark.run).or_default().push(mark.resource);
                } else {
                    *unknown.entry(mark.run).or_default() += 1;
                }
            }
        }
        for (run, &count) in &unknown {
            (self.tell)(&News::Unknown { run, count });
        }
        let mut swept = Swept::default();
        for (run, left) in traces {
            swept.add(self.sweep(Trace { run, left }, None).await);
        }
        swept
    }

    async fn host(&mut self, uri: &HostUri) -> Result<&dyn Connected, LabError> {
        if !self.hosts.contains_key(uri) {
            let host = connect(&HostPlan::at(uri.as_str())).await?;
            self.hosts.insert(uri.clone(), host);
        }
        self.hosts
            .get(uri)
            .map(AsRef::as_ref)
            .ok_or_else(|| LabError::new(Cause::Internal, "no host"))
    }
}
