//! Removing what dead runs left on their hosts; a live one is never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use crate::host::connect::connect;
use crate::host::connected::Connected;
use crate::model::id::RunId;
use crate::model::outcome::Cause;
use crate::model::plan::HostPlan;
use crate::model::resource::Resource;
use crate::model::uri::HostUri;
use crate::port::{LabError, Marked, foreign};
use crate::record::ledger::Ledger;
use crate::record::own;
use crate::record::state::{self, State, StateError};
use crate::run::clean_up;

/// What is to be removed.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// What this run left, kept or not, and nothing else.
    pub run: Option<RunId>,
    /// What was kept on purpose too, and what carries patchgate's mark and is of no run that is known here.
    pub all: bool,
    /// Of runs that are not known here only what began before: a younger one may live on another machine that uses the host.
    pub before: Timestamp,
    /// Nothing: only what would be is told.
    pub dry_run: bool,
}

/// What becomes of what carries the mark of a dead run, as far as can be told here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Removed,
    Young,
    Unknown,
}

impl Wish {
    fn fate(&self, run: &RunId, is_known: bool) -> Fate {
        let is_old = run.began().is_some_and(|began| began < self.before);
        match (is_known, self.all) {
            (true, _) => Fate::Removed,
            (false, true) if is_old => Fate::Removed,
            (false, true) => Fate::Young,
            (false, false) => Fate::Unknown,
        }
    }
}

/// What a clean-up tells as it goes.
#[derive(Debug)]
pub enum News<'a> {
    /// A run lives.
    Alive(&'a RunId),
    /// A run's own list cannot be trusted or read.
    NotRead {
        /// The run.
        run: &'a RunId,
        /// Why not.
        error: &'a str,
    },
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
    /// A host has things of a run that is not known here, and began so lately that it may live on another machine.
    Young {
        /// The run.
        run: &'a RunId,
        /// How many.
        count: usize,
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
            Self::NotRead { run, error } => write!(
                f,
                "what run {run} left cannot be told: {error}; `patchgate clean --all` removes what carries its mark on the lab's \
                 hosts"
            ),
            Self::Kept { run, count } => write!(
                f,
                "run {run} kept {count} resources on purpose; `patchgate clean {run}` removes them"
            ),
            Self::WouldRemove { resource, run } => write!(f, "would remove {resource} (run {run})"),
            Self::Removed { resource, run } => write!(f, "removed {resource} (run {run})"),
            Self::NotRemoved { resource, reason } => write!(f, "not removed: {resource}: {reason}"),
            Self::NotLookedAt { uri, error } => write!(f, "host {uri} was not looked at: {error}"),
            Self::NotSearched { uri, error } => write!(f, "{uri} cannot be searched: {error}"),
            Self::Young { run, count } => write!(
                f,
                "{count} resources of run {run} are on the host; it is not known here and may live on another machine: \
                 `--older-than` says how old it must be"
            ),
            Self::Unknown { run, count } => write!(
                f,
                "{count} resources of run {run} are on the host and the run is not known here; `--all` removes them"
            ),
        }
    }
}

/// How much was removed, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// What was, or would be.
    pub removed: usize,
    /// What could not be.
    pub unremoved: usize,
    /// Runs of which cannot be told what they left.
    pub unread: usize,
    /// Hosts that could not be looked at, so that nothing is known of what is there.
    pub unseen: usize,
}

impl Swept {
    fn add(&mut self, other: Self) {
        self.removed += other.removed;
        self.unremoved += other.unremoved;
        self.unread += other.unread;
        self.unseen += other.unseen;
    }

    /// Whether all that was to be removed was, or would be, as far as every host was looked at.
    pub fn is_whole(&self) -> bool {
        self.unremoved == 0 && self.unread == 0 && self.unseen == 0
    }
}

/// Why nothing is removed from a host that only a list of resources names.
const UNKNOWN_HOST: &str = "the lab file names no such host, and patchgate connects to no other on the word of a list of \
                            resources; run `patchgate clean` in the lab's folder, or with --lab";

/// Whether the run of what is marked lives, as far as the mark tells.
fn is_live(mark: &Marked) -> bool {
    mark.run_dir.as_deref().is_some_and(state::is_live)
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
    known: &'a [HostPlan],
    hosts: BTreeMap<HostUri, Arc<dyn Connected>>,
}

