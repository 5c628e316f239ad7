//! `patchgate clean`: removes what dead runs left on their hosts, and never touches a live one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use clap::Args;

use crate::error::UserError;
use crate::exit_code;
use crate::host::connect::connect;
use crate::host::connected::Connected;
use crate::model::id::RunId;
use crate::model::plan::HostPlan;
use crate::model::resource::Resource;
use crate::port::LabError;
use crate::record::ledger::Ledger;
use crate::record::state::{self, State};
use crate::run::clean_up;

/// A file in a run's folder that says that VMs were left on purpose.
pub const KEPT: &str = "kept";

/// Arguments of `clean`.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// The run to clean up after, kept VMs too; by default every dead run, but not what was kept with `--keep`.
    pub run: Option<String>,
    /// Every dead run with what it kept, and everything with patchgate's mark on the host whose run is not known here.
    #[arg(long, conflicts_with = "run")]
    pub all: bool,
    /// Only say what would be removed.
    #[arg(long)]
    pub dry_run: bool,
}

/// What was found of one run.
struct Trace {
    run: RunId,
    left: Vec<Resource>,
}

/// Runs the verb; `known` are the hosts that are searched beside those of dead runs.
pub async fn run(args: CleanArgs, known: &[HostPlan]) -> Result<u8, UserError> {
    let state = State::open()?;
    let runs = match &args.run {
        Some(text) => vec![state.resolve(text, None)?],
        None => state.runs()?,
    };
    let mut hosts: BTreeMap<String, Arc<dyn Connected>> = BTreeMap::new();
    let mut unremoved = 0;
    let mut removed = 0;
    for run in runs {
        let dir = state.run_dir(&run);
        if state::is_live(&dir) {
            println!("run {run} is alive; it is left alone");
            continue;
        }
        let ledger = dir.join(state::RESOURCES);
        let left = Ledger::left(&ledger).map_err(|error| UserError::usage(error.to_string()))?;
        if left.is_empty() {
            continue;
        }
        if dir.join(KEPT).exists() && args.run.is_none() && !args.all {
            println!(
                "run {run} kept {} resources on purpose; `patchgate clean {run}` removes them",
                left.len()
            );
            continue;
        }
        let trace = Trace { run, left };
        let outcome = sweep(&mut hosts, trace, Some(&ledger), args.dry_run).await;
        removed += outcome.0;
        unremoved += outcome.1;
        if outcome.1 == 0 && !args.dry_run {
            // A kept run whose VMs are gone is kept no more; a missing file is what is wanted.
            let _ = std::fs::remove_file(dir.join(KEPT));
        }
    }
    if args.run.is_none() {
        let outcome = marked(&mut hosts, known, &state, &args).await;
        removed += outcome.0;
        unremoved += outcome.1;
    }
    let verb = if args.dry_run {
        "would be removed"
    } else {
        "removed"
    };
    println!("clean: {removed} {verb}, {unremoved} could not be removed");
    Ok(if unremoved == 0 {
        exit_code::OPEN
    } else {
        exit_code::UNDECIDED
    })
}

/// Removes one run's traces, host by host.
async fn sweep(
    hosts: &mut BTreeMap<String, Arc<dyn Connected>>,
    trace: Trace,
    ledger: Option<&Path>,
    dry_run: bool,
) -> (usize, usize) {
    let mut by_host: BTreeMap<String, Vec<Resource>> = BTreeMap::new();
    for resource in trace.left {
        by_host.entry(resource.uri.clone()).or_default().push(resource);
    }
    let (mut removed, mut unremoved) = (0, 0);
    for (uri, left) in by_host {
        if dry_run {
            for resource in &left {
                println!("would remove {resource} (run {})", trace.run);
            }
            removed += left.len();
            continue;
        }
        let host = match host(hosts, &uri).await {
            Ok(host) => host,
            Err(error) => {
                for resource in &left {
                    println!("not removed: {resource}: {error}");
                }
                unremoved += left.len();
                continue;
            }
        };
        let mut book = ledger.and_then(|path| Ledger::create(path).ok());
        let (gone, failed) = clean_up(host, left, book.as_mut()).await;
        for resource in &gone {
            println!("removed {resource} (run {})", trace.run);
        }
        for (resource, reason) in &failed {
            println!("not removed: {resource}: {reason}");
        }
        removed += gone.len();
        unremoved += failed.len();
    }
    (removed, unremoved)
}

/// What carries patchgate's mark on a host and stands in no ledger here: the state folder was lost, or belongs to somebody
/// else.
async fn marked(
    hosts: &mut BTreeMap<String, Arc<dyn Connected>>,
    known: &[HostPlan],
    state: &State,
    args: &CleanArgs,
) -> (usize, usize) {
    for HostPlan { uri, .. } in known {
        if hosts.contains_key(uri) {
            continue;
        }
        match connect(&HostPlan::at(uri)).await {
            Ok(host) => {
                hosts.insert(host.uri().to_owned(), host);
            }
            Err(error) => println!("host {uri} was not looked at: {error}"),
        }
    }
    let mut traces: BTreeMap<RunId, Vec<Resource>> = BTreeMap::new();
    let mut unknown: BTreeMap<RunId, usize> = BTreeMap::new();
    for host in hosts.values() {
        let marked = match host.marked().await {
            Ok(marked) => marked,
            Err(error) => {
                println!("{} cannot be searched: {error}", host.uri());
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
            let dir = mark.run_dir.unwrap_or_else(|| state.run_dir(&mark.run));
            let alive = live.contains(&mark.run) || state::is_live(&dir);
            if alive || (dir.join(KEPT).exists() && !args.all) {
                continue;
            }
            if args.all || dir.is_dir() {
                traces.entry(mark.run).or_default().push(mark.resource);
            } else {
                *unknown.entry(mark.run).or_default() += 1;
            }
        }
    }
    for (run, count) in unknown {
        println!(
            "{count} resources of run {run} are on the host and the run is not known here; `--all` removes them"
        );
    }
    let (mut removed, mut unremoved) = (0, 0);
    for (run, left) in traces {
        let outcome = sweep(hosts, Trace { run, left }, None, args.dry_run).await;
        removed += outcome.0;
        unremoved += outcome.1;
    }
    (removed, unremoved)
}

async fn host<'a>(
    hosts: &'a mut BTreeMap<String, Arc<dyn Connected>>,
    uri: &str,
) -> Result<&'a dyn Connected, LabError> {
    if !hosts.contains_key(uri) {
        let host = connect(&HostPlan::at(uri)).await?;
        hosts.insert(uri.to_owned(), host);
    }
    hosts
        .get(uri)
        .map(AsRef::as_ref)
        .ok_or_else(|| LabError::new(crate::model::outcome::Cause::Internal, "no host"))
}