/// Removes what dead runs left; `known` are the lab's hosts, which are searched too. An error: the runs cannot be listed.
pub async fn clean(
    state: &State,
    known: &[HostPlan],
    wish: &Wish,
    tell: &(dyn Fn(&News<'_>) + Sync),
) -> Result<Swept, StateError> {
    let runs = match &wish.run {
        Some(run) => vec![run.clone()],
        None => state.runs()?,
    };
    let mut clean = Clean {
        state,
        wish,
        tell,
        known,
        hosts: BTreeMap::new(),
    };
    let mut swept = Swept::default();
    for run in runs {
        swept.add(clean.run(run).await);
    }
    if wish.run.is_none() {
        swept.add(clean.marked().await);
    }
    Ok(swept)
}

impl Clean<'_> {
    /// Removes what stands in a run's ledger.
    async fn run(&mut self, run: RunId) -> Swept {
        let dir = self.state.run_dir(&run);
        if state::is_live(&dir) {
            (self.tell)(&News::Alive(&run));
            return Swept::default();
        }
        let ledger = dir.join(state::RESOURCES);
        let told: Result<Vec<Resource>, Box<dyn std::error::Error + Send + Sync>> = own::folder(&dir)
            .and_then(|()| own::file(&ledger))
            .map_err(Into::into)
            .and_then(|()| Ledger::left(&ledger).map_err(Into::into));
        let left = match told {
            Ok(left) => left,
            // It keeps nothing of other runs from being removed.
            Err(error) => {
                (self.tell)(&News::NotRead {
                    run: &run,
                    error: &error.to_string(),
                });
                return Swept {
                    unread: 1,
                    ..Swept::default()
                };
            }
        };
        if left.is_empty() {
            return Swept::default();
        }
        if state::is_kept(&dir) && self.wish.run.is_none() && !self.wish.all {
            (self.tell)(&News::Kept {
                run: &run,
                count: left.len(),
            });
            return Swept::default();
        }
        let swept = self.sweep(Trace { run, left }, Some(&ledger)).await;
        if swept.unremoved == 0 && !self.wish.dry_run {
            state::forget_kept(&dir);
        }
        swept
    }

    /// Removes one run's traces, host by host.
    async fn sweep(&mut self, trace: Trace, ledger: Option<&Path>) -> Swept {
        let (tell, run) = (self.tell, &trace.run);
        let mut by_host: BTreeMap<HostUri, Vec<Resource>> = BTreeMap::new();
        let mut swept = Swept::default();
        for resource in trace.left {
            if resource.made.is_of(run) {
                by_host.entry(resource.uri.clone()).or_default().push(resource);
            } else {
                let reason = &foreign("by its name it", run).message;
                tell(&News::NotRemoved {
                    resource: &resource,
                    reason,
                });
                swept.unremoved += 1;
            }
        }
        for (uri, left) in by_host {
            let refuse = |reason: &str| {
                for resource in &left {
                    tell(&News::NotRemoved { resource, reason });
                }
                left.len()
            };
            if !self.is_known(&uri) {
                swept.unremoved += refuse(UNKNOWN_HOST);
                continue;
            }
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
                    swept.unremoved += refuse(&error.message);
                    continue;
                }
            };
            // A run of that id may live with its state elsewhere.
            match host.marked().await {
                Ok(marked) if marked.iter().any(|mark| mark.run == *run && is_live(mark)) => {
                    tell(&News::Alive(run));
                    continue;
                }
                Ok(_) => {}
                Err(error) => {
                    swept.unremoved += refuse(&error.message);
                    continue;
                }
            }
            let mut book = ledger.and_then(|path| Ledger::create(path).ok());
            let (gone, failed) = clean_up(host, run, left, book.as_mut()).await;
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
    async fn marked(&mut self) -> Swept {
        let mut swept = Swept::default();
        for HostPlan { uri, .. } in self.known {
            if self.hosts.keys().any(|known| known.as_str() == uri) {
                continue;
            }
            match connect(&HostPlan::at(uri)).await {
                Ok(host) => {
                    self.hosts.insert(host.uri().clone(), host);
                }
                Err(error) => {
                    swept.unseen += 1;
                    (self.tell)(&News::NotLookedAt { uri, error: &error });
                }
            }
        }
        let mut traces: BTreeMap<RunId, Vec<Resource>> = BTreeMap::new();
        let mut unknown: BTreeMap<RunId, usize> = BTreeMap::new();
        let mut young: BTreeMap<RunId, usize> = BTreeMap::new();
        for host in self.hosts.values() {
            let marked = match host.marked().await {
                Ok(marked) => marked,
                Err(error) => {
                    swept.unseen += 1;
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
                .filter(|mark| is_live(mark))
                .map(|mark| mark.run.clone())
                .collect();
            for mark in marked {
                let dir = mark.run_dir.unwrap_or_else(|| self.state.run_dir(&mark.run));
                let alive = live.contains(&mark.run) || state::is_live(&dir);
                if alive || (state::is_kept(&dir) && !self.wish.all) {
                    continue;
                }
                match self.wish.fate(&mark.run, dir.is_dir()) {
                    Fate::Removed => traces.entry(mark.run).or_default().push(mark.resource),
                    Fate::Young => *young.entry(mark.run).or_default() += 1,
                    Fate::Unknown => *unknown.entry(mark.run).or_default() += 1,
                }
            }
        }
        for (run, &count) in &unknown {
            (self.tell)(&News::Unknown { run, count });
        }
        for (run, &count) in &young {
            (self.tell)(&News::Young { run, count });
        }
        for (run, left) in traces {
            swept.add(self.sweep(Trace { run, left }, None).await);
        }
        swept
    }

    /// Whether a host may be connected to because a list of resources has it. A list is a claim, and a URI can name a program to
    /// start or a socket to trust (<https://libvirt.org/uri.html>): this host's own daemons, else the lab file's very text.
    fn is_known(&self, uri: &HostUri) -> bool {
        *uri == HostUri::system()
            || *uri == HostUri::session()
            || self.known.iter().any(|known| known.uri == uri.as_str())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_live_on_another_machine_is_left_alone() {
        let run: RunId = "20261123-140912-7c1f".parse().expect("an id");
        for (is_known, all, before, fate) in [
            (true, false, "2026-11-01T00:00:00Z", Fate::Removed),
            (true, true, "2026-11-01T00:00:00Z", Fate::Removed),
            (false, false, "2026-12-01T00:00:00Z", Fate::Unknown),
            (false, true, "2026-11-23T14:09:12Z", Fate::Young),
            (false, true, "2026-11-23T14:09:13Z", Fate::Removed),
        ] {
            let wish = Wish {
                all,
                before: before.parse().expect("a time"),
                ..Wish::default()
            };
            assert_eq!(wish.fate(&run, is_known), fate, "{is_known} {all} {before}");
        }
    }
}
